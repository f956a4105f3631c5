/* SPDX-License-Identifier: BSD-2-Clause */
/* dom0, the management guest: where it starts, and in which order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block.h"
#include "drivers/pci.h"
#include "guests/dom0/assign/assign.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/base/sums.h"
#include "guests/dom0/host/firmware.h"
#include "guests/dom0/manage/access.h"
#include "guests/dom0/manage/authorities.h"
#include "guests/dom0/manage/define.h"
#include "guests/dom0/manage/entropy.h"
#include "guests/dom0/manage/identity.h"
#include "guests/dom0/manage/intent.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/net/switch.h"
#include "guests/dom0/parts.h"
#include "guests/dom0/rpc/server.h"
#include "guests/dom0/shell/power.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/storage/boot_mark.h"
#include "guests/dom0/storage/first_pool.h"
#include "guests/dom0/storage/pool.h"
#include "guests/dom0/storage/transient.h"
#include "guests/dom0/store/store.h"
#include "guests/dom0/vm/autostart.h"
#include "guests/dom0/web/web.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"

static void start_clock(void)
{
	static struct sampo_machine_info info;
	int64_t status =
		sampo_object_info(boot->machine, SAMPO_INFO_MACHINE, &info, sizeof(info), 0, NULL);

	uint64_t wall_ns = rtc_read() * 1000000000;

	if (status != SAMPO_OK)
		printf(LOG_ERR "dom0: machine info: %s\n", sampo_strerror(status));
	clock_init(info.tsc_khz, wall_ns, rdtsc());
}

/* Names each word of the command line that no part of dom0 looks for. */
static void name_unknown_words(const char *cmdline)
{
	static const char *const known[] = {
		"dns=", "ip=",     "libvirt-tcp=", "libvirt-tls=",  "entropy=",    "metrics=",
		"ntp=", "uplink=", "vfs=",         FIRST_POOL_WORD, BOOT_MARK_WORD};

	for (const char *at = cmdline + strspn(cmdline, " \t"); *at; at += strspn(at, " \t")) {
		size_t n = strcspn(at, " \t");
		bool is_known = false;

		for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			is_known = is_known || !strncmp(at, known[i], strlen(known[i]));
		if (!is_known)
			printf(LOG_WARNING "dom0: not known on its command line: %.*s\n", (int)n,
			       at);
		at += n;
	}
}

static void find_extended_space(void)
{
	struct firmware_ecam ecam = firmware_ecam(boot->rsdp);

	if (ecam.base)
		pci_extended_at(ecam.base, ecam.first, ecam.last);
}

static void not_yet(void *context)
{
	(void)context;
}

/* Without a store the guests of the boot medium are all. */
static void store_read(void *context, const char *wrong)
{
	(void)context;
	(void)wrong;
	recall_identity();
	entropy_start(recall_access);
	recall_authorities();
	recall_guests();
	intent_finish(autostart);
}

static void find_store(void)
{
	store_start(store_read, NULL);
}

/* Guests come last: none has the device of the mark in use when the mark is written. */
static void pools_are_complete(void)
{
	boot_mark(boot->cmdline, find_store);
}

/* What transient disks have left behind goes before guests start. */
static void pool_is_made(void)
{
	transient_sweep(pools_are_complete);
}

static void pools_are_found(void)
{
	first_pool(boot->cmdline, pool_is_made);
}

/* Guests may name volumes of pools, which are known only when the disks' metadata have been read.
 */
static void find_pools(void)
{
	pools_find(pools_are_found);
}

int main(void)
{
	if (!sampo_boot_info) {
		printf("dom0: not started by Sampo\n");
		return 1;
	}
	memory_init(sampo_boot_info);
	vm_set_parts(parts);
	start_clock();
	loop_init((struct sampo_event_page *)(uintptr_t)boot->event_page);
	/* The kernel has chosen this bit: nobody else may get it. */
	event_claim(boot->console_event, not_yet, NULL);
	printf("dom0: %llu MiB, %u modules\n", (unsigned long long)(boot->ram_bytes >> 20),
	       boot->modules);
	name_unknown_words(boot->cmdline);
	find_extended_space();
	/* dom0's drivers leave the functions alone that descriptions name. */
	autostart_define();
	pci_start(assign_reserves);
	assign_start();
	assign_virtual_start(boot->cmdline);
	uplink_start(boot->cmdline);
	stack_start(boot->cmdline);
	shell_start();
	server_start(boot->cmdline);
	web_start(boot->cmdline);
	host_button(power_button);
	/* Guests may name partitions, which are known only when the disks have
	 * been read. */
	blk_when_settled(find_pools);
	sums_read_ahead();
	loop_run();
}
