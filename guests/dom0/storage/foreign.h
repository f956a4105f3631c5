/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Images of other programs' formats, which are read once, from their first byte to their last, and
 * become volumes of Sampo's own. This part is without I/O: it says which bytes of the source it
 * needs, and is called again when they are there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOREIGN_SLICE  4096u /* bytes of the source that are read in one go */
#define FOREIGN_SLICES 8u
#define FOREIGN_TEXT   16384u       /* the longest text that foreign_copy gets */
#define FOREIGN_GRAIN  (2u << 20)   /* the largest content of compressed bytes */
#define FOREIGN_MOST   (1ull << 46) /* bytes of a disk: 64 TiB, as a qcow2 image has */

enum foreign_step {
	FOREIGN_DONE,
	FOREIGN_WAIT, /* for the slice at `want` */
	FOREIGN_BAD,  /* `why` is the reason, `where` the offset in the source */
};

enum foreign_kind { FOREIGN_ZERO, FOREIGN_DATA, FOREIGN_PACKED };

/* A part of the disk from `start` on. */
struct foreign_extent {
	enum foreign_kind kind;
	uint64_t bytes;
	uint64_t at;     /* where its bytes are in the source */
	uint32_t packed; /* FOREIGN_PACKED: so many bytes there, of zlib's format (RFC 1950) */
	uint32_t plain;  /* and at most so many of content */
};

struct foreign_slice {
	uint64_t at, used;
	bool right;
	uint8_t data[FOREIGN_SLICE];
};

struct foreign;

struct foreign_format {
	const char *name;
	/* Reads what says where things are; sets f->size. */
	enum foreign_step (*open)(struct foreign *f);
	/* The part of the disk that begins at byte `at`, which is below f->size. The parts of a
	 * disk are asked for in their order. */
	enum foreign_step (*next)(struct foreign *f, uint64_t at, struct foreign_extent *extent);
};

struct foreign {
	const struct foreign_format *format;
	uint64_t source; /* bytes that the source has */
	uint64_t size;   /* bytes of the disk */
	char why[128];
	uint64_t where, want, clock;
	struct foreign_slice slice[FOREIGN_SLICES];
	uint8_t text[FOREIGN_TEXT];
	union {
		struct {
			uint64_t grain, grains, tables;    /* bytes of one, number, offset */
			uint64_t marker, returned, behind; /* of a stream: foreign_vmdk.c */
			bool stream, packed, has_zeros;
		} vmdk;
		struct {
			uint64_t footer, table, block;
			bool fixed;
		} vhd;
		struct {
			uint64_t map, data, block;
		} vdi;
	};
};

/* By its name, as qemu-img and libvirt know it (vmdk, vpc, vdi). NULL: there is no such format. */
const struct foreign_format *foreign_named(const char *name);
extern const struct foreign_format foreign_vmdk, foreign_vhd, foreign_vdi;

/* *f is zeros but for `format` and `source`. */
enum foreign_step foreign_open(struct foreign *f);
/* `at` is below f->size. An extent that is data lies within the source. */
enum foreign_step foreign_next(struct foreign *f, uint64_t at, struct foreign_extent *extent);
/* The place for the bytes of the source from f->want on; fewer than a slice at the source's end.
 * They are there when foreign_take is called. */
uint8_t *foreign_place(struct foreign *f, uint32_t *bytes);
void foreign_take(struct foreign *f);

/* --- for the formats --------------------------------------------------------------------------
 */

/* Gets bytes of the source that lie in one slice, or, by foreign_copy, in up to five. */
enum foreign_step foreign_bytes(struct foreign *f, uint64_t at, size_t n, const uint8_t **bytes);
enum foreign_step foreign_copy(struct foreign *f, uint64_t at, size_t n, void *to);
enum foreign_step foreign_bad(struct foreign *f, uint64_t where, const char *why);
uint64_t foreign_little(const uint8_t *at, unsigned bytes);
uint64_t foreign_big(const uint8_t *at, unsigned bytes);
