/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes to a guest's first disk what the file /script says, one operation a line, in sectors of
 * 512 bytes:
 *
 *   w SECTOR COUNT VALUE   data: each 8 bytes are VALUE << 32 | the sector's number
 *   z SECTOR COUNT         zeros, by WRITE_ZEROES; p: those that may free clusters
 *   d SECTOR COUNT         a discard
 *   f NUMBER               a flush; when it has ended, the second disk's first sector gets NUMBER
 *
 * So a log of the machine's disk shows by the second disk's writes which flushes had ended.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SECTOR 512u
#define MOST   4096u /* sectors of one write */

static uint64_t *buffer;

static void fill(uint64_t sector, uint64_t count, uint64_t value)
{
	for (uint64_t i = 0; i < count * SECTOR / 8; i++)
		buffer[i] = value << 32 | (sector + i / (SECTOR / 8));
}

static int put(int fd, uint64_t sector, uint64_t count, uint64_t value)
{
	size_t bytes = count * SECTOR;

	if (count > MOST)
		return -1;
	fill(sector, count, value);
	return pwrite(fd, buffer, bytes, (off_t)(sector * SECTOR)) == (ssize_t)bytes ? 0 : -1;
}

static int flush(int disk, int mark, uint64_t number)
{
	return fsync(disk) ? -1 : put(mark, 0, 1, number);
}

static int run(int disk, int mark, char what, const uint64_t *word)
{
	uint64_t range[2] = {word[0] * SECTOR, word[1] * SECTOR};

	switch (what) {
	case 'w':
		return put(disk, word[0], word[1], word[2]);
	case 'z':
		return ioctl(disk, BLKZEROOUT, range);
	case 'p':
		return fallocate(disk, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)range[0],
				 (off_t)range[1]);
	case 'd':
		return ioctl(disk, BLKDISCARD, range);
	case 'f':
		return flush(disk, mark, word[0]);
	default:
		return -1;
	}
}

int main(void)
{
	int disk = open("/dev/vda", O_RDWR | O_DIRECT), mark = open("/dev/vdb", O_RDWR | O_DIRECT);
	FILE *script = fopen("/script", "r");
	char line[100], what;
	unsigned number = 0;

	if (disk < 0 || mark < 0 || !script ||
	    posix_memalign((void **)&buffer, 4096, MOST * SECTOR)) {
		puts("writer: no disks, no /script or no memory");
		return 1;
	}
	while (fgets(line, sizeof(line), script)) {
		uint64_t word[3] = {0};

		number++;
		if (sscanf(line, "%c %lu %lu %lu", &what, &word[0], &word[1], &word[2]) < 2 ||
		    run(disk, mark, what, word)) {
			printf("writer: line %u failed: %s", number, line);
			return 1;
		}
	}
	printf("writer: %u lines done\n", number);
	return 0;
}
