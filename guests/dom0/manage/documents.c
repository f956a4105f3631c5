/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/documents.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guests/dom0/base/xml.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/display/display.h"
#include "guests/dom0/manage/host.h"
#include "guests/dom0/manage/say.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/vm/vm.h"

void say(const struct saying *to, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	to->put(to->context, text);
}

void say_text(const struct saying *to, const char *before, const char *text, const char *behind)
{
	static char escaped[XML_ROOM(SAY_TEXT)];

	to->put(to->context, before);
	to->put(to->context, xml_escape(escaped, sizeof(escaped), text));
	to->put(to->context, behind);
}

/* Clients ask for an interface's counters by the name that they find here. One that is longer than
 * a description may have stays out. */
static void name_nics(struct vm_config *config)
{
	char name[STATS_NIC_NAME];

	for (uint32_t i = 0; i < config->nics; i++) {
		stats_nic_name(name, config, i);
		if (strlen(name) < sizeof(config->nic[i].target))
			strcpy(config->nic[i].target, name);
	}
}

void domain_document(const struct vm *vm, bool inactive, bool secure, document_piece *put,
		     void *context)
{
	static struct vm_config config;

	config = inactive ? *vm_next_config(vm) : *vm->config;
	if (!inactive && vm->id)
		name_nics(&config);
	config.vnc_port_in_use = inactive ? 0 : display_port(vm);
	if (!secure)
		config.vnc_password[0] = 0;
	config_dump(&config, inactive ? 0 : vm->id, put, context);
}

void network_document(document_piece *put, void *context)
{
	put(context, "<network>\n  <name>" NETWORK_NAME "</name>\n  <uuid>" NETWORK_UUID
		     "</uuid>\n  <forward mode='bridge'/>\n  <bridge name='" NETWORK_BRIDGE
		     "'/>\n</network>\n");
}
