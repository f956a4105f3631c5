/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's requests to the CPU's virtualization extension, and the description of an exit that
 * comes back. The vendors' code is behind one const table; it decodes and does as it is told, and
 * decides nothing.
 */
#pragma once

#include "arch/ptab.h"
#include "kernel/abi.h"

struct cpu;
struct domain;
struct vcpu;

/* X(NAME, text): what an exit is, for counters and traces; cpu/exit.c acts upon it. */
#define EXIT_KINDS(X)                          \
	X(INTERRUPT, "physical interrupt")     \
	X(NMI, "physical NMI")                 \
	X(WINDOW, "interrupt window")          \
	X(CPUID, "CPUID")                      \
	X(HLT, "HLT")                          \
	X(PAUSE, "PAUSE")                      \
	X(IO, "port access")                   \
	X(RDMSR, "RDMSR")                      \
	X(WRMSR, "WRMSR")                      \
	X(HYPERCALL, "hypercall")              \
	X(MEMORY, "SLAT fault")                \
	X(CR, "control register")              \
	X(XSETBV, "XSETBV")                    \
	X(EXCEPTION, "exception")              \
	X(FPU, "FPU first used")               \
	X(DEBUG, "debug registers first used") \
	X(TASK, "hardware task switch")        \
	X(FORBIDDEN, "forbidden instruction")  \
	X(CACHE, "WBINVD or INVD")             \
	X(EOI, "end of interrupt")             \
	X(BUSLOCK, "bus lock")                 \
	X(SHUTDOWN, "triple fault")            \
	X(INVALID, "guest state refused")      \
	X(UNKNOWN, "unknown exit")

enum exit_kind {
#define EXIT_KIND_ENUM(name, text) EXIT_##name,
	EXIT_KINDS(EXIT_KIND_ENUM)
#undef EXIT_KIND_ENUM
		EXIT_KIND_COUNT
};

/*
 * X(NAME, name): features that are used when the CPU has them, unless the kernel's command
 * line has the word no-NAME; no-features is no to all. Intel: VPIDs, EPT's
 * accessed and dirty bits, interrupts delivered by the CPU, exits from PAUSE
 * loops, a log of what guests write, XSAVES, a TSC of another rate. AMD: next RIP
 * saved, flush by ASID, exits from PAUSE loops, a TSC of another rate, XSAVES. Both: exits
 * by locks of the bus; FPU
 * state that is switched with the vCPU, where the CPU needs it (fpu.h); that is no matter of
 * no-features.
 */
#define HV_FEATURES(X)                \
	X(ALL, "features")            \
	X(VPID, "vpid")               \
	X(AD, "ad")                   \
	X(VID, "vid")                 \
	X(PLE, "ple")                 \
	X(PML, "pml")                 \
	X(XSAVES, "xsaves")           \
	X(TSCSCALE, "tscscale")       \
	X(NRIPS, "nrips")             \
	X(FLUSHBYASID, "flushbyasid") \
	X(PAUSEFILTER, "pausefilter") \
	X(BUSLOCK, "buslock")         \
	X(EAGERFPU, "eagerfpu")

enum hv_feature {
#define HV_FEATURE_ENUM(name, text) HV_##name,
	HV_FEATURES(HV_FEATURE_ENUM)
#undef HV_FEATURE_ENUM
};

enum hv_trap { HV_TRAP_FPU, HV_TRAP_DEBUG };

struct hv_exit {
	enum exit_kind kind;
	uint32_t code; /* the vendor's */
	uint64_t info; /* the vendor's, for traces and dumps; EOI: the vector */
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
	uint32_t error; /* EXCEPTION, TASK: its error code, if it has one */
	uint32_t event; /* TASK: SAMPO_INJECT_*, whose delivery it is, or 0 */
	uint8_t cpl;
};

/*
 * The functions of each vendor, svm_NAME and vmx_NAME: X(type, name, arguments).
 *
 * probe      NULL if it can be used, hv_absent if this CPU has no such extension, else what
 *            is missing (boot only)
 * cpu_init   turn the extension on, on this CPU
 * slat_init  the format, levels and largest page of second-level tables. Returns true if the CPU
 *            logs what guests write: then domain_written is called for each entry of the log
 * interrupt_window
 *            take physical interrupts that are pending, now
 * idle       sleep until a physical interrupt, and take it
 *
 * vcpu_init  vendor state of a vCPU; ENOMEM
 * vcpu_free
 * detach     it leaves this CPU, which keeps nothing of it
 * vcpu_reset drop what was to happen at the next entry; for the registers see
 *            hv_reset
 * load       put its state into the CPU
 * save       ... or back into memory
 * run        enter the guest until it exits
 *
 * fetch_few  RIP, RFLAGS and CR4, which are asked for most
 * advance    the one tail that moves RIP: to next_rip; ends an STI shadow
 * trap       the next use of the FPU or of a debug register exits (EXIT_FPU, EXIT_DEBUG), or no
 *            longer
 *
 * interruptible
 *            may an external interrupt be injected now?
 * nmi_allowed
 *            an NMI? (While NMIs are blocked the guest's IRET exits as a window.)
 * inject     at the next entry (SAMPO_INJECT_*)
 * window     exit as soon as an interrupt can be injected, or no longer
 * lapic      of the local APIC the mode or all its state have been set, or
 *            something is pending and it has lapic.hardware: if the CPU delivers
 *            interrupts by itself, it is told
 *
 * fetch, store
 *            between the exit page's system part (fetch: and the few) and the vendor's state; what
 *            comes has been through hv_store
 * store_rip  RIP and RFLAGS
 * cr_access  do what an EXIT_CR asks for; false: it is the monitor's to decode
 * dump       what its control block holds beside the registers, to the log
 */
#define HV_OPS(X)                                                               \
	X(const char *, probe, (void))                                          \
	X(void, cpu_init, (struct cpu * cpu))                                   \
	X(bool, slat_init, (struct ptab * slat))                                \
	X(void, interrupt_window, (void))                                       \
	X(void, idle, (void))                                                   \
	X(int64_t, vcpu_init, (struct vcpu * vcpu))                             \
	X(void, vcpu_free, (struct vcpu * vcpu))                                \
	X(void, detach, (struct vcpu * vcpu))                                   \
	X(void, vcpu_reset, (struct vcpu * vcpu))                               \
	X(void, load, (struct vcpu * vcpu))                                     \
	X(void, save, (struct vcpu * vcpu))                                     \
	X(void, run, (struct vcpu * vcpu, struct hv_exit * exit))               \
	X(void, fetch_few, (struct vcpu * vcpu, struct sampo_exit * page))      \
	X(void, advance, (struct vcpu * vcpu, uint64_t next_rip))               \
	X(void, trap, (struct vcpu * vcpu, enum hv_trap what, bool on))         \
	X(bool, interruptible, (struct vcpu * vcpu))                            \
	X(bool, nmi_allowed, (struct vcpu * vcpu))                              \
	X(void, inject, (struct vcpu * vcpu, uint32_t event, uint32_t code))    \
	X(void, window, (struct vcpu * vcpu, bool on))                          \
	X(void, lapic, (struct vcpu * vcpu))                                    \
	X(void, fetch, (struct vcpu * vcpu, struct sampo_exit * page))          \
	X(void, store, (struct vcpu * vcpu, const struct sampo_exit *page))     \
	X(void, store_rip, (struct vcpu * vcpu, uint64_t rip, uint64_t rflags)) \
	X(bool, cr_access, (struct vcpu * vcpu, const struct hv_exit *exit))    \
	X(void, dump, (struct vcpu * vcpu))

struct hv_ops {
	const char *name;
#define HV_POINTER(type, name, arguments) type(*name) arguments;
	HV_OPS(HV_POINTER)
#undef HV_POINTER
};

extern const struct hv_ops svm_ops, vmx_ops;
extern const char hv_absent[];

/* At boot, while the kernel's code can still be written: from now on the operations are these. */
void hv_bind(const struct hv_ops *ops);
extern const struct hv_ops *hv_bound;

/* hv->NAME() is a call of hv_op_NAME, which is a jump to the vendor's, put there by hv_bind:
 * no CPU predicts such branches by what a guest has done. */
#define HV_OP(type, name, arguments) type hv_op_##name arguments;
HV_OPS(HV_OP)
#undef HV_OP
static const struct hv_ops hv_jumps = {
#define HV_JUMP(type, op, arguments) .op = hv_op_##op,
	HV_OPS(HV_JUMP)
#undef HV_JUMP
};
static const struct hv_ops *const hv = &hv_jumps;

/* A word of the kernel's command line, ended by a space or 0: is it a feature to do without? */
bool hv_option(const char *word);
/* hv_use: is a feature used that the CPU has, or has not? hv_log_features logs the names of those
 * that are. */
bool hv_use(enum hv_feature feature, bool present);
void hv_log_features(void);
bool hv_uses(enum hv_feature feature);

/* Registers as after RESET. */
void hv_reset(struct vcpu *vcpu);
/* The system part of an exit page into the vendor's state: copied once, and made such that
 * no CPU refuses to load it while the kernel runs. */
void hv_store(struct vcpu *vcpu, const struct sampo_exit *page);
/* For the vendors' advance: an instruction that the CPU has not finished by itself has been
 * executed with RFLAGS.TF set. The trap goes in at the next entry. */
void hv_single_step(struct vcpu *vcpu);

/*
 * ASIDs (AMD) and VPIDs (Intel), which mark what the TLB has of a vCPU. A CPU
 * hands out fresh ones until they are used up; a vCPU whose own translations
 * are to be forgotten (asid_generation = 0) just gets another. asid_renew is
 * called before an entry if vcpu->asid_generation is not the CPU's or slat_seen
 * not the domain's, and returns what must be flushed, no more:
 */
#define ASID_NEW        1u /* nothing: vcpu->asid is another */
#define ASID_FLUSH_SLAT 2u /* what comes from the domain's second-level table */
#define ASID_FLUSH_ALL  4u /* all that guests have: the numbers begin again */
unsigned asid_renew(struct vcpu *vcpu);
/* It has never run on the CPU where it will run next. */
void asid_forget(struct vcpu *vcpu);

/* For the vendors: every port and MSR exits but those that `pass` lets through. MSRs have
 * two bitmaps, of two pages: the second is of guests that have a SPEC_CTRL of their own. */
#define HV_MSR_BITMAP  8192u
#define HV_MSR_BITMAPS 2u
extern uint8_t hv_io_bitmap[], hv_msr_bitmap[]; /* the first: three pages */
void hv_permissions(void (*pass)(uint8_t *bitmap, uint32_t msr));

const char *exit_kind_name(enum exit_kind kind);
