/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/manage/define.c */
/* Guests that stay. A description here is "NAME UUID", the second a letter, and "bad" behind that
 * is refused. The store is a list of the test's, which does its changes at once. */
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/define.h"
#include "guests/dom0/store/store.h"
#include "guests/dom0/vm/vm.h"
#include "guests/dom0/vm/watch.h"
#include "tests/unit/unit.h"

#define ROWS 4u

static struct row {
	char name[64], xml[64];
	bool autostart;
} rows[ROWS];
static bool is_open, can_be_made;
static struct vm *vms;

/* --- descriptions -------------------------------------------------------------------------------
 */

struct vm_config *config_parse(const char *file, const char *xml, size_t bytes,
			       struct config_error *error)
{
	struct vm_config *config = calloc(1, sizeof(*config));
	char text[64], letter;

	(void)file;
	snprintf(text, sizeof(text), "%.*s", (int)bytes, xml);
	memset(error, 0, sizeof(*error));
	assert_int_equal(sscanf(text, "%63s %c", config->name, &letter), 2);
	config->uuid[0] = (uint8_t)letter;
	if (!strstr(text, "bad"))
		return config;
	snprintf(error->refusals.text, sizeof(error->refusals.text), "web:1: bad\n");
	free(config);
	return NULL;
}

void config_free(struct vm_config *config)
{
	free(config);
}

void config_each_line(const struct config_report *report, void (*line)(const char *text))
{
	(void)report;
	(void)line;
}

void config_dump(const struct vm_config *config, uint32_t id,
		 void (*put)(void *context, const char *text), void *context)
{
	(void)id;
	put(context, config->name);
}

/* --- guests -------------------------------------------------------------------------------------
 */

struct vm *vm_find_name(const char *name)
{
	struct vm *vm = vms;

	while (vm && strcmp(vm->name, name) != 0)
		vm = vm->next;
	return vm;
}

const char *vm_may_define(const struct vm_config *config)
{
	const struct vm *vm = vm_find_name(config->name);

	return vm && vm->config->uuid[0] != config->uuid[0] ? "it exists with another UUID" : NULL;
}

const char *vm_define(struct vm_config *config, struct vm **defined)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	assert_null(vm_find_name(config->name));
	snprintf(vm->name, sizeof(vm->name), "%.63s", config->name);
	vm->config = config;
	vm->next = vms;
	vms = vm;
	*defined = vm;
	return NULL;
}

void vm_redefine(struct vm *vm, struct vm_config *config)
{
	free((void *)vm->config);
	vm->config = config;
}

struct vm_config *vm_own_config(const struct vm *vm)
{
	return (struct vm_config *)vm->config;
}

struct vm_config *vm_next_config(const struct vm *vm)
{
	return (struct vm_config *)vm->config;
}

void vm_rename(struct vm *vm, const char *name)
{
	(void)vm;
	(void)name;
}

const char *vm_undefine(struct vm *vm)
{
	struct vm **at = &vms;

	while (*at != vm)
		at = &(*at)->next;
	*at = vm->next;
	free((void *)vm->config);
	free(vm);
	return NULL;
}

void vm_tell(struct vm *vm, enum vm_event event)
{
	(void)vm;
	(void)event;
}

/* --- the store ----------------------------------------------------------------------------------
 */

const char *store_rename_domain(const char *name, const struct database_domain *domain,
				store_done *done, void *context)
{
	(void)name;
	(void)domain;
	(void)done;
	(void)context;
	return "no names change here";
}

static struct row *row(const char *name)
{
	for (unsigned i = 0; i < ROWS; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static void keep_row(const char *name, const char *xml, bool autostart)
{
	struct row *to = row(name) ? row(name) : row("");

	snprintf(to->name, sizeof(to->name), "%s", name);
	snprintf(to->xml, sizeof(to->xml), "%s", xml);
	to->autostart = autostart;
}

bool store_is_open(void)
{
	return is_open;
}

const char *store_make(struct pool *pool, store_done *done, void *context)
{
	(void)pool;
	if (!can_be_made)
		return "there is no pool";
	is_open = true;
	done(context, NULL);
	return NULL;
}

const char *store_put_domain(const struct database_domain *domain, store_done *done, void *context)
{
	char xml[64];

	snprintf(xml, sizeof(xml), "%.*s", (int)domain->bytes, domain->xml);
	keep_row(domain->name, xml, domain->autostart);
	done(context, NULL);
	return NULL;
}

const char *store_drop_domain(const char *name, store_done *done, void *context)
{
	if (row(name))
		memset(row(name), 0, sizeof(rows[0]));
	done(context, NULL);
	return NULL;
}

const char *store_mark_domain(const char *name, bool autostart, store_done *done, void *context)
{
	row(name)->autostart = autostart;
	done(context, NULL);
	return NULL;
}

const char *store_domains(void (*each)(void *context, const struct database_domain *domain),
			  void *context)
{
	for (unsigned i = 0; is_open && i < ROWS; i++) {
		struct database_domain domain = {
			.name = rows[i].name,
			.xml = rows[i].xml,
			.bytes = strlen(rows[i].xml),
			.autostart = rows[i].autostart,
		};

		if (*rows[i].name)
			each(context, &domain);
	}
	return NULL;
}

void store_status(struct store_status *status)
{
	memset(status, 0, sizeof(*status));
}

/* --- tests --------------------------------------------------------------------------------------
 */

static char failure[200], noted[300];
static unsigned ends;

static void ended(void *context, struct vm *vm, const char *wrong, const char *note)
{
	(void)context;
	(void)vm;
	ends++;
	snprintf(failure, sizeof(failure), "%s", wrong ? wrong : "");
	snprintf(noted, sizeof(noted), "%s", note);
}

static const char *define(const char *xml)
{
	static struct config_error error;

	ends = 0;
	return define_guest("file", xml, strlen(xml), &error, ended, NULL);
}

static int clear(void **state)
{
	(void)state;
	while (vms)
		vm_undefine(vms);
	memset(rows, 0, sizeof(rows));
	is_open = false;
	can_be_made = true;
	recall_guests();
	return 0;
}

static void kept(void **state)
{
	(void)state;
	can_be_made = false;
	assert_null(define("web a"));
	assert_int_equal(ends, 1);
	assert_non_null(strstr(noted, "not kept"));
	can_be_made = true;
	assert_null(define("web a more"));
	assert_string_equal(failure, "");
	assert_string_equal(noted, "");
	assert_string_equal(row("web")->xml, "web a more");
	assert_true(vm_find_name("web")->kept);
	assert_string_equal(define("web b"), "it exists with another UUID");
	assert_int_equal(ends, 0);
	assert_null(define("db a"));
	assert_null(undefine_guest(vm_find_name("web"), ended, NULL));
	assert_null(row("web"));
	assert_null(vm_find_name("web"));
}

/* The store that a definition opens has a guest of this name already, of which nobody knew. */
static void finds_others(void **state)
{
	(void)state;
	keep_row("web", "web a", true);
	assert_null(define("web b"));
	assert_int_equal(ends, 1);
	assert_string_equal(failure, "it exists with another UUID");
	assert_string_equal(row("web")->xml, "web a");
	assert_int_equal(vm_find_name("web")->config->uuid[0], 'a');
	assert_true(vm_find_name("web")->autostart);
	clear(state);
	keep_row("web", "web a", true);
	assert_null(define("web a new"));
	assert_string_equal(failure, "");
	assert_string_equal(row("web")->xml, "web a new");
	assert_true(row("web")->autostart && vm_find_name("web")->autostart);
}

/* A description that is refused: the list has it once, however often the store is read, and the
 * guest that takes its place has its mark. */
static void refused(void **state)
{
	(void)state;
	is_open = true;
	keep_row("web", "web a bad", true);
	keep_row("db", "db a bad", false);
	recall_guests();
	recall_guests();
	assert_non_null(refused_guest_at(1));
	assert_null(refused_guest_at(2));
	assert_non_null(refused_guest("db"));
	memset(row("db"), 0, sizeof(rows[0]));
	recall_guests();
	assert_null(refused_guest("db"));
	assert_null(define("web a"));
	assert_string_equal(failure, "");
	assert_null(refused_guest_at(0));
	assert_true(vm_find_name("web")->autostart);
	assert_true(row("web")->autostart);
	assert_null(mark_guest(vm_find_name("web"), false, ended, NULL));
	assert_false(row("web")->autostart);
	assert_null(define("web a again"));
	assert_false(vm_find_name("web")->autostart);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kept, clear, clear),
		cmocka_unit_test_setup_teardown(finds_others, clear, clear),
		cmocka_unit_test_setup_teardown(refused, clear, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
