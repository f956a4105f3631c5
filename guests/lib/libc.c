/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions that picolibc needs of the system below it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"

#define COM1           0x3f8
#define UART_LSR       5
#define UART_THR_EMPTY 0x20
#define PM1A_CNT       0x604
#define PM1_SLP_S5     0x2000 /* SLP_EN, SLP_TYP 0 */
#define LINE_BYTES     256

int getentropy(void *buffer, size_t bytes);
int kill(pid_t pid, int signal);
pid_t getpid(void);

static uintptr_t heap_start, heap_end, heap_break;

void heap_set(uintptr_t start, uintptr_t end)
{
	heap_start = heap_break = (start + 15) & ~(uintptr_t)15;
	heap_end = end;
}

size_t heap_used(void)
{
	return heap_break - heap_start;
}

void *sbrk(ptrdiff_t by)
{
	uintptr_t old = heap_break;

	if (by < 0 ? (size_t)-by > heap_break - heap_start : (size_t)by > heap_end - heap_break) {
		errno = ENOMEM;
		return (void *)-1;
	}
	heap_break += (uintptr_t)by;
	return (void *)old;
}

/* Output: dom0's goes to the log by lines, that of others to COM1. */
static char line[LINE_BYTES];
static unsigned line_used;
static bool line_goes_on; /* its beginning has been written */
void (*guest_log_told)(void);

static int flush_line(FILE *file)
{
	unsigned level = 0, used = line_used;

	(void)file;
	line_used = 0;
	if (!used || !sampo_boot_info)
		return 0;
	if (!line_goes_on && used > LOG_LEVEL && guest_log_level(line))
		level = LOG_LEVEL;
	line_goes_on = line[used - 1] != '\n';
	sampo_log(sampo_boot_info->machine, SAMPO_LOG_RING, line, used);
	if (guest_log_told)
		guest_log_told();
	else
		sampo_log(sampo_boot_info->machine, SAMPO_LOG_CONSOLE, line + level, used - level);
	return 0;
}

static int put_serial(char c)
{
	for (unsigned spin = 0; spin < 100000; spin++)
		if (inb(COM1 + UART_LSR) & UART_THR_EMPTY)
			break;
	outb(COM1, (uint8_t)c);
	return c;
}

static int put_char(char c, FILE *file)
{
	if (!sampo_boot_info) {
		if (c == '\n')
			put_serial('\r');
		return put_serial(c);
	}
	line[line_used++] = c;
	if (c == '\n' || line_used == LINE_BYTES)
		flush_line(file);
	return c;
}

static FILE console = FDEV_SETUP_STREAM(put_char, NULL, flush_line, _FDEV_SETUP_WRITE);
FILE *const stdin = &console;
FILE *const stdout = &console;
FILE *const stderr = &console;

void _exit(int status)
{
	guest_log_told = NULL;
	flush_line(&console);
	if (sampo_boot_info) {
		static const char text[] = "dom0 has ended\n";

		sampo_log(sampo_boot_info->machine, SAMPO_LOG_WRITE, text, strlen(text));
	}
	(void)status;
	for (;;)
		__asm__ volatile("cli; hlt");
}

void guest_poweroff(void)
{
	outw(PM1A_CNT, PM1_SLP_S5);
	_exit(0);
}

/* Signals are a word of the C library only: abort() comes here. */
int kill(pid_t pid, int signal)
{
	(void)pid;
	printf("signal %d\n", signal);
	_exit(EXIT_BY_EXCEPTION);
}

pid_t getpid(void)
{
	return 1;
}

static bool rdrand(uint64_t *value)
{
	uint8_t ok = 0;

	for (unsigned tries = 0; tries < 16 && !ok; tries++)
		__asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=q"(ok) : : "cc");
	return ok;
}

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom generators) */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* RDRAND where the CPU has it; the TSC's low bits go in as well. */
int getentropy(void *buffer, size_t bytes)
{
	static uint64_t state;
	uint8_t *to = buffer;
	uint32_t leaf[4];
	bool have;

	if (bytes > 256) {
		errno = EIO;
		return -1;
	}
	cpuid(1, 0, leaf);
	have = leaf[2] & 1u << 30;
	while (bytes) {
		uint64_t word = 0;
		size_t n = bytes < sizeof(word) ? bytes : sizeof(word);

		if (have && !rdrand(&word))
			have = false;
		state = mix(state ^ rdtsc());
		word ^= state;
		memcpy(to, &word, n);
		to += n;
		bytes -= n;
	}
	return 0;
}

const char *sampo_strerror(int64_t status)
{
	static const char *const text[] = {
		"success",
		"an argument is out of its range",
		"no such handle",
		"the handle lacks a right",
		"out of memory",
		"busy",
		"the place is taken",
		"a buffer is not in memory",
		"no such call",
		"no such device",
		"the domain is dead",
		"a part is done",
	};

	if (status > 0 || -status >= (int64_t)(sizeof(text) / sizeof(text[0])))
		return "unknown status";
	return text[-status];
}
