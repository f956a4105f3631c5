/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/tsc.c */
/* The TSC's rate, measured against clocks that are read slowly, on machines that take the CPU away.
 */
#include "arch/acpi.h"
#include "arch/tsc.h"
#include "tests/unit/unit.h"

#define HZ   3579545u
#define MASK 0xffffffu

struct acpi_info acpi;

void log_print(const char *format, ...)
{
	(void)format;
}

/* A simulated machine: now, in picoseconds, and how it behaves. */
static struct {
	unsigned __int128 now;
	uint64_t khz;     /* of the TSC */
	uint64_t read_ns; /* that one reading takes, half before it and half behind */
	uint64_t away_ns; /* for which the CPU is gone now and then */
	unsigned away_of; /* one of so many steps */
	bool stands;
	uint64_t once_ns; /* for which it is gone once, after `once_in` steps */
	unsigned once_in;
	uint32_t random;
} m;

static uint64_t tsc_now(void)
{
	return (uint64_t)(m.now * m.khz / 1000000000u);
}

static void pass(uint64_t ns)
{
	m.random = m.random * 1664525u + 1013904223u;
	if (m.away_of && (m.random >> 8) % m.away_of == 0)
		ns += m.away_ns * (m.random >> 20) / 2048;
	if (m.once_in && !--m.once_in)
		ns += m.once_ns;
	m.now += (unsigned __int128)ns * 1000 + (m.random >> 24);
}

static struct tsc_look look(void)
{
	struct tsc_look l;

	l.before = tsc_now();
	pass(m.read_ns / 2);
	l.count = m.stands ? 77 : (uint32_t)(m.now * HZ / 1000000000000ull) & MASK;
	pass(m.read_ns - m.read_ns / 2);
	l.after = tsc_now();
	return l;
}

static void begin(uint64_t khz, uint64_t read_ns, uint64_t away_ns, unsigned away_of, uint32_t seed)
{
	memset(&m, 0, sizeof(m));
	m.khz = khz;
	m.read_ns = read_ns;
	m.away_ns = away_ns;
	m.away_of = away_of;
	m.random = seed;
	m.now = (unsigned __int128)seed * 1000003;
}

static uint64_t away_from(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static void check(uint64_t ppm)
{
	struct tsc_rate rate = tsc_measure(look, HZ, MASK);

	assert_true(rate.khz > 0);
	assert_true(away_from(rate.khz, m.khz) <= rate.error);
	assert_true(away_from(rate.khz, m.khz) * 1000000 <= ppm * m.khz);
}

static void test_quiet(void **state)
{
	static const uint64_t rates[] = {800000, 1000000, 2599998, 3792011, 6200000};

	(void)state;
	for (unsigned i = 0; i < sizeof(rates) / sizeof(*rates); i++)
		for (uint64_t read_ns = 20; read_ns <= 2500; read_ns *= 5) {
			begin(rates[i], read_ns, 0, 0, 1);
			check(20);
		}
}

/* A host with busy loops beside it: away for up to 20 ms, some thousand times in a second. */
static void test_busy(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 40; seed++) {
		begin(2600000 + seed, 700, 20000000, 300, seed);
		check(50);
	}
}

static void test_around(void **state)
{
	(void)state;
	begin(3000000, 700, 0, 0, 5);
	m.now = (unsigned __int128)(0xfffff0ull * 1000000 / HZ) * 1000000; /* about to wrap */
	check(20);
}

/* Gone for more than the 4.7 s in which the timer comes round. */
static void test_away_for_long(void **state)
{
	(void)state;
	for (unsigned after = 100; after < 3000; after += 401) {
		begin(3000000, 700, 0, 0, after);
		m.once_in = after;
		m.once_ns = 5000000000u;
		check(50);
	}
}

static void test_stands(void **state)
{
	(void)state;
	begin(3000000, 700, 0, 0, 5);
	m.stands = true;
	assert_int_equal(tsc_measure(look, HZ, MASK).khz, 0);
}

static void test_settle(void **state)
{
	const struct tsc_rate measured = {2600000, 30};

	(void)state;
	assert_int_equal(tsc_settle(measured, 0), 2600000);
	assert_int_equal(tsc_settle(measured, 2600020), 2600020);
	assert_int_equal(tsc_settle(measured, 2599970), 2599970);
	assert_int_equal(tsc_settle(measured, 2599969), 2600000);
	assert_int_equal(tsc_settle(measured, 2700000), 2600000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),  cmocka_unit_test(test_busy),
		cmocka_unit_test(test_around), cmocka_unit_test(test_away_for_long),
		cmocka_unit_test(test_stands), cmocka_unit_test(test_settle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
