/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal is of the kind that SQLite calls persistent: after a commit its header is zeros, and
 * the file stays. So the volume of the journal is, byte for byte, the file that another program
 * with SQLite expects beside that of the database.
 */
#include "guests/dom0/store/vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"

/* Julian days are counted from noon of 4714 BC; in milliseconds, until 1970. */
#define JULIAN_1970 210866760000000

struct file {
	sqlite3_file base;
	struct image *image;
};

static struct vfs_volumes *volumes;

/* --- files -------------------------------------------------------------------------------------
 */

static int file_close(sqlite3_file *file)
{
	(void)file;
	return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *data, int bytes, sqlite3_int64 offset)
{
	const struct image *image = ((struct file *)file)->image;

	if (offset < 0 || bytes < 0)
		return SQLITE_IOERR_READ;
	image_read(image, (uint64_t)offset, data, (size_t)bytes);
	return (uint64_t)offset + (uint64_t)bytes > image->bytes ? SQLITE_IOERR_SHORT_READ
								 : SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 offset)
{
	struct image *image = ((struct file *)file)->image;

	if (offset < 0 || bytes < 0)
		return SQLITE_IOERR_WRITE;
	if ((uint64_t)offset + (uint64_t)bytes > image->limit)
		return SQLITE_FULL;
	return image_write(image, (uint64_t)offset, data, (size_t)bytes) ? SQLITE_OK
									 : SQLITE_IOERR_NOMEM;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
	struct image *image = ((struct file *)file)->image;

	return bytes >= 0 && image_truncate(image, (uint64_t)bytes) ? SQLITE_OK
								    : SQLITE_IOERR_TRUNCATE;
}

static int file_sync(sqlite3_file *file, int flags)
{
	(void)flags;
	return image_sync(((struct file *)file)->image, &volumes->outbox) ? SQLITE_OK
									  : SQLITE_IOERR_NOMEM;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *bytes)
{
	*bytes = (sqlite3_int64)((struct file *)file)->image->bytes;
	return SQLITE_OK;
}

/* Nobody else has the volumes. */
static int file_lock(sqlite3_file *file, int kind)
{
	(void)file;
	(void)kind;
	return SQLITE_OK;
}

static int file_is_reserved(sqlite3_file *file, int *is)
{
	(void)file;
	*is = 0;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
	(void)file;
	(void)operation;
	(void)argument;
	return SQLITE_NOTFOUND;
}

/* A sector that SQLite writes may lose all that is in it when the power is cut: it never asks for
 * less than a block of the image. */
static int file_sector_size(sqlite3_file *file)
{
	(void)file;
	return IMAGE_BLOCK;
}

static int file_characteristics(sqlite3_file *file)
{
	(void)file;
	return 0;
}

static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_lock,
	.xCheckReservedLock = file_is_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_characteristics,
};

/* --- the file system ---------------------------------------------------------------------------
 */

static struct image *find(const char *name)
{
	if (!volumes || !name)
		return NULL;
	if (!strcmp(name, VFS_DATABASE))
		return &volumes->state;
	return !strcmp(name, VFS_DATABASE "-journal") ? &volumes->journal : NULL;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *given)
{
	struct image *image = find(name);

	(void)vfs;
	file->pMethods = NULL;
	if (!image)
		return SQLITE_CANTOPEN;
	file->pMethods = &methods;
	((struct file *)file)->image = image;
	if (given)
		*given = flags;
	return SQLITE_OK;
}

/* A journal without its header is none. */
static int vfs_delete(sqlite3_vfs *vfs, const char *name, int directory)
{
	struct image *image = find(name);

	(void)vfs;
	(void)directory;
	if (!image)
		return SQLITE_IOERR_DELETE;
	return image_truncate(image, 0) && image_sync(image, &volumes->outbox)
		       ? SQLITE_OK
		       : SQLITE_IOERR_DELETE;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
	const struct image *image = find(name);

	(void)vfs;
	(void)flags;
	*result = image && image->bytes;
	return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int bytes, char *path)
{
	(void)vfs;
	sqlite3_snprintf(bytes, path, "%s", name);
	return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int bytes, char *to)
{
	(void)vfs;
	arc4random_buf(to, (size_t)bytes);
	return bytes;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
	(void)vfs;
	return microseconds;
}

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ms)
{
	(void)vfs;
	*ms = JULIAN_1970 + (sqlite3_int64)(clock_wall_ns() / 1000000);
	return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int bytes, char *text)
{
	(void)vfs;
	(void)bytes;
	(void)text;
	return 0;
}

static sqlite3_vfs vfs_sampo = {
	.iVersion = 2,
	.szOsFile = sizeof(struct file),
	.mxPathname = 64,
	.zName = "sampo",
	.xOpen = vfs_open,
	.xDelete = vfs_delete,
	.xAccess = vfs_access,
	.xFullPathname = vfs_full_path,
	.xRandomness = vfs_randomness,
	.xSleep = vfs_sleep,
	.xGetLastError = vfs_last_error,
	.xCurrentTimeInt64 = vfs_time,
};

int sqlite3_os_init(void)
{
	return sqlite3_vfs_register(&vfs_sampo, 1);
}

int sqlite3_os_end(void)
{
	return SQLITE_OK;
}

void vfs_use(struct vfs_volumes *of)
{
	volumes = of;
}
