/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of a guest's devices, by what no other device of the guest has. */
#include <stdio.h>

#include "guests/dom0/base/mac.h"
#include "guests/dom0/config/config.h"

void config_disk_alias(char alias[CONFIG_ALIAS], const struct config_disk *disk)
{
	snprintf(alias, CONFIG_ALIAS, "virtio-%.32s", disk->target);
}

void config_nic_alias(char alias[CONFIG_ALIAS], const struct config_nic *nic)
{
	char mac[MAC_TEXT];

	snprintf(alias, CONFIG_ALIAS, "net-%s", mac_text(mac, nic->mac));
}
