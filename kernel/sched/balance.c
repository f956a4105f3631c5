/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/sched/balance.h"

/* The virtual time of a unit of time at a weight of one. */
#define UNIT ((uint64_t)SCHED_WEIGHT << 6)

/* A search for a CPU that is ahead looks at this number of CPUs, divided by the number of entities
 * that wait. */
#define LOOK 30u

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* True: this call has changed it. The line is written only then. */
static bool mark(struct balance_word *words, uint32_t cpu, bool on)
{
	uint64_t *word = &words[cpu / 64].bits, bit = 1ull << cpu % 64;

	if (!(load(word) & bit) == !on)
		return false;
	if (on)
		return !(__atomic_fetch_or(word, bit, __ATOMIC_ACQ_REL) & bit);
	return __atomic_fetch_and(word, ~bit, __ATOMIC_ACQ_REL) & bit;
}

/* Those of `words` that e may use (NULL: all), without our own. True: there is one. */
static bool others(uint64_t cpus[SCHED_WORDS], const struct balance_word *words,
		   const struct sched_entity *e, const struct sched_rq *rq)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < SCHED_WORDS; i++) {
		cpus[i] = load(&words[i].bits) & (e ? e->affinity[i] : ~0ull);
		if (i == rq->cpu / 64)
			cpus[i] &= ~(1ull << rq->cpu % 64);
		any |= cpus[i];
	}
	return any;
}

/* The next of them after the last one that was looked at, round and round: the cursor moves. */
static uint32_t next_cpu(const uint64_t cpus[SCHED_WORDS], struct sched_rq *rq)
{
	uint32_t i = rq->cursor / 64;
	uint64_t word = cpus[i] & ~1ull << rq->cursor % 64;

	while (!word) {
		i = (i + 1) % SCHED_WORDS;
		word = cpus[i];
	}
	rq->cursor = i * 64 + (uint32_t)__builtin_ctzll(word);
	return rq->cursor;
}

/* By how much `cpu` is ahead of us, and its load (0: none, or it does not say). */
static int64_t ahead(const struct balance *b, struct sched_rq *rq, uint32_t cpu, uint64_t now,
		     uint64_t *weight)
{
	const struct balance_cpu *other = &b->cpu[cpu];
	uint64_t stamp = load(&other->stamp), vtime = load(&other->vtime);

	*weight = load(&other->weight);
	if (!stamp || load(&other->stamp) != stamp)
		*weight = 0;
	if (!*weight)
		return 0;
	if ((int64_t)(now - stamp) > 0)
		vtime += (now - stamp) * UNIT / *weight;
	return (int64_t)(vtime - sched_vtime(rq, now));
}

void balance_publish(struct balance *b, struct sched_rq *rq)
{
	struct balance_cpu *mine = &b->cpu[rq->cpu];
	uint64_t cpus[SCHED_WORDS], weight, now = rq->last;

	/* A CPU that was idle takes the virtual time of one that was not. */
	if (!mine->weight && rq->weight && others(cpus, b->busy, NULL, rq))
		rq->offset += (uint64_t)ahead(b, rq, next_cpu(cpus, rq), now, &weight);
	store(&mine->stamp, 0);
	store(&mine->weight, rq->weight);
	store(&mine->vtime, sched_vtime(rq, now));
	store(&mine->stamp, now);
	mark(b->online, rq->cpu, true);
	mark(b->idle, rq->cpu, !rq->count);
	mark(b->busy, rq->cpu, rq->count > 1);
}

/* An idle CPU for e (if there is one), which nobody else will choose; or SCHED_CPUS. */
static uint32_t take_idle(struct balance *b, struct sched_rq *rq, const struct sched_entity *e)
{
	uint64_t cpus[SCHED_WORDS];

	while (e && others(cpus, b->idle, e, rq)) {
		uint32_t cpu = next_cpu(cpus, rq);

		if (mark(b->idle, cpu, false))
			return cpu;
	}
	return SCHED_CPUS;
}

uint32_t balance_wake(struct balance *b, struct sched_rq *rq, const struct sched_entity *e)
{
	bool here = e->affinity[rq->cpu / 64] >> rq->cpu % 64 & 1;
	uint64_t cpus[SCHED_WORDS];
	uint32_t idle;

	if (here && !rq->count)
		return rq->cpu;
	idle = take_idle(b, rq, e);
	if (idle != SCHED_CPUS)
		return idle;
	return here || !others(cpus, b->online, e, rq) ? rq->cpu : next_cpu(cpus, rq);
}

uint32_t balance_ask(struct balance *b, struct sched_rq *rq)
{
	uint64_t cpus[SCHED_WORDS];

	return others(cpus, b->busy, NULL, rq) ? next_cpu(cpus, rq) : SCHED_CPUS;
}

/*
 * By how much `cpu` will be ahead of us in a turn's time, if it should have e, else 0: by so
 * much that it does not look the other way round once it has it.
 *
 * Virtual times far from each other come from a time when the two shared no work.
 * Then the loads decide, and the queue that is behind takes the other's virtual time.
 */
static int64_t lead(const struct balance *b, struct sched_rq *rq, const struct sched_entity *e,
		    uint32_t cpu, uint64_t now)
{
	int64_t turn = (int64_t)(rq->turn * UNIT), here = (int64_t)rq->weight, own = e->weight,
		each = turn / here * rq->count, enough;
	uint64_t weight;
	int64_t far = ahead(b, rq, cpu, now, &weight), there = (int64_t)weight;

	if (!there)
		return 0;
	if (far > SCHED_FAR * each || -far > SCHED_FAR * each) {
		if (far > 0)
			rq->offset += (uint64_t)far;
		return there + own <= here;
	}
	far += turn / there - turn / here;
	enough = turn / (here - own) - turn / (there + own);
	return far >= enough && far >= each / 3 ? far : 0;
}

struct sched_entity *balance_push(struct balance *b, struct sched_rq *rq, uint64_t now,
				  uint32_t *to)
{
	uint64_t cpus[SCHED_WORDS];
	int64_t most = 0;
	struct sched_entity *e = NULL;

	if (rq->count > 1 && others(cpus, b->idle, NULL, rq))
		e = sched_find(rq, cpus);
	*to = take_idle(b, rq, e);
	if (*to == SCHED_CPUS) {
		if (rq->count < 2 || !others(cpus, b->online, NULL, rq))
			return NULL;
		e = sched_find(rq, cpus);
		/* Not one that has just stopped; nor one that has not run since it came: where
		 * virtual times jump, as on CPUs that are late, it would be sent about for ever. */
		if (!e || now - e->since < rq->turn / 2 || e->ran == e->arrived)
			return NULL;
		others(cpus, b->online, e, rq);
		for (unsigned i = 0; i < 2 + LOOK / rq->count; i++) {
			uint32_t cpu = next_cpu(cpus, rq);
			int64_t far = lead(b, rq, e, cpu, now);

			if (far <= most)
				continue;
			*to = cpu;
			most = far;
		}
		/* One at a time: nobody sends it another until it says what it has. */
		if (!most || !__atomic_exchange_n(&b->cpu[*to].stamp, 0, __ATOMIC_ACQ_REL))
			return NULL;
	}
	sched_detach(rq, e, now);
	return e;
}
