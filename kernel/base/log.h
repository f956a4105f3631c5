/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's log: a ring in memory, shown on the serial port and the screen by a sink. */
#pragma once

#include "kernel/abi.h"
#include "kernel/base/lock.h"

/* The lock of the log and the consoles, input included. */
extern struct lock log_lock;
/* dom0 reads the log, and the console's input, here: whole pages, nothing else in them. */
extern struct sampo_log log_rings;

/* Where the log is shown: the console sets it before the first line. */
struct log_sink {
	void (*show)(const char *text, size_t length);
	void (*tell)(void);  /* the reader of log_rings: there is a line */
	void (*drain)(void); /* wait until all has been shown */
};
extern const struct log_sink *log_sink;

/* dom0 shows the log's lines on the consoles, among the operator's own, and is told of each. */
extern bool log_left;
/* A debug key is being served, whose lines do not wait for dom0: the kernel shows them, and marks
 * them in the ring as LOG_DEBUG. */
extern bool log_debugs;

/* One line or more; the text ends with a newline. A level in front is not shown on the consoles. */
void log_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define LOG_ERR     "<3>"
#define LOG_WARNING "<4>"
#define LOG_DEBUG   "<7>"
#define LOG_LEVEL   (sizeof(LOG_ERR) - 1)

/* Raw bytes: to the ring and the consoles, or to the ring alone, which has the time in front of
 * each line. */
void log_bytes(const char *text, size_t length);
void ring_bytes(const char *text, size_t length);
