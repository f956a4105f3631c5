/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/asid.c tests/host/cpu.c */
/* flags: -no-pie -Wno-unused-command-line-argument -Wno-missing-field-initializers -Wno-initializer-overrides -Wl,--unresolved-symbols=ignore-all */
/*
 * Exits as a VMCS may report them: any reason with any of its flags, any qualification. The VMCS is
 * an array here, and the guest's run is a stand-in that fills in the fields of exits.
 */
#define _GNU_SOURCE
#include <string.h>

#define vmcs_read  cpu_vmcs_read
#define vmcs_write cpu_vmcs_write
#include "arch/vmx/vmcs.h"
#undef vmcs_read
#undef vmcs_write

static uint64_t vmcs[0x7000];

static uint64_t vmcs_read(struct vmcs_field field)
{
	return vmcs[field.id];
}

static void vmcs_write(struct vmcs_field field, uint64_t value)
{
	vmcs[field.id] = value;
}

#include "arch/vmx/exit.c"
#include "tests/fuzz/debugreg.h"
#include "tests/fuzz/exits.h"

/* What an input has of the VMCS. */
struct report {
	uint8_t reason, flags, length, attrib;
	uint32_t vectoring, vectoring_error, event, error;
	uint64_t qualification, gpa, rip, rflags;
	uint8_t interruptibility, hardware, fails, tpr;
};

static struct sampo_vcpu_page page;
static uint32_t lapic_page[LAPIC_REGISTERS * 4];
static struct vcpu vcpu;
static struct domain domain;
static struct cpu cpu;
static struct report report;
static uint32_t injected;

void vlapic_update(struct vlapic *v)
{
	(void)v;
}

void vcpu_inject(struct vcpu *v, uint32_t event, uint32_t code)
{
	(void)v;
	(void)code;
	injected = event;
}

void vmx_use(const struct vcpu *v)
{
	expect(v == &vcpu);
}

void vmx_arm_preemption(struct vcpu *v, bool blind)
{
	v->vmx.blind = blind;
}

void vmx_drain_log(struct vcpu *v)
{
	expect((uint16_t)vmcs_read(VMCS_EXIT_REASON) == REASON_PML_FULL);
	(void)v;
}

void vmx_set_proc(struct vcpu *v, uint32_t controls, bool on)
{
	(void)v;
	expect(controls == PROC_NMI_WINDOW && !on);
}

void vmx_take_nmi(void)
{
}

/* SDM 3C 28.2: what the processor writes at an exit. */
uint64_t vmx_enter(uint64_t *gpr, bool launched)
{
	expect(gpr == vcpu.gpr);
	(void)launched;
	if (report.fails == 0xff)
		return 1;
	vmcs_write(VMCS_EXIT_REASON, (uint64_t)(report.flags & 0xf8) << 24 | report.reason % 80);
	vmcs_write(VMCS_QUALIFICATION, report.qualification);
	vmcs_write(VMCS_INSTRUCTION_LENGTH, 1 + report.length % 15);
	vmcs_write(VMCS_EXIT_EVENT,
		   EVENT_VALID | (report.event & 0x7fffff00) | (report.event & 31));
	vmcs_write(VMCS_EXIT_ERROR, report.error);
	vmcs_write(VMCS_VECTORING_EVENT, report.vectoring);
	vmcs_write(VMCS_VECTORING_ERROR, report.vectoring_error);
	vmcs_write(VMCS_GUEST_PHYSICAL, report.gpa);
	vmcs_write(VMCS_GUEST_RIP, report.rip);
	vmcs_write(VMCS_GUEST_RFLAGS, report.rflags);
	vmcs_write(VMCS_INTERRUPTIBILITY, report.interruptibility & 0xf);
	vmcs_write(vmcs_nth(VMCS_GUEST_ATTRIB, SAMPO_SS), report.attrib);
	if (vcpu.lapic.hardware)
		lapic_page[LAPIC_TPR * 4] = report.tpr;
	return 0;
}

static void one(void)
{
	bool failed = report.flags & 0x80;
	struct hv_exit x;

	injected = 0;
	vcpu.lapic.hardware = report.hardware & 1;
	vcpu.vmx.nmi_blocked |= report.hardware >> 1 & 1;
	memset(&x, 0xa5, sizeof(x));
	vmx_run(&vcpu, &x);
	check_exit(&x);
	if (report.fails == 0xff) {
		expect(x.kind == EXIT_INVALID);
		return;
	}
	/* RIP stays where it was, but behind an ICEBP. */
	expect(x.rip == report.rip);
	if (vmcs_read(VMCS_GUEST_RIP) != report.rip)
		expect(x.kind == EXIT_EXCEPTION && (report.event >> 8 & 7) == 5);
	/* Nothing but what the guest had not caused by an instruction comes again. */
	if (injected)
		expect(injected == report.vectoring && (injected >> 8 & 7) < 4 && !failed);
	else
		expect(failed || !(report.vectoring & EVENT_VALID) ||
		       (report.vectoring >> 8 & 7) >= 4);
	if (x.kind == EXIT_IO)
		expect(x.port == (uint16_t)(report.qualification >> 16));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	step_over_debug_registers();
	memset(vmcs, 0, sizeof(vmcs));
	memset(&domain, 0, sizeof(domain));
	cpu = (struct cpu){.asid_count = 16, .asid_next = 1, .asid_generation = 1};
	vcpu = (struct vcpu){.cpu = &cpu, .domain = &domain, .page = &page, .exit = &page.exit};
	vcpu.asid_generation = cpu.asid_generation;
	vcpu.lapic.reg = (void *)lapic_page;
	for (; size >= sizeof(report); data += sizeof(report), size -= sizeof(report)) {
		memcpy(&report, data, sizeof(report));
		one();
	}
	return 0;
}
