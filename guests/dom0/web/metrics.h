/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The facts about the machine and its guests in Prometheus's text format 0.0.4, under the names of
 * its exporter for libvirt where that has one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest lines: six labels, each byte of whose values may be escaped. */
#define METRICS_LINE 1280u

/* How far an answer has come. Zeros at first. */
struct metrics {
	bool ended;
	unsigned family; /* of samples; all of one stand together */
	bool described;  /* the family's HELP and TYPE lines are out */
	/* The family goes on at the first thing, a guest or a pool, with this UUID or a higher one,
	 * and there at this part: a vCPU, a disk, an interface, a kind of exit. */
	uint8_t uuid[16];
	unsigned part;
};

/* Takes one step, which costs no more than a look at all guests, and writes what comes of it: whole
 * lines and a zero. Returns their bytes, which may be none, also before the end. */
size_t metrics_step(struct metrics *metrics, char line[METRICS_LINE]);
