/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/lib/exceptions.h"

#include <stdio.h>
#include <unistd.h>

#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"

#define GATE_INTERRUPT 0x8e00u /* present, DPL 0, 64-bit interrupt gate */
#define STUB_BYTES     16
#define EXCEPTIONS     32
#define STACK_WORDS    8

struct gate {
	uint16_t offset_low, selector;
	uint16_t attributes;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};

extern const char exception_stubs[];
void exception_entry(struct exception *e);

static struct gate idt[256];
static bool (*handler_hook)(struct exception *e);

static const char *const names[EXCEPTIONS] = {
	"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD",      "#NM", "#DF", "9",   "#TS",
	"#NP", "#SS", "#GP", "#PF", "15",  "#MF", "#AC",      "#MC", "#XM", "#VE", "#CP",
	"22",  "23",  "24",  "25",  "26",  "27",  "#HV (28)", "#VC", "#SX", "31",
};

static void set_gate(unsigned vector, uint64_t entry)
{
	idt[vector] = (struct gate){
		.offset_low = (uint16_t)entry,
		.selector = 0x08,
		.attributes = GATE_INTERRUPT,
		.offset_middle = (uint16_t)(entry >> 16),
		.offset_high = (uint32_t)(entry >> 32),
	};
}

void exceptions_gate(unsigned vector, void (*entry)(void))
{
	if (vector < 256)
		set_gate(vector, (uint64_t)(uintptr_t)entry);
}

void exceptions_init(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} pointer = {sizeof(idt) - 1, (uint64_t)(uintptr_t)idt};

	for (unsigned i = 0; i < EXCEPTIONS; i++)
		set_gate(i, (uint64_t)(uintptr_t)exception_stubs + (uint64_t)i * STUB_BYTES);
	__asm__ volatile("lidt %0" : : "m"(pointer));
}

void exceptions_hook(bool (*hook)(struct exception *e))
{
	handler_hook = hook;
}

static bool in_data(uint64_t address)
{
	return address >= (uint64_t)(uintptr_t)guest_data &&
	       address < (uint64_t)(uintptr_t)guest_end;
}

/* The return addresses among the words on the stack. */
static void dump_stack(uint64_t rsp)
{
	unsigned found = 0;

	printf("calls:");
	for (uint64_t at = rsp & ~7ull; in_data(at) && found < STACK_WORDS; at += 8) {
		uint64_t word = *(const uint64_t *)(uintptr_t)at;

		if (word < (uint64_t)(uintptr_t)guest_image ||
		    word >= (uint64_t)(uintptr_t)guest_data)
			continue;
		printf(" %llx", (unsigned long long)word);
		found++;
	}
	printf("\n");
}

static void dump(const struct exception *e)
{
	static const char format[] = "exception %s error %llx at %llx:%llx flags %llx stack %llx\n"
				     "rax %016llx rbx %016llx rcx %016llx rdx %016llx\n"
				     "rsi %016llx rdi %016llx rbp %016llx cr2 %016llx\n"
				     "r8  %016llx r9  %016llx r10 %016llx r11 %016llx\n"
				     "r12 %016llx r13 %016llx r14 %016llx r15 %016llx\n";
	typedef unsigned long long llu;

	printf(format, e->vector < EXCEPTIONS ? names[e->vector] : "?", (llu)e->error, (llu)e->cs,
	       (llu)e->rip, (llu)e->rflags, (llu)e->rsp, (llu)e->rax, (llu)e->rbx, (llu)e->rcx,
	       (llu)e->rdx, (llu)e->rsi, (llu)e->rdi, (llu)e->rbp, (llu)read_cr2(), (llu)e->r8,
	       (llu)e->r9, (llu)e->r10, (llu)e->r11, (llu)e->r12, (llu)e->r13, (llu)e->r14,
	       (llu)e->r15);
	dump_stack(e->rsp);
}

void exception_entry(struct exception *e)
{
	if (handler_hook && handler_hook(e))
		return;
	guest_log_told = NULL; /* what follows does not wait for a shell */
	dump(e);
	_exit(EXIT_BY_EXCEPTION);
}
