/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/config/config.c guests/dom0/config/elements.c guests/dom0/config/devices.c guests/dom0/config/screen.c guests/dom0/config/firmware.c guests/dom0/config/disk.c */
/* sources: guests/dom0/config/values.c guests/dom0/config/ignored.c guests/dom0/config/metadata.c guests/dom0/config/alias.c guests/dom0/config/absent.c guests/dom0/base/cpuset.c guests/dom0/base/mac.c guests/dom0/base/xml.c guests/dom0/config/dump.c */
/* libs: expat */
/* Domain XML: whatever is accepted is dumped, read again and then the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"

static char dumped[128 * 1024];

static void collect(void *context, const char *text)
{
	size_t *used = context, n = strlen(text);

	if (n >= sizeof(dumped) - *used)
		abort();
	memcpy(dumped + *used, text, n + 1);
	*used += n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config_error error;
	struct vm_config *config, *again;
	size_t used = 0;

	config = config_parse("f.xml", (const char *)data, size, &error);
	if (!config) {
		if (!memchr(error.refusals.text, 0, sizeof(error.refusals.text)) ||
		    !error.refusals.text[0])
			abort();
		return 0;
	}
	config_dump(config, 0, collect, &used);
	again = config_parse("again.xml", dumped, used, &error);
	if (!again)
		abort();
	/* The document has the addresses that the first one did not name. */
	for (uint32_t i = 0; i < config->nics; i++)
		config->nic[i].mac_made = false;
	if (memcmp(config, again, sizeof(*config)) != 0)
		abort();
	config_free(config);
	config_free(again);
	return 0;
}
