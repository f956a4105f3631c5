/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of domain XML: expat calls, the table of elements
 * (config_elements.c, config_devices.c) decides. Whatever is not in the table is an error, for
 * it might change the machine that the writer expects.
 */
#include "guests/dom0/config.h"

#include <expat.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config_parse.h"

static void say(struct config_parser *p, const char *element, const char *format, va_list args)
{
	char what[160];

	if (p->failed)
		return;
	p->failed = true;
	vsnprintf(what, sizeof(what), format, args);
	snprintf(p->error->text, sizeof(p->error->text), "%.60s:%lu: %s%.32s%s%s", p->file,
		 (unsigned long)XML_GetCurrentLineNumber(p->expat), element ? "<" : "",
		 element ? element : "", element ? ">: " : "", what);
	XML_StopParser(p->expat, XML_FALSE);
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void config_fail(struct config_parser *p, const char *format, ...)
{
	const char *path = p->depth ? p->stack[p->depth - 1]->path : NULL;
	va_list args;

	va_start(args, format);
	say(p, path ? last_part(path) : NULL, format, args);
	va_end(args);
}

static void fail_at(struct config_parser *p, const char *element, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void fail_at(struct config_parser *p, const char *element, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(p, element, format, args);
	va_end(args);
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

static const struct config_table *const tables[] = {&config_domain, &config_devices};

/* The element of that name below the present one, and which table it is in. */
static const struct config_element *find(struct config_parser *p, const char *name, unsigned *table)
{
	const char *parent = p->depth ? p->stack[p->depth - 1]->path : "";

	for (*table = 0; *table < 2; ++*table)
		for (unsigned i = 0; i < tables[*table]->count; i++)
			if (is_child(tables[*table]->element[i].path, parent, name))
				return &tables[*table]->element[i];
	return NULL;
}

static void check_attributes(struct config_parser *p, const struct config_element *e,
			     const char **attributes)
{
	if (!strcmp(e->attributes, "*"))
		return;
	for (; *attributes; attributes += 2)
		if (!listed(e->attributes, attributes[0]))
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

static void start_element(void *user, const char *name, const char **attributes)
{
	struct config_parser *p = user;
	const struct config_element *e;
	unsigned table;
	uint64_t bit;

	if (p->failed)
		return;
	if (p->ignoring) {
		p->ignoring++;
		return;
	}
	check_text(p);
	e = find(p, name, &table);
	if (!e) {
		fail_at(p, name,
			p->depth ? "this element is not supported"
				 : "the document's element must be <domain>");
		return;
	}
	bit = 1ull << (e - tables[table]->element);
	if (e->once && p->seen[table] & bit) {
		fail_at(p, name, "given twice");
		return;
	}
	p->seen[table] |= bit;
	if (e->ignore) {
		p->ignoring = 1;
		return;
	}
	p->stack[p->depth++] = e;
	check_attributes(p, e, attributes);
	if (e->start && !p->failed)
		e->start(p, attributes);
}

static void end_element(void *user, const char *name)
{
	struct config_parser *p = user;
	const struct config_element *e;
	const char *text;

	(void)name;
	if (p->failed)
		return;
	if (p->ignoring) {
		p->ignoring--;
		return;
	}
	e = p->stack[p->depth - 1];
	p->text[p->text_used] = 0;
	text = trim(p->text);
	if (e->end)
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

	if (p->failed || p->ignoring || !p->depth)
		return;
	if (memchr(text, 0, n) || n >= sizeof(p->text) - p->text_used) {
		config_fail(p, "text of more than %u bytes", (unsigned)sizeof(p->text) - 1);
		return;
	}
	memcpy(p->text + p->text_used, text, n);
	p->text_used += (unsigned)n;
}

static void start_doctype(void *user, const char *name, const char *system, const char *public,
			  int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	fail_at(user, NULL, "document type declarations are not accepted");
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
	if (XML_Parse(expat, xml, (int)bytes, XML_TRUE) == XML_STATUS_ERROR)
		fail_at(p, NULL, "not well-formed: %s", XML_ErrorString(XML_GetErrorCode(expat)));
	if (!p->failed)
		config_check(p);
}

struct vm_config *config_parse(const char *file, const char *xml, size_t bytes,
			       struct config_error *error)
{
	struct config_parser *p;
	struct vm_config *config;

	snprintf(error->text, sizeof(error->text), "%.60s: out of memory", file);
	if (bytes > CONFIG_XML_BYTES) {
		snprintf(error->text, sizeof(error->text), "%.60s: larger than %u KiB", file,
			 CONFIG_XML_BYTES / 1024);
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	config = calloc(1, sizeof(*config));
	if (p && config) {
		p->config = config;
		p->file = last_part(file);
		p->error = error;
		p->failed = true;
		p->expat = XML_ParserCreate(NULL);
	}
	if (p && p->expat) {
		p->failed = false;
		set_defaults(config);
		run(p, xml, bytes);
		XML_ParserFree(p->expat);
	}
	if (!p || p->failed) {
		free(config);
		config = NULL;
	}
	free(p);
	return config;
}

void config_free(struct vm_config *config)
{
	free(config);
}
