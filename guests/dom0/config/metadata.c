/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * <metadata> holds what other programs note about a guest: elements of their own namespaces, which
 * change nothing here. They are kept as bytes of the document, and stand in the dumped description
 * as they came. So they must be a document's part by themselves: a parser of its own reads them
 * once more, as UTF-8 and with namespaces. Metadata that it refuses is not kept (a prefix that the
 * document declares outside, a document in another encoding).
 */
#include <expat.h>
#include <string.h>

#include "guests/dom0/config/parse.h"

static const char begin[] = "<metadata>", end[] = "</metadata>";

/* Do the bytes stand for themselves? */
static bool is_whole(const char *text, size_t bytes)
{
	XML_Parser expat = XML_ParserCreateNS("UTF-8", '\n');
	bool right = expat && XML_Parse(expat, begin, (int)strlen(begin), XML_FALSE) &&
		     XML_Parse(expat, text, (int)bytes, XML_FALSE) &&
		     XML_Parse(expat, end, (int)strlen(end), XML_TRUE);

	if (expat)
		XML_ParserFree(expat);
	return right;
}

static bool is_blank(const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (!strchr(" \t\r\n", text[i]))
			return false;
	return true;
}

void config_metadata_start(struct config_parser *p, const char **attributes)
{
	(void)attributes;
	p->metadata = XML_GetCurrentByteIndex(p->expat) + XML_GetCurrentByteCount(p->expat);
	config_skip(p);
}

void config_metadata_end(struct config_parser *p)
{
	const char *text = p->xml + p->metadata;
	long bytes = XML_GetCurrentByteIndex(p->expat) - p->metadata;

	p->metadata = 0;
	if (bytes <= 0 || is_blank(text, (size_t)bytes))
		return;
	if (bytes >= CONFIG_METADATA)
		config_note(p, "<metadata> of more than %u bytes is not kept", CONFIG_METADATA - 1);
	else if (memchr(text, 0, (size_t)bytes) || !is_whole(text, (size_t)bytes))
		config_note(p, "<metadata> is not kept: it needs what the document says elsewhere, "
			       "or is not UTF-8");
	else
		memcpy(p->config->metadata, text, (size_t)bytes);
}
