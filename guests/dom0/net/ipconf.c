/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/net/ipconf.h"

#include <string.h>

#include "guests/dom0/base/cmdline.h"

/* A decimal number up to `most`; *text moves behind it. */
static bool number(const char **text, unsigned most, unsigned *value)
{
	const char *at = *text;

	for (*value = 0; *at >= '0' && *at <= '9'; at++) {
		*value = *value * 10 + (unsigned)(*at - '0');
		if (*value > most)
			return false;
	}
	if (at == *text)
		return false;
	*text = at;
	return true;
}

/* *text moves behind the address, or stays. */
static bool address(const char **text, uint32_t *value)
{
	const char *at = *text;
	uint8_t byte[4];
	unsigned n;

	for (unsigned i = 0; i < 4; i++) {
		if (i && *at++ != '.')
			return false;
		if (!number(&at, 255, &n))
			return false;
		byte[i] = (uint8_t)n;
	}
	*text = at;
	memcpy(value, byte, sizeof(*value));
	return true;
}

static void prefix_mask(unsigned prefix, uint32_t *mask)
{
	uint8_t byte[4];

	for (unsigned i = 0; i < 4; i++) {
		unsigned ones = prefix > 8 ? 8 : prefix;

		byte[i] = (uint8_t)(0xff00u >> ones);
		prefix -= ones;
	}
	memcpy(mask, byte, sizeof(*mask));
}

static bool word_ends(char c)
{
	return c == '\0' || c == ' ' || c == '\t' || c == '\n';
}

static const char *parse_static(const char *text, struct ip_config *config)
{
	unsigned prefix;

	if (!address(&text, &config->address))
		return "not an address";
	if (*text++ != '/' || !number(&text, 32, &prefix) || !prefix)
		return "no /prefix of 1 to 32";
	prefix_mask(prefix, &config->mask);
	while (*text == ',') {
		uint32_t *to;

		text++;
		if (!strncmp(text, "gw=", 3))
			to = &config->gateway;
		else if (!strncmp(text, "dns=", 4))
			to = &config->dns;
		else
			return "neither gw= nor dns=";
		text = strchr(text, '=') + 1;
		if (!address(&text, to))
			return "gw= or dns= is not an address";
	}
	return word_ends(*text) ? NULL : "trailing characters";
}

static const char *parse(const char *text, struct ip_config *config)
{
	if (!strncmp(text, "dhcp", 4) && word_ends(text[4])) {
		config->mode = IP_DHCP;
		return NULL;
	}
	if (!strncmp(text, "off", 3) && word_ends(text[3])) {
		config->mode = IP_OFF;
		return NULL;
	}
	config->mode = IP_STATIC;
	return parse_static(text, config);
}

bool ip_is_given(const char *cmdline)
{
	return cmdline_word(cmdline, "ip=");
}

const char *ip_config_parse(const char *cmdline, struct ip_config *config)
{
	const char *at = cmdline_word(cmdline, "ip="), *error;

	memset(config, 0, sizeof(*config));
	config->mode = IP_DHCP;
	if (!at)
		return NULL;
	error = parse(at, config);
	if (!error)
		return NULL;
	memset(config, 0, sizeof(*config));
	config->mode = IP_OFF;
	return error;
}

const char *ip_name_servers(const char *cmdline, uint32_t server[IP_NAME_SERVERS])
{
	const char *at = cmdline_word(cmdline, "dns=");
	unsigned n = 0;

	memset(server, 0, IP_NAME_SERVERS * sizeof(server[0]));
	if (!at)
		return NULL;
	while (n < IP_NAME_SERVERS && address(&at, &server[n]) && ++n && *at == ',')
		at++;
	if (n && word_ends(*at) && at[-1] != ',')
		return NULL;
	memset(server, 0, IP_NAME_SERVERS * sizeof(server[0]));
	return "not one or two addresses with a comma between";
}
