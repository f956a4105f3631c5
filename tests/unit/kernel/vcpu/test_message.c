/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/vcpu/message.c kernel/vcpu/inject.c kernel/vcpu/vlapic.c tests/host/cpu.c */
/* Which vCPUs get a message, and what goes into a vCPU and when: on a vendor that only notes. */
#include "arch/apic.h"
#include "arch/barrier.h"
#include "arch/debugreg.h"
#include "arch/hv.h"
#include "arch/msr.h"
#include "kernel/vcpu/paravirt.h"
#include "kernel/vcpu/vcpu.h"
#include "tests/unit/unit.h"

#define KHZ   1000000u
#define VCPUS 4u

static struct domain domain;
static struct vcpu vcpu[VCPUS];
static uint32_t page[VCPUS][LAPIC_REGISTERS * 4];
static struct sampo_exit exit_page;
static uint32_t posted[VCPUS];   /* REQUEST_* */
static uint32_t injected, kicks; /* the last event; interrupts to oneself */
static bool blocked, deaf, window_on, wants;
static uint32_t monitor_heard;

/* --- what is below and beside --- */

bool hv_op_nmi_allowed(struct vcpu *v)
{
	(void)v;
	return !blocked;
}

bool hv_op_interruptible(struct vcpu *v)
{
	(void)v;
	return !deaf;
}

void hv_op_inject(struct vcpu *v, uint32_t event, uint32_t code)
{
	(void)v;
	(void)code;
	injected = event;
}

void hv_op_window(struct vcpu *v, bool on)
{
	window_on = on;
	wants = on && vcpu_wants_window(v);
}

void hv_op_lapic(struct vcpu *v)
{
	(void)v;
}

void request_post(struct vcpu *v, uint32_t requests)
{
	posted[v->id] |= requests;
}

bool request_take(struct vcpu *)
{
	return false;
}

void vcpu_wake(struct vcpu *v)
{
	posted[v->id] |= REQUEST_WAKE;
}

void vcpu_to_monitor(struct vcpu *v, uint32_t reason)
{
	(void)v;
	monitor_heard = reason;
}

void apic_send(uint32_t dest, uint32_t command)
{
	(void)command;
	kicks += dest == 7;
}

uint32_t apic_id(void)
{
	return 7;
}

void vcpu_set_timer(struct vcpu *v)
{
	(void)v;
}

void eoi_offer(struct vcpu *v)
{
	(void)v;
}

void eoi_collect(struct vcpu *v)
{
	(void)v;
}

void steal_update(struct vcpu *v)
{
	(void)v;
}

void barrier_cache(struct cpu *cpu, struct vcpu *v)
{
	(void)cpu;
	(void)v;
}

void debug_take(struct cpu *cpu, struct vcpu *v)
{
	(void)cpu;
	(void)v;
}

/* --- the tests --- */

static void enable(unsigned id, bool on)
{
	vcpu[id].lapic.reg[LAPIC_SVR].value = on ? SVR_ENABLE | 0xff : 0xff;
}

/* As many vCPUs, all on. */
static void begin(unsigned count)
{
	memset(vcpu, 0, sizeof(vcpu));
	memset(posted, 0, sizeof(posted));
	domain = (struct domain){.vcpus = count, .present = (1ull << count) - 1};
	for (unsigned i = 0; i < count; i++) {
		vcpu[i].id = i;
		vcpu[i].domain = &domain;
		vcpu[i].exit = &exit_page;
		vcpu[i].state = VCPU_HALTED;
		vcpu[i].cpu = this_cpu();
		vcpu[i].lapic.reg = (void *)page[i];
		vlapic_init(&vcpu[i].lapic, i, i == 0, KHZ);
		enable(i, true);
		domain.vcpu[i] = &vcpu[i];
	}
	injected = kicks = monitor_heard = 0;
	blocked = deaf = window_on = wants = false;
}

/* Who has got something: a bit each. */
static uint64_t reached(void)
{
	uint64_t set = 0;

	for (unsigned i = 0; i < VCPUS; i++)
		set |= (uint64_t)(posted[i] != 0) << i;
	memset(posted, 0, sizeof(posted));
	return set;
}

static uint64_t send(uint64_t icr)
{
	struct vlapic_effect effect = {0};
	int flags;

	vcpu[0].lapic.apic_base |= APIC_BASE_X2APIC;
	flags = vlapic_msr_write(&vcpu[0].lapic, MSR_X2APIC + LAPIC_ICR, icr, 0, &effect);
	assert_int_equal(vcpu_lapic_effect(&vcpu[0], flags, &effect), SAMPO_EXIT_NONE);
	return reached();
}

static uint64_t msi(uint64_t address, uint32_t data)
{
	struct vlapic_message m;

	assert_true(vlapic_decode_msi(address, data, &m));
	vcpu_send(&domain, NULL, &m);
	return reached();
}

static void test_lowest(void **state)
{
	(void)state;
	begin(2);
	/* All but itself: of the others that are there one, whatever the vector. */
	for (unsigned vector = 0x40; vector < 0x60; vector++)
		assert_int_equal(send(0xc0100 | vector), 1 << 1);
	enable(1, false);
	assert_int_equal(send(0xc0141), 0);
	assert_int_equal(send(0x80141), 1 << 0); /* itself too */
	begin(4);
	enable(2, false);
	for (unsigned vector = 0x40; vector < 0x60; vector++) {
		uint64_t set = send(0xc0100 | vector);

		assert_true(set == 1 << 1 || set == 1 << 3);
	}
}

static void test_hint(void **state)
{
	unsigned count[VCPUS] = {0};

	(void)state;
	begin(4);
	for (unsigned i = 0; i < VCPUS; i++)
		vcpu[i].lapic.reg[LAPIC_LDR].value = 0x01000000u << i;
	assert_int_equal(msi(0xfee07004, 0x40), 7); /* logical, without it: all three */
	for (unsigned vector = 0x40; vector < 0x80; vector++) {
		uint64_t set = msi(0xfee0700c, vector);

		assert_int_equal(__builtin_popcountll(set), 1);
		count[__builtin_ctzll(set)]++;
	}
	assert_true(count[0] > 10 && count[1] > 10 && count[2] > 10 && !count[3]);
	assert_int_equal(msi(0xfee02008, 0x40), 1 << 2); /* physical */
	assert_int_equal(msi(0xfee02008, 0x440), 1 << 2);
}

/* A message of mode ExtINT asks the PIC once. */
static void test_extint_message(void **state)
{
	(void)state;
	begin(1);
	msi(0xfee00000, 0x700);
	assert_false(vcpu[0].extint);
	vcpu[0].pending |= VCPU_PEND_INTACK; /* what vcpu_serve makes of it */
	assert_true(vcpu_has_wakeup(&vcpu[0]));
	assert_false(vcpu_deliver(&vcpu[0]));
	assert_int_equal(monitor_heard, SAMPO_EXIT_INTACK);
	assert_false(vcpu_has_wakeup(&vcpu[0]));
	assert_true(vcpu_deliver(&vcpu[0]));
	assert_false(window_on);
}

/* The PIC's line is up and a vector is held back by the TPR: the window is for the former. */
static void test_window_of_extint(void **state)
{
	(void)state;
	begin(1);
	vcpu[0].lapic.reg[LAPIC_TPR].value = 0xf0;
	vcpu[0].lapic.reg[LAPIC_LVT_LINT0].value = 0x700;
	vlapic_update(&vcpu[0].lapic);
	vlapic_accept(&vcpu[0].lapic, 0x40, false);
	deaf = true;
	assert_true(vcpu_deliver(&vcpu[0]));
	assert_true(window_on && !wants); /* only a lower TPR lets it in */
	vcpu[0].pending |= VCPU_PEND_EXTINT;
	assert_true(vcpu_deliver(&vcpu[0]));
	assert_true(window_on && wants);
	deaf = false;
	assert_false(vcpu_deliver(&vcpu[0]));
	assert_int_equal(monitor_heard, SAMPO_EXIT_INTACK);
}

static void test_nmi(void **state)
{
	(void)state;
	/* Behind another event: the guest is interrupted at once for it. */
	begin(1);
	vcpu_inject(&vcpu[0], VCPU_UD, 0);
	vcpu[0].pending |= VCPU_PEND_NMI;
	assert_true(vcpu_deliver(&vcpu[0]));
	assert_int_equal(injected, VCPU_UD);
	assert_int_equal(kicks, 1);
	assert_true(vcpu_deliver(&vcpu[0]));
	assert_int_equal(injected, SAMPO_INJECT_NMI);
	assert_int_equal(kicks, 1);
	/* A second one does not end a HLT in the handler of the first. */
	blocked = true;
	vcpu[0].pending |= VCPU_PEND_NMI;
	assert_false(vcpu_has_wakeup(&vcpu[0]));
	blocked = false;
	assert_true(vcpu_has_wakeup(&vcpu[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lowest),
		cmocka_unit_test(test_hint),
		cmocka_unit_test(test_extint_message),
		cmocka_unit_test(test_window_of_extint),
		cmocka_unit_test(test_nmi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
