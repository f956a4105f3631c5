/* SPDX-License-Identifier: BSD-2-Clause */
/* A text from the network, which a verb needs as a whole. One is on its way at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct download {
	const char *url;
	const char *sha256; /* 64 digits that the text must have, or NULL */
	size_t most;        /* bytes of the text */
	const char *what;   /* the text, for people: "the description" */
	const char *fault;  /* virsh's sentence for a failure, before the URL */
	/* Uses the text, behind which is a zero. Returns true if it has begun a job of the shell's.
	 */
	bool (*use)(const char *url, const char *text, size_t bytes);
};

/* Begins as a job of the shell's, or prints the failure. The order is copied, its texts but for the
 * URL stay where they are. */
void shell_download(const struct download *order);
