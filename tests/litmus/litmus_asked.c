/* SPDX-License-Identifier: BSD-2-Clause */
/* with: tests/litmus/machine.h */
/*
 * `asked` and `resched`: a CPU that asks another one for work while that one chooses anyway is
 * heard, in this choice or in another one at once.
 */
#include "tests/litmus/machine.h"

#include "kernel/sched/balance.h"
#include "kernel/vcpu/migrate.h"

static uint64_t chosen; /* the round in which CPU 0 has chosen by itself */

/* CPU 0 has work and gives none away, but it looks. */
void balance_publish(struct balance *b, struct sched_rq *rq)
{
	(void)b;
	(void)rq;
}

uint32_t balance_wake(struct balance *b, struct sched_rq *rq, const struct sched_entity *e)
{
	(void)b;
	(void)e;
	return rq->cpu;
}

uint32_t balance_ask(struct balance *b, struct sched_rq *rq)
{
	(void)b;
	(void)rq;
	return 0;
}

struct sched_entity *balance_push(struct balance *b, struct sched_rq *rq, uint64_t now,
				  uint32_t *to)
{
	(void)b;
	(void)rq;
	(void)now;
	(void)to;
	return NULL;
}

static bool pause_once(struct vcpu *vcpu)
{
	static uint64_t state = 1;

	(void)vcpu;
	if (__atomic_load_n(&rounds, __ATOMIC_ACQUIRE) == chosen)
		return false;
	chosen++;
	litmus_jitter(&state, 64);
	return true;
}

static void choose_again(struct vcpu *vcpu)
{
	WRITE_ONCE(vcpu->cpu->resched, true);
}

static void *ask(void *arg)
{
	const bool *asked = &litmus_cpu[0].asked;
	uint64_t state = 2;

	host_cpu = arg;
	while (litmus_goes_on()) {
		double start = litmus_now();

		__atomic_store_n(&rounds, rounds + 1, __ATOMIC_RELEASE);
		litmus_jitter(&state, 256);
		move_ask(arg);
		for (unsigned n = 1; __atomic_load_n(asked, __ATOMIC_ACQUIRE); n++) {
			cpu_pause();
			if (n % 65536 == 0)
				expect(litmus_now() - start < LITMUS_PATIENCE,
				       "what a CPU asked was not heard");
		}
	}
	__atomic_fetch_add(&machine_leaving, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

int main(void)
{
	machine_prepare();
	machine_add(0, pause_once, choose_again);
	litmus_run("litmus_asked", machine_cpu, ask);
	litmus_done();
	return 0;
}
