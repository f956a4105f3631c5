/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/base/sums.h"

#include <stdlib.h>
#include <string.h>

#include <mbedtls/sha256.h>

#include "guests/dom0/base/hex.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"

#define FILE_NAME "SHA256SUMS"
#define DIGEST    32u /* bytes */
#define DIGITS    (2 * DIGEST)
#define STEP      65536u /* bytes between two looks at what guests ask for */

/* A file is read once, and its memory is read-only. There is room for each module. */
static const uint8_t **right;
static unsigned rights;

/* The module that the background reads, and how far it has come. */
static struct {
	mbedtls_sha256_context sha;
	struct module module;
	unsigned index;
	uint64_t done;
} reading;

static bool is_known(const struct module *module)
{
	for (unsigned i = 0; i < rights; i++)
		if (right[i] == module->data)
			return true;
	return false;
}

static void note_right(const struct module *module)
{
	if (!right)
		right = calloc(boot->modules, sizeof(*right));
	if (right)
		right[rights++] = module->data;
}

/* "digits, a blank, a blank or an asterisk, name": does it name the module? "./" in front is
 * nothing. */
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

/* The line about a module that is still to be compared with it, or NULL. */
static const char *line_to_check(const struct module *module)
{
	struct module sums;

	if (!module_find(FILE_NAME, &sums) || is_known(module))
		return NULL;
	return line_about(&sums, module);
}

static bool agree(const char *digits, const uint8_t digest[DIGEST])
{
	for (unsigned i = 0; i < DIGEST; i++) {
		int high = hex_digit(digits[2 * i]), low = hex_digit(digits[2 * i + 1]);

		if (high < 0 || low < 0 || (high << 4 | low) != digest[i])
			return false;
	}
	return true;
}

/* Ends a hash, and remembers a module that agrees with its line. */
static bool conclude(mbedtls_sha256_context *sha, const struct module *module, const char *line)
{
	uint8_t digest[DIGEST];

	mbedtls_sha256_finish(sha, digest);
	mbedtls_sha256_free(sha);
	if (!agree(line, digest))
		return false;
	note_right(module);
	return true;
}

static void begin(mbedtls_sha256_context *sha)
{
	mbedtls_sha256_init(sha);
	mbedtls_sha256_starts(sha, 0);
}

const char *sums_check(const struct module *module)
{
	const char *line = line_to_check(module);
	mbedtls_sha256_context sha;

	if (!line)
		return NULL;
	begin(&sha);
	mbedtls_sha256_update(&sha, module->data, module->size);
	if (conclude(&sha, module, line))
		return NULL;
	return "the file is damaged: its SHA-256 is not the one in " FILE_NAME;
}

/* One step of the module that is being read; false: it is through. */
static bool read_on(void)
{
	uint64_t left = reading.module.size - reading.done;
	const char *line = line_to_check(&reading.module);

	if (!line)
		return false;
	if (!reading.done)
		begin(&reading.sha);
	mbedtls_sha256_update(&reading.sha, reading.module.data + reading.done,
			      left < STEP ? left : STEP);
	reading.done += left < STEP ? left : STEP;
	if (reading.done < reading.module.size)
		return true;
	conclude(&reading.sha, &reading.module, line);
	return false;
}

static void step(struct work *work)
{
	if (!module_get(reading.index, &reading.module))
		return;
	if (!read_on()) {
		reading.index++;
		reading.done = 0;
	}
	work_queue(work);
}

void sums_read_ahead(void)
{
	static struct work work = {.run = step};

	work_queue(&work);
}
