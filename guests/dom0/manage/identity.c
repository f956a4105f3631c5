/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/identity.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/net/lwip.h"
#include "guests/dom0/store/store.h"
#include "guests/lib/guest.h"

#define NAME_SETTING "hostname"
#define IP_SETTING   "ip"
#define DEFAULT      "default"
#define NAME_MOST    63u

/* A change on its way into the store. */
struct change {
	void (*use)(const char *value);
	identity_done *done;
	void *context;
	char value[IDENTITY_BYTES]; /* "": none is kept any more */
};

static const char *wrong_name(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > NAME_MOST)
		return "a host name has from 1 to 63 characters";
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '.')
			return "a host name has letters, digits, hyphens and dots";
	if (!isalnum((unsigned char)name[0]) || !isalnum((unsigned char)name[n - 1]))
		return "a host name begins and ends with a letter or a digit";
	return NULL;
}

static void use_name(const char *name)
{
	stack_set_name(*name ? name : STACK_NAME);
}

static void use_ip(const char *ip)
{
	const char *wrong = stack_use(*ip ? ip : "dhcp");

	if (wrong)
		printf(LOG_WARNING "net: the address that dom0 keeps: %s\n", wrong);
}

void identity_kept(char name[IDENTITY_BYTES], char ip[IDENTITY_BYTES])
{
	store_setting(NAME_SETTING, name, IDENTITY_BYTES);
	store_setting(IP_SETTING, ip, IDENTITY_BYTES);
}

/* The volumes may come from anywhere. */
void recall_identity(void)
{
	char name[IDENTITY_BYTES], ip[IDENTITY_BYTES];

	identity_kept(name, ip);
	if (*name && !wrong_name(name))
		use_name(name);
	if (*ip)
		use_ip(ip);
}

static void kept(void *context, const char *wrong)
{
	struct change change = *(struct change *)context;

	free(context);
	if (!wrong)
		change.use(change.value);
	change.done(change.context, wrong);
}

/* Another change may be at work, of which the store tells: so each has a place of its own. */
static const char *keep(const char *setting, const char *value, void (*use)(const char *value),
			identity_done *done, void *context)
{
	struct change *change;
	const char *wrong;

	if (strlen(value) >= IDENTITY_BYTES)
		return "the value is too long";
	change = malloc(sizeof(*change));
	if (!change)
		return "dom0 is out of memory";
	*change = (struct change){.use = use, .done = done, .context = context};
	strcpy(change->value, strcmp(value, DEFAULT) != 0 ? value : "");
	wrong = store_set(setting, *change->value ? change->value : NULL, kept, change);
	if (wrong)
		free(change);
	return wrong;
}

const char *identity_keep_name(const char *name, identity_done *done, void *context)
{
	const char *wrong = wrong_name(name);

	return wrong ? wrong : keep(NAME_SETTING, name, use_name, done, context);
}

const char *identity_keep_ip(const char *ip, identity_done *done, void *context)
{
	const char *wrong = strcmp(ip, DEFAULT) != 0 ? stack_check(ip) : NULL;

	return wrong ? wrong : keep(IP_SETTING, ip, use_ip, done, context);
}
