/* SPDX-License-Identifier: BSD-2-Clause */
/* flags: -no-pie -Wl,--unresolved-symbols=ignore-all */
/*
 * A guest's state in its VMCS, where Bochs checks less than a CPU: the VMCS is an array here, and
 * the guest's memory holds one table. What else state.c and cr.c call is not there.
 */
#include "arch/cpu.h"
#include "tests/unit/unit.h"

#define vmcs_read  cpu_vmcs_read
#define vmcs_write cpu_vmcs_write
#include "arch/vmx/vmcs.h"
#undef vmcs_read
#undef vmcs_write

#define WIDTH 40u

static uint64_t vmcs[0x7000];

static uint64_t vmcs_read(struct vmcs_field field)
{
	return vmcs[field.id];
}

static void vmcs_write(struct vmcs_field field, uint64_t value)
{
	vmcs[field.id] = value;
}

static struct cpu_cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	return (struct cpu_cpuid){.eax = leaf == 0x80000008 ? WIDTH : 0};
}

#define cpu_cpuid(leaf, subleaf) fake_cpuid(leaf, subleaf)
#include "arch/vmx/cr.c"
#include "arch/vmx/state.c"

#define CR3 0x5000u

static uint64_t table[PDPTES];
static struct vcpu vcpu;
static struct cpu cpu;
static uint32_t injected, traps;

void vmx_use(const struct vcpu *v)
{
	assert_ptr_equal(v, &vcpu);
}

int64_t domain_read(struct domain *domain, uint64_t gpa, void *to, size_t bytes)
{
	(void)domain;
	assert_int_equal(gpa, CR3);
	assert_int_equal(bytes, sizeof(table));
	memcpy(to, table, bytes);
	return SAMPO_OK;
}

void vcpu_inject(struct vcpu *v, uint32_t event, uint32_t code)
{
	(void)v;
	assert_int_equal(code, 0);
	injected = event;
}

void hv_single_step(struct vcpu *v)
{
	assert_ptr_equal(v, &vcpu);
	traps++;
}

/* In 32-bit code with PAE paging, and entries that only a read of the table changes. */
static int setup(void **state)
{
	(void)state;
	memset(vmcs, 0, sizeof(vmcs));
	vcpu = (struct vcpu){.cpu = &cpu};
	injected = traps = 0;
	vmx_set_cr0(CR0_PE | CR0_ET | CR0_PG);
	vmx_set_cr4(CR4_PAE);
	vmcs_write(VMCS_GUEST_CR3, CR3);
	for (unsigned i = 0; i < PDPTES; i++) {
		table[i] = 0x1000ull * (i + 1) | PDPTE_P;
		vmcs_write(vmcs_nth(VMCS_GUEST_PDPTE, i), 0xbad000 | PDPTE_P);
	}
	return 0;
}

static bool loaded(void)
{
	for (unsigned i = 0; i < PDPTES; i++)
		if (vmcs_read(vmcs_nth(VMCS_GUEST_PDPTE, i)) != table[i])
			return false;
	return true;
}

/* MOV from EAX to CR0. */
static void write_to_cr0(uint64_t value)
{
	struct hv_exit x = {.next_rip = 3};

	vcpu.gpr[SAMPO_RAX] = value;
	assert_true(vmx_cr_access(&vcpu, &x));
}

/* SDM 3A 4.4.1: PG, CD and NW have the table read again; WP does not. */
static void test_read_again(void **state)
{
	uint64_t paging = CR0_PE | CR0_ET | CR0_PG;

	(void)state;
	write_to_cr0(paging | 0x10000);
	assert_false(loaded());
	write_to_cr0(paging | 0x10000 | CR0_CD);
	assert_true(loaded());
	assert_int_equal(injected, 0);
	table[2] = 0;
	write_to_cr0(paging | CR0_CD | CR0_NW);
	assert_true(loaded());
	table[1] = 0x123000 | PDPTE_P;
	write_to_cr0(paging);
	assert_true(loaded());
	assert_int_equal(vmx_cr0(), paging);
}

static void test_not_pae(void **state)
{
	(void)state;
	vmx_set_cr4(0);
	write_to_cr0(CR0_PE | CR0_ET | CR0_PG | CR0_CD);
	assert_false(loaded());
	vmx_set_cr4(CR4_PAE);
	write_to_cr0(CR0_PE | CR0_ET);
	assert_false(loaded());
}

/* The instruction faults, and nothing has changed. */
static void test_reserved(void **state)
{
	static const uint64_t bits[] = {1ull << 1, 1ull << 2,     1ull << 5,
					1ull << 8, 1ull << WIDTH, 1ull << 63};

	for (unsigned i = 0; i < COUNT_OF(bits); i++) {
		setup(state);
		table[3] |= bits[i];
		write_to_cr0(CR0_PE | CR0_ET | CR0_PG | CR0_CD);
		assert_int_equal(injected, VCPU_GP);
		assert_int_equal(vmx_cr0(), CR0_PE | CR0_ET | CR0_PG);
		assert_int_equal(vmcs_read(vmcs_nth(VMCS_GUEST_PDPTE, 3)), 0xbad000 | PDPTE_P);
		assert_int_equal(vmcs_read(VMCS_GUEST_RIP), 0);
	}
	setup(state);
	table[3] = ~PDPTE_P; /* not present: all its bits are software's */
	write_to_cr0(CR0_PE | CR0_ET | CR0_PG | CR0_CD);
	assert_int_equal(injected, 0);
}

/* A monitor that changes something else leaves the CPU's entries; what a CPU would refuse to load
 * is not present. */
static void test_stored(void **state)
{
	struct sampo_exit page = {0};

	(void)state;
	vmx_fetch(&vcpu, &page);
	vmx_store(&vcpu, &page);
	assert_false(loaded());
	table[1] |= 2;
	table[2] |= 1ull << WIDTH;
	page.cr0 |= 0x10000;
	vmx_store(&vcpu, &page);
	assert_int_equal(vmcs_read(vmcs_nth(VMCS_GUEST_PDPTE, 0)), table[0]);
	assert_int_equal(vmcs_read(vmcs_nth(VMCS_GUEST_PDPTE, 1)), 0);
	assert_int_equal(vmcs_read(vmcs_nth(VMCS_GUEST_PDPTE, 2)), 0);
}

/* CPUID hides them: MOV to CR4 with one of these bits exits, and faults. */
static void test_hidden_bits(void **state)
{
	const uint64_t la57 = 1ull << 12, pke = 1ull << 22, vmxe = 1ull << 13;
	struct hv_exit x = {.info = 4, .vector = 4, .next_rip = 3};

	(void)state;
	assert_int_equal(VMX_CR4_GUEST & (la57 | pke | vmxe), 0);
	vcpu.gpr[SAMPO_RAX] = CR4_PAE | la57;
	assert_true(vmx_cr_access(&vcpu, &x));
	assert_int_equal(injected, VCPU_GP);
	assert_int_equal(vmcs_read(VMCS_GUEST_CR4) & la57, 0);
}

/* SDM 3C 27.3.1.5 */
static void test_pending_step(void **state)
{
	static const struct {
		uint64_t shadow, rflags, debugctl, pending, wanted;
	} cases[] = {
		{1, 2 | RFLAGS_TF, 0, 0, PENDING_BS},
		{1, 2 | RFLAGS_TF, 0, PENDING_BS | 3, PENDING_BS | 3},
		{1, 2 | RFLAGS_TF, DEBUGCTL_BTF, PENDING_BS, 0},
		{1, 2, 0, PENDING_BS | 1, 1},
		{0, 2, 0, PENDING_BS, PENDING_BS},
		{0, 2 | RFLAGS_TF, 0, 0, 0},
	};
	struct sampo_exit page = {0};

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		vmx_fetch(&vcpu, &page);
		vcpu.vmx.rflags = cases[i].rflags;
		vmcs_write(VMCS_PENDING_DEBUG, cases[i].pending);
		page.interruptibility = cases[i].shadow;
		page.debugctl = cases[i].debugctl;
		vmx_store(&vcpu, &page);
		assert_int_equal(vmcs_read(VMCS_PENDING_DEBUG), cases[i].wanted);
		assert_int_equal(vmcs_read(VMCS_GUEST_DEBUGCTL), cases[i].debugctl);
	}
}

/* What the CPU has left pending is not delivered beside the trap of vmx_advance. */
/* SDM 3C 26.2: MOV SS holds an NMI back, and then there is a window; STI does not, and NMI-window
 * exiting might not tell the end of its shadow. */
static void test_nmi_in_shadow(void **state)
{
	(void)state;
	vcpu.vmx.nmi_blocked = false;
	vmcs[VMCS_INTERRUPTIBILITY.id] = BLOCKING_SHADOW & ~(uint64_t)BLOCKING_MOV_SS;
	assert_true(vmx_nmi_allowed(&vcpu));
	vmcs[VMCS_INTERRUPTIBILITY.id] = BLOCKING_MOV_SS;
	assert_false(vmx_nmi_allowed(&vcpu));
	assert_true(vcpu.vmx.proc & PROC_NMI_WINDOW);
	vmcs[VMCS_INTERRUPTIBILITY.id] = 0;
	assert_true(vmx_nmi_allowed(&vcpu));
	vcpu.vmx.nmi_blocked = true;
	assert_false(vmx_nmi_allowed(&vcpu));
}

static void test_advance_traced(void **state)
{
	(void)state;
	vmcs_write(VMCS_PENDING_DEBUG, PENDING_BS | 1);
	vmx_advance(&vcpu, 7);
	assert_int_equal(vmcs_read(VMCS_GUEST_RIP), 7);
	assert_int_equal(vmcs_read(VMCS_PENDING_DEBUG), PENDING_BS | 1);
	assert_int_equal(traps, 0);
	vcpu.vmx.rflags = 2 | RFLAGS_TF;
	vmx_advance(&vcpu, 9);
	assert_int_equal(vmcs_read(VMCS_GUEST_RIP), 9);
	assert_int_equal(vmcs_read(VMCS_PENDING_DEBUG), 1);
	assert_int_equal(traps, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_read_again, setup),
		cmocka_unit_test_setup(test_not_pae, setup),
		cmocka_unit_test_setup(test_reserved, setup),
		cmocka_unit_test_setup(test_stored, setup),
		cmocka_unit_test_setup(test_nmi_in_shadow, setup),
		cmocka_unit_test_setup(test_advance_traced, setup),
		cmocka_unit_test_setup(test_hidden_bits, setup),
		cmocka_unit_test_setup(test_pending_step, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
