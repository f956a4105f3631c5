/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VHD ("Virtual Hard Disk Image Format Specification", Microsoft, 2006), which qemu-img and libvirt
 * call vpc. A fixed disk is its content and a footer of a sector behind it. A dynamic one begins
 * with a copy of the footer, which names a header, which names a table with the place of each
 * block: a bitmap of its sectors and their content. Numbers are big-endian.
 */
#include <string.h>

#include "guests/dom0/storage/foreign.h"

#define FOOTER      512u
#define HEADER      1024u
#define VERSION     0x00010000u
#define FIXED       2u
#define DYNAMIC     3u
#define UNUSED      0xffffffffu
#define BITMAP      512u       /* bytes of a bitmap that are looked at in one go */
#define SEARCH      (4u << 20) /* how far a volume may be longer than the file: an extent */
#define BLOCK_LEAST 4096u
#define BLOCK_MOST  (256u << 20)

/* Fields of the footer, and of the header of a dynamic disk. */
#define AT_VERSION  12u
#define AT_OFFSET   16u
#define AT_SIZE     48u
#define AT_TYPE     60u
#define AT_CHECKSUM 64u
#define AT_TABLE    16u
#define AT_ENTRIES  28u
#define AT_BLOCK    32u
#define AT_HEAD_SUM 36u

/* The one's complement of the sum of all bytes but the checksum's own. */
static bool sum_is_right(const uint8_t *bytes, unsigned n, unsigned checksum)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		if (i < checksum || i >= checksum + 4)
			sum += bytes[i];
	return foreign_big(bytes + checksum, 4) == (uint32_t)~sum;
}

static bool is_footer(const uint8_t *bytes)
{
	return !memcmp(bytes, "conectix", 8) && sum_is_right(bytes, FOOTER, AT_CHECKSUM);
}

/* A fixed disk says its size in its last sector alone: the volume may be longer than the file, by
 * less than an extent. f->vhd.footer is the place that is looked at. */
static enum foreign_step find_footer(struct foreign *f)
{
	uint64_t last = f->source / FOOTER * FOOTER;
	const uint8_t *bytes;
	enum foreign_step step;

	if (!f->vhd.footer)
		f->vhd.footer = last;
	while (f->vhd.footer >= FOOTER && last - f->vhd.footer < SEARCH) {
		uint64_t at = f->vhd.footer - FOOTER;

		step = foreign_bytes(f, at, FOOTER, &bytes);
		if (step != FOREIGN_DONE)
			return step;
		if (is_footer(bytes) && foreign_big(bytes + AT_TYPE, 4) == FIXED &&
		    foreign_big(bytes + AT_SIZE, 8) == at) {
			f->vhd.fixed = true;
			f->size = at;
			return FOREIGN_DONE;
		}
		f->vhd.footer = at;
	}
	return foreign_bad(f, 0,
			   "it is no VHD image: it has no footer at its beginning, and none "
			   "within 4 MiB from its end");
}

static enum foreign_step read_footer(struct foreign *f, const uint8_t *footer)
{
	uint64_t type = foreign_big(footer + AT_TYPE, 4);

	if (foreign_big(footer + AT_VERSION, 4) != VERSION)
		return foreign_bad(f, AT_VERSION, "its version is not 1.0");
	if (type != DYNAMIC)
		return foreign_bad(f, AT_TYPE,
				   type == 4 ? "it holds the changes of another image"
					     : "its disk is neither fixed nor dynamic");
	f->size = foreign_big(footer + AT_SIZE, 8);
	return FOREIGN_DONE;
}

static enum foreign_step read_header(struct foreign *f, uint64_t at)
{
	uint8_t h[HEADER];
	enum foreign_step step = foreign_copy(f, at, HEADER, h);
	uint64_t entries;

	if (step != FOREIGN_DONE)
		return step;
	if (memcmp(h, "cxsparse", 8) != 0 || !sum_is_right(h, HEADER, AT_HEAD_SUM))
		return foreign_bad(f, at, "its header is damaged");
	f->vhd.table = foreign_big(h + AT_TABLE, 8);
	f->vhd.block = foreign_big(h + AT_BLOCK, 4);
	entries = foreign_big(h + AT_ENTRIES, 4);
	if (f->vhd.block < BLOCK_LEAST || f->vhd.block > BLOCK_MOST ||
	    f->vhd.block & (f->vhd.block - 1))
		return foreign_bad(f, at + AT_BLOCK, "its blocks have a size that no block has");
	if (f->size / f->vhd.block + (f->size % f->vhd.block != 0) > entries)
		return foreign_bad(f, at + AT_ENTRIES, "it has fewer blocks than its size needs");
	if (f->vhd.table % 512 || f->vhd.table >= f->source)
		return foreign_bad(f, at + AT_TABLE, "its table lies where no table can be");
	return FOREIGN_DONE;
}

static enum foreign_step open(struct foreign *f)
{
	uint8_t footer[FOOTER];
	enum foreign_step step = foreign_copy(f, 0, FOOTER, footer);

	if (step != FOREIGN_DONE)
		return step;
	if (!is_footer(footer))
		return find_footer(f);
	step = read_footer(f, footer);
	return step == FOREIGN_DONE ? read_header(f, foreign_big(footer + AT_OFFSET, 8)) : step;
}

static bool bit_of(const uint8_t *bitmap, uint64_t sector)
{
	return bitmap[sector / 8] & (0x80u >> sector % 8);
}

/* "Block Bitmap": a sector whose bit is not set was never written. The run of sectors of one kind
 * ends with the piece of the bitmap that is looked at, if not before. */
static enum foreign_step next_in_block(struct foreign *f, uint64_t block, uint64_t at,
				       struct foreign_extent *extent)
{
	uint64_t sectors = f->vhd.block / 512, sector = at % f->vhd.block / 512;
	uint64_t bitmap = (sectors / 8 + 511) / 512 * 512;
	uint64_t first = sector / (8 * BITMAP) * (8 * BITMAP), end = first + 8 * BITMAP;
	uint64_t run = sector;
	const uint8_t *bits;
	enum foreign_step step = foreign_bytes(f, block + first / 8, BITMAP, &bits);
	bool set;

	if (step != FOREIGN_DONE)
		return step;
	if (end > sectors)
		end = sectors;
	set = bit_of(bits, sector - first);
	while (run < end && bit_of(bits, run - first) == set)
		run++;
	extent->kind = set ? FOREIGN_DATA : FOREIGN_ZERO;
	extent->bytes = (run - sector) * 512;
	extent->at = block + bitmap + sector * 512;
	return FOREIGN_DONE;
}

static enum foreign_step next(struct foreign *f, uint64_t at, struct foreign_extent *extent)
{
	const uint8_t *entry;
	enum foreign_step step;
	uint64_t block;

	if (f->vhd.fixed) {
		*extent = (struct foreign_extent){
			.kind = FOREIGN_DATA, .bytes = f->size - at, .at = at};
		return FOREIGN_DONE;
	}
	step = foreign_bytes(f, f->vhd.table + at / f->vhd.block * 4, 4, &entry);
	if (step != FOREIGN_DONE)
		return step;
	block = foreign_big(entry, 4);
	if (block != UNUSED)
		return next_in_block(f, block * 512, at, extent);
	extent->bytes = f->vhd.block - at % f->vhd.block;
	return FOREIGN_DONE;
}

const struct foreign_format foreign_vhd = {"vpc", open, next};
