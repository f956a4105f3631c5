/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/cpu/mmio.c guests/dom0/cpu/operand.c guests/dom0/cpu/insn.c guests/dom0/cpu/flags.c */
/* sources: guests/dom0/cpu/walk.c guests/dom0/vm/ram.c guests/dom0/vm/bus.c */
/* libs: zydis */
/*
 * Every string instruction with every prefix, as dom0 executes it: in 64-bit code against the CPU
 * that runs this test, and in all three modes, with INS and OUTS, against a plain model.
 */
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/mman.h>

#include "guests/dom0/cpu/insn.h"
#include "tests/unit/native_run.h"

#define RAM          (64u << 10)
#define CODE         0x1000u
#define DEVICE       0xd0000000ull
#define DEVICE_BYTES 256u
#define PORT         0x300u
#define ROUNDS       20
#define FLAGS        0x8d5ull /* CF PF AF ZF SF OF */
#define RFLAGS_ZF    0x40ull
#define RFLAGS_TF    0x100ull
#define RFLAGS_DF    0x400ull
#define INS          0x6cu /* opcodes of the byte forms; one more is the wide form */
#define OUTS         0x6eu
#define MOVS         0xa4u
#define CMPS         0xa6u
#define STOS         0xaau
#define LODS         0xacu
#define SCAS         0xaeu
#define REPNE        0xf2u
#define REPE         0xf3u

bool sampo_by_vmcall;

static struct vm vm;
static struct sampo_exit page;
static struct vcpu vcpu;
static uint8_t ram[RAM], device[DEVICE_BYTES];
static uint8_t *low; /* a page below 4 GiB: code, and at LOW_DATA the native device */
#define LOW_DATA 1024u

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

void ioapic_eoi(struct vm *v, uint8_t vector)
{
	(void)v;
	(void)vector;
	fail();
}

void startup_sent(struct vcpu *v)
{
	(void)v;
	fail();
}

void vcpu_exception(struct sampo_exit *exit, unsigned vector, int64_t code)
{
	(void)code;
	exit->inject = vector;
	exit->dirty |= SAMPO_DIRTY_INJECT;
}

void vcpu_page_fault(struct sampo_exit *exit, uint64_t linear, uint32_t code)
{
	(void)exit;
	(void)linear;
	(void)code;
	fail();
}

static uint64_t device_read(struct vm *v, uint32_t instance, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	(void)v;
	(void)instance;
	memcpy(&value, device + offset, size);
	return value;
}

static void device_write(struct vm *v, uint32_t instance, uint64_t offset, unsigned size,
			 uint64_t value)
{
	(void)v;
	(void)instance;
	memcpy(device + offset, &value, size);
}

/* The port gives numbers in turn, and keeps a sum of what it gets. */
struct port {
	uint64_t number, sum;
};
static struct port port;

static uint64_t port_in(struct port *p)
{
	return p->number++ * 0x01030507u;
}

static void port_out(struct port *p, uint64_t value)
{
	p->sum = p->sum * 31 + value;
}

static uint64_t port_read(struct vm *v, uint32_t instance, uint64_t offset, unsigned size)
{
	(void)v;
	(void)instance;
	(void)offset;
	return port_in(&port) & ((1ull << size * 8) - 1);
}

static void port_write(struct vm *v, uint32_t instance, uint64_t offset, unsigned size,
		       uint64_t value)
{
	(void)v;
	(void)instance;
	(void)offset;
	(void)size;
	port_out(&port, value);
}

static const struct io_ops device_ops = {device_read, device_write};
static const struct io_ops port_ops = {port_read, port_write};

static int start(void **state)
{
	(void)state;
	low = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	assert_ptr_not_equal(low, MAP_FAILED);
	vm.ram = ram;
	vm.ram_bytes = RAM;
	vcpu.vm = &vm;
	vcpu.exit = &page;
	assert_int_equal(bus_add(&vm, BUS_MMIO, DEVICE, DEVICE_BYTES, &device_ops, 0), 0);
	assert_int_equal(bus_add(&vm, BUS_PIO, PORT, 4, &port_ops, 0), 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	munmap(low, 4096);
	return 0;
}

/* A string instruction: one byte of each kind of prefix, or 0. */
struct form {
	uint8_t segment, address, rep, opcode;
	unsigned size;
	uint8_t code[16];
	unsigned length;
	char text[64];
};

static void put(struct form *f, uint8_t byte)
{
	if (byte)
		f->code[f->length++] = byte;
}

static void assemble(struct form *f, enum cpu_mode mode)
{
	unsigned usual = mode == MODE_16 ? 2 : 4;

	f->length = 0;
	put(f, f->segment);
	put(f, f->address);
	put(f, (f->size == 2 || f->size == 4) && f->size != usual ? 0x66 : 0);
	put(f, f->rep);
	put(f, f->size == 8 ? 0x48 : 0);
	put(f, (uint8_t)(f->opcode + (f->size > 1)));
	f->text[0] = 0;
	for (unsigned i = 0; i < f->length; i++)
		snprintf(f->text + 3 * i, 4, "%02x ", f->code[i]);
	memset(ram + CODE, 0x90, 16);
	memcpy(ram + CODE, f->code, f->length);
	memcpy(low, f->code, f->length);
	low[f->length] = 0xc3;
}

static const uint8_t opcodes[] = {MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS};
static const uint8_t segments[] = {0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
static const uint8_t reps[] = {0, REPE, REPNE};

static bool is_io(const struct form *f)
{
	return f->opcode == INS || f->opcode == OUTS;
}

/* Number n of all forms; false: there are no more. */
static bool form_nth(struct form *f, unsigned n, enum cpu_mode mode)
{
	f->opcode = opcodes[n % COUNT_OF(opcodes)];
	n /= COUNT_OF(opcodes);
	f->segment = segments[n % COUNT_OF(segments)];
	n /= COUNT_OF(segments);
	f->rep = reps[n % COUNT_OF(reps)];
	n /= COUNT_OF(reps);
	f->address = n & 1 ? 0x67 : 0;
	f->size = 1u << (n >> 1 & 3);
	assemble(f, mode);
	return n < 8;
}

static bool exists(const struct form *f, enum cpu_mode mode)
{
	return f->size != 8 || (mode == MODE_64 && !is_io(f));
}

/* Few values, so that comparisons often find equal ones. */
static void fill(uint8_t *to, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = random_below(8) ? 0x5a : (uint8_t)random64();
}

static void begin(enum cpu_mode mode)
{
	static const uint16_t attrib[] = {[MODE_16] = 0x9b, [MODE_32] = 0xc9b, [MODE_64] = 0xa9b};

	memset(&page, 0, sizeof(page));
	page.cr0 = mode == MODE_16 ? 0 : 1;
	page.efer = mode == MODE_64 ? 0x500 : 0;
	page.seg[SAMPO_CS].attrib = attrib[mode];
	page.rip = CODE;
	page.rflags = 0x202 | (random64() & FLAGS) | (random64() & RFLAGS_DF);
	for (unsigned i = 0; i < 16; i++)
		page.gpr[i] = random64();
	if (random_below(4))
		memset(&page.gpr[SAMPO_RAX], 0x5a, 8);
	page.port = PORT;
	port = (struct port){0};
	fill(device, DEVICE_BYTES);
}

static bool execute(const struct form *f)
{
	page.size = (uint8_t)f->size;
	return is_io(f) ? string_io_exit(&vcpu) : mmio_exit(&vcpu);
}

static void same(const struct form *f, const char *what, uint64_t mine, uint64_t right)
{
	if (mine != right)
		fail_msg("%s: %s is %llx, not %llx", f->text, what, (unsigned long long)mine,
			 (unsigned long long)right);
}

/* --- Against the CPU --- */

static void native_one(const struct form *f)
{
	struct cpu_state native;
	bool down;
	uint64_t delta = (uint64_t)(uintptr_t)(low + LOW_DATA) - DEVICE;

	begin(MODE_64);
	down = page.rflags & RFLAGS_DF;
	/* Of the registers a CPU uses the lower halves alone with 32-bit addresses. */
	page.gpr[SAMPO_RCX] = random_below(14) + 1;
	page.gpr[SAMPO_RSI] = DEVICE + (down ? 104 : 0) + random_below(8);
	page.gpr[SAMPO_RDI] = DEVICE + (down ? 232 : 128) + random_below(8);
	page.gpa = page.gpr[SAMPO_RSI];
	memcpy(native.gpr, page.gpr, sizeof(native.gpr));
	native.flags = page.rflags;
	native.gpr[SAMPO_RSI] += delta;
	native.gpr[SAMPO_RDI] += delta;
	if (f->address)
		native.gpr[SAMPO_RCX] = page.gpr[SAMPO_RCX] |= random64() << 32;
	memcpy(low + LOW_DATA, device, DEVICE_BYTES);
	native_run(&native, low);
	if (!execute(f))
		fail_msg("%s: not executed", f->text);
	page.gpr[SAMPO_RSI] += delta;
	page.gpr[SAMPO_RDI] += delta;
	for (unsigned i = 0; i < 16; i++)
		if (i != SAMPO_RSP)
			same(f, "a register", page.gpr[i], native.gpr[i]);
	same(f, "RFLAGS", page.rflags & FLAGS, native.flags & FLAGS);
	same(f, "RIP", page.rip, CODE + f->length);
	if (memcmp(device, low + LOW_DATA, DEVICE_BYTES))
		fail_msg("%s: memory differs", f->text);
}

/* Linux lets programs have no ports, and its FS is in use. */
static void test_native(void **state)
{
	struct form f;

	(void)state;
	for (unsigned n = 0; form_nth(&f, n, MODE_64); n++)
		for (unsigned i = 0; i < ROUNDS && exists(&f, MODE_64); i++)
			if (!is_io(&f) && f.segment != 0x64)
				native_one(&f);
}

/* --- Against a model --- */

struct model {
	uint64_t si, di, cx, ax, flags;
	struct port port;
	uint8_t ram[RAM], device[DEVICE_BYTES];
};

static uint8_t *model_byte(struct model *m, uint64_t linear)
{
	if (linear < RAM)
		return &m->ram[linear];
	assert_true(linear >= DEVICE && linear < DEVICE + DEVICE_BYTES);
	return &m->device[linear - DEVICE];
}

static uint64_t model_load(struct model *m, uint64_t linear, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)*model_byte(m, linear + i) << i * 8;
	return value;
}

static void model_store(struct model *m, uint64_t linear, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		*model_byte(m, linear + i) = (uint8_t)(value >> i * 8);
}

static uint64_t cmp_flags(uint64_t a, uint64_t b, unsigned size)
{
	uint64_t flags;

#define CMP(letter, type)                             \
	__asm__("cmp" letter " %2, %1; pushf; pop %0" \
		: "=r"(flags)                         \
		: "r"((type)a), "r"((type)b)          \
		: "cc")
	if (size == 1)
		CMP("b", uint8_t);
	else if (size == 2)
		CMP("w", uint16_t);
	else if (size == 4)
		CMP("l", uint32_t);
	else
		CMP("q", uint64_t);
#undef CMP
	return flags & FLAGS;
}

static uint64_t model_base(const struct form *f, enum cpu_mode mode)
{
	static const uint8_t of[] = {SAMPO_DS, SAMPO_ES, SAMPO_CS, SAMPO_SS,
				     SAMPO_DS, SAMPO_FS, SAMPO_GS};
	unsigned n = 0;

	while (segments[n] != f->segment)
		n++;
	return mode != MODE_64 || of[n] == SAMPO_FS || of[n] == SAMPO_GS ? page.seg[of[n]].base : 0;
}

static unsigned address_bytes(const struct form *f, enum cpu_mode mode)
{
	static const uint8_t bytes[][2] = {
		[MODE_16] = {2, 4}, [MODE_32] = {4, 2}, [MODE_64] = {8, 4}};

	return bytes[mode][f->address != 0];
}

static uint64_t part(uint64_t value, unsigned bytes)
{
	return bytes == 8 ? value : value & ((1ull << bytes * 8) - 1);
}

/* A register of which the instruction has the lower part. */
static void set_part(uint64_t *reg, unsigned bytes, uint64_t value)
{
	if (bytes < 4)
		*reg = (*reg & ~((1ull << bytes * 8) - 1)) | part(value, bytes);
	else
		*reg = part(value, bytes);
}

static void model_once(struct model *m, const struct form *f, uint64_t from, uint64_t to)
{
	switch (f->opcode) {
	case MOVS:
		model_store(m, to, f->size, model_load(m, from, f->size));
		break;
	case CMPS:
		m->flags = (m->flags & ~FLAGS) | cmp_flags(model_load(m, from, f->size),
							   model_load(m, to, f->size), f->size);
		break;
	case SCAS:
		m->flags =
			(m->flags & ~FLAGS) | cmp_flags(m->ax, model_load(m, to, f->size), f->size);
		break;
	case STOS:
		model_store(m, to, f->size, m->ax);
		break;
	case LODS:
		set_part(&m->ax, f->size, model_load(m, from, f->size));
		break;
	case INS:
		model_store(m, to, f->size, port_in(&m->port));
		break;
	default:
		port_out(&m->port, model_load(m, from, f->size));
	}
}

static void model_run(struct model *m, const struct form *f, enum cpu_mode mode)
{
	bool source =
		f->opcode == MOVS || f->opcode == CMPS || f->opcode == LODS || f->opcode == OUTS;
	bool target = f->opcode != LODS && f->opcode != OUTS;
	bool compares = f->opcode == CMPS || f->opcode == SCAS;
	unsigned bytes = address_bytes(f, mode);
	uint64_t step = m->flags & RFLAGS_DF ? 0ull - f->size : f->size;
	uint64_t to_base = mode == MODE_64 ? 0 : page.seg[SAMPO_ES].base;

	while (!f->rep || part(m->cx, bytes)) {
		model_once(m, f, model_base(f, mode) + part(m->si, bytes),
			   to_base + part(m->di, bytes));
		if (source)
			set_part(&m->si, bytes, m->si + step);
		if (target)
			set_part(&m->di, bytes, m->di + step);
		if (!f->rep)
			break;
		set_part(&m->cx, bytes, m->cx - 1);
		if (compares && !(m->flags & RFLAGS_ZF) == (f->rep == REPE))
			break;
	}
}

static void check_model(const struct form *f, const struct model *m)
{
	same(f, "RSI", page.gpr[SAMPO_RSI], m->si);
	same(f, "RDI", page.gpr[SAMPO_RDI], m->di);
	same(f, "RCX", page.gpr[SAMPO_RCX], m->cx);
	same(f, "RAX", page.gpr[SAMPO_RAX], m->ax);
	same(f, "RFLAGS", page.rflags, m->flags);
	same(f, "RIP", page.rip, CODE + f->length);
	same(f, "the port's number", port.number, m->port.number);
	same(f, "the port's sum", port.sum, m->port.sum);
	if (memcmp(ram, m->ram, RAM) || memcmp(device, m->device, DEVICE_BYTES))
		fail_msg("%s: memory differs", f->text);
	assert_true(page.dirty & SAMPO_DIRTY_RIP);
	assert_false(page.dirty & SAMPO_DIRTY_INJECT);
}

/* The offsets are small, so that they are in RAM where a base is 0, and on the device otherwise. */
static void model_begin(struct model *m, const struct form *f, enum cpu_mode mode)
{
	unsigned bytes = address_bytes(f, mode);

	begin(mode);
	fill(ram, CODE);
	for (unsigned i = SAMPO_ES; i <= SAMPO_GS; i++)
		page.seg[i].base = i == SAMPO_CS ? 0 : DEVICE + i * 8;
	set_part(&page.gpr[SAMPO_RSI], bytes, 80 + random_below(8));
	set_part(&page.gpr[SAMPO_RDI], bytes, 100 + random_below(8));
	set_part(&page.gpr[SAMPO_RCX], bytes, random_below(9));
	/* A CPU clears upper halves with the first repetition: AMD's and Intel's differ without
	 * any. */
	if (bytes == 4 || !part(page.gpr[SAMPO_RCX], bytes))
		page.gpr[SAMPO_RCX] = part(page.gpr[SAMPO_RCX], bytes);
	page.gpa = DEVICE;
	m->si = page.gpr[SAMPO_RSI];
	m->di = page.gpr[SAMPO_RDI];
	m->cx = page.gpr[SAMPO_RCX];
	m->ax = page.gpr[SAMPO_RAX];
	m->flags = page.rflags;
	m->port = port;
	memcpy(m->ram, ram, RAM);
	memcpy(m->device, device, DEVICE_BYTES);
}

static void test_model(void **state)
{
	static struct model m;
	struct form f;

	(void)state;
	for (enum cpu_mode mode = MODE_16; mode <= MODE_64; mode++)
		for (unsigned n = 0; form_nth(&f, n, mode); n++)
			for (unsigned i = 0; i < 4 && exists(&f, mode); i++) {
				model_begin(&m, &f, mode);
				model_run(&m, &f, mode);
				if (!execute(&f))
					fail_msg("%s: not executed", f.text);
				check_model(&f, &m);
			}
}

/* With TF each repetition ends with a trap, of which DR6 tells; with BTF none does. */
static void test_traced(void **state)
{
	struct form f = {.opcode = CMPS, .rep = REPE, .size = 1};

	(void)state;
	assemble(&f, MODE_64);
	for (unsigned btf = 0; btf < 2; btf++) {
		begin(MODE_64);
		memset(device, 0, DEVICE_BYTES);
		page.rflags = 0x202 | RFLAGS_TF;
		page.debugctl = btf ? 2 : 0;
		page.dr6 = 0xffff0ff1;
		page.gpr[SAMPO_RSI] = page.gpa = DEVICE;
		page.gpr[SAMPO_RDI] = DEVICE + 8;
		page.gpr[SAMPO_RCX] = 2;
		assert_true(execute(&f));
		same(&f, "RCX", page.gpr[SAMPO_RCX], btf ? 0 : 1);
		same(&f, "RIP", page.rip, CODE + (btf ? f.length : 0));
		same(&f, "the exception", page.dirty & SAMPO_DIRTY_INJECT,
		     btf ? 0 : SAMPO_DIRTY_INJECT);
		same(&f, "DR6", page.dr6, btf ? 0xffff0ff1 : 0xffff4ff0);
		if (btf)
			continue;
		page.dirty = 0;
		assert_true(execute(&f));
		same(&f, "RIP", page.rip, CODE + f.length);
		same(&f, "the exception", page.inject, EXCEPTION_DB);
		assert_true(page.dirty & SAMPO_DIRTY_INJECT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_native),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_traced),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
