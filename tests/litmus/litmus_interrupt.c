/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/cpu/interrupt.c kernel/object/irq.c kernel/cpu/smp.c kernel/base/lock.c kernel/base/timer.c kernel/base/heap.c */
/* sources: tests/host/cpu.c tests/unit/panic_stub.c */
/* flags: -fno-pie -no-pie -Wl,--unresolved-symbols=ignore-all */
/* An interrupt that a CPU takes while it sleeps: its event stays until the CPU is done with it. */
#include "tests/litmus/litmus.h"

#include "arch/apic.h"
#include "arch/ioapic.h"
#include "arch/iommu/iommu.h"
#include "kernel/abi.h"
#include "kernel/base/frame.h"
#include "kernel/cpu/interrupt.h"
#include "kernel/cpu/smp.h"
#include "kernel/object/device.h"
#include "kernel/object/event.h"
#include "kernel/object/irq.h"

#define LOOKS 2000u

struct acpi_info acpi;
static struct device device = {.object = {.type = SAMPO_T_DEVICE, .refs = 1}};
static struct domain domain;
static struct event event = {.target = &domain};
static uint64_t round_of[2]; /* which one: it is to be taken, it is being taken */
static uint64_t freed;
static uint64_t vector; /* of the interrupt; 0: there are no more */

void apic_send(uint32_t dest, uint32_t command)
{
	(void)dest;
	(void)command;
}

void apic_eoi(void)
{
}

uint32_t apic_id(void)
{
	return 0;
}

/* Both CPUs' lines: one of them binds, and the other has the interrupt. */
static uint8_t lines[FRAME_PAGE] __attribute__((aligned(8)));

int64_t iommu_route_message(uint16_t requester, const struct iommu_interrupt *to,
			    struct iommu_entry *entry, uint64_t *message)
{
	(void)requester;
	(void)entry;
	*message = to->vector;
	return SAMPO_OK;
}

void iommu_unroute(struct iommu_entry *entry)
{
	(void)entry;
}

/* The handler is in the middle of it: now the other CPU may unbind and free it. */
void event_raise(struct event *raised)
{
	(void)raised;
	__atomic_store_n(&round_of[1], round_of[0], __ATOMIC_RELEASE);
	for (unsigned i = 0; i < LOOKS; i++) {
		expect(__atomic_load_n(&freed, __ATOMIC_ACQUIRE) != round_of[1],
		       "an event was freed while an idle CPU raised it");
		cpu_pause();
	}
}

static void *sleep_and_take(void *arg)
{
	struct cpu *cpu = arg;

	host_cpu = cpu;
	for (uint64_t n = 1;; n++) {
		smp_leave_kernel(cpu, CPU_IDLE);
		litmus_wait(&round_of[0], n, "no interrupt");
		if (!vector)
			return NULL;
		interrupt_handle((unsigned)vector);
		smp_enter_kernel(cpu);
	}
}

static void *bind_and_free(void *arg)
{
	uint64_t message;

	host_cpu = arg;
	while (litmus_goes_on()) {
		expect(irq_bind(&event, &device.object, 0, &message) == SAMPO_OK, "bound");
		vector = message & 0xff;
		__atomic_store_n(&round_of[0], ++rounds, __ATOMIC_RELEASE);
		litmus_wait(&round_of[1], rounds, "not taken");
		irq_unbind(&event);
		__atomic_store_n(&freed, rounds, __ATOMIC_RELEASE);
	}
	vector = 0;
	__atomic_store_n(&round_of[0], rounds + 1, __ATOMIC_RELEASE);
	return NULL;
}

int main(void)
{
	litmus_cpu[0].lines = (struct irq_line *)lines;
	litmus_cpu[1].lines = litmus_cpu[0].lines;
	litmus_run("litmus_interrupt", sleep_and_take, bind_and_free);
	litmus_done();
	return 0;
}
