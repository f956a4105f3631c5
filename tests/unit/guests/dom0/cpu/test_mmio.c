/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/cpu/mmio.c guests/dom0/cpu/operand.c guests/dom0/cpu/insn.c guests/dom0/cpu/flags.c */
/* sources: guests/dom0/cpu/walk.c guests/dom0/vm/ram.c guests/dom0/vm/bus.c */
/* libs: zydis */
/*
 * Instructions that dom0 executes for a guest, against the CPU that runs this
 * test: the same bytes with the same registers and memory, once here and once
 * in the emulation with the memory behind a device.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "guests/dom0/cpu/insn.h"
#include "tests/unit/native_run.h"

#define RAM          (1u << 20)
#define CODE         0x1000u
#define DEVICE       0xd0000000ull
#define DEVICE_BYTES 256u
#define ROUNDS       200
#define FLAGS        0x8d5ull /* CF PF AF ZF SF OF */

bool sampo_by_vmcall;

void ioapic_eoi(struct vm *vm, uint8_t vector)
{
	(void)vm;
	(void)vector;
	fail();
}

void startup_sent(struct vcpu *v)
{
	(void)v;
	fail();
}

static struct vm vm;
static struct sampo_exit exit_page;
static struct vcpu vcpu;
static uint8_t ram[RAM];
static uint8_t device[DEVICE_BYTES];
static unsigned accesses;
static uint8_t native_memory[DEVICE_BYTES] __attribute__((aligned(256)));

static uint64_t device_read(struct vm *v, uint32_t instance, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	(void)v;
	(void)instance;
	memcpy(&value, device + offset, size);
	accesses++;
	return value;
}

static void device_write(struct vm *v, uint32_t instance, uint64_t offset, unsigned size,
			 uint64_t value)
{
	(void)v;
	(void)instance;
	memcpy(device + offset, &value, size);
	accesses++;
}

static const struct io_ops device_ops = {device_read, device_write};

void vcpu_exception(struct sampo_exit *exit, unsigned vector, int64_t code)
{
	exit->inject = vector;
	exit->inject_code = (uint32_t)code;
	exit->dirty |= SAMPO_DIRTY_INJECT;
}

void vcpu_page_fault(struct sampo_exit *exit, uint64_t linear, uint32_t code)
{
	exit->cr2 = linear;
	vcpu_exception(exit, EXCEPTION_PF, code);
}

/* Each in all the widths that matter; RDI is the address of the memory. */
#define CASES(X)                       \
	X("movb %al,(%rdi)")           \
	X("movw %ax,8(%rdi)")          \
	X("movl %eax,(%rdi)")          \
	X("movq %r15,(%rdi)")          \
	X("movb %ah,(%rdi)")           \
	X("movb (%rdi),%bh")           \
	X("movb (%rdi),%cl")           \
	X("movw (%rdi),%cx")           \
	X("movl (%rdi),%ecx")          \
	X("movq (%rdi),%r9")           \
	X("movl $0x12345678,(%rdi)")   \
	X("movq $-2,(%rdi)")           \
	X("movb $7,(%rdi,%rcx,1)")     \
	X("movnti %eax,(%rdi)")        \
	X("movzbl (%rdi),%edx")        \
	X("movzbw (%rdi),%dx")         \
	X("movzwl (%rdi),%edx")        \
	X("movzbq (%rdi),%rdx")        \
	X("movsbl (%rdi),%edx")        \
	X("movsbw (%rdi),%dx")         \
	X("movswq (%rdi),%rdx")        \
	X("movslq (%rdi),%rdx")        \
	X("movsbq (%rdi),%rbp")        \
	X("addb %al,(%rdi)")           \
	X("addl %eax,(%rdi)")          \
	X("addq (%rdi),%rax")          \
	X("addw $-1,(%rdi)")           \
	X("adcl %edx,(%rdi)")          \
	X("adcb (%rdi),%ah")           \
	X("adcq $-1,(%rdi)")           \
	X("subb %dl,(%rdi)")           \
	X("subw (%rdi),%dx")           \
	X("subq $1,(%rdi)")            \
	X("sbbl %edx,(%rdi)")          \
	X("sbbb $0,(%rdi)")            \
	X("sbbq (%rdi),%rdx")          \
	X("andl %edx,(%rdi)")          \
	X("andb $0x80,(%rdi)")         \
	X("andq (%rdi),%rdx")          \
	X("orl %edx,(%rdi)")           \
	X("orw $1,(%rdi)")             \
	X("orb (%rdi),%dl")            \
	X("xorl %edx,(%rdi)")          \
	X("xorq %rdx,(%rdi)")          \
	X("xorb (%rdi),%dl")           \
	X("cmpb %dl,(%rdi)")           \
	X("cmpl (%rdi),%edx")          \
	X("cmpq $5,(%rdi)")            \
	X("cmpw %ax,(%rdi)")           \
	X("testb $0x40,(%rdi)")        \
	X("testl %edx,(%rdi)")         \
	X("testq %rdx,(%rdi)")         \
	X("incb (%rdi)")               \
	X("incl (%rdi)")               \
	X("decw (%rdi)")               \
	X("decq (%rdi)")               \
	X("notl (%rdi)")               \
	X("notb (%rdi)")               \
	X("negl (%rdi)")               \
	X("negq (%rdi)")               \
	X("negb (%rdi)")               \
	X("xchgl %edx,(%rdi)")         \
	X("xchgb %ah,(%rdi)")          \
	X("xchgq %rdx,(%rdi)")         \
	X("lock xaddl %edx,(%rdi)")    \
	X("xaddb %dl,(%rdi)")          \
	X("lock cmpxchgl %edx,(%rdi)") \
	X("cmpxchgq %rdx,(%rdi)")      \
	X("cmpxchgb %dl,(%rdi)")       \
	X("btl $5,(%rdi)")             \
	X("lock btsl $31,(%rdi)")      \
	X("btrq $63,(%rdi)")           \
	X("btcw $9,(%rdi)")            \
	X("btl %ecx,(%rdi)")           \
	X("btsl %ecx,(%rdi)")          \
	X("btrw %cx,(%rdi)")           \
	X("btcq %rcx,(%rdi)")          \
	X("lock addl $1,(%rdi)")       \
	X("lock orb $0,(%rdi)")        \
	X("movl %eax,3(%rdi)")         \
	X("addl %eax,1(%rdi)")         \
	X("mov %eax,4(%edi)")

#define STRINGS(X)     \
	X("stosb")     \
	X("stosw")     \
	X("stosl")     \
	X("stosq")     \
	X("lodsb")     \
	X("lodsw")     \
	X("lodsl")     \
	X("lodsq")     \
	X("rep stosb") \
	X("rep stosl") \
	X("rep stosq") \
	X("movsb")     \
	X("movsl")     \
	X("movsq")     \
	X("rep movsb") \
	X("rep movsl") \
	X("rep movsw") \
	X("rep lodsb")

#define ASSEMBLE(text) ".byte 2f - 1f\n1: " text "\n2:\n"
__asm__(".section .rodata\ncases:\n" CASES(ASSEMBLE) ".byte 0\n"
						     "strings:\n" STRINGS(
							     ASSEMBLE) ".byte 0\n.text\n");
extern const uint8_t cases[], strings[];

#define TEXT(text) text,
static const char *const case_text[] = {CASES(TEXT)};
static const char *const string_text[] = {STRINGS(TEXT)};

static uint8_t *executable;

static int start(void **state)
{
	(void)state;
	executable = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	assert_ptr_not_equal(executable, MAP_FAILED);
	memset(&vm, 0, sizeof(vm));
	vm.ram = ram;
	vm.ram_bytes = RAM;
	vcpu.vm = &vm;
	vcpu.exit = &exit_page;
	assert_int_equal(bus_add(&vm, BUS_MMIO, DEVICE, DEVICE_BYTES, &device_ops, 0), 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	munmap(executable, 4096);
	return 0;
}

/* Paging off and 64-bit code: not what a CPU can be in, but all that is
 * needed here, for linear addresses are physical ones then. */
static void long_mode(void)
{
	memset(&exit_page, 0, sizeof(exit_page));
	exit_page.reason = SAMPO_EXIT_MEMORY;
	exit_page.cr0 = 1;
	exit_page.efer = 0x500;
	exit_page.seg[SAMPO_CS].attrib = 0xa9b;
	exit_page.rip = CODE;
}

static uint64_t interesting(void)
{
	static const uint64_t values[] = {0,
					  1,
					  0x7f,
					  0x80,
					  0xff,
					  0x7fff,
					  0x8000,
					  0xffff,
					  0x7fffffff,
					  0x80000000,
					  0xffffffff,
					  0x7fffffffffffffff,
					  0x8000000000000000,
					  ~0ull};
	uint64_t i = random_below(28);

	return i < 14 ? values[i] : random64();
}

static void fill(struct cpu_state *s)
{
	for (unsigned i = 0; i < 16; i++)
		s->gpr[i] = interesting();
	/* Small: it is an index, a bit number or a count. */
	s->gpr[SAMPO_RCX] = random_below(64);
	s->flags = 0x202 | (random64() & FLAGS);
	for (unsigned i = 0; i < DEVICE_BYTES; i += 8) {
		uint64_t value = interesting();

		memcpy(device + i, &value, 8);
	}
	memcpy(native_memory, device, DEVICE_BYTES);
}

/* delta: how far the native memory is from the device; source: RSI too. */
static void compare(const char *text, const struct cpu_state *native, unsigned length,
		    uint64_t delta, bool source)
{
	uint64_t undefined = 0;

	/* Undefined: AF after logic operations, all but CF after BT. */
	if (!strncmp(text, "and", 3) || strstr(text, "or") || !strncmp(text, "test", 4))
		undefined = 0x10;
	if (strstr(text, "bt"))
		undefined = 0x8d4;
	for (unsigned i = 0; i < 16; i++) {
		uint64_t mine = exit_page.gpr[i];

		if (i == SAMPO_RSP)
			continue;
		if (i == SAMPO_RDI || (i == SAMPO_RSI && source))
			mine += delta;
		if (mine != native->gpr[i])
			fail_msg("%s: register %u is %llx, not %llx", text, i,
				 (unsigned long long)mine, (unsigned long long)native->gpr[i]);
	}
	if ((exit_page.rflags ^ native->flags) & FLAGS & ~undefined)
		fail_msg("%s: flags %llx, not %llx", text,
			 (unsigned long long)exit_page.rflags & FLAGS,
			 (unsigned long long)native->flags & FLAGS);
	if (memcmp(device, native_memory, DEVICE_BYTES))
		fail_msg("%s: memory differs", text);
	assert_int_equal(exit_page.rip, CODE + length);
	assert_true(exit_page.dirty & SAMPO_DIRTY_RIP);
}

static void place(const uint8_t *code, unsigned length)
{
	memset(ram + CODE, 0x90, 16);
	memcpy(ram + CODE, code, length);
	memcpy(executable, code, length);
	executable[length] = 0xc3;
}

/* Where the operand is, so that the exit page has its address. */
static uint64_t operand_offset(const char *text, uint64_t rcx, unsigned at)
{
	if (strstr(text, "8(%rdi)"))
		return at + 8;
	if (strstr(text, "3(%rdi)"))
		return at + 3;
	if (strstr(text, "1(%rdi)"))
		return at + 1;
	if (strstr(text, "4(%edi)"))
		return at + 4;
	if (strstr(text, "%rcx,1"))
		return at + rcx;
	if (strstr(text, "bt") && strstr(text, "w %cx"))
		return at + rcx / 16 * 2;
	if (strstr(text, "bt") && strstr(text, "l %ecx"))
		return at + rcx / 32 * 4;
	return at;
}

static void test_one_operand(void **state)
{
	const uint8_t *code = cases;

	(void)state;
	for (unsigned n = 0; *code; n++, code += 1 + *code) {
		place(code + 1, *code);
		for (unsigned round = 0; round < ROUNDS; round++) {
			struct cpu_state native;
			unsigned at = (unsigned)random_below(16) * 8;

			long_mode();
			fill(&native);
			memcpy(exit_page.gpr, native.gpr, sizeof(native.gpr));
			exit_page.rflags = native.flags;
			exit_page.gpr[SAMPO_RDI] = DEVICE + at;
			/* Every other time the address is found by a walk. */
			exit_page.gpa =
				round & 1 ? 0xfff
					  : DEVICE + operand_offset(case_text[n],
								    native.gpr[SAMPO_RCX], at);
			native.gpr[SAMPO_RDI] = (uint64_t)(uintptr_t)(native_memory + at);
			if (strstr(case_text[n], "%edi"))
				native.gpr[SAMPO_RDI] = (uint64_t)(uintptr_t)(executable + 512);
			if (strstr(case_text[n], "%edi"))
				memcpy(executable + 516, native_memory + at + 4, 4);
			native_run(&native, executable);
			if (strstr(case_text[n], "%edi"))
				memcpy(native_memory + at + 4, executable + 516, 4);
			if (!mmio_exit(&vcpu))
				fail_msg("%s: not executed", case_text[n]);
			compare(case_text[n], &native, *code, native.gpr[SAMPO_RDI] - (DEVICE + at),
				false);
		}
	}
}

/* Everything on the device: its first half is the source. */
static void test_strings(void **state)
{
	const uint8_t *code = strings;

	(void)state;
	for (unsigned n = 0; *code; n++, code += 1 + *code) {
		place(code + 1, *code);
		for (unsigned round = 0; round < ROUNDS; round++) {
			struct cpu_state native;
			uint64_t delta = (uint64_t)(uintptr_t)native_memory - DEVICE;
			bool down = round & 1;

			long_mode();
			fill(&native);
			native.gpr[SAMPO_RCX] = random_below(15);
			native.flags |= down ? 0x400 : 0;
			memcpy(exit_page.gpr, native.gpr, sizeof(native.gpr));
			exit_page.rflags = native.flags;
			exit_page.gpa = DEVICE;
			exit_page.gpr[SAMPO_RSI] = DEVICE + (down ? 112 : 0);
			exit_page.gpr[SAMPO_RDI] = DEVICE + (down ? 240 : 128);
			native.gpr[SAMPO_RSI] = exit_page.gpr[SAMPO_RSI] + delta;
			native.gpr[SAMPO_RDI] = exit_page.gpr[SAMPO_RDI] + delta;
			native_run(&native, executable);
			if (!mmio_exit(&vcpu))
				fail_msg("%s: not executed", string_text[n]);
			compare(string_text[n], &native, *code, delta, true);
		}
	}
}

/* Instructions that are not ours to execute, and no instructions. */
static void test_not_executed(void **state)
{
	static const struct {
		uint8_t length, bytes[8];
	} others[] = {
		{3, {0x0f, 0x11, 0x07}},       /* movups %xmm0,(%rdi) */
		{4, {0xf2, 0x0f, 0x11, 0x07}}, /* movsd %xmm0,(%rdi) */
		{2, {0xff, 0x17}},             /* call *(%rdi) */
		{2, {0xff, 0x37}},             /* push (%rdi) */
		{2, {0x8e, 0x1f}},             /* mov (%rdi),%ds */
		{2, {0x0f, 0x0b}},             /* ud2 */
		{2, {0xd9, 0x07}},             /* flds (%rdi) */
		{4, {0x0f, 0xc7, 0x0f, 0x90}}, /* cmpxchg8b (%rdi) */
		{3, {0x0f, 0x22, 0xd8}},       /* mov %rax,%cr3 */
		{2, {0x06, 0x90}},             /* none in 64-bit mode */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		place(others[i].bytes, others[i].length);
		long_mode();
		exit_page.gpr[SAMPO_RDI] = exit_page.gpa = DEVICE;
		accesses = 0;
		assert_false(mmio_exit(&vcpu));
		assert_int_equal(exit_page.rip, CODE);
		assert_int_equal(accesses, 0);
	}
}

static void test_unclaimed(void **state)
{
	static const uint8_t load[] = {0x8b, 0x07}; /* mov (%rdi),%eax */

	(void)state;
	place(load, sizeof(load));
	long_mode();
	exit_page.gpr[SAMPO_RAX] = 0x1111222233334444;
	exit_page.gpr[SAMPO_RDI] = exit_page.gpa = 0xe0000000;
	assert_true(mmio_exit(&vcpu));
	assert_int_equal(exit_page.gpr[SAMPO_RAX], 0xffffffff);
	assert_int_equal(exit_page.rip, CODE + 2);
}

/* A jump to where there is nothing: all ones are no instruction. */
static void test_fetch_from_nowhere(void **state)
{
	(void)state;
	long_mode();
	exit_page.rip = exit_page.gpa = 0xe0000000;
	exit_page.access = SAMPO_ACCESS_X;
	assert_true(mmio_exit(&vcpu));
	assert_int_equal(exit_page.inject, EXCEPTION_UD);
	assert_int_equal(exit_page.rip, 0xe0000000);
}

static void test_walk_outside_ram(void **state)
{
	(void)state;
	long_mode();
	exit_page.access = SAMPO_ACCESS_WALK;
	assert_false(mmio_exit(&vcpu));
}

static void test_non_canonical(void **state)
{
	static const uint8_t load[] = {0x8b, 0x07};

	(void)state;
	place(load, sizeof(load));
	long_mode();
	exit_page.gpr[SAMPO_RDI] = 0x8000000000000000;
	exit_page.gpa = 0xd0000123; /* not the address that the bytes say */
	assert_true(mmio_exit(&vcpu));
	assert_int_equal(exit_page.inject, EXCEPTION_GP);
	assert_int_equal(exit_page.rip, CODE);
}

/* 16-bit code with a segment: es: mov %al,(%di) */
static void test_real_mode(void **state)
{
	static const uint8_t store[] = {0x26, 0x88, 0x05};

	(void)state;
	place(store, sizeof(store));
	long_mode();
	exit_page.cr0 = exit_page.efer = 0;
	exit_page.seg[SAMPO_CS].attrib = 0x9b;
	exit_page.seg[SAMPO_CS].base = 0x800;
	exit_page.rip = CODE - 0x800;
	exit_page.seg[SAMPO_ES].base = DEVICE;
	exit_page.gpr[SAMPO_RDI] = 0xabcd0010;
	exit_page.gpr[SAMPO_RAX] = 0x5a;
	exit_page.gpa = DEVICE + 0x10;
	assert_true(mmio_exit(&vcpu));
	assert_int_equal(device[0x10], 0x5a);
	assert_int_equal(exit_page.rip, CODE - 0x800 + 3);
}

/* REP is done in pieces, so that a guest can't keep dom0. */
static void test_rep_is_bounded(void **state)
{
	static const uint8_t stos[] = {0xf3, 0xaa};

	(void)state;
	place(stos, sizeof(stos));
	long_mode();
	exit_page.gpr[SAMPO_RDI] = exit_page.gpa = 0xe0000000;
	exit_page.gpr[SAMPO_RCX] = 1000000;
	assert_true(mmio_exit(&vcpu));
	assert_int_equal(exit_page.rip, CODE);
	assert_true(exit_page.gpr[SAMPO_RCX] < 1000000);
	assert_int_equal(exit_page.gpr[SAMPO_RCX] + exit_page.gpr[SAMPO_RDI], 0xe0000000 + 1000000);
}

/* OUTSB with REP from memory, INSW into it. */
static uint8_t port_bytes[16];
static unsigned port_count;

static uint64_t port_read(struct vm *v, uint32_t i, uint64_t offset, unsigned size)
{
	(void)v;
	(void)i;
	(void)offset;
	(void)size;
	return 0x1234;
}

static void port_write(struct vm *v, uint32_t i, uint64_t offset, unsigned size, uint64_t value)
{
	(void)v;
	(void)i;
	(void)offset;
	(void)size;
	port_bytes[port_count++] = (uint8_t)value;
}

static void test_string_io(void **state)
{
	static const struct io_ops ops = {port_read, port_write};
	static const uint8_t outs[] = {0xf3, 0x6e}, ins[] = {0x66, 0x6d};

	(void)state;
	assert_int_equal(bus_add(&vm, BUS_PIO, 0x3f8, 1, &ops, 0), 0);
	assert_int_equal(bus_add(&vm, BUS_PIO, 0x300, 2, &ops, 0), 0);
	place(outs, 2);
	memcpy(ram + 0x5000, "hello", 5);
	long_mode();
	exit_page.port = 0x3f8;
	exit_page.size = 1;
	exit_page.gpr[SAMPO_RSI] = 0x5000;
	exit_page.gpr[SAMPO_RCX] = 5;
	assert_true(string_io_exit(&vcpu));
	assert_int_equal(port_count, 5);
	assert_memory_equal(port_bytes, "hello", 5);
	assert_int_equal(exit_page.gpr[SAMPO_RCX], 0);
	assert_int_equal(exit_page.rip, CODE + 2);

	place(ins, 2);
	long_mode();
	exit_page.port = 0x300;
	exit_page.size = 2;
	exit_page.gpr[SAMPO_RDI] = 0x6000;
	assert_true(string_io_exit(&vcpu));
	assert_int_equal(ram[0x6000] | ram[0x6001] << 8, 0x1234);
	assert_int_equal(exit_page.gpr[SAMPO_RDI], 0x6002);
	/* What the kernel says and the code now says may differ. */
	exit_page.rip = CODE;
	exit_page.size = 1;
	assert_false(string_io_exit(&vcpu));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_operand),        cmocka_unit_test(test_strings),
		cmocka_unit_test(test_not_executed),       cmocka_unit_test(test_unclaimed),
		cmocka_unit_test(test_fetch_from_nowhere), cmocka_unit_test(test_walk_outside_ram),
		cmocka_unit_test(test_non_canonical),      cmocka_unit_test(test_real_mode),
		cmocka_unit_test(test_rep_is_bounded),     cmocka_unit_test(test_string_io),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
