/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/mitigate.c */
/*
 * What is done for which CPU. Each is its family, model and stepping, and the bits of CPUID and of
 * IA32_ARCH_CAPABILITIES that it has with the microcode of 2025 (or 2017), as its vendor documents.
 */
#include "arch/mitigate.h"
#include "tests/unit/unit.h"

#define RTM (1u << 11)
/* Leaf 7 EDX: MD_CLEAR, IBRS and IBPB, STIBP, L1D_FLUSH, ARCH_CAPABILITIES, SSBD */
#define SINCE_2018 0x8c000000u
#define MD_CLEAR   0x400u
#define L1D_FLUSH  0x10000000u
#define CAPS       0x20000000u
#define BHI_CTRL   0x10u
#define MMIO_NO    0xe000ull
#define NO_ITS     (1ull << 62)

#define MICROCODE    .microcode = 0x100
#define INTEL(m, s)  .intel = true, MICROCODE, .family = 6, .model = m, .stepping = s
#define AMD(f, m, s) .amd = true, MICROCODE, .family = f, .model = m, .stepping = s

/* 80000008 EBX of AMD: IBPB, IBRS, STIBP, SSBD; of family 19h, also BTC_NO and IBPB_RET. */
#define AMD_IBPB 0x1000u
#define AMD_ALL  0x0100f000u
#define BTC_NO   (1u << 29)
#define IBPB_RET (1u << 30)

static const struct sample {
	const char *name;
	struct mitigate_cpu cpu;
	uint32_t on;
} samples[] = {
	{"i7-2600, 2018",
	 {INTEL(0x2a, 7), .leaf7_edx = SINCE_2018 | MD_CLEAR | L1D_FLUSH},
	 DO_IBPB | DO_IBPB_DOM0 | DO_L1D | DO_VERW | DO_RETPOLINE | DO_RSB | DO_MULTIHIT},
	{"i7-4770",
	 {INTEL(0x3c, 3), .leaf7_edx = SINCE_2018 | MD_CLEAR | L1D_FLUSH},
	 DO_IBPB | DO_IBPB_DOM0 | DO_L1D | DO_VERW | DO_RETPOLINE | DO_RSB | DO_MULTIHIT},
	{"i7-4770, 2017", {INTEL(0x3c, 3)}, DO_RETPOLINE | DO_RSB | DO_MULTIHIT},
	{"i7-6700",
	 {INTEL(0x5e, 3), .leaf7_ebx = RTM, .leaf7_edx = SINCE_2018 | MD_CLEAR | L1D_FLUSH},
	 DO_IBPB | DO_IBPB_DOM0 | DO_L1D | DO_VERW | DO_IBRS | DO_RSB | DO_MULTIHIT},
	{"Xeon Gold 6154", /* Skylake, FB_CLEAR */
	 {INTEL(0x55, 4), .leaf7_ebx = RTM, .leaf7_edx = SINCE_2018 | MD_CLEAR | L1D_FLUSH | CAPS,
	  .arch_caps = 0x20004},
	 DO_IBPB | DO_IBPB_DOM0 | DO_L1D | DO_VERW | DO_IBRS | DO_RSB | DO_MULTIHIT},
	{"Xeon Gold 6252", /* Cascade Lake: TAA, MMIO stale data, ITS */
	 {INTEL(0x55, 7), .leaf7_ebx = RTM, .leaf7_edx = SINCE_2018 | MD_CLEAR | L1D_FLUSH | CAPS,
	  .arch_caps = 0x200ab},
	 DO_IBPB | DO_IBPB_DOM0 | DO_VERW | DO_EIBRS | DO_RETPOLINE | DO_RSB | DO_MULTIHIT},
	{"Xeon Gold 6252 without TSX, before FB_CLEAR",
	 {INTEL(0x55, 7), .leaf7_edx = SINCE_2018 | MD_CLEAR | L1D_FLUSH | CAPS, .arch_caps = 0xab},
	 DO_IBPB | DO_IBPB_DOM0 | DO_EIBRS | DO_RETPOLINE | DO_RSB | DO_MULTIHIT},
	{"Xeon Gold 6338", /* Ice Lake: MMIO stale data, BHI, ITS */
	 {INTEL(0x6a, 6), .leaf7_edx = SINCE_2018 | MD_CLEAR | L1D_FLUSH | CAPS,
	  .arch_caps = 0x2016b},
	 DO_IBPB | DO_IBPB_DOM0 | DO_VERW | DO_EIBRS | DO_RETPOLINE | DO_RSB},
	{"i7-11700, Rocket Lake", /* RRSBA */
	 {INTEL(0xa7, 1), .leaf7_edx = SINCE_2018 | MD_CLEAR | L1D_FLUSH | CAPS,
	  .arch_caps = 0xa016b},
	 DO_IBPB | DO_IBPB_DOM0 | DO_VERW | DO_EIBRS | DO_RETPOLINE | DO_RSB},
	{"i7-12700, Alder Lake", /* RFDS for its small cores; BHI_DIS_S */
	 {INTEL(0x97, 2), .leaf7_edx = SINCE_2018 | MD_CLEAR | L1D_FLUSH | CAPS,
	  .leaf7_2_edx = 0x1f, .arch_caps = 0x1008016b | MMIO_NO | NO_ITS},
	 DO_IBPB | DO_IBPB_DOM0 | DO_VERW | DO_EIBRS | DO_BHI_DIS | DO_RSB},
	{"Xeon Platinum 8480, Sapphire Rapids", /* PBRSB_NO with its later microcode */
	 {INTEL(0x8f, 8), .leaf7_ebx = RTM, .leaf7_edx = SINCE_2018 | MD_CLEAR | L1D_FLUSH | CAPS,
	  .leaf7_2_edx = 0x1f, .arch_caps = 0x0908016b | MMIO_NO | NO_ITS},
	 DO_IBPB | DO_IBPB_DOM0 | DO_EIBRS | DO_BHI_DIS},
	{"Atom C3758, Goldmont", /* RFDS */
	 {INTEL(0x5f, 1), .leaf7_edx = SINCE_2018 | CAPS, .arch_caps = 0x10000069 | MMIO_NO},
	 DO_IBPB | DO_IBPB_DOM0 | DO_VERW | DO_RETPOLINE | DO_RSB},
	{"i3-N305, Gracemont", /* RFDS, enhanced IBRS */
	 {INTEL(0xbe, 0), .leaf7_edx = SINCE_2018 | MD_CLEAR | CAPS, .leaf7_2_edx = 0x1f,
	  .arch_caps = 0x1008016b | MMIO_NO | NO_ITS},
	 DO_IBPB | DO_IBPB_DOM0 | DO_VERW | DO_EIBRS | DO_BHI_DIS | DO_RSB},
	{"Opteron 6376, Piledriver",
	 {AMD(0x15, 2, 0), .ext8_ebx = AMD_IBPB},
	 DO_IBPB_EXIT | DO_RETPOLINE | DO_RSB | DO_LFENCE},
	{"EPYC 7551, Zen 1",
	 {AMD(0x17, 1, 2), .ext8_ebx = AMD_IBPB},
	 DO_IBPB_EXIT | DO_RETPOLINE | DO_RSB | DO_LFENCE},
	{"EPYC 7551, 2017", {AMD(0x17, 1, 2)}, DO_RETPOLINE | DO_RSB | DO_LFENCE},
	{"EPYC 7742, Zen 2",
	 {AMD(0x17, 0x31, 0), .ext8_ebx = AMD_ALL},
	 DO_IBPB_EXIT | DO_RETPOLINE | DO_RSB | DO_LFENCE},
	{"EPYC 7763, Zen 3", /* SRSO, TSA */
	 {AMD(0x19, 1, 1), .ext8_ebx = AMD_ALL | BTC_NO | IBPB_RET, .ext21_eax = 0x24},
	 DO_IBPB_EXIT | DO_RETPOLINE | DO_RSB | DO_VERW},
	{"EPYC 9654, Zen 4", /* AutoIBRS, SRSO, TSA */
	 {AMD(0x19, 0x11, 1), .ext8_ebx = AMD_ALL | BTC_NO | IBPB_RET, .ext21_eax = 0x124},
	 DO_AUTOIBRS | DO_IBPB_EXIT | DO_RSB | DO_VERW},
	{"EPYC 9755, Zen 5", /* BP_SPEC_REDUCE against SRSO, no TSA */
	 {AMD(0x1a, 2, 1), .ext8_ebx = AMD_ALL | BTC_NO | IBPB_RET, .ext21_eax = 0xc0000124,
	  .ext21_ecx = 6},
	 DO_AUTOIBRS | DO_BP_REDUCE | DO_IBPB | DO_IBPB_DOM0},
	{"QEMU's EPYC", {AMD(0x17, 1, 2), .guest = true}, DO_LFENCE},
	{"Bochs's i7-4770", {.intel = true, .family = 6, .model = 0x3c, .stepping = 3}, 0},
	{"KVM on Cascade Lake",
	 {INTEL(0x55, 7), .guest = true, .leaf7_edx = SINCE_2018 | MD_CLEAR | CAPS,
	  .arch_caps = 0x200eb},
	 DO_IBPB | DO_IBPB_DOM0 | DO_VERW | DO_EIBRS | DO_RETPOLINE | DO_RSB},
	{"of another vendor", {MICROCODE, .family = 7}, 0},
};

static struct mitigate_plan plan_of(const struct mitigate_cpu *cpu, const char *line)
{
	struct mitigate_words words = {0};

	for (const char *at = line; *at; at++)
		if (at == line || at[-1] == ' ')
			assert_true(mitigate_word(&words, at));
	return mitigate_plan(cpu, &words);
}

static const struct mitigate_cpu *cpu_named(const char *name)
{
	for (unsigned i = 0; i < COUNT_OF(samples); i++)
		if (!strcmp(samples[i].name, name))
			return &samples[i].cpu;
	fail_msg("no %s", name);
	return NULL;
}

static void each_cpu(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT_OF(samples); i++) {
		uint32_t on = plan_of(&samples[i].cpu, "").on;

		for (unsigned m = 0; m < MITIGATION_COUNT; m++)
			if ((on ^ samples[i].on) >> m & 1)
				fail_msg("%s: %s is %s", samples[i].name, mitigation_names[m],
					 on >> m & 1 ? "on" : "off");
	}
}

/* On which way each barrier is. */
static void ways(void **state)
{
	struct mitigate_plan old = plan_of(cpu_named("i7-6700"), "");
	struct mitigate_plan zen2 = plan_of(cpu_named("EPYC 7742, Zen 2"), "");

	(void)state;
	assert_int_equal(old.barriers[GUEST_TO_GUEST], DO_IBPB | DO_L1D);
	assert_int_equal(old.barriers[GUEST_TO_DOM0], DO_IBPB_DOM0);
	assert_int_equal(old.barriers[DOM0_TO_GUEST], DO_L1D);
	assert_int_equal(old.barriers[TO_RING0], DO_IBRS | DO_RSB);
	assert_int_equal(old.barriers[FROM_RING0], DO_VERW);
	/* What each exit forgets, nobody else need. */
	assert_int_equal(zen2.barriers[TO_RING0], DO_IBPB_EXIT | DO_RSB);
	assert_int_equal(zen2.barriers[GUEST_TO_GUEST] | zen2.barriers[GUEST_TO_DOM0] |
				 zen2.barriers[DOM0_TO_GUEST] | zen2.barriers[FROM_RING0],
			 0);
}

static void spec_ctrl(void **state)
{
	struct mitigate_cpu threads = *cpu_named("i7-6700");

	(void)state;
	threads.siblings = true;
	threads.leaf7_edx |= 1u << 27;
	assert_int_equal(plan_of(cpu_named("i7-4770"), "").spec_ctrl, 0);
	assert_int_equal(plan_of(cpu_named("i7-6700"), "").spec_ctrl, SPEC_IBRS);
	assert_int_equal(plan_of(&threads, "").spec_ctrl, SPEC_IBRS | SPEC_STIBP);
	assert_int_equal(plan_of(cpu_named("i7-12700, Alder Lake"), "").spec_ctrl,
			 SPEC_IBRS | SPEC_BHI_DIS);
	assert_int_equal(plan_of(cpu_named("EPYC 9654, Zen 4"), "").spec_ctrl, 0);
}

static void words(void **state)
{
	const struct mitigate_cpu *cpu = cpu_named("i7-6700"),
				  *zen2 = cpu_named("EPYC 7742, Zen 2");
	struct mitigate_words w = {0};
	uint32_t on = plan_of(cpu, "").on;

	(void)state;
	assert_int_equal(plan_of(cpu, "mitigations=off").on, 0);
	assert_int_equal(plan_of(cpu, "mitigations=auto").on, on);
	for (unsigned i = 0; i < MITIGATION_COUNT; i++) {
		char word[32];

		snprintf(word, sizeof(word), "no-%s", mitigation_names[i]);
		assert_int_equal(plan_of(cpu, word).on, on & ~(1u << i));
	}
	assert_int_equal(plan_of(cpu, "no-ibpb no-verw").on, on & ~(uint32_t)(DO_IBPB | DO_VERW));
	/* Without the one at each exit, those of the other ways come back. */
	assert_int_equal(plan_of(zen2, "no-ibpb-exit").on,
			 DO_IBPB | DO_IBPB_DOM0 | DO_RETPOLINE | DO_RSB | DO_LFENCE);
	assert_int_equal(plan_of(cpu_named("QEMU's EPYC"), "mitigations=force").on,
			 DO_RSB | DO_RETPOLINE | DO_VERW | DO_MULTIHIT | DO_LFENCE);
	assert_int_equal(plan_of(cpu_named("Bochs's i7-4770"), "mitigations=force no-multihit").on,
			 DO_RSB | DO_RETPOLINE | DO_VERW);
	assert_true(mitigate_word(&w, "smt=off and more"));
	assert_true(w.smt_off);
	assert_false(mitigate_word(&w, "smt=offline"));
	assert_false(mitigate_word(&w, "no-ibp"));
	assert_false(mitigate_word(&w, "no-ibpbs"));
	assert_false(mitigate_word(&w, "ibpb"));
	assert_false(mitigate_word(&w, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_cpu),
		cmocka_unit_test(ways),
		cmocka_unit_test(spec_ctrl),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
