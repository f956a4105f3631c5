/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/asid.c tests/host/cpu.c */
/* flags: -no-pie -Wno-unused-command-line-argument -Wno-missing-field-initializers -Wno-initializer-overrides -Wl,--unresolved-symbols=ignore-all */
/*
 * Exits as a VMCB may report them: any code, any information about it. The guest's run is a
 * stand-in that fills the control area.
 */
#include <string.h>

#include "arch/svm/exit.c"
#include "tests/fuzz/exits.h"

/* What an input has of the VMCB. */
struct report {
	uint16_t code;
	uint8_t features, length, flags, cpl;
	uint32_t vectoring;
	uint64_t info1, info2, rip;
	uint8_t insn_bytes, insn[15];
};

uint32_t svm_features;

static struct vmcb vmcb;
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

void svm_nmi_window(struct vcpu *v)
{
	expect(v->svm.vmcb->exit_code == VMEXIT_IRET);
}

bool svm_step_done(struct vcpu *v)
{
	return v->svm.stepping;
}

/* APM 2 15.6: what the processor writes at an exit. */
void svm_enter(uint64_t *gpr, uint64_t vmcb_pa)
{
	expect(gpr == vcpu.gpr && vmcb_pa == (uint64_t)&vmcb);
	expect(vmcb.asid && vmcb.asid < cpu.asid_count);
	vmcb.exit_code =
		report.code & 0x8000 ? (uint64_t)(int64_t)(int16_t)report.code : report.code;
	if (report.code == 0xffff && report.flags & 1) /* QEMU's */
		vmcb.exit_code = VMEXIT_INVALID;
	vmcb.exit_info1 = report.info1;
	vmcb.exit_info2 = report.info2;
	vmcb.exit_int_info = report.vectoring;
	vmcb.rip = report.rip;
	vmcb.next_rip = report.rip + 1 + report.length % 15;
	if (vmcb.exit_code == 0x7b) /* IOIO: APM 2 15.10.2 */
		vmcb.exit_info2 = vmcb.next_rip;
	vmcb.cpl = report.cpl & 3;
	vmcb.insn_bytes = report.insn_bytes;
	memcpy(vmcb.insn, report.insn, sizeof(vmcb.insn));
}

static void one(void)
{
	struct hv_exit x;

	injected = 0;
	svm_features = report.features & 2 ? SVM_HAS_NRIPS : 0;
	svm_features |= report.features & 4 ? SVM_HAS_FLUSH_BY_ASID : 0;
	vcpu.svm.stepping = report.flags & 2;
	domain.slat_changes += report.flags >> 2 & 1;
	if (report.flags & 8)
		vcpu.asid_generation = 0;
	memset(&x, 0xa5, sizeof(x));
	x.insn_len = 0;
	svm_run(&vcpu, &x);
	check_exit(&x);
	expect(x.code == (uint32_t)vmcb.exit_code && x.rip == report.rip);
	/* Nothing but what the guest had not caused by an instruction comes again. */
	if (injected)
		expect(injected == report.vectoring && (injected >> 8 & 7) != 4);
	if ((report.vectoring & EVENT_VALID) && (report.vectoring >> 8 & 7) == 0)
		expect(injected == report.vectoring);
	if (x.kind == EXIT_IO)
		expect(x.port == (uint16_t)(report.info1 >> 16));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	memset(&vmcb, 0, sizeof(vmcb));
	memset(&domain, 0, sizeof(domain));
	cpu = (struct cpu){.asid_count = 16, .asid_next = 1, .asid_generation = 1};
	vcpu = (struct vcpu){.cpu = &cpu, .domain = &domain, .page = &page, .exit = &page.exit};
	vcpu.lapic.reg = (void *)lapic_page;
	vcpu.svm.vmcb = &vmcb;
	svm_intercept_always(&vmcb);
	for (; size >= sizeof(report); data += sizeof(report), size -= sizeof(report)) {
		memcpy(&report, data, sizeof(report));
		one();
	}
	return 0;
}
