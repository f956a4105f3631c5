/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of domain XML: expat calls, the table of elements
 * (config_elements.c, config_devices.c) decides. Whatever is not in the table is an error, for
 * it might change the machine that the writer expects.
 */
#include "guests/dom0/config/config.h"

#include <expat.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/parse.h"

#define LINE_BYTES 288u
#define DEVICES    "domain/devices/"
#define NESTING    32u /* of elements, each of which costs memory until its end */
#define REST_BYTES 32u /* room for the line that counts what does not fit */

void (*config_pause)(void);

static void report(struct config_report *report, const char *line)
{
	size_t n = strlen(line);

	if (report->left_out || n > sizeof(report->text) - REST_BYTES - report->used) {
		report->left_out++;
		return;
	}
	memcpy(report->text + report->used, line, n + 1);
	report->used += (unsigned)n;
}

static void report_end(struct config_report *report)
{
	if (report->left_out)
		snprintf(report->text + report->used, sizeof(report->text) - report->used,
			 "and %u more\n", report->left_out);
}

void config_each_line(const struct config_report *report, void (*line)(const char *text))
{
	char text[LINE_BYTES];

	for (const char *at = report->text; *at;) {
		size_t n = strcspn(at, "\n");

		snprintf(text, sizeof(text), "%.*s", (int)n, at);
		line(text);
		at += n;
		at += *at == '\n';
	}
}

static void say(struct config_parser *p, struct config_report *to, const char *element,
		const char *format, va_list args)
{
	char what[160], line[LINE_BYTES];

	vsnprintf(what, sizeof(what), format, args);
	snprintf(line, sizeof(line), "%.60s:%lu: %s%.32s%s%s\n", p->file,
		 (unsigned long)XML_GetCurrentLineNumber(p->expat), element ? "<" : "",
		 element ? element : "", element ? ">: " : "", what);
	report(to, line);
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const char *element_name(const struct config_parser *p)
{
	return p->depth ? last_part(p->stack[p->depth - 1]->path) : NULL;
}

void config_fail(struct config_parser *p, const char *format, ...)
{
	va_list args;

	p->failed = p->refused = true;
	va_start(args, format);
	say(p, &p->error->refusals, element_name(p), format, args);
	va_end(args);
}

void config_note(struct config_parser *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(p, &p->error->notes, element_name(p), format, args);
	va_end(args);
}

static void fail_at(struct config_parser *p, const char *element, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void fail_at(struct config_parser *p, const char *element, const char *format, ...)
{
	va_list args;

	p->refused = true;
	va_start(args, format);
	say(p, &p->error->refusals, element, format, args);
	va_end(args);
}

static void note_at(struct config_parser *p, const char *element, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void note_at(struct config_parser *p, const char *element, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(p, &p->error->notes, element, format, args);
	va_end(args);
}

/* The element is off the stack already when its contents come. */
void config_skip(struct config_parser *p)
{
	p->depth--;
	p->ignoring = 1;
}

const char *config_attribute(const char **attributes, const char *name)
{
	for (; *attributes; attributes += 2)
		if (!strcmp(attributes[0], name))
			return attributes[1];
	return NULL;
}

/* Is the word in a list of words separated by spaces, each perhaps with '-'
 * in front? */
static bool listed(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (*list) {
		size_t length = strcspn(list, " ");
		const char *item = *list == '-' ? list + 1 : list;

		if ((size_t)(list + length - item) == n && !memcmp(item, word, n))
			return true;
		list += length;
		list += strspn(list, " ");
	}
	return false;
}

/* Is `path` the parent's path, a slash and this name? */
static bool is_child(const char *path, const char *parent, const char *name)
{
	size_t n = strlen(parent);

	if (n) {
		if (strncmp(path, parent, n) != 0 || path[n] != '/')
			return false;
		path += n + 1;
	}
	return !strcmp(path, name);
}

static const struct config_table *const tables[CONFIG_TABLES] = {
	&config_domain,          &config_devices,  &config_disk_elements,
	&config_screen_elements, &config_firmware, &config_absent};

/* The element of that name below the present one, and which table it is in. */
static const struct config_element *find(struct config_parser *p, const char *name, unsigned *table)
{
	const char *parent = p->depth ? p->stack[p->depth - 1]->path : "";

	for (*table = 0; *table < CONFIG_TABLES; ++*table)
		for (unsigned i = 0; i < tables[*table]->count; i++)
			if (is_child(tables[*table]->element[i].path, parent, name))
				return &tables[*table]->element[i];
	return NULL;
}

bool config_given(const struct config_parser *p, const char *path)
{
	for (unsigned t = 0; t < CONFIG_TABLES; t++)
		for (unsigned i = 0; i < tables[t]->count; i++)
			if (!strcmp(tables[t]->element[i].path, path))
				return p->seen[t] >> i & 1;
	return false;
}

/* The name is the rest of the path after its parent's, or '*' stands for every name. */
static bool is_ignored(const char *path, const char *parent, const char *name)
{
	size_t n = strlen(parent);

	if (*path == '*')
		return !strncmp(parent, DEVICES, sizeof(DEVICES) - 1) && !strcmp(path + 1, name);
	if (is_child(path, parent, name))
		return true;
	return !strncmp(path, parent, n) && !strcmp(path + n, "/*");
}

/* NULL: it is not among those that change nothing. */
static const struct config_word *find_ignored(const struct config_parser *p, const char *name)
{
	const char *parent = p->depth ? p->stack[p->depth - 1]->path : "";

	for (const struct config_word *word = config_ignored; word->path; word++)
		if (is_ignored(word->path, parent, name))
			return word;
	return NULL;
}

/* Elements of another namespace are for another program; for that hypervisor's command line the
 * guest would be another one. */
static bool is_foreign(struct config_parser *p, const char *name)
{
	const char *colon = strchr(name, ':');

	if (!colon || !p->depth)
		return false;
	if (!strcmp(colon, ":commandline") || !strcmp(colon, ":override"))
		fail_at(p, name, "arguments for another hypervisor are not supported");
	return true;
}

static void check_attributes(struct config_parser *p, const struct config_element *e,
			     const char **attributes)
{
	if (!strcmp(e->attributes, "*"))
		return;
	for (; *attributes; attributes += 2)
		if (!listed(e->attributes, attributes[0]) &&
		    strncmp(attributes[0], "xmlns", 5) != 0 && !strchr(attributes[0], ':'))
			config_fail(p, "attribute '%.32s' is not supported", attributes[0]);
}

/* The text without white space around it. */
static char *trim(char *text)
{
	static const char white[] = " \t\r\n";
	size_t n;

	text += strspn(text, white);
	n = strlen(text);
	while (n && strchr(white, text[n - 1]))
		text[--n] = 0;
	return text;
}

/* Text between the elements of another. */
static void check_text(struct config_parser *p)
{
	const char *text;

	p->text[p->text_used] = 0;
	text = trim(p->text);
	if (*text)
		config_fail(p, "text '%.32s' does not belong here", text);
	p->text_used = 0;
}

/* An element that is in no table of elements. */
static void unknown(struct config_parser *p, const char *name)
{
	const struct config_word *word = find_ignored(p, name);

	if (word && word->note)
		note_at(p, name, "%s", word->note);
	if (word || is_foreign(p, name))
		return;
	fail_at(p, name,
		p->depth ? "this element is not supported"
			 : "the document's element must be <domain>");
}

static void start_element(void *user, const char *name, const char **attributes)
{
	struct config_parser *p = user;
	const struct config_element *e;
	unsigned table;
	uint64_t bit;

	if (config_pause)
		config_pause();
	p->failed = false;
	if (p->depth + p->ignoring == NESTING) {
		fail_at(p, NULL, "elements are nested more than %u deep", NESTING);
		XML_StopParser(p->expat, XML_FALSE);
		return;
	}
	if (p->ignoring) {
		p->ignoring++;
		return;
	}
	check_text(p);
	e = find(p, name, &table);
	if (!e) {
		p->ignoring = 1;
		unknown(p, name);
		return;
	}
	bit = 1ull << (e - tables[table]->element);
	if (e->once && p->seen[table] & bit) {
		p->ignoring = 1;
		fail_at(p, name, "given twice");
		return;
	}
	p->seen[table] |= bit;
	p->stack[p->depth++] = e;
	check_attributes(p, e, attributes);
	if (e->start)
		e->start(p, attributes);
}

static void end_element(void *user, const char *name)
{
	struct config_parser *p = user;
	const struct config_element *e;
	const char *text;

	(void)name;
	p->failed = false;
	if (p->ignoring) {
		p->ignoring--;
		if (!p->ignoring && p->metadata)
			config_metadata_end(p);
		return;
	}
	e = p->stack[p->depth - 1];
	p->text[p->text_used] = 0;
	text = trim(p->text);
	if (p->text_over)
		p->text_over = false;
	else if (e->end)
		e->end(p, text);
	else if (*text)
		config_fail(p, "text '%.32s' does not belong here", text);
	p->text_used = 0;
	p->depth--;
}

static void text_piece(void *user, const char *text, int length)
{
	struct config_parser *p = user;
	size_t n = (size_t)length;

	if (p->text_over || p->ignoring || !p->depth)
		return;
	if (memchr(text, 0, n) || n >= sizeof(p->text) - p->text_used) {
		p->text_over = true;
		config_fail(p, "text of more than %u bytes", (unsigned)sizeof(p->text) - 1);
		return;
	}
	memcpy(p->text + p->text_used, text, n);
	p->text_used += (unsigned)n;
}

static void start_doctype(void *user, const char *name, const char *system, const char *public,
			  int internal)
{
	struct config_parser *p = user;

	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	fail_at(p, NULL, "document type declarations are not accepted");
	XML_StopParser(p->expat, XML_FALSE);
}

static void set_defaults(struct vm_config *c)
{
	c->weight = 1024;
	c->period = CONFIG_PERIOD;
	for (unsigned i = 0; i < CONFIG_VCPUS; i++)
		c->affinity[i] = cpuset_all();
	c->on_poweroff = VM_ACTION_DESTROY;
	c->on_reboot = VM_ACTION_RESTART;
	c->on_crash = VM_ACTION_DESTROY;
}

static void run(struct config_parser *p, const char *xml, size_t bytes)
{
	XML_Parser expat = p->expat;

	XML_SetUserData(expat, p);
	XML_SetElementHandler(expat, start_element, end_element);
	XML_SetCharacterDataHandler(expat, text_piece);
	XML_SetStartDoctypeDeclHandler(expat, start_doctype);
	if (XML_Parse(expat, xml, (int)bytes, XML_TRUE) == XML_STATUS_OK)
		config_check(p);
	else if (XML_GetErrorCode(expat) != XML_ERROR_ABORTED)
		fail_at(p, NULL, "not well-formed: %s", XML_ErrorString(XML_GetErrorCode(expat)));
}

/* The document as a whole is refused, before it is read. */
static void refuse_file(struct config_error *error, const char *file, const char *why)
{
	char line[LINE_BYTES];

	snprintf(line, sizeof(line), "%.60s: %s\n", file, why);
	report(&error->refusals, line);
}

static struct config_parser *make_parser(const char *file, struct config_error *error)
{
	struct config_parser *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->file = last_part(file);
	p->error = error;
	p->config = calloc(1, sizeof(*p->config));
	p->expat = XML_ParserCreate(NULL);
	if (p->config && p->expat)
		return p;
	free(p->config);
	if (p->expat)
		XML_ParserFree(p->expat);
	free(p);
	return NULL;
}

struct vm_config *config_parse(const char *file, const char *xml, size_t bytes,
			       struct config_error *error)
{
	struct config_parser *p;
	struct vm_config *config;

	memset(error, 0, sizeof(*error));
	if (bytes > CONFIG_XML_BYTES) {
		refuse_file(error, file, "larger than 256 KiB");
		return NULL;
	}
	p = make_parser(file, error);
	if (!p) {
		refuse_file(error, file, "out of memory");
		return NULL;
	}
	config = p->config;
	set_defaults(config);
	p->xml = xml;
	run(p, xml, bytes);
	report_end(&error->refusals);
	report_end(&error->notes);
	if (p->refused) {
		free(config);
		config = NULL;
	}
	XML_ParserFree(p->expat);
	free(p);
	return config;
}

_Static_assert(CONFIG_XML_BYTES == 256u * 1024u, "named in a message");

void config_free(struct vm_config *config)
{
	free(config);
}
