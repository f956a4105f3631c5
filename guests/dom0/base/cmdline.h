/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of dom0's command line, which blanks and tabs separate. */
#pragma once

#include <stdint.h>

/* Returns the text behind `name`, such as "ip=", in the first word that begins so; NULL if there is
 * none. The text goes on to the end of the line. */
const char *cmdline_word(const char *cmdline, const char *name);
/* Returns the TCP port that the word's text is, or 0 if the text is no number from 1 to 65535. */
uint16_t cmdline_port(const char *text);
