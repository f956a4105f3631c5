/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest useful guest: says where it is, and ends. */
#include <stdio.h>

#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"

int main(void)
{
	const struct hvm_start_info *info = guest_boot_info;

	printf("Hello from a 64-bit guest%s\n", sampo_present ? " of Sampo" : "");
	if (info && info->magic == HVM_START_MAGIC && info->cmdline)
		printf("command line: %s\n", (const char *)(uintptr_t)info->cmdline);
	guest_poweroff();
}
