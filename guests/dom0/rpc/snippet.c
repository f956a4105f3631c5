/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/snippet.h"

#include <expat.h>
#include <stdio.h>
#include <string.h>

#define PATH  128u
#define DEPTH 16u

struct reader {
	XML_Parser expat;
	struct snippet *snippets;
	unsigned count, depth;
	char path[PATH];
	size_t ends[DEPTH]; /* of the path, at each depth */
	struct snippet *open;
	bool refused;
};

static void refuse(struct reader *r)
{
	r->refused = true;
	XML_StopParser(r->expat, XML_FALSE);
}

static void keep_attribute(struct snippet *s, const char **attributes)
{
	for (; s->attribute && *attributes; attributes += 2)
		if (!strcmp(attributes[0], s->attribute))
			snprintf(s->value, sizeof(s->value), "%s", attributes[1]);
}

static void start(void *context, const char *name, const char **attributes)
{
	struct reader *r = context;
	size_t end = r->depth ? r->ends[r->depth - 1] : 0;

	if (r->depth == DEPTH || end + strlen(name) + 2 > PATH) {
		refuse(r);
		return;
	}
	snprintf(r->path + end, PATH - end, "%s%s", end ? "/" : "", name);
	r->ends[r->depth++] = strlen(r->path);
	r->open = NULL;
	for (unsigned i = 0; i < r->count; i++) {
		if (r->snippets[i].found || strcmp(r->snippets[i].path, r->path) != 0)
			continue;
		r->open = &r->snippets[i];
		r->open->found = true;
		keep_attribute(r->open, attributes);
	}
}

static void end(void *context, const char *name)
{
	struct reader *r = context;

	(void)name;
	if (r->refused) /* expat still tells of the end of an empty element that was refused */
		return;
	r->open = NULL;
	r->depth--;
	r->path[r->depth ? r->ends[r->depth - 1] : 0] = 0;
}

static void text(void *context, const char *bytes, int n)
{
	struct reader *r = context;
	size_t used;

	if (!r->open)
		return;
	used = strlen(r->open->text);
	snprintf(r->open->text + used, SNIPPET_TEXT - used, "%.*s", n, bytes);
}

static void doctype(void *context, const char *name, const char *system, const char *public,
		    int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	refuse(context);
}

const char *snippet_read(const void *xml, size_t bytes, struct snippet *snippets, unsigned count)
{
	struct reader r = {.snippets = snippets, .count = count, .expat = XML_ParserCreate(NULL)};
	enum XML_Status status;

	if (!r.expat)
		return "dom0 is out of memory";
	XML_SetUserData(r.expat, &r);
	XML_SetElementHandler(r.expat, start, end);
	XML_SetCharacterDataHandler(r.expat, text);
	XML_SetStartDoctypeDeclHandler(r.expat, doctype);
	status = XML_Parse(r.expat, xml, (int)bytes, XML_TRUE);
	XML_ParserFree(r.expat);
	if (r.refused)
		return "XML error: a document type, or elements that are nested too deeply";
	return status == XML_STATUS_OK ? NULL : "XML error: the document is not well-formed";
}
