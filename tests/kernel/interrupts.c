/* SPDX-License-Identifier: BSD-2-Clause */
/* The PIC's line, NMIs, messages, their ends, and doorbells. */
#include <string.h>

#include "tests/kernel/abi.h"

#define MSI_ADDRESS 0xfee00000ull
#define MSI_LEVEL   0xc000u
#define LAPIC_EOI   0xb0u
#define LAPIC_SVR   0xf0u
#define LAPIC_ISR   0x100u
#define LAPIC_ICR   0x300u
#define LAPIC_DEST  0x310u
#define LAPIC_LINT0 0x350u
#define SOON        1000u  /* rounds of two instructions */
#define APIC_MODES  0xc00u /* of APIC_BASE: enabled, x2APIC */

/* What it says at its port after each time that it wakes. */
static void expect_woken(struct guest *g, uint32_t count, const char *name)
{
	guest_wait(g);
	check(guest_at_port(g) && guest_word(g, COUNT) == count, name, "exit %u, handled %u",
	      g->exit->reason, guest_word(g, COUNT));
}

static void resume(struct guest *g)
{
	g->exit->dirty = SAMPO_DIRTY_ADVANCE;
	must(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
}

/* Until it sleeps. */
static void resume_to_sleep(struct guest *g)
{
	resume(g);
	guest_until_asleep(g);
}

static void make(struct guest *g, unsigned slot, const uint8_t *handler, const uint8_t *end)
{
	guest_make(g, slot);
	guest_load_code(g, handler, end, HANDLER);
	guest_vector(g, 2);
	guest_vector(g, 0x40);
}

static void nmi(struct guest *g)
{
	guest_run(g, sleep);
	guest_until_asleep(g);
	check(!g->exit->reason, "interrupts: it sleeps", "exit %u", g->exit->reason);
	must(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_NMI, 0), "NMI");
	expect_woken(g, 1, "interrupts: NMI");
	resume_to_sleep(g);
}

/* A message of kind ExtINT is an interrupt of the PIC's, once. */
static void extint_message(struct guest *g, uint32_t count)
{
	must(sampo_msi(g->domain, MSI_ADDRESS, 0x700), "msi");
	guest_wait(g);
	check(g->exit->reason == SAMPO_EXIT_INTACK, "interrupts: MSI of kind ExtINT", "exit %u",
	      g->exit->reason);
	g->exit->inject = SAMPO_INJECT_EXTINT | 0x40;
	guest_answer(g, SAMPO_DIRTY_INJECT);
	expect_woken(g, count, "interrupts: its vector");
	resume_to_sleep(g);
	check(!g->exit->reason, "interrupts: an ExtINT message is one interrupt", "exit %u",
	      g->exit->reason);
}

/* SAMPO_VCPU_EXTINT, INTACK, the vector by injection. */
static void pic(struct guest *g)
{
	must(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_EXTINT, 1), "EXTINT");
	guest_wait(g);
	check(g->exit->reason == SAMPO_EXIT_INTACK, "interrupts: INTACK", "exit %u",
	      g->exit->reason);
	must(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_EXTINT, 0), "EXTINT");
	g->exit->inject = SAMPO_INJECT_EXTINT | 0x40;
	guest_answer(g, SAMPO_DIRTY_INJECT);
	expect_woken(g, 2, "interrupts: the PIC's");
	resume_to_sleep(g);
	check(!g->exit->reason, "interrupts: once", "exit %u", g->exit->reason);
	must(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_STOP, 0), "STOP");
	must(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_EXTINT, 1), "EXTINT");
	must(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_EXTINT, 0), "EXTINT");
	g->exit->dirty = 0;
	must(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
	pass_ms(2);
	check(!g->exit->reason || guest_at_port(g), "interrupts: a line that is down again",
	      "exit %u", g->exit->reason);
}

/* An NMI that comes together with an interrupt is next: the handler of the interrupt has not come
 * far. */
static void nmi_behind_interrupt(void)
{
	const uint16_t second[2] = {HANDLER + 0x100, 0};
	struct guest g;

	make(&g, 0, code_handler_counts, code_handler_counts_end);
	guest_load(&g, handler_notes, HANDLER + 0x100);
	memcpy(g.ram + 4 * 2, second, sizeof(second));
	guest_load(&g, spin, CODE);
	for (unsigned i = 0; i < 2; i++) { /* the first time memory is touched, which exits */
		guest_prepare(&g);
		g.exit->rflags |= 0x200;
		g.exit->inject = SAMPO_INJECT_EXTINT | 0x40;
		g.exit->dirty |= SAMPO_DIRTY_INJECT;
		must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_NMI, 0), "NMI");
		must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
		check(guest_counts_on(&g, 0), "interrupts: beside an NMI", "does not run");
		pass_ms(5);
		must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_STOP, 0), "STOP");
	}
	check(guest_word(&g, WORDS + 4) == 1 &&
		      (guest_word(&g, WORDS) < SOON || option_word("loose")),
	      "interrupts: an NMI behind one", "%u, after %u rounds", guest_word(&g, WORDS + 4),
	      guest_word(&g, WORDS));
	guest_remove(&g);
}

/* The PIC's interrupt comes as soon as the guest lets interrupts in, although the local APIC has
 * one that its TPR holds back. */
static void extint_beside_held(void)
{
	struct guest g;

	make(&g, 0, code_handler, code_handler_end);
	guest_run(&g, window);
	guest_wait(&g);
	check(guest_at_port(&g), "interrupts: held back", "exit %u", g.exit->reason);
	must(sampo_msi(g.domain, MSI_ADDRESS, 0x40), "msi");
	must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_EXTINT, 1), "EXTINT");
	check(guest_answer(&g, SAMPO_DIRTY_ADVANCE) == SAMPO_EXIT_INTACK &&
		      (guest_word(&g, COUNT) < SOON || option_word("loose")),
	      "interrupts: the PIC's beside one that is held back", "exit %u, %u rounds",
	      g.exit->reason, guest_word(&g, COUNT));
	guest_remove(&g);
}

/* LINT0 in another mode than ExtINT: each rise of the PIC's line is the interrupt that it names. */
static void lint0(void)
{
	struct guest g;

	make(&g, 0, code_handler_eoi, code_handler_eoi_end);
	must(sampo_vcpu_lapic(g.vcpu, LAPIC_SVR, true, 0x1ff, NULL), "vcpu_lapic");
	must(sampo_vcpu_lapic(g.vcpu, LAPIC_LINT0, true, 0x40, NULL), "vcpu_lapic");
	guest_run(&g, x2apic);
	check(guest_wait(&g) == SAMPO_EXIT_IO, "interrupts: LINT0", "exit %u", g.exit->reason);
	resume_to_sleep(&g);
	must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_EXTINT, 1), "EXTINT");
	expect_woken(&g, 1, "interrupts: LINT0 of a vector");
	resume_to_sleep(&g);
	check(!g.exit->reason, "interrupts: LINT0 stays up", "exit %u", g.exit->reason);
	must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_EXTINT, 0), "EXTINT");
	must(sampo_vcpu_lapic(g.vcpu, LAPIC_LINT0, true, 0x400, NULL), "vcpu_lapic");
	must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_EXTINT, 1), "EXTINT");
	expect_woken(&g, 2, "interrupts: LINT0 as an NMI");
	guest_remove(&g);
}

/* In the handler of an NMI another one waits for the handler's end, and wakes nobody. */
static void nmi_behind_nmi(void)
{
	struct guest g;

	make(&g, 0, code_handler_sleeps, code_handler_sleeps_end);
	guest_run(&g, spin);
	must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_NMI, 0), "NMI");
	guest_wait(&g);
	check(guest_at_port(&g), "interrupts: in an NMI's handler", "exit %u", g.exit->reason);
	must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_NMI, 0), "NMI");
	check(guest_answer(&g, SAMPO_DIRTY_ADVANCE) == SAMPO_EXIT_HLT_FOREVER,
	      "interrupts: HLT in an NMI's handler sleeps", "exit %u", g.exit->reason);
	guest_remove(&g);
}

static void messages(struct guest *g)
{
	guest_run(g, x2apic);
	check(guest_wait(g) == SAMPO_EXIT_IO && guest_at_port(g), "interrupts: x2APIC", "exit %u",
	      g->exit->reason);
	resume_to_sleep(g);
	must(sampo_msi(g->domain, MSI_ADDRESS, 0x40), "msi");
	expect_woken(g, 1, "interrupts: MSI");
	resume_to_sleep(g);
	must(sampo_msi(g->domain, MSI_ADDRESS | 0x5000, 0x40), "msi");
	must(sampo_msi(g->domain, MSI_ADDRESS, 0x5), "msi");
	must(sampo_msi(g->domain, MSI_ADDRESS, 0x500), "msi");
	must(sampo_msi(g->domain, MSI_ADDRESS, 0x602), "msi");
	pass_ms(2);
	check(!g->exit->reason, "interrupts: MSI to nobody, of a bad vector or kind", "exit %u",
	      g->exit->reason);
	must(sampo_msi(g->domain, MSI_ADDRESS | 0xff000, 0x40), "msi");
	expect_woken(g, 2, "interrupts: MSI to all");
	resume_to_sleep(g);
	must(sampo_msi(g->domain, MSI_ADDRESS, MSI_LEVEL | 0x40), "msi");
	guest_wait(g);
	check(g->exit->reason == SAMPO_EXIT_EOI && g->exit->qualification == 0x40,
	      "interrupts: EOI of a level", "exit %u, %llx", g->exit->reason,
	      (unsigned long long)g->exit->qualification);
	guest_answer(g, SAMPO_DIRTY_NONE);
	expect_woken(g, 3, "interrupts: on from EOI");
	resume_to_sleep(g);
	must(sampo_msi(g->domain, MSI_ADDRESS, 0x400), "msi");
	expect_woken(g, 4, "interrupts: MSI of kind NMI");
	resume_to_sleep(g);
	extint_message(g, 5);
}

static uint32_t make_bell(uint32_t domain, uint64_t kind, uint32_t data, struct guest *ringer,
			  uint32_t bytes)
{
	uint32_t event;

	must(sampo_event_create(domain, kind, MSI_ADDRESS, data, &event), "event");
	must(sampo_doorbell(event, ringer->domain, 0x500, bytes), "doorbell");
	return event;
}

static bool at_the_bell(const struct guest *ringer)
{
	return ringer->exit->reason == SAMPO_EXIT_IO && ringer->exit->port == 0x500 &&
	       ringer->exit->size == 2 && (ringer->exit->gpr[SAMPO_RAX] & 0xffff) == 0x55aa;
}

/* Another guest's doorbell is this one's interrupt. */
static void bells(struct guest *g)
{
	struct guest ringer;
	uint32_t event, less;

	guest_make(&ringer, 1);
	event = make_bell(g->domain, SAMPO_EVENT_MSI, 0x40, &ringer, 2);
	must(sampo_handle_copy(event, 0, SAMPO_R_READ, &less), "handle_copy");
	must(sampo_handle_close(event), "handle_close");
	guest_run(&ringer, bell);
	guest_wait(&ringer);
	check(guest_at_port(&ringer) && guest_word(&ringer, COUNT) == 1,
	      "doorbells: the guest goes on", "exit %u", ringer.exit->reason);
	expect_woken(g, 6, "doorbells: another's interrupt");
	resume_to_sleep(g);
	must(sampo_handle_close(less), "handle_close");
	resume(&ringer);
	guest_wait(&ringer);
	check(at_the_bell(&ringer), "doorbells: the event is gone", "exit %u", ringer.exit->reason);
	event = make_bell(self, SAMPO_EVENT_NONE, 0, &ringer, 4);
	guest_answer(&ringer, SAMPO_DIRTY_NONE);
	check(at_the_bell(&ringer), "doorbells: of another size", "port %x", ringer.exit->port);
	must(sampo_handle_close(event), "handle_close");
	event = make_bell(self, SAMPO_EVENT_NONE, 0, &ringer, 2);
	guest_answer(&ringer, SAMPO_DIRTY_NONE);
	check(guest_at_port(&ringer) && guest_word(&ringer, COUNT) == 2,
	      "doorbells: of an event that does nothing", "exit %u", ringer.exit->reason);
	check(!g->exit->reason, "doorbells: nothing more", "exit %u", g->exit->reason);
	guest_remove(&ringer);
	must(sampo_handle_close(event), "handle_close");
}

static void expect_startup(const struct guest *g, uint64_t message, uint64_t to, const char *name)
{
	check(g->exit->qualification == message && g->exit->gpa == to, name, "%llx to %llx",
	      (unsigned long long)g->exit->qualification, (unsigned long long)g->exit->gpa);
}

/* What the guest sends is the monitor's to do, and what it needs for that. */
static void startup_messages(void)
{
	struct guest g;

	guest_make(&g, 2);
	guest_run(&g, startup);
	check(guest_wait(&g) == SAMPO_EXIT_STARTUP, "startup: INIT", "exit %u", g.exit->reason);
	expect_startup(&g, 0x500, ~1ull, "startup: INIT to all others");
	check(guest_answer(&g, SAMPO_DIRTY_NONE) == SAMPO_EXIT_STARTUP &&
		      guest_word(&g, COUNT) == 1,
	      "startup: SIPI", "exit %u, went on for %u", g.exit->reason, guest_word(&g, COUNT));
	expect_startup(&g, 0x69a, 1 << 5, "startup: SIPI to one");
	guest_answer(&g, SAMPO_DIRTY_NONE);
	check(guest_at_port(&g) && guest_word(&g, COUNT) == 2, "startup: on from there",
	      "exit %u, went on for %u", g.exit->reason, guest_word(&g, COUNT));

	must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_NMI, 0), "NMI");
	must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_RESET, SAMPO_RESET_INIT), "RESET");
	check((g.exit->apic_base & APIC_MODES) == 0xc00 && g.exit->rip == 0xfff0,
	      "startup: INIT leaves APIC_BASE", "%llx, rip %llx",
	      (unsigned long long)g.exit->apic_base, (unsigned long long)g.exit->rip);
	guest_run(&g, spin);
	check(guest_counts_on(&g, 0) && !g.exit->reason, "startup: forgets an NMI", "exit %u",
	      g.exit->reason);
	must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_STOP, 0), "STOP");
	must(sampo_vcpu_ctl(g.vcpu, SAMPO_VCPU_RESET, SAMPO_RESET_POWER), "RESET");
	check((g.exit->apic_base & APIC_MODES) == 0x800, "startup: power on does not", "%llx",
	      (unsigned long long)g.exit->apic_base);
	guest_remove(&g);
}

/* The xAPIC page is the monitor's: EOI and INIT through vcpu_lapic. */
static void xapic(void)
{
	uint64_t value = 0, isr = 0;
	struct guest g;

	make(&g, 2, code_handler, code_handler_end);
	must(sampo_vcpu_lapic(g.vcpu, LAPIC_SVR, true, 0x1ff, NULL), "vcpu_lapic");
	guest_run(&g, sleep);
	guest_until_asleep(&g);
	must(sampo_msi(g.domain, MSI_ADDRESS, MSI_LEVEL | 0x40), "msi");
	expect_woken(&g, 1, "interrupts: level, xAPIC");
	must(sampo_vcpu_lapic(g.vcpu, LAPIC_ISR + 0x20, false, 0, &isr), "vcpu_lapic");
	must(sampo_vcpu_lapic(g.vcpu, LAPIC_EOI, true, 0, &value), "vcpu_lapic");
	check(isr == 1 && value == SAMPO_EXIT_EOI && g.exit->qualification == 0x40,
	      "interrupts: EOI through vcpu_lapic", "ISR %llx, value %llu, vector %llx",
	      (unsigned long long)isr, (unsigned long long)value,
	      (unsigned long long)g.exit->qualification);
	must(sampo_vcpu_lapic(g.vcpu, LAPIC_DEST, true, 3u << 24, &value), "vcpu_lapic");
	check(value == SAMPO_EXIT_NONE, "interrupts: nothing to tell", "value %llu",
	      (unsigned long long)value);
	must(sampo_vcpu_lapic(g.vcpu, LAPIC_ICR, true, 0x4500, &value), "vcpu_lapic");
	check(value == SAMPO_EXIT_STARTUP, "startup: INIT through vcpu_lapic", "value %llu",
	      (unsigned long long)value);
	expect_startup(&g, 0x500, 1 << 3, "startup: INIT to one");
	guest_remove(&g);
}

void test_interrupts(void)
{
	struct guest g;

	make(&g, 0, code_handler, code_handler_end);
	nmi(&g);
	pic(&g);
	guest_remove(&g);
	nmi_behind_interrupt();
	nmi_behind_nmi();
	extint_beside_held();
	lint0();
	make(&g, 0, code_handler_eoi, code_handler_eoi_end);
	messages(&g);
	bells(&g);
	guest_remove(&g);
	startup_messages();
	xapic();
}
