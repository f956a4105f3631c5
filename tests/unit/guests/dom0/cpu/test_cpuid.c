/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/cpu/cpuid.c guests/dom0/cpu/msr_model.c */
/*
 * The table of CPUID's answers, made from those of real CPUs and of all models of both emulators.
 * Every table must keep the rules of the manuals: SDM 2A, CPUID; APM 3, appendix E.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "guests/dom0/cpu/cpuid.h"
#include "guests/lib/sampo.h"
#include "tests/unit/cpuid_tables.h"

#define ROWS     (sizeof(cpuid_rows) / sizeof(cpuid_rows[0]))
#define XCR0_ALL 0xe7u /* that the kernel can give */

bool sampo_by_vmcall;

static struct sampo_vcpu_page page;
static const struct cpuid_row *host; /* the row of the table's name */

static const struct cpuid_row *host_row(uint32_t leaf, uint32_t subleaf)
{
	for (const struct cpuid_row *r = host + 1; r < cpuid_rows + ROWS && !r->name; r++)
		if (r->leaf == leaf && r->subleaf == subleaf)
			return r;
	return NULL;
}

static uint32_t host_max(uint32_t leaf)
{
	const struct cpuid_row *r;

	if (leaf >> 28 == 4)
		return host_row(1, 0) && host_row(1, 0)->ecx >> 31 ? 0x40000001 : 0;
	r = host_row(leaf & 0x80000000, 0);
	return r ? r->eax : 0;
}

/* Beyond its last leaf a CPU may answer anything. QEMU's answer for 0x40000000 is the same for all.
 */
static void host_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	const struct cpuid_row *r = host_row(leaf, subleaf);

	memset(out, 0, 16);
	if (leaf & 0x7fffffff && leaf > host_max(leaf))
		fail_msg("%s: leaf %x asked, the last is %x", host->name, leaf, host_max(leaf));
	if (!r)
		return;
	out[0] = r->eax;
	out[1] = r->ebx;
	out[2] = r->ecx;
	out[3] = r->edx;
}

/* What the kernel answers: the last entry of the leaf that is not above the subleaf. */
static const struct sampo_cpuid *answer(uint32_t leaf, uint32_t subleaf)
{
	static const struct sampo_cpuid zero;
	const struct sampo_cpuid *found = &zero;

	for (unsigned i = 0; i < page.cpuids; i++)
		if (page.cpuid[i].key >> 32 == leaf && (uint32_t)page.cpuid[i].key <= subleaf)
			found = &page.cpuid[i];
	return found;
}

struct shape {
	uint32_t sockets, cores, threads;
};

static uint32_t bits(uint32_t n)
{
	uint32_t b = 0;

	while (1u << b < n)
		b++;
	return b;
}

static struct cpuid_shape make_shape(const struct shape *t, uint64_t xcr0)
{
	struct cpuid_shape shape = {
		.core_threads = t->threads,
		.package_threads = t->threads * t->cores,
		.core_bits = bits(t->threads),
		.package_bits = bits(t->threads) + bits(t->cores),
		.xcr0 = xcr0,
		.xsave = 0xf,
		.tsc_khz = 1234567,
	};

	/* The last thread of the last socket. */
	shape.apic_id = (t->sockets - 1) << shape.package_bits | (t->cores - 1) << shape.core_bits |
			(t->threads - 1);
	return shape;
}

static void fill(const struct cpuid_shape *shape)
{
	memset(&page, 0xff, sizeof(page));
	cpuid_fill(&page, shape, host_cpuid);
	assert_true(page.cpuids < SAMPO_CPUIDS); /* none was left out */
	for (unsigned i = 1; i < page.cpuids; i++)
		assert_true(page.cpuid[i - 1].key < page.cpuid[i].key);
}

static bool is_amd(void)
{
	return answer(0, 0)->ebx == 0x68747541 || answer(0, 0)->ebx == 0x6f677948;
}

#define RULE(condition)                                              \
	do {                                                         \
		if (!(condition))                                    \
			fail_msg("%s: not " #condition, host->name); \
	} while (0)
#define IMPLIES(a, b) (!(a) || (b))

/* No leaf beyond the maximum of its range, and no answer that the host's CPU does not give. */
static void check_maximum(void)
{
	for (unsigned i = 0; i < page.cpuids; i++) {
		uint32_t leaf = (uint32_t)(page.cpuid[i].key >> 32);

		if (leaf >> 28 != 4)
			RULE(leaf <= answer(leaf & 0x80000000, 0)->eax);
	}
	RULE(answer(0, 0)->eax == 0xd);
	RULE(answer(0x80000000, 0)->eax >= 0x80000008);
	RULE(answer(0x40000000, 0)->eax == 0x40000010);
}

static void check_caches(uint32_t leaf, const struct cpuid_shape *s)
{
	uint32_t n = 0, level = 1;

	for (; answer(leaf, n)->eax & 0x1f; n++) {
		const struct sampo_cpuid *a = answer(leaf, n);
		uint32_t line = (a->ebx & 0xfff) + 1, sharing = (a->eax >> 14 & 0xfff) + 1;

		RULE((a->eax & 0x1f) <= 3);
		RULE((a->eax >> 5 & 7) >= level && (a->eax >> 5 & 7) <= 4);
		level = a->eax >> 5 & 7;
		RULE(line == 32 || line == 64 || line == 128);
		RULE(a->ebx >> 22 < 64 || a->eax & 1u << 9); /* ways, or fully associative */
		RULE((a->ecx + 1ull) * line * ((a->ebx >> 22) + 1) <= 1ull << 30);
		RULE((a->ecx + 1ull) * line * ((a->ebx >> 22) + 1) >= 4096);
		RULE(sharing == 1u << (level < 3 ? s->core_bits : s->package_bits));
		if (leaf == 4)
			RULE((a->eax >> 26) + 1 == 1u << (s->package_bits - s->core_bits));
	}
	for (uint32_t i = n; i < 40; i++)
		RULE(!(answer(leaf, i)->eax | answer(leaf, i)->ebx | answer(leaf, i)->ecx));
}

static void check_topology(const struct cpuid_shape *s)
{
	const struct sampo_cpuid *a = answer(1, 0), *core = answer(0xb, 0),
				 *package = answer(0xb, 1);

	RULE(a->ebx >> 24 == s->apic_id);
	RULE((a->ebx >> 16 & 0xff) == 1u << s->package_bits);
	RULE((a->edx >> 28 & 1) == (s->package_bits > 0));
	RULE(core->eax == s->core_bits && core->ebx == s->core_threads && core->ecx == 0x100);
	RULE(package->eax == s->package_bits && package->ebx == s->package_threads);
	RULE(package->ecx == 0x201);
	for (uint32_t i = 0; i < 9; i++)
		RULE(answer(0xb, i)->edx == s->apic_id);
	RULE(!answer(0xb, 2)->ebx && !answer(0xb, 7)->ebx);
	a = answer(0x80000008, 0);
	RULE(IMPLIES(!is_amd(), !a->ecx));
	RULE(IMPLIES(is_amd(), (a->ecx & 0xff) + 1 == s->package_threads));
	RULE(IMPLIES(is_amd(), (a->ecx >> 12 & 0xf) == s->package_bits));
	a = answer(0x80000001, 0);
	RULE((a->ecx >> 1 & 1) == (is_amd() && s->package_bits)); /* CMP_LEGACY */
	if (!(a->ecx >> 22 & 1))
		return;
	a = answer(0x8000001e, 0);
	RULE(a->eax == s->apic_id && (a->ebx >> 8 & 0xff) + 1 == s->core_threads);
	RULE((a->ebx & 0xff) == s->apic_id >> s->core_bits);
	RULE((a->ecx & 0xff) == s->apic_id >> s->package_bits && !(a->ecx >> 8));
	RULE(answer(0x8000001d, 0)->eax & 0x1f);
}

/* What a CPU with these features has as well, and what no guest has. */
static void check_features(void)
{
	const struct sampo_cpuid *one = answer(1, 0), *seven = answer(7, 0);
	const struct sampo_cpuid *ext = answer(0x80000001, 0);
	const struct cpuid_row *long_mode = host_row(0x80000001, 0);
	uint32_t c = one->ecx, xcr0 = answer(0xd, 0)->eax;
	bool avx = (xcr0 & 6) == 6, avx512 = (xcr0 & 0xe6) == 0xe6;

	/* DTES64, MONITOR, DS-CPL, VMX, SMX, EIST, TM2, CNXT, SDBG, 16, xTPR, PDCM, DCA */
	RULE(!(c & 0x0005cdfcu));
	RULE((c & 0x81200000u) == 0x81200000u); /* hypervisor, x2APIC, TSC deadline */
	/* 10, PSN, 20, DS, ACPI, TM, IA64, PBE */
	RULE(!(one->edx & 0xe0740400u));
	RULE(IMPLIES(one->edx >> 19 & 1, (one->ebx >> 8 & 0xff) != 0)); /* CLFLUSH has a size */
	RULE(!(seven->ebx & 0x0200d814u)); /* SGX, HLE, RTM, PQM, MPX, PQE, PT */
	RULE(!(seven->ecx & 0xfe018038u)); /* PKU, OSPKE, WAITPKG, LA57, MPX's, the upper ones */
	RULE(!(seven->edx & 0x0300820cu)); /* AVX-512's two, UINTR, hybrid, AMX */
	RULE(seven->ebx & 2);              /* TSC_ADJUST */
	RULE(!seven->eax && !answer(7, 1)->eax && !answer(7, 2)->edx);
	RULE(!(ext->ecx &
	       0x3d88b60cu));        /* SVM, EAPIC, OSVW, IBS, SKINIT, WDT, LWP, counters, MWAITX */
	RULE(!(ext->edx >> 25 & 1)); /* FFXSR */
	RULE(answer(6, 0)->eax == 4); /* ARAT */
	RULE(!long_mode || (ext->edx ^ long_mode->edx) >> 29 == 0);

	/* XCR0 */
	RULE(!(xcr0 & ~XCR0_ALL) && IMPLIES(xcr0, (xcr0 & 3) == 3));
	RULE((c >> 26 & 1) == (xcr0 != 0) && (c >> 27 & 1) == (xcr0 != 0));
	RULE(IMPLIES(!avx, !(c & 0x30001000u)));     /* AVX, F16C, FMA */
	RULE(IMPLIES(!avx, !(seven->ebx & 0x20u)));  /* AVX2 */
	RULE(IMPLIES(!avx, !(seven->ecx & 0x600u))); /* VAES, VPCLMULQDQ */
	RULE(IMPLIES(!avx, !(ext->ecx & 0x10800u))); /* XOP, FMA4 */
	RULE(IMPLIES(!avx512, !(seven->ebx & 0xdc230000u)));
	RULE(IMPLIES(!avx512, !(seven->ecx & 0x5842u)));
	RULE(IMPLIES(seven->ebx & 0x20, c >> 28 & 1));                 /* AVX2: AVX */
	RULE(IMPLIES(seven->ebx & 0xdc220000u, seven->ebx >> 16 & 1)); /* AVX512F */
	RULE(IMPLIES(seven->ebx >> 16 & 1, seven->ebx & 0x20));
	RULE(IMPLIES(is_amd(), (ext->edx & 0x0183f3ffu) == (one->edx & 0x0183f3ffu)));
	RULE(IMPLIES(!is_amd(), !(ext->edx & 0x0183f3ffu)));
}

static void check_xsave(uint32_t xcr0)
{
	uint32_t end = 576;

	RULE(answer(0xd, 0)->eax == xcr0 && !answer(0xd, 0)->edx);
	RULE(IMPLIES(!xcr0, !answer(0xd, 0)->ecx && !answer(0xd, 1)->eax));
	for (uint32_t i = 2; i < 63; i++) {
		const struct sampo_cpuid *a = answer(0xd, i);

		if (i > 31 || !(xcr0 >> i & 1)) {
			RULE(!(a->eax | a->ebx | a->ecx));
			continue;
		}
		RULE(a->eax && a->ebx >= 576 && !(a->ecx & 1));
		if (a->eax + a->ebx > end)
			end = a->eax + a->ebx;
	}
	RULE(IMPLIES(xcr0, answer(0xd, 0)->ecx == end));
}

static void check_addresses(void)
{
	uint32_t eax = answer(0x80000008, 0)->eax;

	RULE((eax & 0xff) >= 32 && (eax & 0xff) <= 48); /* four levels of page tables below it */
	RULE(eax >> 8 == 48);                           /* LA57 is hidden */
	RULE(IMPLIES(!is_amd(), !answer(0x80000008, 0)->ebx));
	RULE(answer(0x80000007, 0)->edx == 0x100);
}

/* The states of XCR0 that the host's CPU has, in which it may be given. */
static bool host_has(uint32_t xcr0)
{
	const struct cpuid_row *one = host_row(1, 0), *d = host_row(0xd, 0);
	uint32_t there = one && one->ecx >> 26 & 1 && d ? d->eax : 0;

	return !(xcr0 & ~there);
}

static void test_rules(void **state)
{
	static const uint32_t xcr0s[] = {0, 3, 7, 0xe7};
	static const struct shape shapes[] = {
		{1, 1, 1}, {1, 4, 1}, {1, 3, 2}, {2, 8, 2}, {4, 1, 1}};
	unsigned hosts = 0;

	(void)state;
	for (unsigned i = 0; i < ROWS; i++) {
		if (!cpuid_rows[i].name)
			continue;
		host = &cpuid_rows[i];
		hosts++;
		for (unsigned n = 0; n < 20; n++) {
			struct cpuid_shape shape = make_shape(&shapes[n % 5], xcr0s[n / 5]);

			if (!host_has((uint32_t)shape.xcr0))
				continue;
			sampo_by_vmcall = n % 2;
			fill(&shape);
			check_maximum();
			check_caches(4, &shape);
			check_caches(0x8000001d, &shape);
			check_topology(&shape);
			check_features();
			check_xsave((uint32_t)shape.xcr0);
			check_addresses();
			RULE(answer(0x40000010, 0)->eax == 1234567);
			RULE(answer(SAMPO_CPUID_ABI, 0)->ebx == sampo_by_vmcall);
			RULE(!answer(0x8000000a, 0)->eax && !answer(5, 0)->eax &&
			     !answer(0x1f, 0)->eax);
		}
	}
	assert_true(hosts > 50);
}

static void choose(const char *name)
{
	for (host = cpuid_rows; !host->name || strcmp(host->name, name); host++)
		assert_true(host + 1 < cpuid_rows + ROWS);
}

/* What the tables keep: a guest of a large CPU sees that CPU, as far as XCR0 lets it. */
static void test_kept(void **state)
{
	static const struct shape one = {1, 1, 1};
	struct cpuid_shape shape = make_shape(&one, 0xe7);

	(void)state;
	choose("Sapphire Rapids");
	fill(&shape);
	assert_int_equal(answer(4, 0)->ebx, 0x2c0003f);
	assert_int_equal(answer(4, 3)->ecx, 0x1bfff);
	assert_int_equal(answer(7, 0)->ebx & 0xdc230020, 0xd0230020);
	assert_int_equal(answer(7, 0)->ecx, 0x405f46);
	assert_int_equal(answer(0x80000008, 0)->eax, 0x3030);
	choose("Zen 4 (Genoa)");
	fill(&shape);
	assert_int_equal(answer(0x80000000, 0)->eax, 0x80000021);
	assert_int_equal(answer(0x8000001d, 2)->ecx, 0x7ff);
	assert_int_equal(answer(0x80000001, 0)->edx, 0x2dd3fbff);
	assert_int_equal(answer(0x80000008, 0)->eax, 0x3030);
	assert_int_equal(answer(0xd, 7)->ebx, 0x580);
	choose("QEMU max"); /* AMD's without the leaf of caches */
	shape.xcr0 = 7;
	fill(&shape);
	assert_int_equal(answer(0x80000000, 0)->eax, 0x80000008);
	assert_int_equal(answer(0x80000001, 0)->ecx & 1u << 22, 0);
	assert_int_equal(answer(0x80000006, 0)->ecx, host_row(0x80000006, 0)->ecx);
}

/* Means against speculation: as the kernel gives them, of what the CPU has. */
static void test_speculation(void **state)
{
	static const struct shape one = {1, 1, 1};
	struct cpuid_shape none = make_shape(&one, 7), all = none;

	(void)state;
	all.spec_ctrl = 0x5ff;
	all.arch_caps = all.auto_ibrs = all.lfence = true;
	choose("Sapphire Rapids");
	fill(&none);
	assert_int_equal(answer(7, 0)->edx & 0xfc000000, 0x10000000);
	assert_int_equal(answer(7, 0)->eax | answer(7, 2)->edx, 0);
	fill(&all);
	assert_int_equal(answer(7, 0)->edx & 0xfc000000, host_row(7, 0)->edx & 0xbc000000);
	assert_int_equal(answer(7, 0)->eax, 2);
	assert_int_equal(answer(7, 1)->eax | answer(7, 3)->edx, 0);
	assert_int_equal(answer(7, 2)->edx, host_row(7, 2)->edx & 0x3f);
	assert_int_equal(answer(0x80000008, 0)->ebx, 0);
	choose("Zen 4 (Genoa)");
	fill(&none);
	assert_int_equal(answer(0x80000008, 0)->ebx & 0x110fc000, 0);
	assert_int_equal(answer(0x80000008, 0)->ebx >> 12 & 1, 1);
	assert_int_equal(answer(0x80000021, 0)->eax & 0x100, 0);
	fill(&all);
	assert_int_equal(answer(0x80000008, 0)->ebx & 0x110fc000,
			 host_row(0x80000008, 0)->ebx & 0x110fc000);
	assert_int_equal(answer(0x80000021, 0)->eax & 0x104, 0x104);
	choose("QEMU max"); /* which has nothing, but LFENCE is the kernel's doing */
	fill(&all);
	assert_int_equal(answer(0x80000008, 0)->ebx & 0x110fc000, 0);
	assert_int_equal(answer(0x80000000, 0)->eax, 0x80000021);
	assert_int_equal(answer(0x80000021, 0)->eax, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_speculation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
