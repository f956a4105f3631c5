/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/tls/memory.h"

#include <stdlib.h>

#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>

#include "guests/dom0/base/slow.h"

static unsigned holds;

static void *take(size_t count, size_t bytes)
{
	if (!holds)
		slow_pause();
	return slow_is_dropped() ? NULL : calloc(count, bytes);
}

void tls_memory_start(void)
{
	mbedtls_platform_set_calloc_free(take, free);
}

void tls_memory_free(void *secret, size_t bytes)
{
	if (secret)
		mbedtls_platform_zeroize(secret, bytes);
	free(secret);
}

void tls_memory_hold(void)
{
	holds++;
}

void tls_memory_release(void)
{
	holds--;
}
