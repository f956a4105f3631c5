/* SPDX-License-Identifier: BSD-2-Clause */
/* The last words of a vCPU that cannot go on: all that its owner needs to see
 * why. */
#include "guests/dom0/cpu/dump.h"

#include <stdio.h>

#include "guests/dom0/cpu/insn.h"
#include "guests/dom0/vm/vcpu.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"

#define TRACES 8

typedef unsigned long long llu;

static const char *reason_text(uint32_t reason)
{
	static const char *const text[] = {
#define TEXT(number, name, words) words,
		SAMPO_EXITS(TEXT)
#undef TEXT
	};

	return reason < SAMPO_EXIT_COUNT ? text[reason] : "unknown";
}

static void dump_registers(const struct vm *vm, const struct sampo_exit *e)
{
	static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					    "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};

	for (unsigned i = 0; i < 16; i += 4)
		printf("%s: %s %016llx %s %016llx %s %016llx %s %016llx\n", vm->name, names[i],
		       (llu)e->gpr[i], names[i + 1], (llu)e->gpr[i + 1], names[i + 2],
		       (llu)e->gpr[i + 2], names[i + 3], (llu)e->gpr[i + 3]);
}

static void dump_system(const struct vm *vm, const struct sampo_exit *e)
{
	static const char *const names[] = {"es", "cs",  "ss",  "ds",  "fs",
					    "gs", "gdt", "ldt", "idt", "tr"};

	printf("%s: cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx\n", vm->name, (llu)e->cr0,
	       (llu)e->cr2, (llu)e->cr3, (llu)e->cr4, (llu)e->efer);
	for (unsigned i = 0; i < SAMPO_SREGS; i++)
		printf("%s: %-3s %04x base %llx limit %x attributes %x\n", vm->name, names[i],
		       e->seg[i].selector, (llu)e->seg[i].base, e->seg[i].limit, e->seg[i].attrib);
}

/* The bytes at RIP, if they are within one page of RAM. */
static void dump_code(struct vm *vm, const struct sampo_exit *e)
{
	uint64_t linear = e->seg[SAMPO_CS].base + e->rip, gpa;
	uint64_t room = 4096 - (linear & 4095);
	unsigned count = room < INSN_MAX ? (unsigned)room : INSN_MAX;
	uint8_t bytes[INSN_MAX];
	uint32_t code;

	if (walk(vm, e, linear, WALK_FETCH, &gpa, &code) != WALK_OK ||
	    !vm_read(vm, gpa, bytes, count)) {
		printf("%s: the code there cannot be read\n", vm->name);
		return;
	}
	printf("%s: code", vm->name);
	for (unsigned i = 0; i < count; i++)
		printf(" %02x", bytes[i]);
	printf("\n");
}

static void dump_traces(const struct vcpu *v)
{
	const struct sampo_vcpu_page *page = v->page;
	uint64_t end = page->traces;

	for (uint64_t i = end > TRACES ? end - TRACES : 0; i < end; i++) {
		const struct sampo_trace *t = &page->trace[i % SAMPO_TRACES];

		printf("%s: earlier exit %x at %llx, info %llx\n", v->vm->name, t->code,
		       (llu)t->rip, (llu)t->info);
	}
}

void vcpu_dump(struct vcpu *v, const char *why)
{
	struct sampo_exit *e = v->exit;
	struct vm *vm = v->vm;
	char text[112];

	if (!e->system_valid)
		sampo_vcpu_ctl(v->handle, SAMPO_VCPU_FETCH, 0);
	printf(LOG_ERR "%s: vCPU %u: %s\n", vm->name, v->index, why);
	printf("%s: exit %u (%s), qualification %llx, address %llx\n", vm->name, e->reason,
	       reason_text(e->reason), (llu)e->qualification, (llu)e->gpa);
	printf("%s: at %04x:%llx flags %llx\n", vm->name, e->seg[SAMPO_CS].selector, (llu)e->rip,
	       (llu)e->rflags);
	dump_registers(vm, e);
	dump_system(vm, e);
	dump_code(vm, e);
	dump_traces(v);
	snprintf(text, sizeof(text), "%s at %llx", why, (llu)e->rip);
	vm_request(vm, VM_REQ_CRASH, text);
}
