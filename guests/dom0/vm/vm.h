/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest as dom0 sees it. The members of struct vm can be rebuilt from the
 * guest's description and its state region; everything that the guest could
 * notice if it were lost is in struct machine_state (state.h), which lies in
 * memory that belongs to the guest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/dom0/vm/bus.h"
#include "kernel/abi.h"

#define VM_MAX_VCPUS    64
#define VM_MAX_DISKS    8
#define VM_MAX_NICS     8
#define VM_BLOCK_SHIFT  21            /* guest RAM comes in blocks of 2 MiB */
#define VM_RAM_BELOW_4G 0xc0000000ull /* RAM above this continues at 4 GiB */
#define VM_WINDOW       0xa0000ull    /* of a screen */
#define VM_WINDOW_END   0xc0000ull

struct vm_config; /* config.h: the parsed domain XML */
struct machine_state;

enum vm_run { VM_OFF, VM_RUNNING, VM_PAUSED, VM_CRASHED };

enum vm_phase {
	VM_PHASE_OFF,
	VM_PHASE_RUN,
	VM_PHASE_STOPPING, /* for a reset: until its vCPUs have stopped */
	VM_PHASE_QUIETING, /* for a reset: until no DMA is in flight; for a start: until ready */
	VM_PHASE_ENDING,   /* for good: until no DMA is in flight */
};

/* The requests of a guest. */
enum vm_request { VM_REQ_POWEROFF = 1, VM_REQ_RESET, VM_REQ_CRASH, VM_REQ_PANIC };

struct vm_life; /* life.h */

struct vm {
	char name[64];
	uint32_t id; /* 0 while shut off */
	enum vm_run run;
	enum vm_phase phase;
	enum vm_request request; /* 0: none */
	const struct vm_config *config;
	const struct vm_config *next_config; /* from its next start on; NULL: the same */
	struct machine_state *state;         /* in the guest's state region */

	bool has_window;    /* a screen is at 0xa0000 to 0xbffff, in the place of RAM */
	uint8_t *ram;       /* guest address 0 in dom0's address space */
	uint64_t ram_bytes; /* a multiple of 2 MiB */
	uint64_t *ram_bus;  /* bus address of each 2 MiB block, by RAM offset; 0: not
			       asked for yet, see vm_bus.c */

	uint8_t *rom; /* firmware's memory that ends at 4 GiB, NULL: none */
	uint64_t rom_bytes;
	uint32_t rom_region;

	uint32_t domain; /* handles */
	uint32_t vcpu[VM_MAX_VCPUS];
	struct sampo_exit *exit[VM_MAX_VCPUS];
	struct bus bus;

	bool autostart;    /* started with the machine */
	bool transient;    /* its description goes when it ends */
	bool kept;         /* its description is in the store too */
	bool from_medium;  /* it came with the boot medium, and will again */
	uint64_t dom0_tsc; /* dom0's work for its devices since it was started */

	struct vm *next; /* by definition */
	struct vm_life *life;
	/* For parts that keep something per guest that can be rebuilt: theirs
	 * to allocate and free (X_attach, X_detach), NULL at first. */
	void *cpu;      /* cpu */
	void *platform; /* machine */
	void *vga;      /* machine: the screen */
	void *virtio;   /* virtio */
	void *display;  /* display: who looks at the screen */
	void *assign;   /* assign */
	void *load;     /* load */
	void *console;  /* the console sink */
};

/*
 * Guest memory. `gpa` and `len` come from the guest and may be anything.
 * vm_mem returns a pointer to len bytes at gpa, or NULL unless all of them are
 * RAM (RAM is contiguous in dom0's address space except at the hole below
 * 4 GiB). vm_read reads ROM, too. The guest can change what is there at any time: copy, then check.
 */
void *vm_mem(struct vm *vm, uint64_t gpa, uint64_t len);
bool vm_read(struct vm *vm, uint64_t gpa, void *to, uint64_t len);
bool vm_write(struct vm *vm, uint64_t gpa, const void *from, uint64_t len);

/* The offset in RAM of a guest address, and how many bytes are there; 0 bytes
 * if it is not RAM. */
uint64_t vm_ram_offset(const struct vm *vm, uint64_t gpa, uint64_t *bytes);

/*
 * The bus address of guest memory for DMA, and in *run how many of len bytes
 * are contiguous there. 0 if gpa is not RAM.
 */
uint64_t vm_bus_address(struct vm *vm, uint64_t gpa, uint64_t len, uint64_t *run);

/* Interrupts. Lines are global system interrupts: 0-15 also reach the PICs. */
void vm_irq(struct vm *vm, unsigned gsi, bool level);
void vm_msi(struct vm *vm, uint64_t address, uint32_t data);
/* The wire from the PICs to the first vCPU's LINT0. */
void vm_extint(struct vm *vm, bool level);

/* The guest asked for it (ACPI, reset port, triple fault...). Safe to call
 * from device code: acted upon after the exit has been handled. */
void vm_request(struct vm *vm, enum vm_request what, const char *why);

/*
 * The life of a guest, for the shell and for the start of dom0. Each returns
 * NULL, or what went wrong, as a text that stays valid until the next call.
 *
 * vm_define takes the description over (config_parse's), also when it fails.
 * A guest's description stays when the guest ends.
 */
const char *vm_define(struct vm_config *config, struct vm **defined);
const char *vm_undefine(struct vm *vm);

/* Returns the reason why neither vm_define nor, for the guest that has this name and UUID already,
 * vm_redefine takes the description, or NULL. */
const char *vm_may_define(const struct vm_config *config);
/* Gives a guest another description, which it takes over: at once, or when the guest ends. A
 * transient guest stays from now on. */
void vm_redefine(struct vm *vm, struct vm_config *config);

/* Gives a guest another name, which no guest has and a description may have. */
void vm_rename(struct vm *vm, const char *name);

/* In the order of definition; vm_find takes a running guest's id, a UUID or a name, in this order
 * as virsh does; vm_find_name takes a name only. */
struct vm *vm_first(void);
struct vm *vm_next(const struct vm *vm);
struct vm *vm_find(const char *text);
struct vm *vm_find_name(const char *name);

const char *vm_start(struct vm *vm);
const char *vm_start_paused(struct vm *vm);
const char *vm_destroy(struct vm *vm);  /* power off at once */
const char *vm_shutdown(struct vm *vm); /* ask it, by the power button */
/* The same, and whatever the description says it does not start again. */
const char *vm_shutdown_for_good(struct vm *vm);
const char *vm_reboot(struct vm *vm); /* ask it, then start it again */
const char *vm_reset(struct vm *vm);  /* the reset button */
const char *vm_suspend(struct vm *vm);
const char *vm_resume(struct vm *vm);
const char *vm_nmi(struct vm *vm); /* an NMI for each vCPU, as the button of a server */

/*
 * live.c. The description of a running guest, to be changed with its devices: a copy from the first
 * call on, which ends with the guest. NULL: out of memory. And the guest's own, by which it starts
 * next.
 */
struct vm_config *vm_live_config(struct vm *vm);
struct vm_config *vm_own_config(const struct vm *vm);
/* The description by which the guest starts next: another one that it has been given while it runs
 * (vm_redefine), or else its own. */
struct vm_config *vm_next_config(const struct vm *vm);

/* Returns a guest other than `except` (NULL: any) that has an interface with the address in one of
 * its descriptions, or NULL. */
const struct vm *vm_find_mac(const uint8_t mac[6], const struct vm *except);

/* vm_sched.c: weight, microseconds of a period for each vCPU (0: all), CPUs; of a
 * running guest and of its description. */
struct cpuset;
const char *vm_set_weight(struct vm *vm, uint32_t weight);
const char *vm_set_cap(struct vm *vm, uint64_t quota, uint64_t period);
const char *vm_pin(struct vm *vm, unsigned vcpu, const struct cpuset *cpus);

/* "running", "paused", "shut off", "crashed", as virsh says. */
const char *vm_state_name(const struct vm *vm);
/* Its devices are being prepared for its start, or it has ended too often too soon and waits for
 * the next one. */
bool vm_waits(const struct vm *vm);
/* Nanoseconds since its last start or reset. */
uint64_t vm_up_ns(const struct vm *vm);
/* Why it is in this state, in virsh's words for domstate --reason. */
const char *vm_reason(const struct vm *vm);
/* Why the guest last ended or crashed in particular, "" if it never did. */
const char *vm_last_reason(const struct vm *vm);
/* Facts from the kernel; false while shut off. */
bool vm_domain_info(struct vm *vm, struct sampo_domain_info *info);
bool vm_vcpu_info(struct vm *vm, unsigned vcpu, struct sampo_vcpu_info *info);
#define VM_VCPU_OFFLINE 5u /* a state after the kernel's: it waits for a start-up IPI */
/* The rate of its TSC. */
uint64_t vm_tsc_khz(const struct vm *vm);
/* Its counters and traces; NULL: it is not there. */
const struct sampo_vcpu_page *vm_vcpu_page(const struct vm *vm, unsigned vcpu);

/* The guest cannot go on until the operator has done something: it is paused, for the reason given
 * in virsh's words for domstate --reason. From the event loop. */
void vm_stop(struct vm *vm, const char *why);

/* Does no device read or write the guest's memory by itself? A device that did and has ceased calls
 * vm_became_quiet, from the event loop. */
bool vm_quiet(const struct vm *vm);
void vm_became_quiet(struct vm *vm);
/* A part has prepared for the start what it had to. */
void vm_became_ready(struct vm *vm);

/* Log with the guest's name in front; rate-limited per guest (hostile guests
 * must not flood the log). */
void vm_log(struct vm *vm, const char *format, ...) __attribute__((format(printf, 2, 3)));
