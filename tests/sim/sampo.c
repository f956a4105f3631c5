/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's scheduler, called as the kernel calls it. */
#include "kernel/sched/balance.h"
#include "tests/sim/sim.h"

enum { BALANCE, ATTACH, ATTACH_AND_WAKE, FAVOUR };

static struct balance balance;
static struct sched_rq rq[CPUS];
static bool push[CPUS]; /* somebody asks for work */
static struct balance *b = &balance;

static struct task *of(struct sched_entity *e)
{
	return (struct task *)((char *)e - offsetof(struct task, entity));
}

static void begin(unsigned cpus)
{
	memset(&balance, 0, sizeof(balance));
	memset(push, 0, sizeof(push));
	for (unsigned i = 0; i < cpus; i++) {
		sched_init(&rq[i], i, SCHED_TURN_NS, 0);
		balance_publish(b, &rq[i]);
	}
}

static void add(struct task *t)
{
	sched_entity_init(&rq[t->cpu], &t->entity, t->weight, (void *)(uintptr_t)(t->group + 1));
	memcpy(t->entity.affinity, t->affinity, sizeof(t->affinity));
	if (t->quota)
		sched_set_cap(&rq[t->cpu], &t->entity, t->quota, t->period, 0);
}

static void move(struct task *t, unsigned to, unsigned what, uint64_t now)
{
	t->cpu = to;
	t->carried = true;
	sim_migrated();
	sim_send(to, t, what, now);
}

static void changed(unsigned cpu)
{
	balance_publish(b, &rq[cpu]);
	sim_choose(cpu);
}

static void wake(struct task *t, uint64_t now)
{
	unsigned from = t->cpu, to = balance_wake(b, &rq[from], &t->entity);

	if (to != from) {
		sched_detach(&rq[from], &t->entity, now);
		move(t, to, ATTACH_AND_WAKE, now);
		return;
	}
	sched_wake(&rq[from], &t->entity, now);
	changed(from);
}

static void sleep(struct task *t, uint64_t now)
{
	sched_sleep(&rq[t->cpu], &t->entity, now);
}

static void yield(struct task *t, struct task *holder, uint64_t now)
{
	if (holder && holder->cpu != t->cpu)
		sim_send(holder->cpu, holder, FAVOUR, now);
	sched_pass(&rq[t->cpu], now);
}

static struct task *choose(unsigned cpu, uint64_t now, uint64_t *until)
{
	struct sched_entity *e;
	uint64_t slice;
	uint32_t to;

	if (push[cpu] || !sched_slice(&rq[cpu], now)) {
		push[cpu] = false;
		e = balance_push(b, &rq[cpu], now, &to);
		if (e)
			move(of(e), to, ATTACH, now);
	}
	e = sched_pick(&rq[cpu], now);
	balance_publish(b, &rq[cpu]);
	if (!e && (to = balance_ask(b, &rq[cpu])) != SCHED_CPUS)
		sim_send(to, NULL, BALANCE, now);
	slice = sched_slice(&rq[cpu], now);
	*until = slice == SCHED_NEVER ? NEVER : now + slice;
	return e ? of(e) : NULL;
}

/* Where it is it may not be. */
static void leave(struct task *t, uint64_t now)
{
	unsigned from = t->cpu, to = balance_wake(b, &rq[from], &t->entity);

	sched_detach(&rq[from], &t->entity, now);
	move(t, to, ATTACH, now);
	changed(from);
}

static void pinned(struct task *t, uint64_t now)
{
	memcpy(t->entity.affinity, t->affinity, sizeof(t->affinity));
	if (!t->carried && !sim_allowed(t, t->cpu))
		leave(t, now);
}

static void message(unsigned cpu, struct task *t, unsigned what, uint64_t now)
{
	if (t && what != FAVOUR)
		t->carried = false;
	switch (what) {
	case BALANCE:
		push[cpu] = true;
		break;
	case ATTACH_AND_WAKE:
		sched_attach(&rq[cpu], &t->entity, now);
		sched_wake(&rq[cpu], &t->entity, now);
		break;
	case ATTACH:
		sched_attach(&rq[cpu], &t->entity, now);
		break;
	default:
		if (t->cpu != cpu || t->carried || !sched_favour(&rq[cpu], &t->entity, now))
			return;
	}
	if (t && what != FAVOUR && !sim_allowed(t, cpu))
		leave(t, now);
	else
		changed(cpu);
}

const struct policy sampo = {"sampo", begin, add, wake, sleep, yield, choose, pinned, message};
