/* SPDX-License-Identifier: BSD-2-Clause */
/* with: tests/litmus/machine.h */
/* sources: kernel/sched/balance.c kernel/object/event.c */
/*
 * What a guest's exits look up without a lock, while another CPU takes it away: the vCPUs of a
 * domain, to which an IPI goes, and doorbells. What has been freed is overwritten.
 */
#include "tests/litmus/machine.h"

#include "kernel/base/slab.h"
#include "kernel/object/event.h"

#define PORT   0xc000u
#define GUEST  2u /* the vCPU that comes and goes */
#define FREED  0xdd
#define VECTOR 0x40u

static struct event *spare; /* what the slab has */
static struct vcpu *comes_and_goes;

void *domain_slab_alloc(struct domain *domain, struct slab *slab)
{
	struct event *event = spare;

	(void)domain;
	(void)slab;
	expect(event, "an event is there");
	spare = NULL;
	*event = (struct event){0};
	return event;
}

void domain_slab_free(struct domain *domain, struct slab *slab, void *object)
{
	(void)domain;
	(void)slab;
	__builtin_memset(object, FREED, sizeof(struct event));
	spare = object;
}

void *domain_page_alloc(struct domain *domain)
{
	(void)domain;
	return new_page();
}

int64_t irq_unbind(struct event *event)
{
	(void)event;
	return SAMPO_EINVAL;
}

static bool always(struct vcpu *vcpu)
{
	(void)vcpu;
	return true;
}

/* An IPI to all, and an OUT to the doorbell. */
static void look_up(struct vcpu *vcpu)
{
	const struct event *event = event_at(vcpu->domain, PORT);

	for (unsigned i = 0; event && i < 20; i++)
		expect(READ_ONCE(event->kind) == SAMPO_EVENT_NONE && READ_ONCE(event->size) == 2,
		       "a doorbell is used after it was freed");
	vcpu_send(vcpu->domain, vcpu,
		  &(struct vlapic_message){.vector = VECTOR, .shorthand = VLAPIC_ALL_BUT_SELF});
}

/* As vcpu_new and vcpu_free do. */
static void begin(struct vcpu *vcpu)
{
	machine_make(vcpu, GUEST);
	vcpu->state = VCPU_MONITOR;
	__atomic_store_n(&machine_domain.vcpu[GUEST], vcpu, __ATOMIC_RELEASE);
	WRITE_ONCE(machine_domain.present, machine_domain.present | 1ull << GUEST);
}

static void leave(struct vcpu *vcpu, void *unused)
{
	vcpu_kill(vcpu, unused);
	request_forget(vcpu);
}

static void end(struct vcpu *vcpu)
{
	WRITE_ONCE(machine_domain.present, machine_domain.present & ~(1ull << GUEST));
	WRITE_ONCE(machine_domain.vcpu[GUEST], NULL);
	smp_quiesce();
	request_call(vcpu, leave, NULL);
	free(vcpu->page);
	free(vcpu->lapic.reg);
	__builtin_memset(vcpu, FREED, sizeof(*vcpu));
}

static void come_and_go(struct vcpu *vcpu)
{
	struct event *event;

	rounds++;
	expect(manage_try(), "nobody else wants the lock");
	begin(comes_and_goes);
	expect(!event_new(vcpu->domain, SAMPO_EVENT_NONE, 0, 0, &event), "event");
	expect(!event_doorbell(event, vcpu->domain, PORT, 2), "doorbell");
	end(comes_and_goes);
	event_take_apart(&event->object);
	manage_unlock();
}

static void taken(struct vcpu *vcpu, uint8_t vector)
{
	expect(vcpu->id < GUEST && vector == VECTOR, "an interrupt that nobody has sent");
}

int main(void)
{
	spare = new_page();
	comes_and_goes = new_page();
	machine_taken = taken;
	machine_prepare();
	machine_add(0, always, look_up);
	machine_add(1, always, come_and_go);
	machine_run("litmus_lookup");
	litmus_done();
	return 0;
}
