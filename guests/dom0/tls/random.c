/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/tls/random.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/sha256.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/tls/compat.h"
#include "guests/dom0/tls/health.h"
#include "guests/dom0/tls/memory.h"
#include "guests/lib/cpu.h"

#define TRIES       64u /* of RDSEED, which others may have emptied */
#define SEED_BYTES  32u /* of each source for a seed */
#define WALK_BYTES  16384u
#define WALK_STEPS  32u
#define TIMES       1024u /* for 32 bytes, at a quarter of a bit each */
#define FIRST_WORDS 64u   /* that a source gives before it counts */

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context generator;
static char names[64];
static bool started, weak;

/* --- the CPU's generators (Intel SDM volume 1, 7.3.17) --- */

static bool rdrand(uint64_t *word)
{
	uint8_t ok;

	__asm__ volatile("rdrand %0; setc %1" : "=r"(*word), "=q"(ok) : : "cc");
	return ok;
}

static bool rdseed(uint64_t *word)
{
	uint8_t ok;

	__asm__ volatile("rdseed %0; setc %1" : "=r"(*word), "=q"(ok) : : "cc");
	return ok;
}

static bool has_rdrand(void)
{
	uint32_t leaf[4];

	cpuid(1, 0, leaf);
	return leaf[2] & 1u << 30;
}

static bool has_rdseed(void)
{
	uint32_t leaf[4];

	cpuid(0, 0, leaf);
	if (leaf[0] < 7)
		return false;
	cpuid(7, 0, leaf);
	return leaf[1] & 1u << 18;
}

struct words {
	const char *name;
	bool (*has)(void);
	bool (*word)(uint64_t *word);
	struct word_health health;
};

static struct words sources[] = {
	{.name = "RDSEED", .has = has_rdseed, .word = rdseed},
	{.name = "RDRAND", .has = has_rdrand, .word = rdrand},
};

static bool take_word(struct words *source, uint64_t *word)
{
	for (unsigned i = 0; i < TRIES; i++) {
		if (source->word(word))
			return word_is_healthy(&source->health, *word);
		cpu_relax();
	}
	return false;
}

static int give_words(void *context, unsigned char *to, size_t room, size_t *got)
{
	uint64_t word;

	for (*got = 0; *got + sizeof(word) <= room && *got < SEED_BYTES; *got += sizeof(word)) {
		if (!take_word(context, &word))
			return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
		memcpy(to + *got, &word, sizeof(word));
	}
	return 0;
}

static bool words_work(struct words *source)
{
	uint64_t word;

	if (!source->has())
		return false;
	for (unsigned i = 0; i < FIRST_WORDS; i++)
		if (!take_word(source, &word))
			return false;
	return true;
}

/* --- jitter --- */

/*
 * How long some loads take depends on the caches, on the other threads of the core and on
 * interrupts. An emulator that counts instructions for a time gives times that vary as well and are
 * the same at each start: so jitter is mixed in, and does not count as good entropy by itself.
 */
static uint8_t take_time(void)
{
	static volatile uint8_t place[WALK_BYTES];
	static uint64_t last;
	static uint32_t at;
	uint64_t now, time;

	for (unsigned i = 0; i < WALK_STEPS; i++) {
		at = at * 1664525u + 1013904223u + place[at % WALK_BYTES];
		place[(at >> 8) % WALK_BYTES] += (uint8_t)i;
	}
	now = rdtsc();
	time = now - last;
	last = now;
	/* A TSC may count in steps of a power of two. */
	return (uint8_t)(time ^ time >> 8);
}

static struct time_health jitter_health;

static int give_jitter(void *context, unsigned char *to, size_t room, size_t *got)
{
	static uint8_t times[TIMES];
	bool healthy = true;

	(void)context;
	*got = 0;
	for (unsigned i = 0; i < TIMES; i++) {
		times[i] = take_time();
		healthy &= time_is_healthy(&jitter_health, times[i]);
	}
	if (!healthy || room < SEED_BYTES)
		return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
	mbedtls_sha256(times, sizeof(times), to, 0);
	*got = SEED_BYTES;
	return 0;
}

static bool jitter_works(void)
{
	unsigned char bytes[SEED_BYTES];
	size_t got;

	take_time(); /* the first has no one before it */
	return !give_jitter(NULL, bytes, sizeof(bytes), &got);
}

/* Nothing that others could not guess. */
static int give_guessable(void *context, unsigned char *to, size_t room, size_t *got)
{
	uint64_t word[4] = {rdtsc(), clock_wall_ns()};

	(void)context;
	*got = room < sizeof(word) ? room : sizeof(word);
	memcpy(to, word, *got);
	return 0;
}

/* --- the generator --- */

static bool add(const char *name, int (*give)(void *, unsigned char *, size_t, size_t *),
		void *context)
{
	if (mbedtls_entropy_add_source(&entropy, give, context, SEED_BYTES,
				       MBEDTLS_ENTROPY_SOURCE_STRONG))
		return false;
	snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", *names ? ", " : "",
		 name);
	return true;
}

static const char *seed(void)
{
	static const unsigned char of[] = "Sampo's TLS";

	return mbedtls_ctr_drbg_seed(&generator, mbedtls_entropy_func, &entropy, of, sizeof(of))
		       ? "its sources of entropy have failed"
		       : NULL;
}

void tls_random_allow_weak(void)
{
	weak = true;
}

const char *tls_random_start(void)
{
	const char *wrong;
	bool good;

	if (started)
		return NULL;
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&generator);
	*names = 0;
	for (unsigned i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (words_work(&sources[i]))
			add(sources[i].name, give_words, &sources[i]);
	good = *names;
	if (jitter_works())
		add("jitter", give_jitter, NULL);
	if (!good && !weak)
		return "there is no good entropy: the CPU has neither RDSEED nor RDRAND that works";
	if (!good)
		add("guessable numbers", give_guessable, NULL);
	wrong = seed();
	started = !wrong;
	return wrong;
}

void tls_random_mix(const void *bytes, size_t n)
{
	if (started)
		compat_mix(&generator, bytes, n);
}

const char *tls_random_sources(void)
{
	return names;
}

int tls_random(void *context, unsigned char *to, size_t bytes)
{
	int status;

	(void)context;
	tls_memory_hold();
	status = started ? mbedtls_ctr_drbg_random(&generator, to, bytes)
			 : MBEDTLS_ERR_ENTROPY_NO_SOURCES_DEFINED;
	tls_memory_release();
	return status;
}
