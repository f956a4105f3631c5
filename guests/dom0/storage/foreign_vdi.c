/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VDI, VirtualBox's format (VDICore.h): a header, a map with the number of each block in the file,
 * the blocks. Dynamic images and fixed ones have the same form.
 */
#include <string.h>

#include "guests/dom0/storage/foreign.h"

#define HEADER    400u
#define SIGNATURE 0xbeda107fu
#define VERSION   0x00010001u
#define DYNAMIC   1u
#define FIXED     2u
#define UUID      16u

/* Entries of the map: blocks that the file does not have. */
#define NEVER_WRITTEN 0xffffffffu
#define DISCARDED     0xfffffffeu

/* Fields of the header. */
#define AT_SIGNATURE 0x40u
#define AT_VERSION   0x44u
#define AT_TYPE      0x4cu
#define AT_MAP       0x154u
#define AT_DATA      0x158u
#define AT_SECTOR    0x168u
#define AT_SIZE      0x170u
#define AT_BLOCK     0x178u
#define AT_EXTRA     0x17cu
#define AT_BLOCKS    0x180u
#define AT_LINK      0x1a8u
#define AT_PARENT    0x1b8u

#define BLOCK_LEAST 4096u
#define BLOCK_MOST  (256u << 20)

static bool is_zero(const uint8_t *at, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		if (at[i])
			return false;
	return true;
}

static const char *check_kind(const uint8_t *h, uint64_t *where)
{
	uint64_t type = foreign_little(h + AT_TYPE, 4);

	*where = AT_SIGNATURE;
	if (foreign_little(h + AT_SIGNATURE, 4) != SIGNATURE)
		return "it is no VDI image";
	*where = AT_VERSION;
	if (foreign_little(h + AT_VERSION, 4) != VERSION)
		return "its version is not 1.1";
	*where = AT_TYPE;
	if (type != DYNAMIC && type != FIXED)
		return "it holds the changes of another image";
	*where = AT_LINK;
	if (!is_zero(h + AT_LINK, UUID) || !is_zero(h + AT_PARENT, UUID))
		return "it depends on another image";
	return NULL;
}

static const char *check_sizes(const struct foreign *f, const uint8_t *h, uint64_t *where)
{
	uint64_t blocks = foreign_little(h + AT_BLOCKS, 4);

	*where = AT_SECTOR;
	if (foreign_little(h + AT_SECTOR, 4) != 512)
		return "its sectors have not 512 bytes";
	*where = AT_BLOCK;
	if (f->vdi.block < BLOCK_LEAST || f->vdi.block > BLOCK_MOST ||
	    f->vdi.block & (f->vdi.block - 1))
		return "its blocks have a size that no block has";
	*where = AT_EXTRA;
	if (foreign_little(h + AT_EXTRA, 4))
		return "its blocks have other data in front of them";
	*where = AT_MAP;
	if (f->vdi.map % 512 || f->vdi.data % 512)
		return "its map or its data do not begin with a sector";
	*where = AT_BLOCKS;
	if (f->size / f->vdi.block + (f->size % f->vdi.block != 0) > blocks)
		return "it has fewer blocks than its size needs";
	return NULL;
}

static enum foreign_step open(struct foreign *f)
{
	enum foreign_step step;
	const char *wrong;
	const uint8_t *h;
	uint64_t where;

	step = foreign_bytes(f, 0, HEADER + UUID + UUID + UUID, &h);
	if (step != FOREIGN_DONE)
		return step;
	wrong = check_kind(h, &where);
	if (!wrong) {
		f->vdi.map = foreign_little(h + AT_MAP, 4);
		f->vdi.data = foreign_little(h + AT_DATA, 4);
		f->vdi.block = foreign_little(h + AT_BLOCK, 4);
		f->size = foreign_little(h + AT_SIZE, 8);
		wrong = check_sizes(f, h, &where);
	}
	return wrong ? foreign_bad(f, where, wrong) : FOREIGN_DONE;
}

static enum foreign_step next(struct foreign *f, uint64_t at, struct foreign_extent *extent)
{
	uint64_t inside = at % f->vdi.block, number;
	const uint8_t *entry;
	enum foreign_step step = foreign_bytes(f, f->vdi.map + at / f->vdi.block * 4, 4, &entry);

	if (step != FOREIGN_DONE)
		return step;
	number = foreign_little(entry, 4);
	extent->bytes = f->vdi.block - inside;
	if (number == NEVER_WRITTEN || number == DISCARDED)
		return FOREIGN_DONE;
	extent->kind = FOREIGN_DATA;
	extent->at = f->vdi.data + number * f->vdi.block + inside;
	return FOREIGN_DONE;
}

const struct foreign_format foreign_vdi = {"vdi", open, next};
