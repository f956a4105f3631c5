/* SPDX-License-Identifier: BSD-2-Clause */
/* Documents of this room in the making. */
#pragma once

#include "guests/dom0/manage/documents.h"

struct saying {
	document_piece *put;
	void *context;
};

/* Puts a piece of at most 511 bytes. */
void say(const struct saying *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
