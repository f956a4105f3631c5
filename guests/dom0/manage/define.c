/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/define.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/store/store.h"
#include "guests/dom0/vm/vm.h"
#include "guests/dom0/vm/watch.h"
#include "guests/lib/guest.h"

/* A change on its way into the store. */
struct job {
	define_done *done;
	void *context;
	char name[CONFIG_NAME];
	bool autostart;
	/* of a definition */
	bool changed; /* it is a change of one that there is */
	struct vm_config *config;
	size_t bytes;
	char xml[];
};

static struct refused_guest *refused;
static const char out_of_memory[] = "dom0 is out of memory";

static struct job *make_job(const char *name, define_done *done, void *context, size_t bytes)
{
	struct job *job = calloc(1, sizeof(*job) + bytes);

	if (!job)
		return NULL;
	snprintf(job->name, sizeof(job->name), "%s", name);
	job->done = done;
	job->context = context;
	job->bytes = bytes;
	return job;
}

static void end(struct job *job, struct vm *vm, const char *wrong, const char *note)
{
	define_done *done = job->done;
	void *context = job->context;

	config_free(job->config);
	free(job);
	done(context, vm, wrong, note);
}

/* --- descriptions that are refused -------------------------------------------------------------
 */

const struct refused_guest *refused_guest_at(unsigned index)
{
	const struct refused_guest *at = refused;

	while (at && index--)
		at = at->next;
	return at;
}

const struct refused_guest *refused_guest(const char *name)
{
	const struct refused_guest *at = refused;

	while (at && strcmp(at->name, name) != 0)
		at = at->next;
	return at;
}

struct wanted {
	const char *name;
	void (*put)(void *context, const char *text, size_t bytes);
	void *context;
};

static void put_wanted(void *context, const struct database_domain *domain)
{
	const struct wanted *wanted = context;

	if (!strcmp(domain->name, wanted->name))
		wanted->put(wanted->context, domain->xml, domain->bytes);
}

void refused_guest_text(const char *name,
			void (*put)(void *context, const char *text, size_t bytes), void *context)
{
	struct wanted wanted = {name, put, context};

	store_domains(put_wanted, &wanted);
}

static void refuse(const struct database_domain *domain, const char *why)
{
	const char *name = domain->name;
	struct refused_guest *one = calloc(1, sizeof(*one) + strlen(name) + 1);
	struct refused_guest **last = &refused;

	printf(LOG_ERR "error: the description of '%.64s' that dom0 keeps is refused: keep-info "
		       "says why\n",
	       name);
	if (!one)
		return;
	one->why = strdup(why);
	one->autostart = domain->autostart;
	strcpy(one->name, name);
	while (*last)
		last = &(*last)->next;
	*last = one;
}

static void forget(const char *name)
{
	for (struct refused_guest **at = &refused; *at; at = &(*at)->next) {
		struct refused_guest *one = *at;

		if (strcmp(one->name, name) != 0)
			continue;
		*at = one->next;
		free(one->why);
		free(one);
		return;
	}
}

/* Another look at the store tells them anew. */
static void forget_all(void)
{
	while (refused)
		forget(refused->name);
}

/* --- define ------------------------------------------------------------------------------------
 */

/* The text is in the store by now, or nothing is kept for the reason in `note`. */
static void define_now(struct job *job, bool kept, const char *note)
{
	const char *wrong = vm_may_define(job->config);
	struct vm *vm = vm_find_name(job->name);

	if (!wrong && vm)
		vm_redefine(vm, job->config);
	else if (!wrong)
		wrong = vm_define(job->config, &vm);
	else
		config_free(job->config);
	job->config = NULL;
	if (wrong) {
		end(job, NULL, wrong, "");
		return;
	}
	vm->kept = vm->kept || kept;
	vm->autostart = vm->autostart || job->autostart;
	if (!job->changed)
		vm_tell(vm, VM_EVENT_DEFINED);
	forget(job->name);
	if (kept && vm->from_medium && !job->changed)
		note = "The boot medium describes this domain too, and its description counts when "
		       "the machine starts.";
	end(job, vm, NULL, note);
}

static void defined(void *context, const char *wrong)
{
	struct job *job = context;

	if (wrong)
		end(job, NULL, wrong, "");
	else
		define_now(job, true, "");
}

static void define_unkept(struct job *job, const char *why)
{
	char note[256];

	snprintf(note, sizeof(note), "It is not kept over a start of the machine: %s.", why);
	define_now(job, false, note);
}

/* Is the guest, or the refused description in its place, marked to start with the machine? */
static bool is_marked(const char *name)
{
	const struct vm *vm = vm_find_name(name);
	const struct refused_guest *one = refused_guest(name);

	return vm ? vm->autostart : one && one->autostart;
}

static void keep(struct job *job)
{
	struct database_domain domain = {
		.name = job->name,
		.xml = job->xml,
		.bytes = job->bytes,
	};
	const char *wrong;

	domain.autostart = job->autostart = is_marked(job->name);
	wrong = store_put_domain(&domain, defined, job);
	if (wrong)
		end(job, NULL, wrong, "");
}

/* The volumes may have been there before, with guests: what could be defined may be another guest's
 * by now. */
static void made(void *context, const char *wrong)
{
	struct job *job = context;

	if (wrong) {
		define_unkept(job, wrong);
		return;
	}
	recall_guests();
	wrong = vm_may_define(job->config);
	if (wrong)
		end(job, NULL, wrong, "");
	else
		keep(job);
}

const char *define_parsed(struct vm_config *config, const char *xml, size_t bytes,
			  define_done *done, void *context)
{
	const char *wrong = vm_may_define(config);
	struct job *job = wrong ? NULL : make_job(config->name, done, context, bytes);

	if (!wrong && !job)
		wrong = out_of_memory;
	if (wrong) {
		config_free(config);
		return wrong;
	}
	job->config = config;
	memcpy(job->xml, xml, bytes);
	if (store_is_open()) {
		keep(job);
		return NULL;
	}
	wrong = store_make(NULL, made, job);
	if (wrong)
		define_unkept(job, wrong);
	return NULL;
}

const char *define_guest(const char *file, const char *xml, size_t bytes,
			 struct config_error *error, define_done *done, void *context)
{
	struct vm_config *config = config_parse(file, xml, bytes, error);

	return config ? define_parsed(config, xml, bytes, done, context) : "";
}

/* --- undefine ----------------------------------------------------------------------------------
 */

static const char *undefine_now(struct vm *vm)
{
	if (!vm->id)
		return vm_undefine(vm);
	/* libvirt takes the description of an active guest away when the guest ends. */
	vm->transient = true;
	vm->autostart = vm->kept = false;
	vm_tell(vm, VM_EVENT_UNDEFINED);
	return NULL;
}

static void undefined(void *context, const char *wrong)
{
	struct job *job = context;
	struct vm *vm = vm_find_name(job->name);

	if (!wrong && vm)
		wrong = undefine_now(vm);
	end(job, NULL, wrong, "");
}

const char *undefine_guest(struct vm *vm, define_done *done, void *context)
{
	bool kept = vm->kept;
	struct job *job;
	const char *wrong;

	if (vm->id && vm->transient)
		return "Requested operation is not valid: cannot undefine transient domain";
	job = make_job(vm->name, done, context, 0);
	if (!job)
		return out_of_memory;
	wrong = kept ? store_drop_domain(job->name, undefined, job) : NULL;
	if (wrong)
		free(job);
	else if (!kept)
		undefined(job, NULL);
	return wrong;
}

static void forgotten(void *context, const char *wrong)
{
	struct job *job = context;

	if (!wrong)
		forget(job->name);
	end(job, NULL, wrong, "");
}

const char *forget_refused(const char *name, define_done *done, void *context)
{
	struct job *job = make_job(name, done, context, 0);
	const char *wrong = job ? store_drop_domain(name, forgotten, job) : out_of_memory;

	if (wrong)
		free(job);
	return wrong;
}

/* --- autostart ---------------------------------------------------------------------------------
 */

static void marked(void *context, const char *wrong)
{
	struct job *job = context;
	struct vm *vm = vm_find_name(job->name);

	if (!wrong && vm)
		vm->autostart = job->autostart;
	end(job, vm, wrong,
	    vm && vm->kept && !vm->from_medium
		    ? ""
		    : "This mark is not kept: after the next start of the machine the "
		      "descriptions\n"
		      "that come with the boot medium say which domains start.");
}

const char *mark_guest(struct vm *vm, bool autostart, define_done *done, void *context)
{
	bool kept = vm->kept;
	struct job *job;
	const char *wrong;

	if (vm->transient)
		return "Requested operation is not valid: cannot set autostart for transient "
		       "domain";
	job = make_job(vm->name, done, context, 0);
	if (!job)
		return out_of_memory;
	job->autostart = autostart;
	wrong = kept ? store_mark_domain(vm->name, autostart, marked, job) : NULL;
	if (wrong)
		free(job);
	else if (!kept)
		marked(job, NULL);
	return wrong;
}

/* --- changes of a description ------------------------------------------------------------------
 */

struct text {
	char *at;
	size_t used, room;
	bool failed;
};

static void append(void *context, const char *piece)
{
	struct text *text = context;
	size_t n = strlen(piece);
	char *more;

	if (text->failed)
		return;
	if (text->room - text->used < n) {
		text->room = 2 * text->room + n;
		more = realloc(text->at, text->room);
		text->failed = !more;
		if (!more)
			return;
		text->at = more;
	}
	memcpy(text->at + text->used, piece, n);
	text->used += n;
}

static void rewritten(void *context, const char *wrong)
{
	struct job *job = context;

	end(job, vm_find_name(job->name), wrong, "");
}

const char *rewrite_guest(struct vm *vm, define_done *done, void *context)
{
	struct text text = {NULL};
	struct database_domain domain = {.name = vm->name, .autostart = vm->autostart};
	struct job *job;
	const char *wrong;

	if (!vm->kept || vm->from_medium) {
		done(context, vm, NULL, "");
		return NULL;
	}
	job = make_job(vm->name, done, context, 0);
	config_dump(vm_next_config(vm), 0, append, &text);
	domain.xml = text.at;
	domain.bytes = text.used;
	wrong = job && !text.failed ? store_put_domain(&domain, rewritten, job) : out_of_memory;
	free(text.at);
	if (wrong)
		free(job);
	return wrong;
}

const char *redefine_guest(struct vm *vm, struct vm_config *config, define_done *done,
			   void *context)
{
	const char *wrong = vm_may_define(config);
	struct text text = {NULL};
	struct job *job = NULL;

	if (!wrong) {
		config_dump(config, 0, append, &text);
		job = text.failed ? NULL : make_job(vm->name, done, context, text.used);
		wrong = job ? NULL : out_of_memory;
	}
	if (wrong) {
		free(text.at);
		config_free(config);
		return wrong;
	}
	job->changed = true;
	job->config = config;
	memcpy(job->xml, text.at, text.used);
	free(text.at);
	if (vm->kept && !vm->from_medium)
		keep(job);
	else
		define_now(job, false, "");
	return NULL;
}

/* --- another name ------------------------------------------------------------------------------
 */

static const char *may_not_rename(const struct vm *vm, const char *name)
{
	static char text[CONFIG_NAME + 96];

	if (vm->phase != VM_PHASE_OFF)
		return "Requested operation is not valid: cannot rename active domain";
	if (vm->from_medium)
		return "Requested operation is not valid: the boot medium describes the domain, "
		       "and brings it under its old name when the machine starts";
	if (!vm_find_name(name) && !refused_guest(name))
		return NULL;
	snprintf(text, sizeof(text),
		 "Requested operation is not valid: domain with name '%.63s' already exists", name);
	return text;
}

/* The description under another name; NULL: that is no name of a guest. Nothing is made from the
 * name in it any more: the text has the UUID and the addresses. */
static struct vm_config *under_name(const struct vm *vm, const char *name, struct text *text)
{
	static struct config_error error;
	static struct vm_config config;

	config = *vm->config;
	snprintf(config.name, sizeof(config.name), "%s", name);
	config_dump(&config, 0, append, text);
	if (text->failed || strcmp(config.name, name) != 0)
		return NULL;
	return config_parse("XML", text->at, text->used, &error);
}

static void renamed(void *context, const char *wrong)
{
	struct job *job = context;
	struct vm *vm = vm_find_name(job->name);

	if (!wrong && vm) {
		vm_tell(vm, VM_EVENT_UNDEFINED);
		vm_rename(vm, job->config->name);
		vm_tell(vm, VM_EVENT_DEFINED);
	}
	end(job, vm, wrong, "");
}

const char *rename_guest(struct vm *vm, const char *name, define_done *done, void *context)
{
	const char *wrong = may_not_rename(vm, name);
	struct database_domain domain = {.name = name, .autostart = vm->autostart};
	struct text text = {NULL};
	struct vm_config *config = wrong ? NULL : under_name(vm, name, &text);
	struct job *job = config ? make_job(vm->name, done, context, 0) : NULL;

	if (!wrong && !config)
		wrong = "invalid argument: this is no name of a domain";
	else if (!wrong && !job)
		wrong = out_of_memory;
	domain.xml = text.at;
	domain.bytes = text.used;
	if (job) {
		job->config = config;
		config = NULL;
	}
	if (job && vm->kept)
		wrong = store_rename_domain(job->name, &domain, renamed, job);
	else if (job)
		renamed(job, NULL);
	if (job && wrong) {
		config_free(job->config);
		free(job);
	}
	config_free(config);
	free(text.at);
	return wrong;
}

/* --- the start of the machine ------------------------------------------------------------------
 */

static void print_note(const char *text)
{
	printf(LOG_WARNING "%s\n", text);
}

/* The volumes may come from anywhere: a name that no guest can have is not printed. */
static bool is_name(const char *name)
{
	size_t n = strlen(name);

	for (const char *at = name; *at; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7f)
			return false;
	return n && n < CONFIG_NAME;
}

static void recall(void *context, const struct database_domain *domain)
{
	static struct config_error error;
	struct vm *vm = vm_find_name(domain->name);
	struct vm_config *config;
	const char *wrong;

	++*(unsigned *)context;
	if (!is_name(domain->name)) {
		printf(LOG_ERR "error: store: a description has a name that no guest can have\n");
		return;
	}
	if (vm) {
		vm->kept = true;
		printf(LOG_WARNING "store: '%s' %s: that description counts, not the one that "
				   "dom0 keeps\n",
		       vm->name,
		       vm->from_medium ? "comes with the boot medium" : "is defined already");
		return;
	}
	config = config_parse(domain->name, domain->xml, domain->bytes, &error);
	if (!config) {
		refuse(domain, error.refusals.text);
		return;
	}
	config_each_line(&error.notes, print_note);
	if (strcmp(config->name, domain->name) != 0) {
		config_free(config);
		refuse(domain, "the description is one of another domain");
		return;
	}
	wrong = vm_define(config, &vm);
	if (wrong) {
		refuse(domain, wrong);
		return;
	}
	vm->kept = true;
	vm->autostart = domain->autostart;
}

void recall_guests(void)
{
	unsigned count = 0;
	const char *wrong;
	struct store_status status;

	forget_all();
	wrong = store_domains(recall, &count);
	if (wrong)
		printf(LOG_ERR "error: store: not all guests can be read: %s\n", wrong);
	store_status(&status);
	if (*status.pool)
		printf("store: pool %s: %u guest%s\n", status.pool, count, count == 1 ? "" : "s");
}
