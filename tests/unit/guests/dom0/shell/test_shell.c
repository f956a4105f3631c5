/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/shell/shell.c guests/dom0/shell/edit.c guests/dom0/shell/words.c */
/* sources: guests/dom0/manage/log.c guests/dom0/manage/guest_console.c guests/dom0/manage/documents.c guests/dom0/base/xml.c guests/dom0/shell/console.c guests/dom0/vm/console.c guests/dom0/shell/args.c guests/dom0/shell/commands_domain.c */
/* sources: guests/dom0/shell/commands_define.c guests/dom0/manage/define.c guests/dom0/vm/watch.c */
/* The shell and guests' consoles, on a terminal and guests of the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/base/sums.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/uart.h"
#include "guests/dom0/manage/identity.h"
#include "guests/dom0/manage/log.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/shell/console.h"
#include "guests/dom0/shell/pools.h"
#include "guests/dom0/shell/power.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/store/store.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/vm.h"

#define TIMERS 8
#define GUESTS 2

static char shown[1 << 18];
static size_t shown_bytes, room = 16384;
static uint64_t now = 1000;
static struct timer *timers[TIMERS];
static size_t (*keys)(const uint8_t *bytes, size_t n);
static struct vm_config config[GUESTS];
static struct vm guest[GUESTS];
static struct machine_state *const some_state = (void *)8;
static char uart_got[256], virtio_got[256];
static const char *refusal;
static char called[128];

static struct sampo_log log_memory;
static const struct sampo_boot boot_info = {.log = (uintptr_t)&log_memory};
const struct sampo_boot *boot = &boot_info;
void (*guest_log_told)(void);

/* --- the terminal and the loop -------------------------------------------- */

void term_start(size_t (*input)(const uint8_t *bytes, size_t n), void (*log)(void))
{
	keys = input;
	assert_ptr_equal(log, guest_log_told);
}

void term_write(const char *text, size_t bytes)
{
	assert_true(shown_bytes + bytes < sizeof(shown));
	memcpy(shown + shown_bytes, text, bytes);
	shown_bytes += bytes;
	shown[shown_bytes] = '\0';
}

void term_printf(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	term_write(text, strlen(text));
}

size_t term_room(void)
{
	return room;
}

void term_flush(void)
{
}

uint64_t clock_ns(void)
{
	return now;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
	for (unsigned i = 0; i < TIMERS; i++) {
		if (timers[i] == timer)
			return;
		if (!timers[i]) {
			timers[i] = timer;
			return;
		}
	}
	fail();
}

void timer_set(struct timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
}

void timer_cancel(struct timer *timer)
{
	timer->deadline = 0;
}

static void pass(uint64_t ns)
{
	uint64_t end = now + ns;

	for (;;) {
		struct timer *next = NULL;

		for (unsigned i = 0; i < TIMERS; i++)
			if (timers[i] && timers[i]->deadline &&
			    (!next || timers[i]->deadline < next->deadline))
				next = timers[i];
		if (!next || next->deadline > end)
			break;
		if (next->deadline > now)
			now = next->deadline;
		next->deadline = 0;
		next->fire(next);
	}
	now = end;
}

/* --- guests --------------------------------------------------------------- */

uint16_t display_port(const struct vm *vm)
{
	(void)vm;
	return 0;
}

struct vm *vm_first(void)
{
	return &guest[0];
}

struct vm *vm_next(const struct vm *vm)
{
	return vm == &guest[0] ? &guest[1] : NULL;
}

struct vm *vm_find(const char *name)
{
	for (unsigned i = 0; i < GUESTS; i++)
		if (!strcmp(guest[i].name, name))
			return &guest[i];
	return NULL;
}

static const char *note(const char *what, struct vm *vm)
{
	snprintf(called, sizeof(called), "%s %s", what, vm->name);
	return refusal;
}

const char *vm_start(struct vm *vm)
{
	if (!refusal) {
		vm->run = VM_RUNNING;
		vm->state = some_state;
	}
	return note("start", vm);
}

const char *vm_start_paused(struct vm *vm)
{
	vm->run = VM_PAUSED;
	return note("start paused", vm);
}

const char *vm_nmi(struct vm *vm)
{
	return note("nmi", vm);
}

const char *vm_destroy(struct vm *vm)
{
	vm->run = VM_OFF;
	return note("destroy", vm);
}

const char *vm_shutdown(struct vm *vm)
{
	return note("shutdown", vm);
}

const char *vm_reboot(struct vm *vm)
{
	return note("reboot", vm);
}

const char *vm_reset(struct vm *vm)
{
	return note("reset", vm);
}

const char *vm_suspend(struct vm *vm)
{
	return note("suspend", vm);
}

const char *vm_resume(struct vm *vm)
{
	return note("resume", vm);
}

const char *vm_undefine(struct vm *vm)
{
	return note("undefine", vm);
}

const char *vm_define(struct vm_config *defined, struct vm **vm)
{
	(void)defined;
	*vm = &guest[1];
	return refusal;
}

struct vm *vm_find_name(const char *name)
{
	for (unsigned i = 0; i < GUESTS; i++)
		if (!strcmp(guest[i].name, name))
			return &guest[i];
	return NULL;
}

const char *vm_may_define(const struct vm_config *defined)
{
	(void)defined;
	return NULL;
}

struct vm_config *vm_own_config(const struct vm *vm)
{
	return (struct vm_config *)vm->config;
}

struct vm_config *vm_next_config(const struct vm *vm)
{
	return (struct vm_config *)vm->config;
}

void vm_redefine(struct vm *vm, struct vm_config *defined)
{
	(void)vm;
	(void)defined;
}

void vm_rename(struct vm *vm, const char *name)
{
	(void)vm;
	(void)name;
}

void config_free(struct vm_config *defined)
{
	(void)defined;
}

/* --- no store ------------------------------------------------------------- */

bool store_is_open(void)
{
	return false;
}

const char *store_why(void)
{
	return "no pool";
}

const char *store_make(struct pool *pool, store_done *done, void *context)
{
	(void)pool;
	(void)done;
	(void)context;
	return "no pool";
}

const char *store_put_domain(const struct database_domain *domain, store_done *done, void *context)
{
	(void)domain;
	(void)done;
	(void)context;
	return "no store";
}

const char *store_rename_domain(const char *name, const struct database_domain *domain,
				store_done *done, void *context)
{
	(void)name;
	return store_put_domain(domain, done, context);
}

const char *store_drop_domain(const char *name, store_done *done, void *context)
{
	(void)name;
	(void)done;
	(void)context;
	return "no store";
}

const char *store_mark_domain(const char *name, bool autostart, store_done *done, void *context)
{
	(void)autostart;
	return store_drop_domain(name, done, context);
}

const char *store_domains(void (*each)(void *context, const struct database_domain *domain),
			  void *context)
{
	(void)each;
	(void)context;
	return NULL;
}

void store_status(struct store_status *status)
{
	memset(status, 0, sizeof(*status));
}

const char *identity_keep_name(const char *name, identity_done *done, void *context)
{
	return store_drop_domain(name, done, context);
}

const char *identity_keep_ip(const char *ip, identity_done *done, void *context)
{
	return store_drop_domain(ip, done, context);
}

void identity_kept(char name[IDENTITY_BYTES], char ip[IDENTITY_BYTES])
{
	*name = *ip = 0;
}

void recall_identity(void)
{
}

const char *stack_name(void)
{
	return "sampo";
}

bool stack_is_fixed(void)
{
	return false;
}

struct pool *shell_pool(const char *name)
{
	(void)name;
	return NULL;
}

bool shell_pools_are_read(void)
{
	return true;
}

bool module_find(const char *name, struct module *module)
{
	*module = (struct module){.name = name, .data = (const uint8_t *)name};
	return !strcmp(name, "there.xml") || !strcmp(name, "damaged.xml");
}

const char *sums_check(const struct module *module)
{
	return !strcmp(module->name, "damaged.xml") ? "it is damaged" : NULL;
}

struct vm_config *config_parse(const char *file, const char *xml, size_t bytes,
			       struct config_error *error)
{
	(void)xml;
	(void)bytes;
	memset(error, 0, sizeof(*error));
	if (refusal)
		snprintf(error->refusals.text, sizeof(error->refusals.text),
			 "%s:1: <x>: no\n%s:2: <y>: no\n", file, file);
	else
		snprintf(error->notes.text, sizeof(error->notes.text), "%s:1: <z>: yes\n", file);
	return refusal ? NULL : &config[1];
}

void config_each_line(const struct config_report *report, void (*line)(const char *text))
{
	char text[64];

	for (const char *at = report->text; *at; at += strcspn(at, "\n") + 1) {
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(at, "\n"), at);
		line(text);
	}
}

void stats_nic_name(char text[STATS_NIC_NAME], const struct vm_config *config, unsigned nic)
{
	snprintf(text, STATS_NIC_NAME, "%s/%u", config->name, nic);
}

void config_dump(const struct vm_config *of, uint32_t id,
		 void (*put)(void *context, const char *text), void *context)
{
	(void)of;
	(void)id;
	put(context, "<domain>\n");
	put(context, "</domain>\n");
}

void power_end(uint64_t operation, bool force)
{
	(void)force;
	(void)operation;
}

bool power_ends(void)
{
	return false;
}

size_t uart_room(struct vm *vm, unsigned instance)
{
	(void)vm;
	(void)instance;
	return sizeof(uart_got) - 1 - strlen(uart_got);
}

void uart_input(struct vm *vm, unsigned instance, const uint8_t *data, size_t len)
{
	assert_ptr_equal(vm->state, some_state);
	assert_int_equal(instance, 0);
	strncat(uart_got, (const char *)data, len);
}

size_t virtio_console_input(struct vm *vm, const void *data, size_t bytes)
{
	(void)vm;
	strncat(virtio_got, data, bytes);
	return bytes;
}

bool virtio_console_room(const struct vm *vm)
{
	(void)vm;
	return true;
}

#define NO_COMMANDS(name)                                                    \
	const struct shell_command name[] = {                                \
		{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL}, \
	}
NO_COMMANDS(shell_monitor_commands);
NO_COMMANDS(shell_stats_commands);
NO_COMMANDS(shell_sched_commands);
NO_COMMANDS(shell_memory_commands);
NO_COMMANDS(shell_device_commands);
NO_COMMANDS(shell_nodedev_commands);
NO_COMMANDS(shell_pool_commands);
NO_COMMANDS(shell_pool_change_commands);
NO_COMMANDS(shell_attach_commands);
NO_COMMANDS(shell_fetch_commands);
NO_COMMANDS(shell_clone_commands);
NO_COMMANDS(shell_snapshot_commands);
NO_COMMANDS(shell_tls_commands);
NO_COMMANDS(shell_screen_commands);
NO_COMMANDS(shell_host_commands);
NO_COMMANDS(shell_help_commands);

/* --- the tests ------------------------------------------------------------ */

static int setup(void **state)
{
	static bool started;

	(void)state;
	for (unsigned i = 0; i < GUESTS; i++) {
		vm_console_forget(&guest[i]);
		memset(&guest[i], 0, sizeof(guest[i]));
		memset(&config[i], 0, sizeof(config[i]));
		snprintf(guest[i].name, sizeof(guest[i].name), "guest%u", i);
		guest[i].config = &config[i];
		config[i].serials = 1;
	}
	guest[0].run = VM_RUNNING;
	guest[0].state = some_state;
	refusal = NULL;
	room = 16384;
	uart_got[0] = virtio_got[0] = called[0] = '\0';
	if (!started)
		shell_start();
	started = true;
	pass(10000000000);
	shown_bytes = 0;
	shown[0] = '\0';
	return 0;
}

static void type(const char *text)
{
	keys((const uint8_t *)text, strlen(text));
}

/* Types a line; what comes up to the next prompt. */
static const char *run(const char *line)
{
	static char output[sizeof(shown)];
	char echo[256];

	shown_bytes = 0;
	shown[0] = '\0';
	type(line);
	type("\r");
	pass(100000000);
	snprintf(echo, sizeof(echo), "%s\r\n", line);
	assert_memory_equal(shown, echo, strlen(echo));
	strcpy(output, shown + strlen(echo));
	return output;
}

static void verbs(void **state)
{
	(void)state;
	assert_string_equal(run("start guest1"), "Domain 'guest1' started\n\nsampo# ");
	assert_string_equal(called, "start guest1");
	assert_string_equal(run("shutdown guest1"), "Domain 'guest1' is being shutdown\n\nsampo# ");
	assert_string_equal(run("destroy 'guest1'"), "Domain 'guest1' destroyed\n\nsampo# ");
	assert_string_equal(run("  reboot   guest0 "),
			    "Domain 'guest0' is being rebooted\n\nsampo# ");
	assert_string_equal(run("reset guest0"), "Domain 'guest0' was reset\n\nsampo# ");
	assert_string_equal(run("suspend guest0"), "Domain 'guest0' suspended\n\nsampo# ");
	assert_string_equal(run("resume guest0"), "Domain 'guest0' resumed\n\nsampo# ");
	assert_string_equal(run("dumpxml guest0"), "<domain>\n</domain>\n\nsampo# ");
	assert_string_equal(run("define there.xml"),
			    "there.xml:1: <z>: yes\nDomain 'guest1' defined from there.xml\n"
			    "It is not kept over a start of the machine: no pool.\n\nsampo# ");
	assert_false(guest[1].transient);
	assert_string_equal(
		run("create --paused --file there.xml"),
		"there.xml:1: <z>: yes\nDomain 'guest1' created from there.xml\n\nsampo# ");
	assert_string_equal(called, "start paused guest1");
	assert_true(guest[1].transient);
	assert_string_equal(run("autostart guest1"),
			    "error: Failed to mark domain 'guest1' as autostarted\n"
			    "error: Requested operation is not valid: cannot set autostart for "
			    "transient domain\n\nsampo# ");
	guest[1].transient = false;
	assert_non_null(strstr(run("autostart guest1"),
			       "'guest1' marked as autostarted\nThis mark is not"));
	assert_true(guest[1].autostart);
	assert_non_null(strstr(run("autostart guest1 --disable"), "unmarked as"));
	assert_false(guest[1].autostart);
	assert_string_equal(run("inject-nmi --domain=guest0"), "\nsampo# ");
	assert_string_equal(called, "nmi guest0");
	assert_string_equal(run("shutdown --mode acpi --domain guest0"),
			    "Domain 'guest0' is being shutdown\n\nsampo# ");
	assert_string_equal(run("destroy guest1 --graceful"),
			    "Domain 'guest1' destroyed\n\nsampo# ");
	assert_string_equal(run("undefine guest1"),
			    "Domain 'guest1' has been undefined\n\nsampo# ");
	assert_string_equal(run("# nothing"), "sampo# ");
	assert_string_equal(run(""), "sampo# ");
}

static void errors(void **state)
{
	(void)state;
	assert_string_equal(run("start nobody"), "error: failed to get domain 'nobody'\n\nsampo# ");
	assert_string_equal(run("frob"), "error: unknown command: 'frob'\nsampo# ");
	assert_string_equal(run("start"),
			    "error: command 'start' requires <domain> option\nsampo# ");
	assert_string_equal(run("start guest0"), "error: Domain is already active\n\nsampo# ");
	assert_string_equal(run("reboot guest0 --mode agent"),
			    "error: Failed to reboot domain 'guest0'\n"
			    "error: Operation not supported: a mode without the ACPI power "
			    "button\n\nsampo# ");
	assert_string_equal(run("reboot guest0 --mode agent,acpi"),
			    "Domain 'guest0' is being rebooted\n\nsampo# ");
	called[0] = '\0';
	assert_non_null(strstr(run("shutdown guest0 --mode=x"), "Unknown mode x value, expecting"));
	assert_string_equal(run("destroy guest0 more"), "error: unexpected data 'more'\nsampo# ");
	assert_string_equal(run("destroy guest0 --now"),
			    "error: command 'destroy' doesn't support option "
			    "--now\nsampo# ");
	assert_string_equal(run("start 'guest0"), "error: missing '\nsampo# ");
	assert_string_equal(called, "");
	refusal = "out of memory";
	assert_string_equal(run("start guest1"), "error: Failed to start domain 'guest1'\n"
						 "error: out of memory\n\nsampo# ");
	assert_string_equal(run("define there.xml"),
			    "error: Failed to define domain from there.xml\n"
			    "error: there.xml:1: <x>: no\n"
			    "error: there.xml:2: <y>: no\n\nsampo# ");
	assert_string_equal(run("define other.xml"),
			    "error: Failed to open file 'other.xml': No such file or "
			    "directory\n\nsampo# ");
	assert_string_equal(run("console guest1"), "error: The domain is not running\n\nsampo# ");
	assert_string_equal(run("console guest0 --devname virtio"),
			    "error: cannot find console device 'virtio'\n"
			    "\nsampo# ");
	assert_string_equal(run("destroy Domain-0"),
			    "error: Operation not supported: Domain-0 is not a guest\n\nsampo# ");
}

static void damaged(void **state)
{
	(void)state;
	assert_string_equal(run("define damaged.xml"),
			    "error: Failed to define domain from damaged.xml\n"
			    "error: it is damaged\n\nsampo# ");
}

static void completion(void **state)
{
	(void)state;
	type("st\tgu\t1\t");
	assert_string_equal(shown, "start guest1 ");
	type("\003");
	shown_bytes = 0;
	type("define \t");
	assert_string_equal(shown, "define \a");
	type("\003");
	shown_bytes = 0;
	type("define;st\tgu\t1\t; def\t");
	assert_string_equal(shown, "define;start guest1 ; define ");
	type("\003");
}

/* A line of several commands. */
static void commands(void **state)
{
	(void)state;
	assert_string_equal(run("start guest1; reset guest0"),
			    "Domain 'guest1' started\n\nDomain 'guest0' was reset\n\nsampo# ");
	assert_string_equal(called, "reset guest0");
	assert_string_equal(run(" ;destroy 'guest1;'; destroy guest1;"),
			    "error: failed to get domain 'guest1;'\n\n"
			    "Domain 'guest1' destroyed\n\nsampo# ");
	called[0] = '\0';
	assert_string_equal(run("start guest1; frob"), "error: unknown command: 'frob'\nsampo# ");
	assert_string_equal(run("start guest1; start"),
			    "error: command 'start' requires <domain> option\nsampo# ");
	assert_string_equal(run("start guest1; start '"), "error: missing '\nsampo# ");
	assert_string_equal(called, "");
	assert_string_equal(run("; ;"), "sampo# ");
}

static void output(struct vm *vm, const char *text)
{
	vm_console_output(vm, CONSOLE_SERIAL, (const uint8_t *)text, strlen(text));
}

#define CONNECTED                        \
	"Connected to domain 'guest0'\n" \
	"Escape character is ^] (Ctrl + ])\n"

static void connect_and_leave(void **state)
{
	(void)state;
	output(&guest[0], "before\n");
	assert_string_equal(run("console guest0"), CONNECTED "before\n");
	shown_bytes = 0;
	output(&guest[0], "now ");
	output(&guest[1], "not shown");
	vm_console_output(&guest[0], CONSOLE_VIRTIO, (const uint8_t *)"x", 1);
	output(&guest[0], "and then\n");
	pass(10000000);
	assert_string_equal(shown, "now and then\n");
	type("ls\r\003");
	assert_string_equal(uart_got, "ls\r\003");
	shown_bytes = 0;
	type("\x1d");
	assert_string_equal(shown, "\nsampo# ");
	/* what came since is shown on coming back, and only that */
	output(&guest[0], "since\n");
	pass(1000000000);
	assert_string_equal(shown, "\nsampo# ");
	assert_string_equal(run("console guest0"), CONNECTED "since\n");
	type("\x1d");
}

/* The commands behind one that goes on wait for its end. */
static void commands_wait(void **state)
{
	(void)state;
	assert_string_equal(run("console guest0; reset guest0; suspend guest0"), CONNECTED);
	assert_string_equal(called, "");
	shown_bytes = 0;
	type("\x1d");
	assert_string_equal(shown, "\nDomain 'guest0' was reset\n\n"
				   "Domain 'guest0' suspended\n\nsampo# ");
	run("console guest0; destroy guest0");
	shell_interrupt();
	type("\r");
	assert_string_equal(called, "suspend guest0");
	assert_int_equal(guest[0].run, VM_RUNNING);
}

static void devices(void **state)
{
	(void)state;
	config[0].virtio_console = true;
	output(&guest[0], "serial\n");
	vm_console_output(&guest[0], CONSOLE_VIRTIO, (const uint8_t *)"virtio\n", 7);
	assert_string_equal(run("console guest0 --devname virtio"), CONNECTED "virtio\n");
	type("abc\x1d");
	assert_string_equal(virtio_got, "abc");
	assert_string_equal(run("console guest0 --devname=serial0"), CONNECTED "serial\n");
	type("def\x1d");
	assert_string_equal(uart_got, "def");
	config[0].serials = 0; /* then virtio is the default */
	run("console guest0");
	type("g\x1d");
	assert_string_equal(virtio_got, "abcg");
}

static void flood(void **state)
{
	char line[64];

	(void)state;
	run("console guest0");
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(line, sizeof(line), "line %u\n", i);
		output(&guest[0], line);
	}
	assert_true(shown_bytes < 1024); /* nothing before its time */
	pass(1000000000);
	assert_non_null(strstr(shown, "bytes not shown]"));
	assert_non_null(strstr(shown, "line 19999\n"));
	assert_true(shown_bytes < 40000);
	/* a terminal that takes nothing holds nobody up */
	room = 100;
	shown_bytes = 0;
	output(&guest[0], "waiting\n");
	pass(1000000000);
	assert_int_equal(shown_bytes, 0);
	room = 16384;
	pass(1000000000);
	assert_string_equal(shown, "waiting\n");
	type("\x1d");
}

static void guest_ends(void **state)
{
	(void)state;
	run("console guest0");
	guest[0].run = VM_OFF; /* starts again at once: stays connected */
	pass(100000000);
	guest[0].run = VM_RUNNING;
	pass(2000000000);
	assert_ptr_equal(console_attached(), &guest[0]);
	shown_bytes = 0;
	output(&guest[0], "last words\n");
	guest[0].run = VM_OFF;
	guest[0].state = NULL;
	type("typed too late");
	pass(2000000000);
	assert_string_equal(shown, "last words\n\nDomain 'guest0' is not "
				   "running\nsampo# ");
	assert_string_equal(run("console guest0 --log"), "last words\n\nsampo# ");
	assert_string_equal(run("console guest1 --log"), "\nsampo# ");
}

/* The kernel's hand: text behind the log's end, and dom0 is told. */
static void to_log(const char *text)
{
	for (; *text; text++)
		log_memory.text[log_memory.end++ % sizeof(log_memory.text)] = *text;
	guest_log_told();
}

static void log_lines(void **state)
{
	(void)state;
	type("list");
	to_log("[    1.000000] <4>LOG");
	assert_string_equal(shown, "list"); /* until the line is whole */
	to_log("\n[    2.000000] more\n");
	assert_string_equal(shown, "list\r           \rLOG\nmore\n\rsampo# list");
	shown_bytes = 0;
	to_log("[    3.000000] <5>shell: what I did\n[    3.000000] <7>by a debug key\n");
	assert_int_equal(shown_bytes, 0);
	type("\003");
	run("console guest0"); /* not while a guest has the console */
	shown_bytes = 0;
	to_log("[    4.000000] unseen\n[    5.000000] <5>shell: no\n");
	assert_int_equal(shown_bytes, 0);
	type("\x1d");
	assert_string_equal(shown, "\n1 line came to the log meanwhile, see dmesg\nsampo# ");
	shown_bytes = 0;
	to_log("a line without its beginning, "); /* longer than can be taken at once */
	for (unsigned i = 0; i < 60; i++)
		to_log("0123456789");
	to_log("\n");
	assert_non_null(strstr(shown, "beginning, 0123456789"));
	type("\003");
}

/* What the guest has no room for comes again; what it never takes is lost at last. */
static void held(void **state)
{
	uint8_t paste[1000];
	size_t done;

	(void)state;
	memset(paste, 'p', sizeof(paste));
	run("console guest0");
	done = keys(paste, sizeof(paste));
	assert_int_equal(done, sizeof(uart_got) - 1);
	assert_int_equal(keys(paste, 1), 0);
	pass(4000000000);
	assert_int_equal(keys(paste, 1), 0);
	uart_got[0] = '\0'; /* the guest has read */
	assert_int_equal(keys(paste, 100), 100);
	assert_int_equal(keys(paste, sizeof(paste)), sizeof(uart_got) - 1 - 100);
	pass(2000000000); /* too little in this time */
	shown_bytes = 0;
	assert_int_equal(keys(paste, sizeof(paste)), sizeof(paste));
	type("\x1d");
	assert_string_equal(shown,
			    "\n1000 bytes of what was typed are lost: the guest did not read "
			    "them\nsampo# ");
}

static void levels(void **state)
{
	(void)state;
	assert_int_equal(log_levels("emerg"), 1);
	assert_int_equal(log_levels("err,warn,debug"), 0x98);
	assert_int_equal(log_levels("err,"), 0);
	assert_int_equal(log_levels(""), 0);
	assert_int_equal(log_levels("er"), 0);
	assert_int_equal(log_levels("errs,err"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(verbs, setup),
		cmocka_unit_test_setup(errors, setup),
		cmocka_unit_test_setup(damaged, setup),
		cmocka_unit_test_setup(completion, setup),
		cmocka_unit_test_setup(commands, setup),
		cmocka_unit_test_setup(commands_wait, setup),
		cmocka_unit_test_setup(connect_and_leave, setup),
		cmocka_unit_test_setup(devices, setup),
		cmocka_unit_test_setup(flood, setup),
		cmocka_unit_test_setup(guest_ends, setup),
		cmocka_unit_test_setup(log_lines, setup),
		cmocka_unit_test_setup(held, setup),
		cmocka_unit_test_setup(levels, setup),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	for (unsigned i = 0; i < GUESTS; i++)
		vm_console_forget(&guest[i]);
	return failed;
}
