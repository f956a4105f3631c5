/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interface between the ring-0 kernel and the domains above it.
 *
 * This header is self-contained and the only one of ring 0 that code outside
 * it may include. SAMPO_ABI_VERSION is (major << 16 | minor): minor grows when
 * something is added that old callers do not notice, major when the meaning or
 * the layout of anything that exists changes.
 *
 * Calling convention (VMMCALL on AMD, VMCALL on Intel; ring 0 of the domain
 * only): RAX = SAMPO_CALL_BASE + number, arguments in RDI, RSI, RDX, R10, R8.
 * On return RAX is the status (0, or a negative SAMPO_E*), RDX the value of
 * the call; no other register changes. Addresses passed in arguments are guest
 * physical; buffers may cross pages.
 */
#pragma once

#include <stdint.h>

#define SAMPO_ABI_VERSION 0x00060000u
#define SAMPO_CALL_BASE   0x53414d00u /* "SAM\0", far from KVM's small numbers */

/* Status of a call. */
#define SAMPO_OK      0
#define SAMPO_EINVAL  (-1)  /* an argument is out of its range */
#define SAMPO_EHANDLE (-2)  /* no such handle, or of another type */
#define SAMPO_ERIGHT  (-3)  /* the handle lacks the right that the call needs */
#define SAMPO_ENOMEM  (-4)  /* the machine or the domain's quota is exhausted */
#define SAMPO_EBUSY   (-5)  /* the object is in a state that forbids it now */
#define SAMPO_EEXIST  (-6)  /* the place is taken (address, port, index) */
#define SAMPO_EFAULT  (-7)  /* a buffer is not in the caller's memory */
#define SAMPO_ENOSYS  (-8)  /* no such call or operation */
#define SAMPO_ENODEV  (-9)  /* the machine or the device does not have it */
#define SAMPO_EDEAD   (-10) /* the domain has been destroyed or has crashed */
#define SAMPO_EAGAIN  (-11) /* a part is done, the value says how much: call again for the rest */

/* Object types. */
#define SAMPO_T_NONE    0u
#define SAMPO_T_MACHINE 1u
#define SAMPO_T_DOMAIN  2u
#define SAMPO_T_VCPU    3u
#define SAMPO_T_REGION  4u
#define SAMPO_T_EVENT   5u
#define SAMPO_T_DEVICE  6u
#define SAMPO_T_ANY     0xffu

/* Rights of a handle; each call names the one that it needs. */
#define SAMPO_R_READ    0x01u /* object_info, map for reading */
#define SAMPO_R_WRITE   0x02u /* map for writing, log */
#define SAMPO_R_CONTROL 0x04u /* change the object: destroy, pause, run, set */
#define SAMPO_R_CREATE  0x08u /* make objects below it: vCPUs, regions, domains */
#define SAMPO_R_RAISE   0x10u /* events: raise; domains: send an MSI */
#define SAMPO_R_GRANT   0x20u /* pass the handle on */
#define SAMPO_R_POWER   0x40u /* machine: power off and reset */
#define SAMPO_R_ALL     0x7fu

/*
 * X(number, name, type of the first argument's handle, right that it needs, arguments):
 * docs/hypercalls.md says what each does.
 */
#define SAMPO_HYPERCALLS(X)                                                                        \
	X(0, version, SAMPO_T_NONE, 0, "-")                                                        \
	X(1, wait, SAMPO_T_NONE, 0, "deadline, reply")                                             \
	X(2, log, SAMPO_T_MACHINE, SAMPO_R_WRITE, "machine, op, gpa, len")                         \
	X(3, machine, SAMPO_T_MACHINE, SAMPO_R_CONTROL, "machine, op")                             \
	X(4, handle_close, SAMPO_T_ANY, 0, "handle")                                               \
	X(5, handle_copy, SAMPO_T_ANY, SAMPO_R_GRANT, "handle, domain, rights")                    \
	X(6, object_info, SAMPO_T_ANY, SAMPO_R_READ, "handle, what, gpa, len, first")              \
	X(7, domain_create, SAMPO_T_MACHINE, SAMPO_R_CREATE,                                       \
	  "machine, flags, kernel pages, weight, memory")                                          \
	X(8, domain_ctl, SAMPO_T_DOMAIN, SAMPO_R_CONTROL, "domain, op, value")                     \
	X(9, vcpu_create, SAMPO_T_DOMAIN, SAMPO_R_CREATE, "domain, apic id, event")                \
	X(10, vcpu_ctl, SAMPO_T_VCPU, SAMPO_R_CONTROL, "vcpu, op, value")                          \
	X(11, vcpu_lapic, SAMPO_T_VCPU, SAMPO_R_CONTROL, "vcpu, offset, write, value")             \
	X(12, region_create, SAMPO_T_ANY, SAMPO_R_CREATE, "domain or machine, size, flags, base")  \
	X(13, region_map, SAMPO_T_REGION, SAMPO_R_READ,                                            \
	  "region, domain, gpa, offset | perms, size")                                             \
	X(14, region_unmap, SAMPO_T_DOMAIN, SAMPO_R_CONTROL, "domain, gpa, size")                  \
	X(15, region_dirty, SAMPO_T_DOMAIN, SAMPO_R_CONTROL, "domain, gpa, pages, bitmap gpa, op") \
	X(16, event_create, SAMPO_T_DOMAIN, SAMPO_R_CREATE, "domain, kind, a, b")                  \
	X(17, event_raise, SAMPO_T_EVENT, SAMPO_R_RAISE, "event")                                  \
	X(18, doorbell, SAMPO_T_EVENT, SAMPO_R_CONTROL, "event, domain, port, bytes")              \
	X(19, msi, SAMPO_T_DOMAIN, SAMPO_R_RAISE, "domain, address, data")                         \
	X(20, port, SAMPO_T_REGION, SAMPO_R_READ, "region, offset, bytes | write, value")          \
	X(21, irq, SAMPO_T_EVENT, SAMPO_R_CONTROL, "event, op, device or machine, pin")            \
	X(22, device_create, SAMPO_T_MACHINE, SAMPO_R_CREATE, "machine, requester id, domain, name")

enum sampo_call {
#define SAMPO_CALL_ENUM(nr, name, type, right, args) SAMPO_CALL_##name = nr,
	SAMPO_HYPERCALLS(SAMPO_CALL_ENUM)
#undef SAMPO_CALL_ENUM
		SAMPO_CALL_COUNT
};

/*
 * X(call, number, name, meaning): what the call of that name can be asked for, in its argument
 * "op", "kind" or "what".
 */
#define SAMPO_OPERATIONS(X)                                                                   \
	X(log, 0, LOG_WRITE, "len bytes at gpa to the log and the consoles")                  \
	X(log, 1, LOG_CONSOLE, "len bytes at gpa to the consoles, not the log")               \
	X(log, 2, LOG_RING, "len bytes at gpa to the log, not the consoles")                  \
	X(log, 3, LOG_TAKEN,                                                                  \
	  "the caller has read the console's input up to byte number gpa; "                   \
	  "and until its next LOG_WRITE it shows the log on the consoles")                    \
	X(machine, 0, MACHINE_POWEROFF,                                                       \
	  "empty the console, enter ACPI mode; then it is the "                               \
	  "caller's to write PM1 control")                                                    \
	X(machine, 1, MACHINE_RESET, "by the chipset; does not return")                       \
	X(machine, 2, MACHINE_ACPI,                                                           \
	  "ask the firmware for ACPI mode, which PM1 control "                                \
	  "shows later")                                                                      \
	X(object_info, 0, INFO_TYPE, "uint32_t type, uint32_t rights")                        \
	X(object_info, 1, INFO_MACHINE, "struct sampo_machine_info")                          \
	X(object_info, 2, INFO_DOMAIN, "struct sampo_domain_info")                            \
	X(object_info, 3, INFO_VCPU, "struct sampo_vcpu_info")                                \
	X(object_info, 4, INFO_BUS,                                                           \
	  "CONTROL: uint64_t bus address of the byte of RAM at guest-physical address "       \
	  "`first`, whose block of memory the domain's devices reach from now on")            \
	X(domain_ctl, 0, DOMAIN_DESTROY, "for ever")                                          \
	X(domain_ctl, 1, DOMAIN_PAUSE, "its vCPUs stand still")                               \
	X(domain_ctl, 2, DOMAIN_UNPAUSE, "and go on")                                         \
	X(domain_ctl, 3, DOMAIN_WEIGHT, "1..65535, default 1024")                             \
	X(domain_ctl, 4, DOMAIN_CAP,                                                          \
	  "of each vCPU: microseconds | of which period << 32; 0: none")                      \
	X(domain_ctl, 5, DOMAIN_TSC, "kHz of the TSC of vCPUs that are yet to be made")       \
	X(vcpu_ctl, 0, VCPU_RESUME, "leave the exit state; the exit page is read")            \
	X(vcpu_ctl, 1, VCPU_STOP, "come to the monitor with SAMPO_EXIT_STOPPED")              \
	X(vcpu_ctl, 2, VCPU_FETCH, "fill the system part of the exit page")                   \
	X(vcpu_ctl, 3, VCPU_EXTINT, "value 1/0: the PIC's INTR line is up/down")              \
	X(vcpu_ctl, 4, VCPU_NMI, "inject an NMI")                                             \
	X(vcpu_ctl, 5, VCPU_PAGE, "value: handle of the exit page's region")                  \
	X(vcpu_ctl, 6, VCPU_RESET, "registers and local APIC: value SAMPO_RESET_*")           \
	X(vcpu_ctl, 8, VCPU_AFFINITY,                                                         \
	  "value: address of 256 bits, the CPUs that it may run on; "                         \
	  "of itself: it is on one of them when the call is over")                            \
	X(region_dirty, 0, DIRTY_START, "what is written from now on is marked")              \
	X(region_dirty, 1, DIRTY_READ, "bitmap, bit n = page n; bits are cleared")            \
	X(region_dirty, 2, DIRTY_STOP, "large pages again")                                   \
	X(event_create, 0, EVENT_BIT, "a: bit in the target domain's event page")             \
	X(event_create, 1, EVENT_MSI, "a: address, b: data")                                  \
	X(event_create, 2, EVENT_NONE, "nothing happens: for a doorbell whose writes vanish") \
	X(irq, 0, IRQ_BIND,                                                                   \
	  "the caller's CPU will be interrupted; value, for a device: "                       \
	  "address << 32 | data of the message that the device must send")                    \
	X(irq, 1, IRQ_ACK, "level-triggered: serviced, unmask")                               \
	X(irq, 2, IRQ_UNBIND, "no interrupt any more")

enum sampo_operation {
#define SAMPO_OPERATION_ENUM(call, nr, name, text) SAMPO_##name = nr,
	SAMPO_OPERATIONS(SAMPO_OPERATION_ENUM)
#undef SAMPO_OPERATION_ENUM
};

/* domain_create flags */
#define SAMPO_DOMAIN_NO_LAPIC 0x1u /* no virtual local APIC (dom0-like) */
#define SAMPO_DOMAIN_PRIVATE                           \
	0x2u /* the monitor may map only what the      \
		guest shares: regions are created with \
		no map right for others */

#define SAMPO_RESET_POWER 0u /* as after power on */
#define SAMPO_RESET_INIT  1u /* as after INIT: the local APIC stays enabled or in x2APIC mode */

/* region_create flags */
#define SAMPO_REGION_4K 0x0u /* blocks of 4 KiB */
#define SAMPO_REGION_2M 0x1u /* blocks of 2 MiB */
/* ... for the machine: a range from `base` on that is neither RAM nor the
 * kernel's. Ports are not mapped but accessed with `port`. */
#define SAMPO_REGION_PHYSICAL 0x2u /* whole pages, mapped uncached */
#define SAMPO_REGION_PORTS    0x4u

/* region_map permissions, in the low 12 bits of the offset argument */
#define SAMPO_MAP_R   0x1u
#define SAMPO_MAP_W   0x2u
#define SAMPO_MAP_X   0x4u
#define SAMPO_MAP_RWX 0x7u

/* Pins: 0-15 are ISA interrupts, whose wiring the firmware may tell better; the
 * others are global system interrupts. */
#define SAMPO_PIN_LEVEL 0x10000u
#define SAMPO_PIN_LOW   0x20000u /* active low */

/* A flag in the bytes argument of port. */
#define SAMPO_PORT_WRITE 0x100u

/*
 * The event page: one for each domain. An event of kind BIT sets bit a % 64 of
 * pending[a / 64] and then bit a / 512 of summary, which stands for 8 words; the
 * domain clears summary and words with atomic exchanges, summary first.
 *
 * A domain that waits may have put SAMPO_DIRECT_FREE into `direct`. If the vCPU of a guest then
 * comes to it by an exit, on its CPU, and at once, the kernel may put the event's bit there
 * instead.
 */
#define SAMPO_DIRECT_FREE (~0ull)
#define SAMPO_EVENT_WORDS 8u
#define SAMPO_EVENTS      32256u
struct sampo_event_page {
	uint64_t summary;
	uint64_t direct;
	uint64_t pad[6];
	uint64_t pending[63 * SAMPO_EVENT_WORDS];
};

/*
 * The log and the console's input: rings that the kernel writes and dom0 reads,
 * mapped read-only. An end counts the bytes ever written; byte number n is at
 * n % size. The kernel writes a byte, then the end behind it, then the next
 * byte: number end - size may be overwritten at any time, so that a reader
 * looks at the end again when it has copied.
 */
struct sampo_log {
	uint64_t end;
	uint64_t input_end;
	char input[4080];
	char text[65536];
};

/* Why a vCPU came to its monitor. */
#define SAMPO_EXITS(X)                                                             \
	X(0, NONE, "running")                                                      \
	X(1, RESET, "created or reset, waits for its first resume")                \
	X(2, IO, "port access")                                                    \
	X(3, MEMORY, "access to an address where nothing is mapped")               \
	X(4, MSR, "access to an MSR that the kernel does not handle")              \
	X(5, CR, "MOV to or from a control register, not decoded")                 \
	X(6, EOI, "end of a level-triggered interrupt: vector")                    \
	X(7, INTACK, "the PIC's interrupt is accepted: give its vector")           \
	X(8, STOPPED, "SAMPO_VCPU_STOP")                                           \
	X(9, SHUTDOWN, "triple fault")                                             \
	X(10, HLT_FOREVER, "HLT with interrupts off")                              \
	X(11, INVALID, "the CPU refused the guest state")                          \
	X(12, UNKNOWN, "an exit that nobody claims: vendor code in qualification") \
	X(13, STARTUP, "INIT or start-up IPI sent: mode and vector, destinations") \
	X(14, TASK, "hardware task switch: TSS selector and source")

enum sampo_exit_reason {
#define SAMPO_EXIT_ENUM(nr, name, text) SAMPO_EXIT_##name = nr,
	SAMPO_EXITS(SAMPO_EXIT_ENUM)
#undef SAMPO_EXIT_ENUM
		SAMPO_EXIT_COUNT
};

enum sampo_gpr {
	SAMPO_RAX,
	SAMPO_RCX,
	SAMPO_RDX,
	SAMPO_RBX,
	SAMPO_RSP,
	SAMPO_RBP,
	SAMPO_RSI,
	SAMPO_RDI,
	SAMPO_R8,
	SAMPO_R9,
	SAMPO_R10,
	SAMPO_R11,
	SAMPO_R12,
	SAMPO_R13,
	SAMPO_R14,
	SAMPO_R15
};

enum sampo_sreg {
	SAMPO_ES,
	SAMPO_CS,
	SAMPO_SS,
	SAMPO_DS,
	SAMPO_FS,
	SAMPO_GS,
	SAMPO_GDTR,
	SAMPO_LDTR,
	SAMPO_IDTR,
	SAMPO_TR,
	SAMPO_SREGS
};

/* Attributes as in the VMCB: bits 0-7 = access byte, 8-11 = AVL, L, D, G. */
struct sampo_segment {
	uint16_t selector;
	uint16_t attrib;
	uint32_t limit; /* in bytes, expanded by G */
	uint64_t base;
};

/* The parts of the exit page that the kernel loads at resume (beside the GPRs). */
#define SAMPO_DIRTY_NONE   0u
#define SAMPO_DIRTY_RIP    0x1u  /* rip and rflags */
#define SAMPO_DIRTY_SYSTEM 0x2u  /* everything in the system part */
#define SAMPO_DIRTY_INJECT 0x4u  /* inject: an event for the next entry */
#define SAMPO_DIRTY_RAX    0x10u /* of the GPRs, RAX alone is loaded */
#define SAMPO_DIRTY_ADVANCE \
	0x8u /* step over the instruction (next_rip): with TF set, a trap follows */

/* access of a MEMORY exit */
#define SAMPO_ACCESS_R    0x1u
#define SAMPO_ACCESS_W    0x2u
#define SAMPO_ACCESS_X    0x4u
#define SAMPO_ACCESS_WALK 0x8u /* by the guest's own page walk */

/* inject: bits 0-7 vector, 8-10 type, 11 with error code, 31 valid */
#define SAMPO_INJECT_EXTINT     0x80000000u
#define SAMPO_INJECT_NMI        0x80000202u
#define SAMPO_INJECT_EXCEPTION  0x80000300u
#define SAMPO_INJECT_ERROR_CODE 0x800u

/*
 * The exit page: one for each vCPU, shared with its monitor. This part of it belongs to the
 * monitor while reason != NONE, which the kernel sets last; the monitor gives
 * it back with vcpu_ctl(RESUME) or wait(reply). Values that the monitor puts
 * here are the guest's affair: the kernel checks only what would harm itself.
 */
struct sampo_exit {
	uint32_t reason;        /* enum sampo_exit_reason */
	uint32_t dirty;         /* monitor: SAMPO_DIRTY_* */
	uint64_t qualification; /* IO: none; MEMORY: vendor's fault code; MSR:
				   index; CR: number; EOI: vector; STARTUP:
				   the ICR's bits 0-10; TASK: SDM 3C table
				   28-6; UNKNOWN, INVALID: the
				   vendor's exit code */
	uint64_t gpa;           /* MEMORY: the address; STARTUP: bit n: to the
				   vCPU with local APIC id n, if there is one */
	uint64_t next_rip;      /* of the instruction after, 0 if unknown */
	uint32_t inject;        /* monitor: SAMPO_INJECT_* | vector; TASK: the event
				   that has a task gate, type 4 and above an
				   instruction's, or 0 */
	uint32_t inject_code;   /* monitor: its error code; TASK: the event's */
	uint16_t port;          /* IO */
	uint8_t size;           /* IO: bytes */
	uint8_t write;          /* IO, MSR, CR: to the device / register */
	uint8_t string;         /* IO: INS or OUTS */
	uint8_t rep;            /* IO: with a REP prefix */
	uint8_t access;         /* MEMORY: SAMPO_ACCESS_* */
	uint8_t insn_len;       /* bytes in insn, 0 if hardware gave none */
	uint8_t insn[16];
	uint8_t system_valid; /* the system part is filled in */
	uint8_t pad[7];
	uint64_t rip;
	uint64_t rflags;
	uint64_t gpr[16]; /* enum sampo_gpr */
	/* The system part: filled for MEMORY, CR, MSR, string IO, SHUTDOWN and
	 * the like, or by SAMPO_VCPU_FETCH; not for plain IO. */
	struct sampo_segment seg[SAMPO_SREGS];
	uint64_t cr0, cr2, cr3, cr4, cr8, efer;
	uint64_t dr6, dr7, pat, xcr0;
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t apic_base, tsc;   /* tsc: the guest's, as it would read now */
	uint64_t interruptibility; /* bit 0: STI or MOV SS shadow; bit 1: NMIs
				      blocked */
	uint64_t debugctl;         /* IA32_DEBUGCTL: BTF, the others are 0 */
};

#define SAMPO_EXIT_COUNTERS 24u
#define SAMPO_TRACES        32u
struct sampo_trace {
	uint64_t tsc;
	uint64_t rip;
	uint64_t info;
	uint32_t kind; /* the kernel's, as the counters have it */
	uint32_t code; /* the vendor's */
};

#define SAMPO_CPUIDS 64u
struct sampo_cpuid {
	uint64_t key; /* leaf << 32 | subleaf */
	uint32_t eax, ebx, ecx, edx;
};

struct sampo_vcpu_page {
	struct sampo_exit exit;

	/* The kernel's: counts of exits; the last ones, number n at n % SAMPO_TRACES. */
	uint64_t exits[SAMPO_EXIT_COUNTERS];
	uint64_t traces;
	struct sampo_trace trace[SAMPO_TRACES];

	/*
	 * The monitor's: what CPUID answers, by ascending keys: the last entry
	 * of the leaf whose subleaf is not above ECX, or zeros. OSXSAVE and
	 * the size of what XCR0 enables are the kernel's. No entries: the
	 * CPU's own answers.
	 */
	uint64_t cpuids;
	struct sampo_cpuid cpuid[SAMPO_CPUIDS];
};

/* Facts, by object_info. */
struct sampo_machine_info {
	uint64_t tsc_khz;
	uint64_t ram_bytes;    /* usable memory that the firmware reported */
	uint64_t free_bytes;   /* not given to anybody */
	uint64_t kernel_bytes; /* image and memory that the kernel uses */
	uint64_t idle_tsc;     /* TSC cycles that CPUs spent idle */
	uint32_t cpus, domains;
	uint32_t handles;        /* in use, all domains together */
	uint32_t xcr0;           /* what guests may set of it; 0: no XSAVE */
	uint64_t xsave;          /* what they may use: CPUID 0xd.1 EAX */
	uint64_t machine_checks; /* errors of the hardware that it corrected; since 4.0 */
	/* What of the CPU's own means against speculation a guest may use; since 4.0. */
	uint64_t arch_caps; /* IA32_ARCH_CAPABILITIES as the CPU has it */
	uint64_t efer;      /* bits that may be set */
	uint32_t spec_ctrl; /* the same; 0: no SPEC_CTRL. PRED_CMD and FLUSH_CMD as the CPU */
	uint32_t lfence;    /* 1: AMD, LFENCE waits for all before it */
};

#define SAMPO_DOM_RUNNING 0u
#define SAMPO_DOM_PAUSED  1u
#define SAMPO_DOM_DEAD    2u
struct sampo_domain_info {
	uint32_t id, state;
	uint32_t vcpus, weight;
	uint64_t memory_bytes; /* regions charged to the domain */
	uint64_t kernel_bytes; /* kernel memory charged to it */
	uint64_t kernel_limit;
	uint64_t cpu_ns; /* of all its vCPUs */
	uint32_t handles, regions, events, pad;
};

struct sampo_vcpu_info {
	uint32_t state; /* 0 running, 1 ready, 2 halted, 3 at monitor, 4 stopped */
	uint32_t cpu;
	uint64_t cpu_ns;
	uint64_t wait_ns; /* ready but not running (steal) */
};

/*
 * dom0's image: this header and what follows it in the file, `loaded` bytes in
 * all, lie at guest-physical address `base`, then zeroes up to `size` bytes.
 */
#define SAMPO_IMAGE_MAGIC 0x474d494f504d4153ull /* "SAMPOIMG" */

struct sampo_image {
	uint64_t magic;
	uint32_t base, entry; /* addresses; base is that of a page, 1 MiB or more */
	uint32_t loaded, size;
	uint32_t crc32c; /* of the `loaded` bytes, with this field 0 */
	uint32_t pad;
};

/*
 * What a domain that the kernel starts itself (dom0) finds at the address in
 * EBX when it is entered, in 32-bit protected mode with paging off, flat
 * segments, as a PVH guest is. Its RAM is at 0..ram_bytes; a bus address of
 * its own RAM is gpa + dma_offset, which is 0 with an IOMMU.
 */
#define SAMPO_BOOT_MAGIC 0x4f504d4153ull /* "SAMPO" */

#define SAMPO_BOOT_IOMMU  0x1u /* an IOMMU is in use: devices can be given to domains */
#define SAMPO_BOOT_REMAPS 0x2u /* ... and it remaps interrupts */

struct sampo_module {
	uint64_t gpa; /* mapped read-only into dom0 here */
	uint64_t size;
	char name[112];
};

struct sampo_boot {
	uint64_t magic;
	uint32_t abi_version;
	uint32_t vmcall; /* 1: calls are made by VMCALL, 0: by VMMCALL */
	uint64_t ram_bytes;
	uint64_t dma_offset;
	uint64_t event_page; /* gpa of this domain's struct sampo_event_page */
	uint64_t log;        /* gpa of struct sampo_log */
	uint64_t map_base;   /* free guest-physical range for region_map: from */
	uint64_t map_end;    /* to */
	uint32_t machine;    /* handles */
	uint32_t domain;
	uint32_t console_event; /* bit of the event page: console input */
	uint32_t modules;
	uint8_t rsdp[40]; /* of ACPI, a copy; zeroes: there is none */
	char cmdline[512];
	uint64_t module_table; /* gpa of so many struct sampo_module */
	uint32_t vcpu;         /* handle of its only vCPU */
	uint32_t flags;        /* SAMPO_BOOT_*; since 6.0 */
};
