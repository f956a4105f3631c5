/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs about what dom0 remembers. Each waits for the disks without holding up dom0. */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/base/memory.h"
#include "guests/dom0/base/sums.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/define.h"
#include "guests/dom0/manage/identity.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/shell/pools.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/store/store.h"
#include "guests/dom0/vm/vm.h"

#define LOOK_NS 5000000u

static struct {
	bool ended;
	char file[160];                /* that a guest is defined from, or "" */
	char what[CONFIG_NAME + 200];  /* virsh's sentence about success */
	char fault[CONFIG_NAME + 200]; /* and about failure */
	char why[320], note[320];
} job;

static void begin(void)
{
	memset(&job, 0, sizeof(job));
}

static void ended(void *context, struct vm *vm, const char *wrong, const char *note)
{
	(void)context;
	job.ended = true;
	if (*job.file && vm)
		snprintf(job.what, sizeof(job.what), "Domain '%s' defined from %s", vm->name,
			 job.file);
	snprintf(job.why, sizeof(job.why), "%s", wrong ? wrong : "");
	snprintf(job.note, sizeof(job.note), "%s", note);
}

static void store_ended(void *context, const char *wrong)
{
	ended(context, NULL, wrong, "");
}

/* Some verbs of virsh have no sentence about failure. */
static void print_failure(const char *why)
{
	if (*job.fault)
		shell_failure(why, "%s", job.fault);
	else
		shell_error("%s", why);
}

static void print_end(void)
{
	if (*job.why) {
		print_failure(job.why);
		return;
	}
	if (*job.what)
		term_printf("%s\n", job.what);
	if (*job.note)
		term_printf("%s\n", job.note);
}

/* ^C gives the shell back; a change that has begun goes on to its end. */
static bool wait_for_end(bool cancel)
{
	if (cancel) {
		term_printf("The change goes on.\n");
		return false;
	}
	if (!job.ended)
		return true;
	print_end();
	if (!*job.why)
		term_printf("\n");
	return false;
}

/* Returns true if the end has yet to come, for which a job waits. */
static bool wait(const char *wrong)
{
	if (wrong) {
		print_failure(wrong);
		return false;
	}
	if (job.ended) {
		print_end();
		return false;
	}
	shell_job(wait_for_end, LOOK_NS);
	return true;
}

void shell_keep(struct vm *vm)
{
	begin();
	snprintf(job.fault, sizeof(job.fault), "Failed to keep the change of domain '%s'",
		 vm->name);
	wait(rewrite_guest(vm, ended, NULL));
}

static void print_error(const char *text)
{
	shell_error("%s", text);
}

static void print_note(const char *text)
{
	term_printf("%s\n", text);
}

static void begin_definition(const char *from)
{
	begin();
	snprintf(job.file, sizeof(job.file), "%s", from);
	snprintf(job.fault, sizeof(job.fault), "Failed to define domain from %.160s", from);
}

bool shell_define_text(const char *from, const char *text, size_t bytes)
{
	static struct config_error error;
	const char *wrong;

	begin_definition(from);
	wrong = define_guest(from, text, bytes, &error, ended, NULL);
	config_each_line(&error.notes, print_note);
	if (!wrong || *wrong)
		return wait(wrong);
	shell_error("%s", job.fault);
	config_each_line(&error.refusals, print_error);
	return false;
}

/* A description is one of the files that came with the machine's boot. */
static void run_define(const struct args *args)
{
	const char *file = args_text(args, "file"), *wrong;
	struct module module;

	if (!module_find(file, &module)) {
		shell_error("Failed to open file '%s': No such file or directory", file);
		return;
	}
	wrong = sums_check(&module);
	if (wrong) {
		begin_definition(file);
		shell_failure(wrong, "%s", job.fault);
		return;
	}
	shell_define_text(file, (const char *)module.data, module.size);
}

static void run_undefine(const struct args *args)
{
	const char *name = args_text(args, "domain");
	const struct refused_guest *refused = refused_guest(name);
	struct vm *vm = refused && !vm_find(name) ? NULL : shell_domain_of(args);

	if (!vm && !refused)
		return;
	begin();
	name = vm ? vm->name : refused->name;
	snprintf(job.what, sizeof(job.what), "Domain '%.64s' has been undefined", name);
	snprintf(job.fault, sizeof(job.fault), "Failed to undefine domain '%.64s'", name);
	wait(vm ? undefine_guest(vm, ended, NULL) : forget_refused(name, ended, NULL));
}

static void run_autostart(const struct args *args)
{
	bool on = !args_flag(args, "disable");
	struct vm *vm = shell_domain_of(args);

	if (!vm)
		return;
	begin();
	snprintf(job.what, sizeof(job.what), "Domain '%s' %s as autostarted", vm->name,
		 on ? "marked" : "unmarked");
	snprintf(job.fault, sizeof(job.fault), "Failed to %s domain '%s' as autostarted",
		 on ? "mark" : "unmark", vm->name);
	wait(mark_guest(vm, on, ended, NULL));
}

static void run_domrename(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);

	if (!vm)
		return;
	begin();
	snprintf(job.what, sizeof(job.what), "Domain successfully renamed");
	wait(rename_guest(vm, args_text(args, "new-name"), ended, NULL));
}

/* --- the store itself --------------------------------------------------------------------------
 */

/* The volumes may have been there before. */
static void built(void *context, const char *wrong)
{
	if (!wrong) {
		recall_identity();
		recall_guests();
	}
	store_ended(context, wrong);
}

static void run_keep_build(const struct args *args)
{
	const char *name = args_text(args, "pool");
	struct pool *pool = name ? shell_pool(name) : NULL;

	if ((name && !pool) || !shell_pools_are_read())
		return;
	begin();
	snprintf(job.what, sizeof(job.what), "Store built");
	snprintf(job.fault, sizeof(job.fault), "Failed to build the store");
	wait(store_make(pool, built, NULL));
}

static void count(void *context, const struct database_domain *domain)
{
	(void)domain;
	++*(unsigned *)context;
}

static void print_refused(void)
{
	const struct refused_guest *one;

	for (unsigned i = 0; (one = refused_guest_at(i)); i++) {
		term_printf("\nThe description of '%s' is refused:\n", one->name);
		for (const char *at = one->why ? one->why : ""; *at;) {
			int n = (int)strcspn(at, "\n");

			term_printf("  %.*s\n", n, at);
			at += n + (at[n] == '\n');
		}
	}
}

static void run_keep_info(const struct args *args)
{
	struct store_status status;
	unsigned domains = 0;
	const char *wrong = store_why();

	(void)args;
	if (wrong) {
		term_printf("Nothing is kept: %s\n", wrong);
		return;
	}
	store_status(&status);
	wrong = store_domains(count, &domains);
	if (wrong)
		shell_error("%s", wrong);
	term_printf("Pool:           %s\n"
		    "Domains:        %u\n"
		    "Size:           %llu KiB, %llu KiB unused\n"
		    "Volumes:        " STORE_STATE " %llu KiB, " STORE_JOURNAL " %llu KiB\n",
		    status.pool, domains, status.bytes >> 10, status.unused >> 10,
		    status.volume >> 10, status.journal >> 10);
	print_refused();
}

/* --- the machine's name and address ------------------------------------------------------------
 */

static void show_identity(void)
{
	char name[IDENTITY_BYTES], ip[IDENTITY_BYTES];

	identity_kept(name, ip);
	term_printf("Name:           %s%s\n"
		    "Address:        ip=%s%s%s\n",
		    *name ? name : stack_name(), *name ? "" : " (default)", *ip ? ip : "dhcp",
		    *ip ? "" : " (default)",
		    stack_is_fixed() ? ", overridden by ip= on dom0's command line" : "");
	if (store_why())
		term_printf("Nothing is kept: %s\n", store_why());
}

static void run_host_config(const struct args *args)
{
	const char *name = args_text(args, "name"), *ip = args_text(args, "ip");

	if (!name && !ip) {
		show_identity();
		return;
	}
	if (name && ip) {
		shell_error("Options --name and --ip are mutually exclusive");
		return;
	}
	begin();
	snprintf(job.what, sizeof(job.what), "%s kept", name ? "Name" : "Address");
	snprintf(job.fault, sizeof(job.fault), "Failed to keep the %s", name ? "name" : "address");
	wait(name ? identity_keep_name(name, store_ended, NULL)
		  : identity_keep_ip(ip, store_ended, NULL));
}

static const struct arg autostart_args[] = {
	ARG_ANY_DOMAIN,
	{"disable", ARG_FLAG, ARG_OPTIONAL, "disable autostarting"},
	ARG_END,
};

static const struct arg define_args[] = {
	{"file", ARG_TEXT, ARG_REQUIRED, "file containing an XML domain description"},
	{"validate", ARG_FLAG, ARG_OPTIONAL, "validate the XML against the schema"},
	ARG_END,
};

static const struct arg domrename_args[] = {
	ARG_ANY_DOMAIN,
	{"new-name", ARG_TEXT, ARG_REQUIRED, "new domain name"},
	ARG_END,
};

static const struct arg host_config_args[] = {
	{"name", ARG_TEXT, ARG_NAMED, "the machine's name, or default"},
	{"ip", ARG_TEXT, ARG_NAMED, "dom0's address as with ip=, or default"},
	ARG_END,
};

static const struct arg keep_build_args[] = {
	{"pool", ARG_TEXT, ARG_OPTIONAL, "pool name or uuid"},
	ARG_END,
};

static const struct arg undefine_args[] = {
	ARG_ANY_DOMAIN,
	{"managed-save", ARG_FLAG, ARG_OPTIONAL, "remove domain managed state file"},
	{"snapshots-metadata", ARG_FLAG, ARG_OPTIONAL,
	 "remove all domain snapshot metadata (vm must be inactive)"},
	{"checkpoints-metadata", ARG_FLAG, ARG_OPTIONAL,
	 "remove all domain checkpoint metadata (vm must be inactive)"},
	{"nvram", ARG_FLAG, ARG_OPTIONAL, "remove nvram file"},
	{"keep-nvram", ARG_FLAG, ARG_OPTIONAL, "keep nvram file"},
	{"tpm", ARG_FLAG, ARG_OPTIONAL, "remove TPM state"},
	{"keep-tpm", ARG_FLAG, ARG_OPTIONAL, "keep TPM state"},
	ARG_END,
};

const struct shell_command shell_define_commands[] = {
	{"autostart", SHELL_DOMAIN, COMPLETE_DOMAIN, "autostart a domain",
	 "Configure a domain to be automatically started at boot.", autostart_args, run_autostart},
	{"define", SHELL_DOMAIN, COMPLETE_NONE,
	 "define (but don't start) a domain from an XML file", "Define a domain.", define_args,
	 run_define},
	{"domrename", SHELL_DOMAIN, COMPLETE_DOMAIN, "rename a domain",
	 "Rename an inactive domain.", domrename_args, run_domrename},
	{"host-config", SHELL_SAMPO, COMPLETE_NONE, "show or keep the machine's name and address",
	 NULL, host_config_args, run_host_config},
	{"keep-build", SHELL_SAMPO, COMPLETE_NONE, "make the volumes of what dom0 remembers", NULL,
	 keep_build_args, run_keep_build},
	{"keep-info", SHELL_SAMPO, COMPLETE_NONE, "what dom0 remembers, and where", NULL,
	 shell_no_args, run_keep_info},
	{"undefine", SHELL_DOMAIN, COMPLETE_DOMAIN, "undefine a domain",
	 "Undefine an inactive domain, or convert persistent to transient.", undefine_args,
	 run_undefine},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
