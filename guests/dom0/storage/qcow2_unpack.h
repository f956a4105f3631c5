/* SPDX-License-Identifier: BSD-2-Clause */
/* Compressed clusters, among the files that read them: a kind is a few functions. */
#pragma once

#include "guests/dom0/storage/qcow2.h"

#define UNPACK_PIECE 16384u /* compressed bytes that come from the device in one go */

enum unpack_result {
	UNPACK_MORE, /* all input is taken and more is needed */
	UNPACK_TURN, /* a piece of the work is done: the others of dom0's loop have their turn */
	UNPACK_FULL, /* the cluster is whole */
	UNPACK_BAD,
};

/* A cluster on its way. */
struct qcow2_unpack {
	const struct unpack_kind *kind;
	uint64_t entry;
	uint64_t at;         /* compressed bytes that came */
	const uint8_t *next; /* of `input`: the first byte that is not taken */
	size_t left;
	uint8_t *plain; /* of so many bytes */
	uint64_t bytes, made;
	void *state;
	uint8_t input[UNPACK_PIECE];
};

struct unpack_kind {
	/* Sets u->state. Returns STEP_FAIL if memory is exhausted, STEP_WAIT if the image's lane is
	 * to try again when it runs the next time. */
	enum qcow2_step (*begin)(struct qcow2_unpack *u, struct qcow2 *image);
	enum unpack_result (*step)(struct qcow2_unpack *u);
	/* Gives the state back; it may be NULL. */
	void (*end)(struct qcow2_unpack *u);
};

extern const struct unpack_kind qcow2_zlib, qcow2_zstd;
