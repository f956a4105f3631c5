/* SPDX-License-Identifier: BSD-2-Clause */
/* dom0, the management guest: where it starts, and in which order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block.h"
#include "drivers/pci.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/base/sums.h"
#include "guests/dom0/host/firmware.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/net/switch.h"
#include "guests/dom0/parts.h"
#include "guests/dom0/shell/power.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/vm/autostart.h"
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
	static const char *const known[] = {"ip=", "uplink="};

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

static void not_yet(void *context)
{
	(void)context;
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
	pci_start();
	uplink_start(boot->cmdline);
	stack_start(boot->cmdline);
	autostart_define();
	shell_start();
	host_button(power_button);
	/* Guests may name partitions, which are known only when the disks have
	 * been read. */
	blk_when_settled(autostart);
	sums_read_ahead();
	loop_run();
}
