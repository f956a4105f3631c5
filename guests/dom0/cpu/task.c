/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hardware task switches (SDM 3A 8.3), which Intel CPUs do not do for a guest: by CALL or JMP to a
 * TSS or a task gate, by an event whose IDT entry is a task gate, or by IRET with NT set.
 *
 * The new TSS is checked while the old task still runs, and what is wrong then is the old task's
 * fault. From there on the switch is done: the old task's registers go to its TSS, the new one's
 * come from its own, and what is wrong with its selectors is the new task's fault.
 */
#include <string.h>

#include "guests/dom0/cpu/insn.h"

/* SDM 3C table 28-6: bits 30 and 31 of the qualification, the selector below. */
enum source { BY_CALL, BY_IRET, BY_JMP, BY_EVENT };

#define RFLAGS_NT    0x4000u
#define RFLAGS_VM    0x20000u
#define RFLAGS_FIXED 0x2u
#define CR0_TS       0x8ull
#define CR0_PG       0x80000000ull
#define DR7_LOCAL    0x155ull /* L0 to L3, LE: off after a switch */
#define DR6_BT       0x8000ull

#define EXT          1u /* of an error code: not the program's doing */
#define SELECTOR_TI  4u
#define SELECTOR_RPL 3u

/* Types of system descriptors, and bits of others (SDM 3A 3.4.5, table 3-2). */
#define TYPE_LDT    2u
#define TYPE_BUSY   2u /* of a TSS */
#define TYPE_TSS_16 1u
#define TYPE_TSS_32 9u
#define ATTRIB_S    0x10u
#define ATTRIB_P    0x80u
#define ATTRIB_CODE 0x8u
#define ATTRIB_CONF 0x4u /* code: conforming */
#define ATTRIB_RW   0x2u /* data: writable; code: readable */
#define ATTRIB_USED 0x1u
#define ATTRIB_G    0x800u
#define DPL(attrib) ((attrib) >> 5 & 3u)
#define FLAT_CODE   0xc9bu
#define FLAT_DATA   0xc93u
#define VM86_DATA   0xf3u

#define REGISTERS   8u
#define SEGMENTS    6u /* ES to GS */
#define SEGMENTS_16 4u /* ES to DS */
#define LIMIT_32    0x67u
#define LIMIT_16    0x2bu
#define STATE_32    0x20u /* from EIP on */
#define STATE_16    0x0eu

struct tss_32 {
	uint32_t link, stack[6], cr3, eip, eflags, gpr[REGISTERS], seg[SEGMENTS], ldt;
	uint16_t trap, io_map;
};

struct tss_16 {
	uint16_t link, stack[6], ip, flags, gpr[REGISTERS], seg[SEGMENTS_16], ldt;
};

_Static_assert(sizeof(struct tss_32) == LIMIT_32 + 1, "SDM 3A figure 8-2");
_Static_assert(sizeof(struct tss_16) == LIMIT_16 + 1, "SDM 3A figure 8-10");

/* A switch under way. */
struct task {
	struct vcpu *v;
	struct sampo_exit *exit;
	uint32_t ext;      /* EXT or 0 */
	bool broken;       /* it cannot be done: the guest has to end */
	struct tss_32 new; /* as the 16-bit one says, too */
};

/* False: a fault is in the exit page, or t->broken. */
static bool copy(struct task *t, uint64_t linear, void *buffer, unsigned size, unsigned access)
{
	uint8_t *at = buffer;

	for (unsigned n; size; linear += n, at += n, size -= n) {
		uint32_t code;
		uint64_t gpa;
		void *memory;

		linear = (uint32_t)linear;
		n = 4096 - (unsigned)(linear & 4095);
		if (n > size)
			n = size;
		switch (walk(t->v->vm, t->exit, linear, access, &gpa, &code)) {
		case WALK_OK:
			break;
		case WALK_FAULT:
			vcpu_page_fault(t->exit, linear, code);
			return false;
		default:
			t->broken = true;
			return false;
		}
		memory = vm_mem(t->v->vm, gpa, n);
		if (!memory) {
			t->broken = true;
			return false;
		}
		if (access & WALK_WRITE)
			memcpy(memory, at, n);
		else
			memcpy(at, memory, n);
	}
	return true;
}

static bool fault(struct task *t, unsigned vector, uint16_t selector)
{
	vcpu_exception(t->exit, vector, (selector & ~SELECTOR_RPL) | t->ext);
	return false;
}

/* Where the descriptor is, or 0: beyond its table, or in an LDT that is not there. */
static uint64_t descriptor_at(const struct task *t, uint16_t selector)
{
	const struct sampo_segment *table =
		&t->exit->seg[selector & SELECTOR_TI ? SAMPO_LDTR : SAMPO_GDTR];
	uint32_t offset = selector & ~7u;

	if (selector & SELECTOR_TI && !(table->attrib & ATTRIB_P))
		return 0;
	return offset + 7 <= table->limit ? table->base + offset : 0;
}

static struct sampo_segment unpack(uint16_t selector, uint64_t d)
{
	struct sampo_segment s = {
		.selector = selector,
		.attrib = (uint16_t)((d >> 40 & 0xff) | (d >> 44 & 0xf00)),
		.limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000)),
		.base = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000),
	};

	if (s.attrib & ATTRIB_G)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}

/* The descriptor of the new TSS, as CALL, JMP and events want it, or as IRET does. */
static bool check_tss(struct task *t, enum source source, uint16_t selector,
		      struct sampo_segment *tss)
{
	unsigned wrong = source == BY_IRET ? EXCEPTION_TS : EXCEPTION_GP;
	uint64_t at = descriptor_at(t, selector), descriptor;
	unsigned cpl = DPL(t->exit->seg[SAMPO_SS].attrib), type;

	if (selector & SELECTOR_TI || !(selector & ~SELECTOR_RPL) || !at)
		return fault(t, wrong, selector);
	if (!copy(t, at, &descriptor, sizeof(descriptor), WALK_IMPLICIT))
		return false;
	*tss = unpack(selector, descriptor);
	type = tss->attrib & 0x1f;
	if (source == BY_IRET)
		type ^= TYPE_BUSY;
	if (type != TYPE_TSS_16 && type != TYPE_TSS_32)
		return fault(t, wrong, selector);
	if ((source == BY_CALL || source == BY_JMP) &&
	    (cpl > DPL(tss->attrib) || (selector & SELECTOR_RPL) > DPL(tss->attrib)))
		return fault(t, EXCEPTION_GP, selector);
	if (!(tss->attrib & ATTRIB_P))
		return fault(t, EXCEPTION_NP, selector);
	if (tss->limit < (type == TYPE_TSS_32 ? LIMIT_32 : LIMIT_16))
		return fault(t, EXCEPTION_TS, selector);
	return true;
}

static bool is_32(const struct sampo_segment *tss)
{
	return (tss->attrib & 0x1f & ~TYPE_BUSY) == TYPE_TSS_32;
}

/* The fields of the old task that a switch saves: from EIP to GS, from IP to DS. */
static bool save(struct task *t, uint64_t rip, uint32_t rflags)
{
	const struct sampo_segment *tss = &t->exit->seg[SAMPO_TR];
	struct tss_32 a = {.eip = (uint32_t)rip, .eflags = rflags};
	struct tss_16 b = {.ip = (uint16_t)rip, .flags = (uint16_t)rflags};

	for (unsigned i = 0; i < REGISTERS; i++)
		a.gpr[i] = (uint32_t)t->exit->gpr[i], b.gpr[i] = (uint16_t)t->exit->gpr[i];
	for (unsigned i = 0; i < SEGMENTS; i++)
		a.seg[i] = t->exit->seg[i].selector;
	for (unsigned i = 0; i < SEGMENTS_16; i++)
		b.seg[i] = t->exit->seg[i].selector;
	if (is_32(tss))
		return copy(t, tss->base + STATE_32, &a.eip,
			    offsetof(struct tss_32, ldt) - STATE_32, WALK_WRITE | WALK_IMPLICIT);
	return copy(t, tss->base + STATE_16, &b.ip, offsetof(struct tss_16, ldt) - STATE_16,
		    WALK_WRITE | WALK_IMPLICIT);
}

/* A 16-bit TSS leaves the upper halves of registers at all ones (SDM 3A 8.6), and CR3 as it is. */
static bool load(struct task *t, const struct sampo_segment *tss)
{
	struct tss_16 b;

	if (is_32(tss))
		return copy(t, tss->base, &t->new, sizeof(t->new), WALK_IMPLICIT);
	if (!copy(t, tss->base, &b, sizeof(b), WALK_IMPLICIT))
		return false;
	t->new = (struct tss_32){.link = b.link,
				 .cr3 = (uint32_t)t->exit->cr3,
				 .eip = b.ip,
				 .eflags = b.flags,
				 .ldt = b.ldt};
	for (unsigned i = 0; i < REGISTERS; i++)
		t->new.gpr[i] = 0xffff0000u | b.gpr[i];
	for (unsigned i = 0; i < SEGMENTS_16; i++)
		t->new.seg[i] = b.seg[i];
	return true;
}

static bool set_busy(struct task *t, uint16_t selector, bool busy)
{
	uint64_t at = descriptor_at(t, selector) + 5;
	uint8_t access;

	if (!copy(t, at, &access, 1, WALK_IMPLICIT))
		return false;
	access = (uint8_t)(busy ? access | TYPE_BUSY : access & ~TYPE_BUSY);
	return copy(t, at, &access, 1, WALK_WRITE | WALK_IMPLICIT);
}

static bool load_ldt(struct task *t, uint16_t selector)
{
	struct sampo_segment *ldt = &t->exit->seg[SAMPO_LDTR];
	uint64_t at = descriptor_at(t, selector), descriptor;

	*ldt = (struct sampo_segment){.selector = selector, .attrib = TYPE_LDT};
	if (!(selector & ~SELECTOR_RPL))
		return true;
	if (selector & SELECTOR_TI || !at)
		return fault(t, EXCEPTION_TS, selector);
	if (!copy(t, at, &descriptor, sizeof(descriptor), WALK_IMPLICIT))
		return false;
	if ((descriptor >> 40 & 0x9f) != (ATTRIB_P | TYPE_LDT))
		return fault(t, EXCEPTION_TS, selector);
	*ldt = unpack(selector, descriptor);
	return true;
}

/* SDM 3A table 8-1 and 5.5 to 5.8: may this segment go there, in a task of this CPL? */
static bool fits(unsigned where, uint16_t selector, unsigned attrib, unsigned cpl)
{
	bool code = attrib & ATTRIB_CODE;
	unsigned dpl = DPL(attrib), rpl = selector & SELECTOR_RPL;

	if (!(attrib & ATTRIB_S))
		return false;
	if (where == SAMPO_CS)
		return code && (attrib & ATTRIB_CONF ? dpl <= cpl : dpl == cpl);
	if (where == SAMPO_SS)
		return !code && attrib & ATTRIB_RW && dpl == cpl && rpl == cpl;
	if (code && !(attrib & ATTRIB_RW))
		return false;
	return (code && attrib & ATTRIB_CONF) || (dpl >= cpl && dpl >= rpl);
}

static bool load_segment(struct task *t, unsigned where, uint16_t selector, unsigned cpl)
{
	uint64_t at = descriptor_at(t, selector), descriptor;
	struct sampo_segment s;
	uint8_t access;

	if (!(selector & ~SELECTOR_RPL) && where != SAMPO_CS && where != SAMPO_SS) {
		t->exit->seg[where] = (struct sampo_segment){.selector = selector};
		return true;
	}
	if (!(selector & ~SELECTOR_RPL) || !at)
		return fault(t, EXCEPTION_TS, selector);
	if (!copy(t, at, &descriptor, sizeof(descriptor), WALK_IMPLICIT))
		return false;
	s = unpack(selector, descriptor);
	if (!fits(where, selector, s.attrib, cpl))
		return fault(t, EXCEPTION_TS, selector);
	if (!(s.attrib & ATTRIB_P))
		return fault(t, where == SAMPO_SS ? EXCEPTION_SS : EXCEPTION_NP, selector);
	s.attrib |= ATTRIB_USED;
	access = (uint8_t)s.attrib;
	if (!copy(t, at + 5, &access, 1, WALK_WRITE | WALK_IMPLICIT))
		return false;
	t->exit->seg[where] = s;
	return true;
}

/* Until each is loaded, what a fault in between can stand on. */
static void provisional_segments(struct task *t, unsigned cpl)
{
	for (unsigned i = 0; i < SEGMENTS; i++) {
		bool stands = i == SAMPO_CS || i == SAMPO_SS;
		unsigned attrib = i == SAMPO_CS ? FLAT_CODE : FLAT_DATA;

		t->exit->seg[i] = (struct sampo_segment){
			.selector = (uint16_t)t->new.seg[i],
			.attrib = (uint16_t)(stands ? attrib | cpl << 5 : 0),
			.limit = UINT32_MAX,
		};
	}
}

static bool load_segments(struct task *t)
{
	static const uint8_t order[SEGMENTS] = {SAMPO_CS, SAMPO_SS, SAMPO_DS,
						SAMPO_ES, SAMPO_FS, SAMPO_GS};
	unsigned cpl = t->new.seg[SAMPO_CS] & SELECTOR_RPL;

	if (t->new.eflags & RFLAGS_VM) {
		for (unsigned i = 0; i < SEGMENTS; i++)
			t->exit->seg[i] =
				(struct sampo_segment){(uint16_t)t->new.seg[i], VM86_DATA, 0xffff,
						       (t->new.seg[i] & 0xffff) << 4};
		return load_ldt(t, (uint16_t)t->new.ldt);
	}
	provisional_segments(t, cpl);
	if (!load_ldt(t, (uint16_t)t->new.ldt))
		return false;
	for (unsigned i = 0; i < SEGMENTS; i++)
		if (!load_segment(t, order[i], (uint16_t)t->new.seg[order[i]], cpl))
			return false;
	return true;
}

/* The error code of the event that made the switch is on the new task's stack. */
static bool push_error(struct task *t, uint32_t code, unsigned size)
{
	const struct sampo_segment *ss = &t->exit->seg[SAMPO_SS];
	uint32_t sp = (uint32_t)t->exit->gpr[SAMPO_RSP] - size;

	t->exit->gpr[SAMPO_RSP] = sp;
	return copy(t, ss->base + sp, &code, size, WALK_WRITE);
}

/* From the TSS into the registers: what cannot fail. */
static void enter(struct task *t, const struct sampo_segment *tss, enum source source)
{
	struct sampo_exit *exit = t->exit;

	exit->seg[SAMPO_TR] = *tss;
	exit->seg[SAMPO_TR].attrib |= TYPE_BUSY;
	if (exit->cr0 & CR0_PG)
		exit->cr3 = t->new.cr3;
	exit->cr0 |= CR0_TS;
	exit->dr7 &= ~DR7_LOCAL;
	exit->rip = t->new.eip;
	exit->rflags = t->new.eflags | RFLAGS_FIXED;
	if (source == BY_CALL || source == BY_EVENT)
		exit->rflags |= RFLAGS_NT;
	for (unsigned i = 0; i < REGISTERS; i++)
		exit->gpr[i] = t->new.gpr[i];
	exit->interruptibility &= source == BY_IRET ? ~3ull : ~1ull; /* which lets NMIs in */
	exit->dirty |= SAMPO_DIRTY_SYSTEM | SAMPO_DIRTY_RIP;
}

bool task_exit(struct vcpu *v)
{
	struct sampo_exit *exit = v->exit;
	enum source source = exit->qualification >> 30 & 3;
	uint16_t selector = (uint16_t)exit->qualification, old = exit->seg[SAMPO_TR].selector;
	uint32_t event = exit->inject, code = exit->inject_code;
	uint32_t rflags = (uint32_t)exit->rflags;
	bool software = (event >> 8 & 7) >= 4, nested = source == BY_CALL || source == BY_EVENT;
	struct task t = {.v = v, .exit = exit};
	struct sampo_segment tss;

	t.ext = source == BY_EVENT && !software ? EXT : 0;
	if (source == BY_IRET)
		rflags &= ~RFLAGS_NT;
	if (!check_tss(&t, source, selector, &tss) || !save(&t, exit->next_rip, rflags) ||
	    !load(&t, &tss) || (!nested && !set_busy(&t, old, false)) ||
	    (source != BY_IRET && !set_busy(&t, selector, true)) ||
	    (nested && !copy(&t, tss.base, &old, sizeof(old), WALK_WRITE | WALK_IMPLICIT)))
		return !t.broken;
	enter(&t, &tss, source);
	if (load_segments(&t) && source == BY_EVENT && event & SAMPO_INJECT_ERROR_CODE)
		push_error(&t, code, is_32(&tss) ? 4 : 2);
	if (!(exit->dirty & SAMPO_DIRTY_INJECT) && is_32(&tss) && t.new.trap & 1) {
		exit->dr6 |= DR6_BT;
		vcpu_exception(exit, EXCEPTION_DB, -1);
	}
	return !t.broken;
}
