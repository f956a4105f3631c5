/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices that Sampo's machine does not have: descriptions made for other hosts name them by habit.
 * One that the guest does without is accepted with a note, each other one is refused.
 */
#include "guests/dom0/config/parse.h"

static void none_start(struct config_parser *p, const char **attributes)
{
	static const char *const none[] = {"none", NULL};
	const char *type = config_attribute(attributes, "type");

	if (!type || !config_one_of(type, none))
		config_fail(p, "this element is not supported");
	if (p->failed)
		config_skip(p);
}

static void channel_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"unix", "spicevmc", NULL};

	config_choice(p, attributes, "type", types);
	p->has_target = false;
}

/* Agents in the guest go on without their channel; a program that has one of its own would not. */
static void channel_target_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"virtio", NULL};
	static const char *const names[] = {"org.qemu.guest_agent.0", "com.redhat.spice.0", NULL};

	config_choice(p, attributes, "type", types);
	if (config_choice(p, attributes, "name", names) && !p->failed)
		config_note(p, "there is no channel: the agent in the guest cannot be reached");
	p->has_target = true;
}

static void channel_end(struct config_parser *p, const char *text)
{
	(void)text;
	if (!p->has_target)
		config_fail(p, "this element is not supported");
}

#define DEVICES "domain/devices/"

static const struct config_element elements[] = {
	{DEVICES "audio", "type -id", false, none_start, NULL},
	{DEVICES "channel", "type", false, channel_start, channel_end},
	{DEVICES "channel/source", "-mode -path", false, NULL, NULL},
	{DEVICES "channel/target", "type name -state", false, channel_target_start, NULL},
};

const struct config_table config_absent = {elements, sizeof(elements) / sizeof(elements[0])};
