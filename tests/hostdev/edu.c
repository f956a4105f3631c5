/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * edu FUNCTION dma|msi|pin|bench: drives QEMU's device edu (QEMU's docs/specs/edu) from a Linux
 * guest, by what sysfs and uio_pci_generic show of the function, such as 0000:00:03.0. dma: 2 KiB
 * from the guest's memory into the device and back to another page. msi: interrupts by messages
 * that name Linux's vector for rescheduling, which /proc/interrupts counts. pin: interrupts by the
 * pin, which uio counts. The program says "edu: WORD works", or what is wrong. bench: how long an
 * interrupt by message holds up the program that causes it, and how long one by pin takes to a read
 * of /dev/uio0 that waits for it, as lines "bench NAME LEAST MEAN" in ticks of the time-stamp
 * counter.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE         4096u
#define BLOCK        2048u /* QEMU 7.2 ends at the last byte of the buffer */
#define BYTES        (1u << 20)
#define ROUNDS       20u
#define BENCH_ROUNDS 200u

#define REG_ID         0x00u
#define REG_STATUS     0x24u
#define REG_RAISE      0x60u
#define REG_ACK        0x64u
#define REG_DMA_SOURCE 0x80u
#define REG_DMA_TARGET 0x88u
#define REG_DMA_BYTES  0x90u
#define REG_DMA        0x98u
#define DMA_START      1u
#define DMA_TO_MEMORY  2u
#define BUFFER         0x40000u
#define ID             0x010000edu

#define COMMAND         4u
#define COMMAND_ON      0x0006u /* memory, bus master */
#define COMMAND_NO_INTX 0x0400u
#define CAPABILITIES    0x34u
#define CAP_MSI         5u
#define MSI_ENABLE      1u
#define MSI_WIDE        0x80u

#define LAPIC_MESSAGES    0xfee00000u
#define RESCHEDULE_VECTOR 0xfdu

static volatile uint8_t *registers;
static int config;

static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("edu: ");
	vprintf(format, args);
	printf(" (errno %d)\n", errno);
	exit(1);
}

static uint32_t get(unsigned offset)
{
	return *(volatile uint32_t *)(registers + offset);
}

static void set(unsigned offset, uint32_t value)
{
	*(volatile uint32_t *)(registers + offset) = value;
}

static void set_wide(unsigned offset, uint64_t value)
{
	*(volatile uint64_t *)(registers + offset) = value;
}

static uint32_t config_get(unsigned offset, unsigned bytes)
{
	uint32_t value = 0;

	if (pread(config, &value, bytes, offset) != (ssize_t)bytes)
		die("configuration space cannot be read at %x", offset);
	return value;
}

static void config_set(unsigned offset, unsigned bytes, uint32_t value)
{
	if (pwrite(config, &value, bytes, offset) != (ssize_t)bytes)
		die("configuration space cannot be written at %x", offset);
}

static void nap(unsigned ms)
{
	const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l};

	nanosleep(&time, NULL);
}

static void open_function(const char *name)
{
	char path[128];
	int file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", name);
	config = open(path, O_RDWR | O_SYNC);
	if (config < 0)
		die("%s", path);
	config_set(COMMAND, 2, (config_get(COMMAND, 2) | COMMAND_ON) & ~COMMAND_NO_INTX);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", name);
	file = open(path, O_RDWR | O_SYNC);
	registers = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (file < 0 || registers == MAP_FAILED)
		die("%s", path);
	if (get(REG_ID) != ID)
		die("the registers say %x", get(REG_ID));
}

/* --- DMA --- */

static uint64_t physical(const void *page)
{
	int file = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (file < 0 || pread(file, &entry, 8, (off_t)((uintptr_t)page / PAGE * 8)) != 8)
		die("pagemap");
	close(file);
	if (!(entry >> 63))
		die("a page is not there");
	return (entry & ((1ull << 55) - 1)) * PAGE;
}

static void dma(uint64_t source, uint64_t target, uint32_t command)
{
	set_wide(REG_DMA_SOURCE, source);
	set_wide(REG_DMA_TARGET, target);
	set_wide(REG_DMA_BYTES, BLOCK);
	set_wide(REG_DMA, command | DMA_START);
	for (unsigned i = 0; get(REG_DMA) & DMA_START; i++) {
		if (i == 1000)
			die("the transfer does not end");
		nap(10);
	}
}

static void test_dma(void)
{
	uint8_t *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);

	if (pages == MAP_FAILED)
		die("memory");
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < BLOCK; i++)
			pages[i] = (uint8_t)(i * 7 + i / 256 + round);
		memset(pages + PAGE, 0xee, PAGE);
		dma(physical(pages), BUFFER, 0);
		dma(BUFFER, physical(pages + PAGE), DMA_TO_MEMORY);
		if (memcmp(pages, pages + PAGE, BLOCK) != 0)
			die("the data that came back in round %u is not what went out", round);
	}
}

/* --- interrupts --- */

static unsigned msi_capability(void)
{
	unsigned at = config_get(CAPABILITIES, 1);

	while (at && config_get(at, 1) != CAP_MSI)
		at = config_get(at + 1, 1);
	if (!at)
		die("there is no MSI");
	return at;
}

static unsigned long rescheduled(void)
{
	unsigned long count = 0;
	FILE *file = fopen("/proc/interrupts", "r");
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, " RES: %lu", &count);
	if (file)
		fclose(file);
	return count;
}

static void set_up_msi(int on)
{
	unsigned at = msi_capability(), wide = config_get(at + 2, 2) & MSI_WIDE ? 4 : 0;
	uint32_t control = config_get(at + 2, 2) & ~MSI_ENABLE;

	config_set(at + 4, 4, LAPIC_MESSAGES);
	if (wide)
		config_set(at + 8, 4, 0);
	config_set(at + 8 + wide, 2, RESCHEDULE_VECTOR);
	config_set(at + 2, 2, control | (on ? MSI_ENABLE : 0));
}

static void test_msi(void)
{
	unsigned long before = rescheduled();

	set_up_msi(1);
	for (unsigned i = 0; i < ROUNDS; i++) {
		set(REG_RAISE, 1);
		nap(10);
		set(REG_ACK, get(REG_STATUS));
	}
	set_up_msi(0);
	if (rescheduled() < before + ROUNDS)
		die("%u messages made %lu interrupts", ROUNDS, rescheduled() - before);
}

static void test_pin(void)
{
	int uio = open("/dev/uio0", O_RDWR);
	struct pollfd wait = {.fd = uio, .events = POLLIN};
	uint32_t before = 0, count;

	if (uio < 0)
		die("/dev/uio0");
	for (unsigned i = 0; i < ROUNDS; i++) {
		config_set(COMMAND, 2, config_get(COMMAND, 2) & ~COMMAND_NO_INTX);
		set(REG_RAISE, 1u << i);
		if (poll(&wait, 1, 10000) != 1 || read(uio, &count, 4) != 4)
			die("interrupt %u does not come", i);
		if (get(REG_STATUS) != 1u << i || (i && count != before + 1))
			die("interrupt %u is number %u, status %x", i, count, get(REG_STATUS));
		before = count;
		set(REG_ACK, get(REG_STATUS));
	}
}

/* --- how long they take --- */

static uint64_t now(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
	return (uint64_t)high << 32 | low;
}

static void measure(const char *name, void (*prepare)(void), void (*cause)(void))
{
	uint64_t least = UINT64_MAX, sum = 0;

	for (unsigned i = 0; i < BENCH_ROUNDS; i++) {
		uint64_t start, ticks;

		prepare();
		start = now();
		cause();
		ticks = now() - start;
		sum += ticks;
		least = ticks < least ? ticks : least;
		set(REG_ACK, 1);
	}
	printf("bench %s %lu %lu\n", name, (unsigned long)least,
	       (unsigned long)(sum / BENCH_ROUNDS));
}

static void nothing(void)
{
}

static void send_message(void)
{
	set(REG_RAISE, 1);
}

static int bench_uio;

static void unmask_pin(void)
{
	config_set(COMMAND, 2, config_get(COMMAND, 2) & ~COMMAND_NO_INTX);
}

static void raise_pin(void)
{
	uint32_t count;

	set(REG_RAISE, 1);
	if (read(bench_uio, &count, 4) != 4)
		die("/dev/uio0");
}

static void bench(void)
{
	unsigned long before;

	measure("edu-nothing", nothing, nothing);
	set_up_msi(1);
	before = rescheduled();
	measure("edu-message", nothing, send_message);
	if (rescheduled() < before + BENCH_ROUNDS)
		die("messages were lost");
	set_up_msi(0);
	bench_uio = open("/dev/uio0", O_RDWR);
	measure("edu-pin", unmask_pin, raise_pin);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		die("FUNCTION dma|msi|pin|bench");
	open_function(argv[1]);
	if (!strcmp(argv[2], "dma"))
		test_dma();
	else if (!strcmp(argv[2], "msi"))
		test_msi();
	else if (!strcmp(argv[2], "pin"))
		test_pin();
	else if (!strcmp(argv[2], "bench"))
		bench();
	else
		die("%s", argv[2]);
	printf("edu: %s works\n", argv[2]);
	return 0;
}
