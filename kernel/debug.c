/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/debug.h"

#include "arch/hv.h"
#include "arch/platform.h"
#include "arch/tsc.h"
#include "kernel/base/frame.h"
#include "kernel/base/log.h"
#include "kernel/base/print.h"
#include "kernel/object/domain.h"
#include "kernel/vcpu/dump.h"
#include "kernel/vcpu/vcpu.h"

static void show_domains(void)
{
	for (struct domain *d = domain_list; d; d = d->next)
		log_print("domain %u: state %u, %u vCPUs, %lu KiB, kernel %lu KiB of %lu, "
			  "handles %u, regions %u, events %u, references %lu\n",
			  d->id, d->state, d->vcpus, d->memory >> 10, d->kernel_bytes >> 10,
			  d->kernel_limit >> 10, d->handles.used, d->regions, d->events,
			  d->object.refs);
	log_print("memory: %lu KiB in all, %lu free, kernel %lu (%lu free)\n",
		  frame_stats.total_bytes >> 10, frame_stats.free_bytes >> 10,
		  frame_stats.kernel_bytes >> 10, frame_stats.kernel_free_bytes >> 10);
}

static void show_vcpu(struct vcpu *v, void *)
{
	static const char *const states[] = {"ready", "halted", "with its monitor",
					     "back from its monitor", "dead"};
	struct sampo_exit s;

	hv->fetch_few(v, &s);
	log_print("domain %u vCPU %u: %s, CPU %u, rip %lx, ran %lu us, waited %lu us, pending %x, "
		  "lapic %x\n",
		  v->domain->id, v->id, states[v->state], v->cpu->id, s.rip,
		  tsc_to_ns(v->entity.ran) / 1000, tsc_to_ns(v->entity.waited) / 1000, v->pending,
		  v->lapic.pending);
	for (unsigned i = 0; i < EXIT_KIND_COUNT; i++) {
		uint64_t count = READ_ONCE(v->page->exits[i]);

		if (count)
			log_print("  %22s %lu\n", exit_kind_name(i), count);
	}
}

static void show_trace(struct vcpu *v, void *)
{
	uint64_t from = READ_ONCE(v->page->traces);

	log_print("domain %u vCPU %u: the last exits\n", v->domain->id, v->id);
	for (uint64_t i = 0; i < SAMPO_TRACES; i++) {
		const struct sampo_trace *t = &v->page->trace[(from + i) % SAMPO_TRACES];
		uint32_t kind = READ_ONCE(t->kind);

		if (t->tsc)
			log_print("  %lu rip %lx code %x info %lx %s\n", t->tsc, t->rip, t->code,
				  t->info, exit_kind_name(kind));
	}
}

static const struct debug {
	char key;
	const char *word; /* that must be typed behind the key; NULL: none */
	void (*show)(void);
	void (*show_vcpu)(struct vcpu *vcpu, void *arg);
} keys[] = {
	{'d', .show = show_domains},
	{'v', .show_vcpu = show_vcpu},
	{'t', .show_vcpu = show_trace},
	{'s', .show_vcpu = vcpu_dump},
	{'R', .word = "reset", .show = platform_reset},
};

static const struct debug *find(char key)
{
	for (unsigned i = 0; i < COUNT_OF(keys); i++)
		if (keys[i].key == key)
			return &keys[i];
	return NULL;
}

const char *debug_word(char key)
{
	const struct debug *debug = find(key);

	return debug ? debug->word : NULL;
}

/* Of every domain: the manage lock keeps them. */
static void serve(const struct debug *debug)
{
	if (!lock_try(&manage_lock)) {
		log_print("debug: another CPU is in the middle of something: try again\n");
		return;
	}
	if (debug->show)
		debug->show();
	for (struct domain *d = debug->show ? NULL : domain_list; d; d = d->next)
		for (unsigned i = 0; i < DOMAIN_VCPUS; i++)
			if (d->vcpu[i]) /* one by one: the lines of two would mix */
				request_call(d->vcpu[i], debug->show_vcpu, NULL);
	unlock(&manage_lock);
}

void debug_key(char key, const char *typed)
{
	const struct debug *debug = find(key);

	if (!debug)
		log_print("debug keys: d domains and memory, v vCPUs, t last exits, "
			  "s vCPU state, R reset\n");
	else if (debug->word && !typed)
		log_print("debug: type \"%s\" and Enter to do it; Enter alone does nothing\n",
			  debug->word);
	else if (debug->word && !text_equal(debug->word, typed))
		log_print("debug: nothing done\n");
	else
		serve(debug);
}
