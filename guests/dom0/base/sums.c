/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/base/sums.h"

#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/hex.h"
#include "guests/dom0/base/memory.h"
#include "guests/lib/sha256.h"

#define FILE_NAME "SHA256SUMS"
#define DIGITS    (2 * SHA256_BYTES)

/* A file is read once, and its memory is read-only. There is room for each module. */
static const uint8_t **right;
static unsigned rights;

static bool is_known(const struct module *module)
{
	for (unsigned i = 0; i < rights; i++)
		if (right[i] == module->data)
			return true;
	return false;
}

/* "digits, a blank, a blank or an asterisk, name": does it name the module? "./" in front is nothing. */
static bool names(const char *line, size_t length, const struct module *module)
{
	const char *name = line + DIGITS + 2;
	size_t n;

	if (length <= DIGITS + 2 || line[DIGITS] != ' ')
		return false;
	n = length - DIGITS - 2;
	if (n > 2 && !memcmp(name, "./", 2)) {
		name += 2;
		n -= 2;
	}
	return n == strlen(module->name) && !memcmp(name, module->name, n);
}

/* The line of SHA256SUMS about a module, or NULL. */
static const char *line_about(const struct module *sums, const struct module *module)
{
	const char *at = (const char *)sums->data, *end = at + sums->size;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		if (names(at, (size_t)(stop - at), module))
			return at;
		at = stop + 1;
	}
	return NULL;
}

static bool agree(const char *digits, const uint8_t digest[SHA256_BYTES])
{
	for (unsigned i = 0; i < SHA256_BYTES; i++) {
		int high = hex_digit(digits[2 * i]), low = hex_digit(digits[2 * i + 1]);

		if (high < 0 || low < 0 || (high << 4 | low) != digest[i])
			return false;
	}
	return true;
}

const char *sums_check(const struct module *module)
{
	uint8_t digest[SHA256_BYTES];
	struct module sums;
	const char *line;

	if (!module_find(FILE_NAME, &sums) || is_known(module))
		return NULL;
	line = line_about(&sums, module);
	if (!line)
		return NULL;
	sha256(module->data, module->size, digest);
	if (!agree(line, digest))
		return "the file is damaged: its SHA-256 is not the one in " FILE_NAME;
	if (!right)
		right = calloc(boot->modules, sizeof(*right));
	if (right)
		right[rights++] = module->data;
	return NULL;
}
