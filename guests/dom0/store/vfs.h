/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SQLite's files are images of two volumes, the database's and that of its rollback journal. SQLite
 * works on memory, and where it asks that a file be on the disk, the changes go to an outbox: in
 * the order in which SQLite wants them there.
 */
#pragma once

#include "guests/dom0/store/image.h"

#define VFS_DATABASE "state" /* the file's name; the journal's has "-journal" behind it */

struct vfs_volumes {
	struct image state, journal;
	struct outbox outbox;
};

/* Makes SQLite work on these volumes, which stay the caller's. */
void vfs_use(struct vfs_volumes *volumes);
