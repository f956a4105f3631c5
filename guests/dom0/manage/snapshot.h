/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots of a guest that is off: one of the same name in each qcow2 image that the guest may
 * write.
 */
#pragma once

#include "guests/dom0/config/config.h"
#include "guests/dom0/storage/qcow2_rewrite.h"

struct snapshot_disk {
	struct blkdev *dev;
	char target[16];
	bool skip; /* `finishes`: the change was made in it */
};

/* One change or list at a time. */
struct snapshot_job {
	enum qcow2_rewrite_kind kind;
	char user[96];
	struct snapshot_disk disk[CONFIG_DISKS];
	unsigned disks, at;
	bool looks;       /* the list is of a guest that may run: the disks are not claimed */
	bool checked;     /* each disk has been looked at */
	bool finishes;    /* the change was begun before dom0's start (intent.h) */
	bool intended;    /* it is written down */
	uint8_t uuid[16]; /* the guest's */
	bool undoes;      /* a disk has failed: those before it lose the new snapshot */
	struct qcow2_rewrite rewrite;
	/* LIST: of the first disk; `lacks`: a later disk has none of this name. */
	struct qcow2_snapshots snapshots;
	bool *lacks;
	char why[200];
	void (*done)(struct snapshot_job *job); /* job->why is "" if all went well */
};

struct vm;

/*
 * Begins: job->kind, ->done and, but for LIST, ->rewrite.name (and .unix_ns) are set, the rest is
 * zero. Returns the reason against it, or NULL: `done` is called later or at once.
 * snapshot_free in either case.
 */
const char *snapshot_begin(struct snapshot_job *job, const struct vm *vm);
/* Ends soon, with the images as they were, unless the first of several has been changed. */
void snapshot_stop(struct snapshot_job *job);
void snapshot_free(struct snapshot_job *job);
