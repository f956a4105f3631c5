/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/lib/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/lib/exceptions.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"

static unsigned passed_checks, failed_checks;

/* TF, DF, NT, AC: what would trouble the code that goes on. */
#define FLAGS_OF_GARBAGE 0x44500ull

volatile uint64_t fault_error;

/* faults.S: where to go on after an exception (0: nowhere), and its vector. */
extern volatile uint64_t fault_resume;
extern volatile int64_t fault_vector;

void check(bool passed, const char *name, const char *format, ...)
{
	va_list args;

	if (passed) {
		passed_checks++;
		printf("PASS %s\n", name);
		return;
	}
	failed_checks++;
	printf("FAIL %s: ", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

int check_end(void)
{
	printf("DONE %u passed, %u failed\n", passed_checks, failed_checks);
	return failed_checks ? 1 : 0;
}

static const char *cmdline(void)
{
	const struct hvm_start_info *info = guest_boot_info;

	if (sampo_boot_info)
		return sampo_boot_info->cmdline;
	if (!info || info->magic != HVM_START_MAGIC || !info->cmdline)
		return "";
	return (const char *)(uintptr_t)info->cmdline;
}

/* Where the word begins, or NULL; what follows it is the caller's matter. */
static const char *find_word(const char *word)
{
	const char *line = cmdline(), *at = line;

	for (at = strstr(at, word); at; at = strstr(at + 1, word))
		if (at == line || at[-1] == ' ')
			return at;
	return NULL;
}

uint64_t option(const char *name, uint64_t otherwise)
{
	const char *at = find_word(name);

	if (!at || at[strlen(name)] != '=')
		return otherwise;
	return strtoull(at + strlen(name) + 1, NULL, 0);
}

bool option_word(const char *word)
{
	const char *at = find_word(word);

	return at && (at[strlen(word)] == ' ' || !at[strlen(word)]);
}

static bool hook(struct exception *e)
{
	if (!fault_resume)
		return false;
	fault_vector = (int64_t)e->vector;
	fault_error = e->error;
	e->rip = fault_resume;
	e->rflags &= ~FLAGS_OF_GARBAGE;
	fault_resume = 0;
	return true;
}

void faults_init(void)
{
	exceptions_hook(hook);
}

uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}
