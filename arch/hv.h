/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel asks of the CPU's virtualization extension, and what it is
 * told of an exit. The vendors' code is behind one const table; it decodes and
 * does as it is told, and decides nothing.
 */
#pragma once

#include "arch/ptab.h"
#include "kernel/abi.h"

struct cpu;
struct domain;
struct vcpu;

/* X(name, text): what an exit is, for counters, traces and dispatch. */
#define EXIT_KINDS(X)                         \
	X(INTERRUPT, "physical interrupt")    \
	X(NMI, "physical NMI")                \
	X(WINDOW, "interrupt window")         \
	X(CPUID, "CPUID")                     \
	X(HLT, "HLT")                         \
	X(PAUSE, "PAUSE")                     \
	X(IO, "port access")                  \
	X(RDMSR, "RDMSR")                     \
	X(WRMSR, "WRMSR")                     \
	X(HYPERCALL, "hypercall")             \
	X(MEMORY, "SLAT fault")               \
	X(CR, "control register")             \
	X(XSETBV, "XSETBV")                   \
	X(EXCEPTION, "exception")             \
	X(FPU, "FPU first used")              \
	X(FORBIDDEN, "forbidden instruction") \
	X(CACHE, "WBINVD or INVD")            \
	X(SHUTDOWN, "triple fault")           \
	X(INVALID, "guest state refused")     \
	X(UNKNOWN, "unknown exit")

enum exit_kind {
#define EXIT_KIND_ENUM(name, text) EXIT_##name,
	EXIT_KINDS(EXIT_KIND_ENUM)
#undef EXIT_KIND_ENUM
		EXIT_KIND_COUNT
};

struct hv_exit {
	enum exit_kind kind;
	uint32_t code; /* the vendor's */
	uint64_t info; /* the vendor's, for traces and dumps */
	uint64_t rip;
	uint64_t next_rip; /* of the instruction behind; valid for exits that
			      an instruction caused by itself */
	uint64_t gpa;      /* MEMORY */
	uint32_t access;   /* MEMORY: SAMPO_ACCESS_* */
	uint16_t port;     /* IO */
	uint8_t size;
	bool write; /* IO: OUT; CR: MOV to */
	bool string, rep;
	uint8_t vector;   /* EXCEPTION, FORBIDDEN; CR: register number */
	uint8_t insn_len; /* MEMORY, CR: bytes in insn, 0: not given */
	const uint8_t *insn;
	uint32_t error; /* EXCEPTION: its error code, if it has one */
	uint8_t cpl;
};

struct hv_ops {
	const char *name;

	/* Does this CPU have the extension at all? */
	bool (*present)(void);
	/* NULL if it can be used, else what is missing (boot only). */
	const char *(*probe)(void);
	/* Turn the extension on, on this CPU. */
	void (*cpu_init)(struct cpu *cpu);
	/* The format, levels and largest page of second-level tables. */
	void (*slat_init)(struct ptab *slat);
	/* Take physical interrupts that are pending, now. */
	void (*interrupt_window)(void);
	/* Sleep until a physical interrupt, and take it. */
	void (*idle)(void);

	/* Vendor state of a vCPU. ENOMEM. */
	int64_t (*vcpu_init)(struct vcpu *vcpu);
	void (*vcpu_free)(struct vcpu *vcpu);
	void (*vcpu_reset)(struct vcpu *vcpu);
	/* Put its state into the CPU, or back into memory. */
	void (*load)(struct vcpu *vcpu);
	void (*save)(struct vcpu *vcpu);
	/* Enter the guest until it exits. */
	void (*run)(struct vcpu *vcpu, struct hv_exit *exit);

	uint64_t (*rip)(const struct vcpu *vcpu);
	uint64_t (*rflags)(const struct vcpu *vcpu);
	/* The one tail that moves RIP: to next_rip; ends an STI shadow. */
	void (*advance)(struct vcpu *vcpu, uint64_t next_rip);

	/* The first use of the FPU exits (EXIT_FPU), or no longer. */
	void (*fpu_trap)(struct vcpu *vcpu, bool on);

	/* May an external interrupt be injected now? An NMI? (While NMIs are
	 * blocked the guest's IRET exits as a window.) */
	bool (*interruptible)(struct vcpu *vcpu);
	bool (*nmi_allowed)(struct vcpu *vcpu);
	/* Inject at the next entry (SAMPO_INJECT_*). */
	void (*inject)(struct vcpu *vcpu, uint32_t event, uint32_t code);
	/* Exit as soon as an interrupt can be injected, or no longer. */
	void (*window)(struct vcpu *vcpu, bool on);

	/* Between the exit page and the vendor's state: rip and rflags, and
	 * the system part. */
	void (*fetch)(struct vcpu *vcpu, struct sampo_exit *page);
	void (*store)(struct vcpu *vcpu, const struct sampo_exit *page);
	void (*store_rip)(struct vcpu *vcpu, uint64_t rip, uint64_t rflags);
	/* WRMSR EFER: SAMPO_EINVAL for what the CPU would refuse. */
	int64_t (*set_efer)(struct vcpu *vcpu, uint64_t efer);
	uint64_t (*efer)(const struct vcpu *vcpu);
	uint64_t (*cr4)(const struct vcpu *vcpu);
	/* Do what an EXIT_CR asks for; false: it is the monitor's to decode. */
	bool (*cr_access)(struct vcpu *vcpu, const struct hv_exit *exit);
	void (*set_tsc_offset)(struct vcpu *vcpu, uint64_t offset);
	/* What its control block holds beside the registers, to the log. */
	void (*dump)(struct vcpu *vcpu);
};

/* Bound at boot to the one that this CPU has. */
extern const struct hv_ops *hv;
extern const struct hv_ops svm_ops, vmx_ops;

const char *exit_kind_name(enum exit_kind kind);
