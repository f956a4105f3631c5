/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/signature.h"

#include <stddef.h>
#include <string.h>

#define MD_MAGIC "\xfc\x4e\x2b\xa9"

static const struct {
	uint32_t at, bytes;
	const char *mark, *name;
} marks[] = {
	{512, 8, "EFI PART", "a partition table (GPT)"},
	{4096, 8, "EFI PART", "a partition table (GPT)"},
	{0, 8, "LABELONE", "a physical volume of LVM2"},
	{512, 8, "LABELONE", "a physical volume of LVM2"},
	{1024, 8, "LABELONE", "a physical volume of LVM2"},
	{1536, 8, "LABELONE", "a physical volume of LVM2"},
	{0, 6, "LUKS\xba\xbe", "an encrypted device (LUKS)"},
	{0x4000, 6, "SKUL\xba\xbe", "an encrypted device (LUKS2)"},
	{0x438, 2, "\x53\xef", "a file system (ext)"},
	{0, 4, "XFSB", "a file system (XFS)"},
	{0x10040, 8, "_BHRfS_M", "a file system (btrfs)"},
	{0x400, 4, "\x10\x20\xf5\xf2", "a file system (F2FS)"},
	{0x10034, 6, "ReIsEr", "a file system (ReiserFS)"},
	{0x8000, 4, "JFS1", "a file system (JFS)"},
	{0x8001, 5, "CD001", "a file system (ISO 9660)"},
	{0x8001, 5, "BEA01", "a file system (UDF)"},
	{0, 4, "hsqs", "a file system (squashfs)"},
	{3, 8, "NTFS    ", "a file system (NTFS)"},
	{3, 8, "EXFAT   ", "a file system (exFAT)"},
	{3, 8, "-FVE-FS-", "an encrypted device (BitLocker)"},
	{54, 3, "FAT", "a file system (FAT)"},
	{82, 5, "FAT32", "a file system (FAT)"},
	{4086, 10, "SWAPSPACE2", "swap space"},
	{4086, 10, "SWAP-SPACE", "swap space"},
	{8182, 10, "SWAPSPACE2", "swap space"},
	{65526, 10, "SWAPSPACE2", "swap space"},
	{0, 4, MD_MAGIC, "a part of an array (mdraid)"},
	{4096, 4, MD_MAGIC, "a part of an array (mdraid)"},
	{0x1018, 8, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca", "a device of bcache"},
	{0, 4, "QFI\xfb", "an image (qcow2)"},
	{510, 2, "\x55\xaa", "a partition table or boot sector"},
};

/* A mark in the tail, by its place from the device's start. */
static int has(const uint8_t *tail, uint64_t device_bytes, uint64_t at, const char *mark,
	       size_t bytes)
{
	uint64_t start = device_bytes - SIGNATURE_TAIL;

	return at >= start && at + bytes <= device_bytes &&
	       !memcmp(tail + (at - start), mark, bytes);
}

const char *signature_find(const uint8_t *head, const uint8_t *tail, uint64_t device_bytes)
{
	for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (!memcmp(head + marks[i].at, marks[i].mark, marks[i].bytes))
			return marks[i].name;
	if (has(tail, device_bytes, device_bytes - 512, "EFI PART", 8) ||
	    has(tail, device_bytes, device_bytes - 4096, "EFI PART", 8))
		return "a partition table (GPT)";
	/* Formats 0.90 and 1.0 of mdraid stand at the end. */
	if (has(tail, device_bytes, device_bytes / 65536 * 65536 - 65536, MD_MAGIC, 4) ||
	    has(tail, device_bytes, (device_bytes - 8192) / 4096 * 4096, MD_MAGIC, 4))
		return "a part of an array (mdraid)";
	return NULL;
}
