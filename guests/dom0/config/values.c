/* SPDX-License-Identifier: BSD-2-Clause */
/* Values in domain XML: words, numbers, names. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "guests/dom0/base/hex.h"
#include "guests/dom0/config/parse.h"

bool config_one_of(const char *value, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(value, *words))
			return true;
	return false;
}

/* An attribute whose only supported values are these; NULL if it is absent. Another value is
 * refused, and returned all the same. */
const char *config_choice(struct config_parser *p, const char **attributes, const char *name,
			  const char *const *words)
{
	const char *value = config_attribute(attributes, name);

	if (value && !config_one_of(value, words))
		config_fail(p, "%s='%.32s' is not supported", name, value);
	return value;
}

void config_copy(struct config_parser *p, char *to, size_t room, const char *from, const char *what)
{
	size_t n = strlen(from);

	if (!n)
		config_fail(p, "%s is empty", what);
	else if (n >= room)
		config_fail(p, "%s is longer than %u bytes", what, (unsigned)room - 1);
	else
		memcpy(to, from, n + 1);
}

enum config_number config_digits(const char *text, uint64_t most, uint64_t *value)
{
	bool more = false;

	*value = 0;
	if (!*text)
		return NUMBER_NONE;
	for (const char *c = text; *c; c++) {
		uint64_t digit = (uint64_t)(*c - '0');

		if (*c < '0' || *c > '9')
			return NUMBER_NONE;
		more = more || digit > most || *value > (most - digit) / 10;
		if (!more)
			*value = *value * 10 + digit;
	}
	return more ? NUMBER_MORE : NUMBER_RIGHT;
}

uint64_t config_number(struct config_parser *p, const char *text, uint64_t most)
{
	uint64_t value;

	switch (config_digits(text, most, &value)) {
	case NUMBER_RIGHT:
		return value;
	case NUMBER_NONE:
		config_fail(p, *text ? "'%.32s' is not a number" : "a number is missing", text);
		break;
	case NUMBER_MORE:
		config_fail(p, "%.32s is more than %llu", text, (unsigned long long)most);
		break;
	}
	return 0;
}

uint64_t config_hex(struct config_parser *p, const char **attributes, const char *name,
		    uint64_t most, uint64_t absent)
{
	const char *text = config_attribute(attributes, name);
	uint64_t value = 0;
	unsigned digits = 0;

	if (!text)
		return absent;
	if (strncasecmp(text, "0x", 2) != 0)
		return config_number(p, text, most);
	for (const char *c = text + 2; *c; c++, digits++) {
		int digit = hex_digit(*c);

		if (digit < 0 || digits == 16) {
			digits = 0;
			break;
		}
		value = value << 4 | (uint64_t)digit;
	}
	if (!digits)
		config_fail(p, "%s='%.32s' is not a number", name, text);
	else if (value > most)
		config_fail(p, "%s='%.32s' is more than %#llx", name, text,
			    (unsigned long long)most);
	return value > most ? most : value;
}

/* Printable ASCII, without the characters that would confuse a shell or XML. */
bool config_plain(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text >= 127 || strchr("/<>&'\"\\", *text))
			return false;
	return true;
}

bool config_uuid(const char *text, uint8_t uuid[16])
{
	unsigned digits = 0;

	for (; *text; text++) {
		int value = hex_digit(*text);

		if (*text == '-')
			continue;
		if (value < 0 || digits == 32)
			return false;
		uuid[digits / 2] = (uint8_t)(uuid[digits / 2] << 4 | value);
		digits++;
	}
	return digits == 32;
}

uint64_t config_unit(const char *unit)
{
	static const char prefixes[] = "kmgtpe";
	uint64_t base = 1024, bytes = 1;
	const char *prefix;

	if (!strcasecmp(unit, "b") || !strcasecmp(unit, "byte") || !strcasecmp(unit, "bytes"))
		return 1;
	prefix = *unit ? strchr(prefixes, tolower((unsigned char)*unit)) : NULL;
	if (!prefix)
		return 0;
	if (!strcasecmp(unit + 1, "b"))
		base = 1000;
	else if (unit[1] && strcasecmp(unit + 1, "ib") != 0)
		return 0;
	for (const char *p = prefixes; p <= prefix; p++)
		bytes *= base;
	return bytes;
}

/* FNV-1a, for addresses that stay the same from start to start. */
uint64_t config_hash(const char *text, uint64_t value)
{
	for (; *text; text++)
		value = (value ^ (uint8_t)*text) * 0x100000001b3ull;
	return value;
}
