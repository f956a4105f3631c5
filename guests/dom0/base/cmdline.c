/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/base/cmdline.h"

#include <stdlib.h>
#include <string.h>

const char *cmdline_word(const char *cmdline, const char *name)
{
	for (const char *at = strstr(cmdline, name); at; at = strstr(at + 1, name))
		if (at == cmdline || at[-1] == ' ' || at[-1] == '\t')
			return at + strlen(name);
	return NULL;
}

uint16_t cmdline_port(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || (*end && *end != ' ' && *end != '\t') || port > 65535)
		return 0;
	return (uint16_t)port;
}
