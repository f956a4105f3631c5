/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest pays for each kind of exit, in ticks of the TSC: instructions,
 * where the emulator counts those. Each figure is the least of several rounds
 * of a loop, less what the loop itself takes, and their mean. Lines "bench NAME
 * LEAST MEAN"; a machine that lacks something lacks its line. Runs bare as well.
 */
#include <stdbool.h>
#include <stdio.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/exceptions.h"
#include "guests/lib/guest.h"
#include "guests/lib/lapic.h"
#include "guests/lib/pci.h"
#include "guests/lib/sampo.h"
#include "guests/lib/virtio.h"

#define ROUNDS         32
#define LOOPS          50 /* short: other work of the machine falls between two */
#define VECTOR         0x50
#define FAR_AWAY       (1ull << 50)
#define INTERVAL       200000
#define REQUEST        16
#define REST           100000000
#define NEAR           600 /* more than the exit takes that sets it */
#define UNCLAIMED      0xd0000000ull
#define PORT_KERNEL    0x80
#define PORT_MONITOR   0x2ff /* scratch register of COM2 */
#define PAGE           4096ull
#define BLOCK          (2ull << 20)
#define BLOCKS         8
#define CPUID_1_X2APIC (1u << 21)

static volatile uint64_t handler_begin, handler_end;

/* Notes when it begins, sends EOI, notes when it is done. */
__attribute__((naked)) static void handler(void)
{
	__asm__ volatile("push %rax\n\t"
			 "push %rcx\n\t"
			 "push %rdx\n\t"
			 "rdtsc\n\t"
			 "shl $32, %rdx\n\t"
			 "or %rdx, %rax\n\t"
			 "mov %rax, handler_begin\n\t"
			 "mov $0x80b, %ecx\n\t"
			 "xor %eax, %eax\n\t"
			 "xor %edx, %edx\n\t"
			 "wrmsr\n\t"
			 "rdtsc\n\t"
			 "shl $32, %rdx\n\t"
			 "or %rdx, %rax\n\t"
			 "mov %rax, handler_end\n\t"
			 "pop %rdx\n\t"
			 "pop %rcx\n\t"
			 "pop %rax\n\t"
			 "iretq");
}
/* Instructions between the two readings, without the WRMSR. */
#define HANDLER_OTHERS 6

static void nothing(void)
{
	__asm__ volatile("");
}

static void do_cpuid(void)
{
	__asm__ volatile("xor %%eax, %%eax\n\tcpuid" : : : "rax", "rbx", "rcx", "rdx");
}

static void do_msr(void)
{
	rdmsr(MSR_APIC_BASE);
}

static void do_hypercall(void)
{
	__asm__ volatile("vmmcall" : : "a"(SAMPO_CALL_BASE + SAMPO_CALL_version) : "rdx", "memory");
}

static void do_hypercall_intel(void)
{
	__asm__ volatile("vmcall" : : "a"(SAMPO_CALL_BASE + SAMPO_CALL_version) : "rdx", "memory");
}

static void do_port_kernel(void)
{
	outb(PORT_KERNEL, 0);
}

static void do_port_monitor(void)
{
	inb(PORT_MONITOR);
}

static void do_pci_read(void)
{
	pci_config_read(0, 0, 4);
}

static void do_mmio(void)
{
	*(volatile uint32_t *)UNCLAIMED;
}

static void do_timer_arm(void)
{
	wrmsr(MSR_TSC_DEADLINE, FAR_AWAY);
}

static struct pci_window doorbell;

static void do_doorbell(void)
{
	window_write(&doorbell, 0, 2, 0);
}

/* One round of a loop: its ticks. */
static uint64_t loop(void (*body)(void))
{
	uint64_t begin = rdtsc();

	for (unsigned i = 0; i < LOOPS; i++)
		body();
	return rdtsc() - begin;
}

struct figure {
	uint64_t least, sum, count;
};

static void note(struct figure *f, uint64_t ticks)
{
	if (!f->count || ticks < f->least)
		f->least = ticks;
	f->sum += ticks;
	f->count++;
}

static uint64_t past(uint64_t ticks, uint64_t rest)
{
	return ticks > rest ? ticks - rest : 0;
}

/* The least and the mean, each of `parts`, without what the measuring itself takes. */
static void show(const char *name, const struct figure *f, uint64_t rest, uint64_t parts)
{
	uint64_t least, mean;

	if (!f->count)
		return;
	least = past(f->least, rest) * 100 / parts;
	mean = past(f->sum / f->count, rest) * 100 / parts;
	printf("bench %s %llu.%02llu %llu.%02llu\n", name, (unsigned long long)(least / 100),
	       (unsigned long long)(least % 100), (unsigned long long)(mean / 100),
	       (unsigned long long)(mean % 100));
}

static void show_mean(const char *name, const struct figure *f, uint64_t parts)
{
	uint64_t hundredths = f->sum * 100 / f->count / parts;

	printf("bench %s %llu.%02llu\n", name, (unsigned long long)(hundredths / 100),
	       (unsigned long long)(hundredths % 100));
}

static void rest(void)
{
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + REST);
	halt_once();
	wrmsr(MSR_TSC_DEADLINE, 0);
}

static struct figure rounds(void (*body)(void))
{
	struct figure f = {0};

	for (unsigned i = 0; i < ROUNDS; i++)
		note(&f, loop(body));
	return f;
}

static void bench(const char *name, void (*body)(void))
{
	struct figure empty = rounds(nothing), full = rounds(body);

	show(name, &full, empty.least, LOOPS);
}

/* --- interrupts ----------------------------------------------------------- */

static void bench_self_ipi(void)
{
	struct figure ipi = {0}, eoi = {0};

	for (unsigned i = 0; i < ROUNDS * LOOPS; i++) {
		uint64_t begin = rdtsc();

		wrmsr(X2APIC_SELF_IPI, VECTOR);
		interrupts_on();
		interrupts_off();
		if (handler_begin < begin)
			return;
		note(&ipi, handler_begin - begin);
		note(&eoi, handler_end - handler_begin);
	}
	show("self-ipi", &ipi, 0, 1);
	show("eoi", &eoi, HANDLER_OTHERS, 1);
}

/* The same while the TPR holds it back; then that is lowered. */
static void bench_held_ipi(void)
{
	struct figure f = {0};

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t begin = rdtsc();

		wrmsr(X2APIC_TPR, 0xf0);
		wrmsr(X2APIC_SELF_IPI, VECTOR);
		interrupts_on();
		wrmsr(X2APIC_TPR, 0);
		interrupts_off();
		if (handler_begin < begin)
			return;
		note(&f, handler_begin - begin);
	}
	show("held-ipi", &f, 0, 1);
}

/* A deadline that has nearly come when it is set. */
static void bench_near_deadline(void)
{
	struct figure f = {0};

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t begin;

		interrupts_on();
		begin = rdtsc();
		wrmsr(MSR_TSC_DEADLINE, begin + NEAR);
		while (handler_begin < begin)
			;
		interrupts_off();
		note(&f, handler_begin - begin);
	}
	show("near-deadline", &f, 0, 1);
}

static void bench_hlt_wake(void)
{
	struct figure f = {0};

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t deadline = rdtsc() + INTERVAL;

		wrmsr(MSR_TSC_DEADLINE, deadline);
		while (handler_begin < deadline)
			halt_once();
		note(&f, handler_begin - deadline);
	}
	show("hlt-wake", &f, 0, 1);
}

/* A request to the random number device: from the notification to the first instruction of the
 * handler of its interrupt, for which the guest sleeps, or goes on computing. */
static uint64_t request(struct virtio_device *rng, struct virtio_rings *rings,
			uint8_t buffer[REQUEST], bool sleeps)
{
	uint64_t begin;

	rings->desc[0] = (struct virtio_desc){
		.address = (uintptr_t)buffer,
		.bytes = REQUEST,
		.flags = DESC_WRITE,
	};
	virtio_offer(rings, 0);
	begin = rdtsc();
	virtio_kick(rng, 0);
	if (!sleeps)
		interrupts_on();
	while (handler_begin < begin)
		if (sleeps)
			halt_once();
	interrupts_off();
	return handler_begin - begin;
}

static void bench_device(void)
{
	static _Alignas(4096) struct virtio_rings rings;
	static uint8_t buffer[REQUEST];
	struct virtio_device rng;
	struct figure f = {0};

	if (!virtio_find(VIRTIO_TYPE_RNG, 0, &rng) || !pci_msix_enable(rng.slot, 0, VECTOR) ||
	    !virtio_reset(&rng) || !virtio_negotiate(&rng, 0))
		return;
	window_write(&rng.common, COMMON_QUEUE, 2, 0);
	window_write(&rng.common, COMMON_QUEUE_VECTOR, 2, 0);
	virtio_place(&rng, 0, VQ_SIZE, (uintptr_t)rings.desc, (uintptr_t)&rings.avail,
		     (uintptr_t)&rings.used);
	virtio_go(&rng);
	for (unsigned i = 0; i < ROUNDS * ROUNDS; i++)
		note(&f, request(&rng, &rings, buffer, true));
	show("request", &f, 0, 1);
	rest(); /* the device gives 4 KiB in 10 ms */
	f = (struct figure){0};
	for (unsigned i = 0; i < 4 * ROUNDS; i++)
		note(&f, request(&rng, &rings, buffer, false));
	show_mean("busy-request", &f, 1);
}

static void bench_interrupts(void)
{
	uint32_t leaf[4];

	cpuid(1, 0, leaf);
	if (!(leaf[2] & CPUID_1_X2APIC))
		return;
	exceptions_gate(VECTOR, handler);
	lapic_enable();
	wrmsr(X2APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR);
	bench_self_ipi();
	bench_held_ipi();
	bench("timer-arm", do_timer_arm);
	bench_near_deadline();
	bench_hlt_wake();
	wrmsr(MSR_TSC_DEADLINE, 0);
	bench_device();
}

/* --- the first milliseconds ------------------------------------------------ */

static void do_compute(void)
{
	for (unsigned i = 0; i < 100; i++)
		__asm__ volatile("");
}

static struct figure many_rounds(void (*body)(void))
{
	struct figure f = {0};

	for (unsigned i = 0; i < ROUNDS * ROUNDS; i++)
		note(&f, loop(body));
	return f;
}

/* Means, since others work for the guest or start up meanwhile: what CPUID and a loop take, the
 * latter against its least, and how late a deadline comes. */
static void bench_start(void)
{
	struct figure cpuids = many_rounds(do_cpuid), loops = many_rounds(do_compute), late = {0};
	uint32_t leaf[4];

	show_mean("start-cpuid", &cpuids, LOOPS);
	show_mean("start-compute", &loops, loops.least);
	cpuid(1, 0, leaf);
	if (!(leaf[2] & CPUID_1_X2APIC))
		return;
	exceptions_gate(VECTOR, handler);
	lapic_enable();
	wrmsr(X2APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR);
	for (unsigned i = 0; i < ROUNDS * ROUNDS; i++) {
		uint64_t deadline = rdtsc() + INTERVAL / 8;

		wrmsr(MSR_TSC_DEADLINE, deadline);
		while (handler_begin < deadline)
			halt_once();
		note(&late, handler_begin - deadline);
	}
	show_mean("start-deadline", &late, 1);
	rest(); /* until the machine has zeroed what memory it keeps ready for the next guests */
}

/* --- memory and devices --------------------------------------------------- */

static uint64_t touch(uint64_t address)
{
	uint64_t begin = rdtsc();

	*(volatile uint8_t *)(uintptr_t)address = 1;
	return rdtsc() - begin;
}

static uint64_t ram_end(void)
{
	const struct hvm_start_info *info = guest_boot_info;
	const struct hvm_memmap_entry *map;
	uint64_t image = (uint64_t)(uintptr_t)guest_end;

	if (!info || info->magic != HVM_START_MAGIC || info->version < 1)
		return 0;
	map = (const void *)(uintptr_t)info->memmap;
	for (uint32_t i = 0; i < info->memmap_entries; i++)
		if (map[i].type == 1 && map[i].address <= image &&
		    map[i].address + map[i].size > image)
			return map[i].address + map[i].size;
	return 0;
}

/* Of blocks that nobody has used yet: their first page, and another one. */
static void bench_touch(void)
{
	uint64_t block = ((uint64_t)(uintptr_t)guest_end + BLOCK) & -BLOCK;
	uint64_t end = ram_end();
	struct figure block_2m = {0}, page_4k = {0};

	for (unsigned i = 0; i < BLOCKS && block + 2 * BLOCK <= end; i++) {
		note(&block_2m, touch(block + PAGE));
		note(&page_4k, touch(block + 9 * PAGE));
		block += BLOCK;
	}
	show("touch-2m", &block_2m, 0, 1);
	show("touch-4k", &page_4k, 0, 1);
}

/* The notification port of any virtio device; nobody listens yet, so dom0 has
 * nothing to do but to see that. */
static void bench_doorbell(void)
{
	for (unsigned slot = 1; slot < 32; slot++) {
		unsigned cap = 0;

		if (pci_config_read(slot, 0, 2) != 0x1af4)
			continue;
		pci_function_enable(slot);
		while ((cap = pci_capability(slot, PCI_CAP_VENDOR, cap))) {
			uint32_t bar = pci_config_read(slot, cap + 4, 1);
			uint32_t offset = pci_config_read(slot, cap + 8, 4);

			if (pci_config_read(slot, cap + 3, 1) != 2 ||
			    !pci_window(slot, bar, offset, &doorbell))
				continue;
			bench("doorbell", do_doorbell);
			return;
		}
	}
}

int main(void)
{
	uint64_t unclaimed;

	faults_init();
	bench_touch();
	bench_start();
	bench("cpuid", do_cpuid);
	bench("msr", do_msr);
	if (sampo_present)
		bench("hypercall", sampo_by_vmcall ? do_hypercall_intel : do_hypercall);
	bench("port-kernel", do_port_kernel);
	bench_doorbell();
	bench("port-monitor", do_port_monitor);
	bench("pci-read", do_pci_read);
	if (try_read((const void *)UNCLAIMED, &unclaimed) == NO_FAULT)
		bench("mmio", do_mmio);
	bench_interrupts();
	printf("bench done\n");
	guest_poweroff();
}
