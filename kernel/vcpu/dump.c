/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/vcpu/dump.h"

#include "arch/hv.h"
#include "kernel/base/log.h"
#include "kernel/vcpu/vcpu.h"

void vcpu_dump(struct vcpu *v, void *arg)
{
	static const char names[SAMPO_SREGS][5] = {"es", "cs",   "ss",   "ds",   "fs",
						   "gs", "gdtr", "ldtr", "idtr", "tr"};
	const uint64_t *r = v->gpr;
	struct sampo_exit s; /* the exit page may be with the monitor */

	(void)arg;
	if (v->cpu->loaded == v)
		hv->save(v);
	hv->fetch(v, &s);
	log_print("domain %u vCPU %u: rip %016lx rflags %08lx\n", v->domain->id, v->id, s.rip,
		  s.rflags);
	for (unsigned i = 0; i < 16; i += 4)
		log_print("  r%02u %016lx %016lx %016lx %016lx\n", i, r[i], r[i + 1], r[i + 2],
			  r[i + 3]);
	for (unsigned i = 0; i < SAMPO_SREGS; i++)
		log_print("  %4s %04x attrib %03x limit %08x base %lx\n", names[i],
			  s.seg[i].selector, s.seg[i].attrib, s.seg[i].limit, s.seg[i].base);
	log_print("  cr0 %08lx cr2 %lx cr3 %lx cr4 %lx efer %lx dr6 %lx dr7 %lx pat %lx\n", s.cr0,
		  s.cr2, s.cr3, s.cr4, s.efer, s.dr6, s.dr7, s.pat);
	hv->dump(v);
}
