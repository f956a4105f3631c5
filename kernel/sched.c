/* SPDX-License-Identifier: BSD-2-Clause */

#include "kernel/sched.h"

/* Virtual time at the default weight is real time with 6 bits more, so that
 * short runs of a heavy entity count as well. */
#define VTIME_BITS 6

/* After a sleep of so long, whatever was owed is forgotten. */
#define LONG_SLEEP (1ull << 36)

/* Times wrap and are compared by their difference. */
static bool before(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return before(a, b) ? b : a;
}

/* Who is on top of a heap, or NULL: the node is the first member. */
static struct sched_entity *top(const struct heap_node *heap)
{
	return (struct sched_entity *)heap;
}

/* Of equal keys, who has waited longer is first. */
static void push(struct heap_node **heap, struct sched_entity *e, uint64_t key)
{
	e->node.key = key;
	e->node.second = e->since;
	heap_push(heap, &e->node);
}

/* --- accounting --- */

static bool runnable(const struct sched_entity *e)
{
	return e->state >= SCHED_QUEUED;
}

/* Charges the time since the last call to who pays. */
static void account(struct sched_rq *rq, uint64_t now)
{
	struct sched_entity *payer = rq->payer;
	uint64_t delta = now - rq->last;

	rq->last = now;
	if (!rq->current) {
		rq->idle += delta;
		return;
	}
	rq->current->ran += delta;
	/* inverse is 2^22 at the default weight */
	payer->vtime += (uint64_t)((unsigned __int128)delta * payer->inverse >> (22 - VTIME_BITS));
}

/* The queue's virtual time follows who is furthest behind. Before anybody is
 * placed by it, or sleeps. */
static void advance(struct sched_rq *rq)
{
	const struct sched_entity *e = rq->current, *ready = top(rq->ready);

	if (!e || !runnable(e) || (ready && before(ready->vtime, e->vtime)))
		e = ready;
	if (e)
		rq->vmin = later(rq->vmin, e->vtime);
}

/* Where a sleeper comes back. */
static void place(struct sched_rq *rq, struct sched_entity *e, uint64_t now)
{
	uint64_t floor;

	advance(rq);
	floor = rq->vmin - rq->credit;
	e->vtime = now - e->since > LONG_SLEEP ? floor : later(e->vtime, floor);
}

static void enqueue(struct sched_rq *rq, struct sched_entity *e)
{
	e->state = SCHED_QUEUED;
	push(&rq->ready, e, e->vtime);
}

static void count(struct sched_rq *rq, struct sched_entity *e, int sign)
{
	rq->weight += (uint64_t)(sign * (int64_t)e->weight);
	rq->count += (uint32_t)sign;
}

/* --- entities --- */

void sched_init(struct sched_rq *rq, uint64_t latency, uint64_t granularity, uint64_t now)
{
	*rq = (struct sched_rq){
		.latency = latency,
		.granularity = granularity,
		.credit = latency / 2 << VTIME_BITS,
		.last = now,
	};
}

static void set_weight(struct sched_entity *e, uint32_t weight)
{
	e->weight = weight < 1 ? 1 : weight > 65535 ? 65535 : weight;
	e->inverse = (1ull << 32) / e->weight;
}

void sched_entity_init(struct sched_rq *rq, struct sched_entity *e, uint32_t weight)
{
	advance(rq);
	*e = (struct sched_entity){.vtime = rq->vmin, .since = rq->last};
	set_weight(e, weight);
}

void sched_set_weight(struct sched_rq *rq, struct sched_entity *e, uint32_t weight, uint64_t now)
{
	account(rq, now);
	if (runnable(e))
		count(rq, e, -1);
	set_weight(e, weight);
	if (runnable(e))
		count(rq, e, 1);
}

/* --- turns --- */

static uint64_t turn(const struct sched_rq *rq, const struct sched_entity *e)
{
	uint64_t length = rq->latency * e->weight / rq->weight;

	if (length < rq->granularity)
		length = rq->granularity;
	return length;
}

bool sched_wake(struct sched_rq *rq, struct sched_entity *e, uint64_t now)
{
	struct sched_entity *current = rq->current;

	if (e->state != SCHED_ASLEEP)
		return false;
	account(rq, now);
	/* What ran on its turn goes on at its own expense. */
	if (rq->payer == e)
		rq->payer = current;
	e->donee = NULL;
	place(rq, e, now);
	count(rq, e, 1);
	if (e == current) {
		e->state = SCHED_RUNNING;
		return false;
	}
	e->since = now;
	enqueue(rq, e);
	if (!current || !runnable(current))
		return true;
	if (!before(e->vtime + (rq->granularity / 2 << VTIME_BITS), rq->payer->vtime))
		return false;
	if (e != rq->owner)
		rq->turn_end = now;
	return true;
}

void sched_sleep(struct sched_rq *rq, struct sched_entity *e, uint64_t now)
{
	if (e->state == SCHED_ASLEEP)
		return;
	account(rq, now);
	advance(rq);
	count(rq, e, -1);
	if (e->state == SCHED_QUEUED)
		heap_remove(&rq->ready, &e->node);
	if (e->state != SCHED_RUNNING)
		e->waited += now - e->since;
	e->state = SCHED_ASLEEP;
	e->since = now;
}

void sched_remove(struct sched_rq *rq, struct sched_entity *e, uint64_t now)
{
	sched_sleep(rq, e, now);
	account(rq, now);
	if (rq->current == e)
		rq->current = NULL;
	if (rq->payer == e)
		rq->payer = rq->current;
	if (rq->owner == e)
		rq->owner = rq->current;
	if (rq->owner && rq->owner->donee == e)
		rq->owner->donee = NULL;
}

void sched_donate(struct sched_rq *rq, struct sched_entity *from, struct sched_entity *to)
{
	if (rq->owner == from)
		from->donee = to;
}

bool sched_handoff(struct sched_rq *rq, struct sched_entity *to, uint64_t now)
{
	struct sched_entity *from = rq->current, *owner = rq->owner;

	if (!from || from->state != SCHED_RUNNING || to->state != SCHED_ASLEEP ||
	    (from != owner && to != owner) || !before(now, rq->turn_end))
		return false;
	account(rq, now);
	if (to != owner)
		place(rq, to, now);
	owner->donee = to != owner ? to : NULL;
	rq->payer = owner;
	rq->weight += (uint64_t)to->weight - from->weight;
	rq->current = to;
	to->state = SCHED_RUNNING;
	from->state = SCHED_ASLEEP;
	from->since = now;
	return true;
}

void sched_pass(struct sched_rq *rq, uint64_t now)
{
	account(rq, now);
	if (rq->ready && rq->current)
		rq->current->vtime = later(rq->current->vtime, top(rq->ready)->vtime + 1);
	rq->turn_end = now;
}

/* Who may go on in the turn that was begun, if anybody. */
static struct sched_entity *same_turn(const struct sched_rq *rq, uint64_t now)
{
	struct sched_entity *owner = rq->owner;

	if (!owner || !before(now, rq->turn_end))
		return NULL;
	if (runnable(owner))
		return owner;
	return owner->donee && runnable(owner->donee) ? owner->donee : NULL;
}

struct sched_entity *sched_pick(struct sched_rq *rq, uint64_t now)
{
	struct sched_entity *current = rq->current, *next;

	account(rq, now);
	next = same_turn(rq, now);
	if (!next) {
		next = top(rq->ready);
		if (current && runnable(current) && (!next || !before(next->vtime, current->vtime)))
			next = current;
		rq->owner = next;
		if (next)
			rq->turn_end = now + turn(rq, next);
	}
	rq->payer = next && runnable(rq->owner) ? next : rq->owner;
	if (next == current)
		return next;
	if (next) {
		heap_remove(&rq->ready, &next->node);
		next->state = SCHED_RUNNING;
		next->waited += now - next->since;
	}
	if (current && current->state == SCHED_RUNNING) {
		current->since = now;
		enqueue(rq, current);
	}
	rq->current = next;
	return next;
}

uint64_t sched_slice(const struct sched_rq *rq, uint64_t now)
{
	if (!rq->current || rq->count < 2)
		return SCHED_NEVER;
	return before(now, rq->turn_end) ? rq->turn_end - now : 0;
}
