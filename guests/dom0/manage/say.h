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
#define SAY_TEXT 1023u

/* Puts a text of at most SAY_TEXT bytes that is not dom0's own, as XML has it, between two that
 * are. */
void say_text(const struct saying *to, const char *before, const char *text, const char *behind);
