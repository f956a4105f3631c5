/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/describe.h"

#include <stdio.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/tune.h"
#include "guests/dom0/vm/vm.h"
#include "guests/dom0/vm/watch.h"

static const char not_a_title[] = "invalid argument: a title is one line of up to 127 bytes";
static const char too_long[] = "invalid argument: a description has up to 511 bytes";
_Static_assert(CONFIG_TITLE == 128 && CONFIG_DESCRIPTION == 512, "named in messages");

static const char *text_of(const struct vm_config *config, bool title)
{
	return title ? config->title : config->description;
}

const char *describe_get(const struct vm *vm, bool title, bool config)
{
	return text_of(config ? vm_next_config(vm) : vm->config, title);
}

static void set(struct vm_config *config, bool title, const char *text)
{
	if (title)
		snprintf(config->title, sizeof(config->title), "%s", text);
	else
		snprintf(config->description, sizeof(config->description), "%s", text);
}

const char *describe_set(struct vm *vm, bool title, const char *text, unsigned affects)
{
	text = text ? text : "";
	if (title && !config_is_title(text))
		return not_a_title;
	if (strlen(text) >= CONFIG_DESCRIPTION)
		return too_long;
	if (affects & TUNE_LIVE && !vm->id)
		return tune_not_running;
	if (!(affects & (TUNE_LIVE | TUNE_CONFIG)))
		affects |= vm->id ? TUNE_LIVE : TUNE_CONFIG;
	if (affects & TUNE_LIVE)
		set((struct vm_config *)vm->config, title, text);
	if (affects & TUNE_CONFIG)
		set(vm_next_config(vm), title, text);
	vm_tell(vm, title ? VM_EVENT_TITLE : VM_EVENT_DESCRIPTION);
	return NULL;
}
