/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/device.h"

#include "kernel/abi.h"

#define DEVICES 256u

static struct device devices[DEVICES];

int64_t device_new(uint64_t requester, struct device **result)
{
	*result = NULL;
	if (requester > UINT16_MAX)
		return SAMPO_EINVAL;
	for (struct device *d = devices; d < devices + DEVICES; d++) {
		if (!d->object.refs)
			*result = d;
		else if (d->requester == requester)
			return SAMPO_EEXIST;
	}
	if (!*result)
		return SAMPO_ENOMEM;
	object_init(&(*result)->object, SAMPO_T_DEVICE);
	(*result)->requester = (uint16_t)requester;
	return SAMPO_OK;
}
