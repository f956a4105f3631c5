/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/* sources: drivers/block/ahci.c drivers/block/ahci_io.c drivers/block/ata.c drivers/block/request.c */
/* clang-format on */
/*
 * The AHCI driver against a controller with one port made of plain memory:
 * what emulators cannot do, such as a disk that is pulled, replaced, or does
 * not answer any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/block/ahci.h"
#include "drivers/block/ata.h"
#include "tests/unit/dma_mock.h"

#define MS     1000000ull
#define SECOND (1000 * MS)

/* --- the world around ------------------------------------------------------------------------ */

static uint64_t now;
static struct timer *timers[8];
static unsigned registered, holds;
static char log_text[8192];

uint64_t clock_ns(void)
{
	return now;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
}

void timer_cancel(struct timer *timer)
{
	for (unsigned i = 0; i < 8; i++)
		if (timers[i] == timer)
			timers[i] = NULL;
	timer->deadline = 0;
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	unsigned i = 0;

	timer_cancel(timer);
	timer->deadline = deadline_ns;
	while (timers[i])
		assert_true(++i < 8);
	timers[i] = timer;
}

void driver_log(const char *format, ...)
{
	size_t used = strlen(log_text);
	va_list args;

	va_start(args, format);
	vsnprintf(log_text + used, sizeof(log_text) - used, format, args);
	va_end(args);
}

void blk_register(struct blkdev *dev, void (*ready)(struct blkdev *dev))
{
	(void)dev;
	(void)ready;
	registered++;
}

void blk_hold(void)
{
	holds++;
}

void blk_release(void)
{
	assert_true(holds > 0);
	holds--;
}

void pci_enable(struct pci_device *dev, const char *name)
{
	(void)name;
	(void)dev;
}

/* --- the controller and its disk ------------------------------------------------------------- */

static struct ahci_regs regs;
static struct ahci *hba;
static void (*handler)(void *context, unsigned vector);

static struct {
	bool present, silent, left, stuck; /* stuck: the command engine does not stop */
	const char *serial;
	uint64_t failing_sector;
	bool in_reset;
	unsigned resets, commands;
	uint32_t finished;
} disk;

volatile void *pci_map(struct pci_device *dev, unsigned bar)
{
	(void)dev;
	assert_int_equal(bar, 5);
	return &regs;
}

unsigned pci_irq_setup(struct pci_device *dev, unsigned wanted,
		       void (*function)(void *context, unsigned vector), void *context)
{
	(void)dev;
	(void)wanted;
	handler = function;
	hba = context;
	return 1;
}

/* Status bits in memory are not cleared by writing ones to them: here they are
 * gone once the handler has seen them. */
static void interrupt(uint32_t status)
{
	regs.port[0].is = status;
	regs.is = 1;
	handler(hba, 0);
	regs.is = 0;
	regs.port[0].is = 0;
}

static void identify(uint16_t *words)
{
	memset(words, 0, 512);
	for (unsigned i = 0; disk.serial[i]; i++)
		words[10 + i / 2] |= (uint16_t)((uint8_t)disk.serial[i] << (i & 1 ? 0 : 8));
	words[49] = 0x100;
	words[75] = 31;
	words[76] = 0x100;
	words[83] = 0x6400;
	words[85] = 0x20;
	words[87] = 0x4000;
	words[100] = 10000;
	words[169] = 1;
}

/* Executes the command in a slot; false: it fails. */
static bool execute(unsigned tag)
{
	struct ahci_area *area;
	struct ahci_table *table;
	unsigned command;
	uint64_t lba;

	area = (void *)((uintptr_t)regs.port[0].clb | (uintptr_t)regs.port[0].clbu << 32);
	table = (void *)(uintptr_t)area->header[tag].table;
	command = table->fis[0] >> 16 & 0xff;
	lba = (table->fis[1] & 0xffffff) | (uint64_t)(table->fis[2] & 0xffffff) << 24;
	disk.commands++;
	if (command == ATA_IDENTIFY)
		identify((void *)(uintptr_t)table->prd[0].bus);
	else if (command != ATA_FLUSH_EXT && command != ATA_DATA_SET)
		return lba != disk.failing_sector;
	return true;
}

/* What the hardware does between two looks of the driver; false: nothing. */
static bool hardware(void)
{
	struct ahci_port_regs *port = &regs.port[0];
	struct ahci_port *driver = hba ? hba->port[0] : NULL;
	uint32_t done = 0;
	bool error = false;

	if (disk.left)
		return false;
	regs.ghc &= ~GHC_HR;
	if (!disk.stuck || port->cmd & CMD_ST)
		port->cmd = port->cmd & CMD_ST ? port->cmd | CMD_CR : port->cmd & ~CMD_CR;
	if ((port->sctl & 0xf) == DET_PRESENT) {
		disk.in_reset = true;
		port->ssts = 0;
		return false;
	}
	if (disk.in_reset) {
		disk.in_reset = false;
		disk.resets++;
		disk.finished = 0;
		port->ssts = disk.present ? 0x113 : 0;
		port->tfd = disk.present ? 0x50 : 0x7f;
		port->sig = disk.present ? SIG_DISK : ~0u;
	}
	/* Memory keeps only what was written last. */
	if (driver) {
		port->ci = driver->active;
		port->sact = driver->alone ? 0 : driver->active;
	}
	if (!driver || !disk.present || disk.silent || !(port->cmd & CMD_ST))
		return false;
	disk.finished &= driver->active;
	for (uint32_t bits = driver->active; bits && !error; bits &= bits - 1) {
		if (execute((unsigned)__builtin_ctz(bits)))
			done |= bits & -bits;
		else
			error = true;
	}
	if (!done && !error)
		return false;
	port->sact = driver->alone ? 0 : driver->active & ~done;
	port->ci = driver->alone && error ? driver->active : 0;
	port->tfd = error ? 0x51 : 0x50;
	interrupt(error ? 0x40000000 : driver->alone ? PIS_DHRS : PIS_SDBS);
	return true;
}

/* Lets time pass until `until` or until nothing is to come. */
static void pass(uint64_t until)
{
	until += now;
	for (;;) {
		struct timer *next = NULL;

		while (hardware())
			;
		for (unsigned i = 0; i < 8; i++)
			if (timers[i] && (!next || timers[i]->deadline < next->deadline))
				next = timers[i];
		if (!next || next->deadline > until)
			break;
		if (next->deadline > now)
			now = next->deadline;
		timer_cancel(next);
		next->fire(next);
	}
	now = until;
}

extern const struct pci_driver ahci_driver;

/* `stall`: ns for which dom0 stands still behind the controller's reset. */
static int probe(bool present, uint64_t stall)
{
	static struct pci_device device = {
		.class_code = 0x010601, .name = "00:1f.2", .bar[5] = {.base = 4096, .size = 8192}};

	memset(&regs, 0, sizeof(regs));
	memset(&disk, 0, sizeof(disk));
	memset(timers, 0, sizeof(timers));
	log_text[0] = 0;
	hba = NULL;
	registered = holds = 0;
	now = SECOND;
	disk.present = present;
	disk.serial = "one";
	disk.failing_sector = ~0ull;
	regs.cap = CAP_S64A | CAP_SNCQ | 31 << 8;
	regs.pi = 1;
	assert_true(ahci_driver.probe(&device));
	hardware();
	now += stall;
	pass(SECOND);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	return probe(true, 0);
}

static int begin_late(void **state)
{
	(void)state;
	return probe(true, 60 * SECOND);
}

static int begin_empty(void **state)
{
	(void)state;
	return probe(false, 0);
}

static int end(void **state)
{
	(void)state;
	free(hba->port[0]->area);
	free(hba->port[0]->tables);
	free(hba->port[0]);
	free(hba);
	return 0;
}

/* --- requests -------------------------------------------------------------------------------- */

#define REQUESTS 40u
static struct blk_request requests[REQUESTS];
static struct blk_segment segments[REQUESTS];
static int status[REQUESTS];
static unsigned done_count;

static void done(struct blk_request *request, enum blk_status result)
{
	assert_int_equal(status[request - requests], -1);
	status[request - requests] = (int)result;
	done_count++;
}

static void submit(unsigned i, enum blk_op op, uint64_t sector)
{
	bool data = op == BLK_READ || op == BLK_WRITE;
	struct ahci_port *port = hba->port[0];

	segments[i] = (struct blk_segment){.bus = 0x1000, .bytes = 512};
	requests[i] = (struct blk_request){.op = op,
					   .disk_sector = sector,
					   .sectors = op == BLK_FLUSH ? 0 : 1,
					   .segments = data ? 1 : 0,
					   .segment = &segments[i],
					   .done = done};
	status[i] = -1;
	ahci_submit(&port->disk, &requests[i]);
}

static void submit_all(void)
{
	done_count = 0;
	for (unsigned i = 0; i < REQUESTS; i++)
		submit(i, i % 10 == 7 ? BLK_FLUSH : i % 10 == 5 ? BLK_DISCARD : BLK_READ, 100 + i);
}

static void assert_all(int expected, unsigned but)
{
	assert_int_equal(done_count, REQUESTS);
	for (unsigned i = 0; i < REQUESTS; i++)
		assert_int_equal(status[i], i == but ? BLK_IOERR : expected);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_start(void **state)
{
	(void)state;
	assert_int_equal(registered, 1);
	assert_int_equal(holds, 0);
	assert_string_equal(hba->port[0]->disk.serial, "one");
	assert_int_equal(hba->port[0]->disk.sectors, 10000);
	submit_all();
	pass(SECOND);
	assert_all(BLK_OK, ~0u);
}

static void test_bad_sector(void **state)
{
	(void)state;
	disk.failing_sector = 112;
	submit_all();
	pass(SECOND);
	assert_all(BLK_OK, 12);
	/* Nothing else is a victim, and the disk is of use again. */
	disk.failing_sector = ~0ull;
	submit_all();
	pass(SECOND);
	assert_all(BLK_OK, ~0u);
}

static void test_no_answer(void **state)
{
	(void)state;
	disk.silent = true;
	submit_all();
	pass(10 * SECOND);
	assert_int_equal(done_count, 0);
	/* It comes back by the reset: all is well, if late. */
	pass(4 * SECOND);
	disk.silent = false;
	pass(20 * SECOND);
	assert_all(BLK_OK, ~0u);

	disk.silent = true;
	submit_all();
	pass(300 * SECOND);
	assert_all(BLK_IOERR, ~0u);
	submit_all();
	assert_all(BLK_IOERR, ~0u);
}

static void test_stuck(void **state)
{
	(void)state;
	disk.stuck = true;
	disk.failing_sector = 100;
	submit_all();
	pass(10 * SECOND);
	assert_all(BLK_OK, 0);
}

static void test_pulled(void **state)
{
	(void)state;
	disk.silent = true;
	submit_all();
	pass(SECOND);
	disk.present = false;
	regs.port[0].ssts = 0;
	interrupt(PIS_PRCS);
	pass(10 * SECOND);
	assert_all(BLK_IOERR, ~0u);
	assert_non_null(strstr(log_text, "no link"));
	assert_true(blk_is_lost(&hba->port[0]->disk));
	submit_all();
	assert_all(BLK_IOERR, ~0u);

	/* The same disk again */
	disk.present = true;
	disk.silent = false;
	regs.port[0].ssts = 0x113;
	interrupt(PIS_PCS);
	pass(SECOND);
	assert_false(blk_is_lost(&hba->port[0]->disk));
	submit_all();
	pass(SECOND);
	assert_all(BLK_OK, ~0u);
	assert_int_equal(registered, 1);
}

/* A controller whose registers read as zeros, or as ones: no command counts as done. */
static void test_left(void **state)
{
	static const uint32_t values[] = {0, ~0u};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		uint32_t ghc = regs.ghc;

		disk.silent = true;
		submit_all();
		disk.left = true;
		regs.ghc = regs.port[0].ci = regs.port[0].sact = regs.port[0].ssts = values[i];
		pass(10 * SECOND);
		assert_all(BLK_IOERR, ~0u);
		assert_true(blk_is_lost(&hba->port[0]->disk));
		regs.ghc = ghc;
		regs.port[0].ci = regs.port[0].sact = 0;
		disk.left = disk.silent = false;
		regs.port[0].ssts = 0x113;
		interrupt(PIS_PCS);
		pass(SECOND);
		assert_false(blk_is_lost(&hba->port[0]->disk));
	}
}

static void test_replaced(void **state)
{
	(void)state;
	disk.serial = "two";
	interrupt(PIS_PCS);
	pass(SECOND);
	assert_non_null(strstr(log_text, "replaced"));
	submit_all();
	assert_all(BLK_IOERR, ~0u);
}

/* A link that comes and goes while requests are under way loses none. */
static void test_flapping(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		disk.silent = i & 1;
		submit_all();
		interrupt(PIS_PRCS);
		pass(i % 7 * MS);
		disk.silent = false;
		interrupt(PIS_PRCS | PIS_PCS);
		pass(SECOND);
		assert_all(BLK_OK, ~0u);
	}
	assert_true(strlen(log_text) < 2000);
}

static void test_empty(void **state)
{
	(void)state;
	assert_int_equal(registered, 0);
	assert_int_equal(holds, 0);
	/* Plugged in later */
	disk.present = true;
	regs.port[0].ssts = 0x113;
	interrupt(PIS_PCS);
	pass(SECOND);
	assert_int_equal(registered, 1);
	submit_all();
	pass(SECOND);
	assert_all(BLK_OK, ~0u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_start, begin, end),
		cmocka_unit_test_setup_teardown(test_start, begin_late, end),
		cmocka_unit_test_setup_teardown(test_bad_sector, begin, end),
		cmocka_unit_test_setup_teardown(test_no_answer, begin, end),
		cmocka_unit_test_setup_teardown(test_stuck, begin, end),
		cmocka_unit_test_setup_teardown(test_pulled, begin, end),
		cmocka_unit_test_setup_teardown(test_left, begin, end),
		cmocka_unit_test_setup_teardown(test_replaced, begin, end),
		cmocka_unit_test_setup_teardown(test_flapping, begin, end),
		cmocka_unit_test_setup_teardown(test_empty, begin_empty, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
