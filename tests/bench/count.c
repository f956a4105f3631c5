/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plugin for QEMU's TCG, `-plugin count.so,out=FILE`, that counts the instructions which the
 * machine executes, in all its rings and guests. Time that passes while a CPU sleeps is not in
 * these counts, other than in those of -icount.
 *
 * A program of the machine marks what is to be counted by a NOP with a number in its displacement:
 * MARK_BEGIN and MARK_END of tests/bench/mark.h. Each end writes a line `executed N` into the file,
 * and with profile=on how many instructions of each block of code were executed, as lines
 * `at ADDRESS CODE N`, where CODE is the first eight bytes of the block. The first interval begins
 * with the machine.
 *
 * The declarations are those of version 1 of QEMU's plugin interface (docs/devel/tcg-plugins), as
 * far as this plugin needs them; no package has the header.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"

#define VERSION   1
#define EXPORT    __attribute__((visibility("default")))
#define BUCKETS   (1u << 16)
#define NOP_BYTES 7u

struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { ADD_U64 };
enum { NO_REGISTERS };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *ptr,
						uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*call)(unsigned cpu, void *data), int flags,
					    void *data);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
					   void (*call)(uint64_t id, struct qemu_plugin_tb *tb));

EXPORT int qemu_plugin_version = VERSION;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

/* A block of code; one that has been translated again is the same. Ring 0 and its guests have code
 * at the same addresses, which the first bytes tell apart. */
struct block {
	struct block *next;
	uint64_t address, code;
	uint64_t executed;
	uint64_t before; /* `executed` when the interval began */
};

static struct block *buckets[BUCKETS];
static FILE *out;
static bool profile;

static struct block *block_at(uint64_t address, uint64_t code)
{
	struct block **bucket = &buckets[(address ^ address >> 16) % BUCKETS], *block;

	for (block = *bucket; block; block = block->next)
		if (block->address == address && block->code == code)
			return block;
	block = calloc(1, sizeof(*block));
	if (!block)
		abort();
	block->address = address;
	block->code = code;
	block->next = *bucket;
	*bucket = block;
	return block;
}

static void begin(unsigned cpu, void *data)
{
	(void)cpu;
	(void)data;
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct block *block = buckets[i]; block; block = block->next)
			block->before = block->executed;
}

static void end(unsigned cpu, void *data)
{
	uint64_t sum = 0;

	(void)cpu;
	(void)data;
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (struct block *block = buckets[i]; block; block = block->next) {
			uint64_t n = block->executed - block->before;

			sum += n;
			if (profile && n)
				fprintf(out, "at %llx %016llx %llu\n",
					(unsigned long long)block->address,
					(unsigned long long)block->code, (unsigned long long)n);
		}
	}
	fprintf(out, "executed %llu\n", (unsigned long long)sum);
	fflush(out);
}

static uint32_t mark_of(const struct qemu_plugin_insn *insn)
{
	static const uint8_t nop[] = {MARK_NOP};
	const uint8_t *bytes = qemu_plugin_insn_data(insn);
	uint32_t mark = 0;

	if (qemu_plugin_insn_size(insn) == NOP_BYTES && !memcmp(bytes, nop, sizeof(nop)))
		memcpy(&mark, bytes + sizeof(nop), sizeof(mark));
	return mark;
}

/* The bytes in memory order, the first one uppermost; 0 beyond the block's end. */
static uint64_t code_of(const struct qemu_plugin_tb *tb)
{
	uint64_t code = 0;
	unsigned taken = 0;

	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb) && taken < sizeof(code); i++) {
		const struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *bytes = qemu_plugin_insn_data(insn);

		for (size_t n = 0; n < qemu_plugin_insn_size(insn) && taken < sizeof(code); n++)
			code |= (uint64_t)bytes[n] << (56 - 8 * taken++);
	}
	return code;
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	struct block *block = block_at(qemu_plugin_tb_vaddr(tb), code_of(tb));

	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t mark = mark_of(insn);

		qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD_U64, &block->executed, 1);
		if (mark == MARK_BEGIN)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, NO_REGISTERS, NULL);
		else if (mark == MARK_END)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, end, NO_REGISTERS, NULL);
	}
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strcmp(argv[i], "profile=on"))
			profile = true;
	}
	if (!out) {
		fprintf(stderr, "count: out=FILE is missing, or cannot be written\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
