/* SPDX-License-Identifier: BSD-2-Clause */

#include "kernel/sched/sched.h"

/* Virtual time at the default weight is real time with 6 bits more, so that
 * short runs of a heavy entity count as well. */
#define VTIME_BITS 6

/* After a sleep of so long, whatever was owed is forgotten. */
#define LONG_SLEEP (1ull << 36)

/* Longer than anything lasts. */
#define FOREVER (1ull << 62)

/* How many turns one that sleeps and is ahead of its share waits for its interrupts at most. */
#define PATIENCE 8u

/* How many of a heap are looked at for one that fits. */
#define LOOK 64u

/* Times wrap and are compared by their difference. */
static bool before(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return before(a, b) ? b : a;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return before(a, b) ? a : b;
}

/* The entity on top of a heap, or NULL: the node is the first member. */
static struct sched_entity *top(const struct heap_node *heap)
{
	return (struct sched_entity *)heap;
}

/* Of equal keys, the one that has waited longer is first. */
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

uint64_t sched_span(const struct sched_entity *e, uint64_t time)
{
	/* inverse is 2^22 at the default weight */
	return (uint64_t)((unsigned __int128)time * e->inverse >> (22 - VTIME_BITS));
}

static void charge(struct sched_rq *rq, struct sched_entity *e, uint64_t delta, uint64_t now)
	__attribute__((cold));

/* Charges the time since the last call to the payer. */
static inline __attribute__((always_inline)) void account(struct sched_rq *rq, uint64_t now)
{
	struct sched_entity *payer = rq->payer;
	uint64_t delta = now - rq->last;

	rq->last = now;
	if (rq->cause) {
		charge(rq, rq->cause, delta, now);
		return;
	}
	if (!rq->current) {
		rq->idle += delta;
		rq->vmin += delta << VTIME_BITS; /* as if one had run alone */
		return;
	}
	rq->current->ran += delta;
	payer->vtime += sched_span(payer, delta);
}

/* The queue's virtual time follows the entity that is furthest behind. Before an entity is
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

/* The virtual time by which its next turn should be over. */
static uint64_t due(const struct sched_rq *rq, const struct sched_entity *e)
{
	return e->vtime + sched_span(e, rq->turn);
}

static void enqueue(struct sched_rq *rq, struct sched_entity *e)
{
	e->state = SCHED_QUEUED;
	rq->sum += e->weight * (e->vtime - rq->base);
	push(&rq->ready, e, due(rq, e));
}

static void dequeue(struct sched_rq *rq, struct sched_entity *e)
{
	rq->sum -= e->weight * (e->vtime - rq->base);
	heap_remove(&rq->ready, &e->node);
}

/*
 * Time that went by for e, which may do anything but run. A sleeper has its place among the
 * others first: what it saved up by sleeping longer than it may does not pay for it.
 */
static void charge(struct sched_rq *rq, struct sched_entity *e, uint64_t delta, uint64_t now)
{
	bool queued = e->state == SCHED_QUEUED;

	e->ran += delta;
	if (e->state == SCHED_ASLEEP) {
		place(rq, e, now);
		e->since = now;
	}
	if (queued)
		dequeue(rq, e);
	e->vtime += sched_span(e, delta);
	if (queued)
		enqueue(rq, e);
}

void sched_charge(struct sched_rq *rq, struct sched_entity *e, uint64_t since)
{
	if (before(rq->last, since))
		account(rq, since);
	rq->cause = e;
}

static void count(struct sched_rq *rq, struct sched_entity *e, int sign)
{
	rq->weight += (uint64_t)(sign * (int64_t)e->weight);
	rq->count += (uint32_t)sign;
}

/* --- entities --- */

void sched_init(struct sched_rq *rq, uint32_t cpu, uint64_t turn, uint64_t now)
{
	*rq = (struct sched_rq){
		.cpu = cpu,
		.cursor = cpu,
		.turn = turn,
		.credit = 3 * turn << VTIME_BITS,
		.last = now,
	};
}

static void set_weight(struct sched_entity *e, uint32_t weight)
{
	e->weight = weight < 1 ? 1 : weight > 65535 ? 65535 : weight;
	e->inverse = (1ull << 32) / e->weight;
}

void sched_entity_init(struct sched_rq *rq, struct sched_entity *e, uint32_t weight,
		       const void *group)
{
	advance(rq);
	*e = (struct sched_entity){.vtime = rq->vmin, .since = rq->last, .group = group};
	__builtin_memset(e->affinity, 0xff, sizeof(e->affinity));
	set_weight(e, weight);
}

void sched_set_weight(struct sched_rq *rq, struct sched_entity *e, uint32_t weight, uint64_t now)
{
	uint64_t old = e->weight;

	account(rq, now);
	set_weight(e, weight);
	if (runnable(e))
		rq->weight += e->weight - old;
	if (e->state == SCHED_QUEUED)
		rq->sum += (e->weight - old) * (e->vtime - rq->base);
}

/* --- caps --- */

/* A new period, if the last one is over: a new quota, less the time that was run beyond the old
 * one. */
static bool spent(struct sched_entity *e, uint64_t now)
{
	uint64_t periods, room;

	if (!before(now, e->period_end)) {
		periods = (now - e->period_end) / e->period + 1;
		e->period_end += periods * e->period;
		room = e->limit - e->ran + periods * e->quota;
		e->limit = e->ran + sooner(room, e->quota);
	}
	return !before(e->ran, e->limit);
}

void sched_set_cap(struct sched_rq *rq, struct sched_entity *e, uint64_t quota, uint64_t period,
		   uint64_t now)
{
	account(rq, now);
	e->quota = quota < period ? quota : 0;
	e->period = period;
	e->period_end = now + period;
	e->limit = e->ran + quota;
	if (e->state != SCHED_THROTTLED)
		return;
	heap_remove(&rq->throttled, &e->node);
	push(&rq->throttled, e, now); /* until sched_pick looks */
}

/* --- turns --- */

/* Is e so far behind the one that runs that it goes first? */
static bool preempts(const struct sched_rq *rq, const struct sched_entity *e)
{
	return before(e->vtime + sched_span(e, rq->turn / 4), rq->payer->vtime);
}

/* e, which has its place, is to run. */
static bool join(struct sched_rq *rq, struct sched_entity *e, uint64_t now)
{
	struct sched_entity *current = rq->current;

	if (e->quota && spent(e, now)) {
		e->state = SCHED_THROTTLED;
		push(&rq->throttled, e, e->period_end);
		return false;
	}
	count(rq, e, 1);
	enqueue(rq, e);
	if (!current || !runnable(current))
		return true;
	if (!preempts(rq, e))
		return false;
	if (e != rq->owner)
		rq->turn_end = now;
	return true;
}

/* Those whose period is over are neither ahead of the others nor behind. */
static void release(struct sched_rq *rq, uint64_t now)
{
	struct sched_entity *e = top(rq->throttled);

	for (; e && !before(now, e->node.key); e = top(rq->throttled)) {
		heap_remove(&rq->throttled, &e->node);
		e->vtime = sched_vtime(rq, now) - rq->offset;
		join(rq, e, now);
	}
}

bool sched_wake(struct sched_rq *rq, struct sched_entity *e, uint64_t now)
{
	struct sched_entity *current = rq->current;

	if (e->state != SCHED_ASLEEP)
		return false;
	account(rq, now);
	/* An entity that ran on its turn goes on at its own expense. */
	if (rq->payer == e)
		rq->payer = current;
	e->donee = NULL;
	place(rq, e, now);
	if (e == current) {
		count(rq, e, 1);
		e->state = SCHED_RUNNING;
		return false;
	}
	e->since = now;
	return join(rq, e, now);
}

bool sched_start(struct sched_rq *rq, struct sched_entity *e, uint64_t now)
{
	if (rq->current || rq->ready || rq->throttled || e->quota || e->state != SCHED_ASLEEP)
		return false;
	account(rq, now);
	place(rq, e, now);
	e->donee = NULL;
	count(rq, e, 1);
	e->state = SCHED_RUNNING;
	if (rq->owner != e || !before(now, rq->turn_end))
		rq->turn_end = now + rq->turn;
	rq->owner = rq->payer = rq->current = e;
	return true;
}

uint64_t sched_patience(struct sched_rq *rq, const struct sched_entity *e, uint64_t now)
{
	const struct sched_entity *current = rq->current, *payer = rq->payer;
	uint64_t most = PATIENCE * rq->turn, turn;

	account(rq, now);
	if (!current || e == current || !runnable(current) || preempts(rq, e))
		return 0;
	turn = later(rq->turn_end, now) - now;
	if (before(e->vtime, payer->vtime))
		return turn;
	if (before(payer->vtime + sched_span(payer, most), e->vtime))
		return most;
	return later((e->vtime - payer->vtime) * payer->weight / SCHED_WEIGHT >> VTIME_BITS, turn);
}

void sched_sleep(struct sched_rq *rq, struct sched_entity *e, uint64_t now)
{
	if (e->state == SCHED_ASLEEP)
		return;
	account(rq, now);
	advance(rq);
	if (runnable(e))
		count(rq, e, -1);
	if (e->state == SCHED_QUEUED)
		dequeue(rq, e);
	if (e->state == SCHED_THROTTLED)
		heap_remove(&rq->throttled, &e->node);
	if (e->state != SCHED_RUNNING)
		e->waited += now - e->since;
	e->state = SCHED_ASLEEP;
	e->since = now;
}

void sched_remove(struct sched_rq *rq, struct sched_entity *e, uint64_t now)
{
	sched_sleep(rq, e, now);
	account(rq, now);
	if (rq->cause == e)
		rq->cause = NULL;
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
	/* As place does. The queue's virtual time is at most a turn old: the long way, which a
	 * turn's end asks for, advances it. */
	if (to != owner)
		to->vtime = later(to->vtime, rq->vmin - rq->credit);
	to->donee = NULL; /* it may be elsewhere by now */
	if (to != owner)
		owner->donee = to;
	rq->payer = owner;
	rq->weight += (uint64_t)to->weight - from->weight;
	rq->current = to;
	to->state = SCHED_RUNNING;
	from->state = SCHED_ASLEEP;
	from->since = now;
	return true;
}

bool sched_favour(struct sched_rq *rq, struct sched_entity *e, uint64_t now)
{
	if (!e || e->state != SCHED_QUEUED ||
	    before(top(rq->ready)->vtime + sched_span(e, rq->turn), e->vtime))
		return false;
	account(rq, now);
	rq->owner = e;
	rq->turn_end = now + rq->turn;
	return true;
}

/* It has had no more than its share: its virtual time is at most the mean. */
static bool behind(const struct sched_rq *rq, const struct sched_entity *e, const void *)
{
	const struct sched_entity *current = rq->current;
	int64_t sum = (int64_t)rq->sum;

	if (current && runnable(current))
		sum += (int64_t)(current->weight * (current->vtime - rq->base));
	return (int64_t)(rq->weight * (e->vtime - rq->base)) <= sum;
}

static bool of_group(const struct sched_rq *, const struct sched_entity *e, const void *group)
{
	return e->group == group;
}

static bool may_run(const struct sched_rq *, const struct sched_entity *e, const void *cpus)
{
	const uint64_t *words = cpus;
	uint64_t both = 0;

	for (unsigned i = 0; i < SCHED_WORDS; i++)
		both |= e->affinity[i] & words[i];
	return both;
}

/*
 * The first of those queued that fits, of a bounded number looked at. A node is looked at before
 * the nodes below it, and of these the smaller half first.
 */
static struct sched_entity *first(const struct sched_rq *rq,
				  bool (*fits)(const struct sched_rq *, const struct sched_entity *,
					       const void *),
				  const void *what)
{
	struct heap_node *n = rq->ready;
	struct sched_entity *best = NULL;

	for (unsigned looked = 0; n && looked < LOOK; looked++) {
		bool below = !best || before(n->key, best->node.key);

		if (below && fits(rq, top(n), what)) {
			best = top(n);
			below = false;
		}
		if (below && n->left) {
			n = n->right ? n->right : n->left;
			continue;
		}
		while (n->parent && n->parent->left == n)
			n = n->parent;
		n = n->parent ? n->parent->left : NULL;
	}
	return best;
}

/* Of those that have had no more than their share, the one with the turn that should end first. */
static struct sched_entity *first_in_line(const struct sched_rq *rq)
{
	struct sched_entity *e = top(rq->ready);

	/* Mostly it is the only one, or among those. */
	if (!e || !e->node.left || behind(rq, e, NULL))
		return e;
	e = first(rq, behind, NULL);
	return e ? e : top(rq->ready);
}

struct sched_entity *sched_find(const struct sched_rq *rq, const uint64_t cpus[SCHED_WORDS])
{
	return first(rq, may_run, cpus);
}

/*
 * A vCPU that pauses in a loop waits for a lock, whose holder is mostly another vCPU of its domain:
 * that one gets the next turn, if it may; and the current one goes behind the first in line, so
 * that it is not chosen again at once.
 */
void sched_pass(struct sched_rq *rq, uint64_t now)
{
	struct sched_entity *current = rq->current;

	account(rq, now);
	rq->turn_end = now;
	if (!rq->ready || !current)
		return;
	current->vtime +=
		later(first_in_line(rq)->node.key + 1, due(rq, current)) - due(rq, current);
	sched_favour(rq, first(rq, of_group, current->group), now);
}

/* --- between queues --- */

void sched_detach(struct sched_rq *rq, struct sched_entity *e, uint64_t now)
{
	bool awake = e->state != SCHED_ASLEEP;

	sched_remove(rq, e, now);
	if (awake)
		e->state = SCHED_MOVING;
	e->donee = NULL;
	e->vtime += rq->offset;
}

/*
 * Queues count virtual time from different origins; `offset` turns one's into another's, and detach
 * and attach apply both. An entity that would be far ahead here comes from a queue with which this
 * one shared no work for long: it starts at the mean. A debt to it, saved up by sleep, is bounded
 * by the credit, as place bounds it.
 */
bool sched_attach(struct sched_rq *rq, struct sched_entity *e, uint64_t now)
{
	uint64_t mean;

	e->vtime -= rq->offset;
	e->arrived = e->ran;
	e->since = sooner(e->since, now);
	mean = sched_vtime(rq, now) - rq->offset;
	if (before(mean + sched_span(e, SCHED_FAR * rq->turn), e->vtime))
		e->vtime = mean;
	if (e->state != SCHED_MOVING)
		return false;
	e->vtime = later(e->vtime, rq->vmin - rq->credit);
	return join(rq, e, now);
}

/*
 * The mean of the virtual times of all that want to run, by weight. The sum is kept of differences
 * from `base`, so that it stays small, and `base` moves to the mean here: the sum of those queued
 * loses that step for each unit of their weight.
 */
uint64_t sched_vtime(struct sched_rq *rq, uint64_t now)
{
	const struct sched_entity *e = rq->current;
	uint64_t sum = rq->sum, queued = rq->weight, step;

	account(rq, now);
	if (!rq->weight)
		return rq->vmin + rq->offset;
	if (e && runnable(e)) {
		sum += e->weight * (e->vtime - rq->base);
		queued -= e->weight;
	}
	step = (uint64_t)((int64_t)sum / (int64_t)rq->weight);
	rq->base += step;
	rq->sum -= queued * step;
	return rq->base + rq->offset;
}

/* --- the choice --- */

/* The entity that may go on in the turn that was begun, or NULL. */
static struct sched_entity *same_turn(const struct sched_rq *rq, uint64_t now)
{
	struct sched_entity *owner = rq->owner;

	if (!owner || !before(now, rq->turn_end))
		return NULL;
	if (runnable(owner))
		return owner;
	return owner->donee && runnable(owner->donee) ? owner->donee : NULL;
}

/*
 * The choice. A turn belongs to its owner: until the turn ends, the owner runs, or the entity that
 * the owner waits for (donee), at the owner's expense (payer). When the turn is over, the next
 * owner is, of the entities that have had no more than their share, the one whose next turn is due
 * first (earliest eligible virtual deadline first: Stoica and Abdel-Wahab, 1995); the current one
 * gives way to one that is about equal. An entity that has used up its quota leaves the queue until
 * its period ends.
 */
struct sched_entity *sched_pick(struct sched_rq *rq, uint64_t now)
{
	struct sched_entity *current = rq->current, *next;
	uint64_t slack = rq->turn / 8 << VTIME_BITS;

	account(rq, now);
	if (rq->throttled)
		release(rq, now);
	if (current && current->quota && runnable(current) && spent(current, now)) {
		count(rq, current, -1);
		current->since = now;
		current->state = SCHED_THROTTLED;
		push(&rq->throttled, current, current->period_end);
	}
	next = same_turn(rq, now);
	if (!next) {
		next = first_in_line(rq);
		/* About equal, the other one goes. */
		if (current && runnable(current) && (!next || behind(rq, current, NULL)) &&
		    (!next || !before(next->node.key, due(rq, current) + slack)))
			next = current;
		rq->owner = next;
		rq->turn_end = now + rq->turn;
	}
	rq->payer = next && runnable(rq->owner) ? next : rq->owner;
	if (next == current)
		return next;
	if (next) {
		dequeue(rq, next);
		if (next->quota)
			spent(next, now); /* a period may have ended while it waited */
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
	const struct sched_entity *current = rq->current;
	uint64_t end = rq->throttled ? rq->throttled->key : now + FOREVER;

	if (current && rq->count > 1)
		end = sooner(end, rq->turn_end);
	if (current && current->quota && runnable(current)) {
		end = sooner(end, current->period_end);
		end = sooner(end, rq->last + current->limit - current->ran);
	}
	if (end == now + FOREVER)
		return SCHED_NEVER;
	return before(now, end) ? end - now : 0;
}
