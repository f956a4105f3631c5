/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMDK ("Virtual Disk Format 5.0", VMware): a sparse extent with its description inside. A grain
 * directory names grain tables, and these name grains of, mostly, 64 KiB.
 *
 * A grain of a streamOptimized image is compressed, behind a marker that says where on the disk it
 * belongs. An image whose header does not say where the directory is, since its writer could not go
 * back, is read as the stream that it is, from marker to marker.
 */
#include <string.h>

#include "guests/dom0/storage/foreign.h"

#define HEADER     512u
#define MAGIC      0x564d444bu
#define ENTRIES    512u       /* of a grain table */
#define AT_END     UINT64_MAX /* as the directory's place: only a footer knows it */
#define DEFLATE    1u
#define MARKER     12u /* bytes in front of a grain's data; other markers have 16 */
#define SECTOR_MAX (FOREIGN_MOST / 512)

#define FLAG_NEWLINES   (1u << 0)
#define FLAG_ZEROS      (1u << 2)
#define FLAG_COMPRESSED (1u << 16)
#define FLAG_MARKERS    (1u << 17)

enum { END_OF_STREAM, GRAIN_TABLE, GRAIN_DIRECTORY, FOOTER_MARKER };

/* --- the description ----------------------------------------------------------------------------
 */

/* The value behind KEY= at the begin of a line; NULL: there is no such line. */
static const char *value_of(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (!strncmp(line, key, n))
			return line + n;
	}
	return NULL;
}

static bool begins(const char *text, const char *with)
{
	return text && !strncmp(text, with, strlen(with));
}

static enum foreign_step read_description(struct foreign *f, uint64_t at, uint64_t bytes)
{
	char *text = (char *)f->text;
	enum foreign_step step;
	const char *type, *parent;

	if (!at || !bytes)
		return foreign_bad(f, 28,
				   "it has no description inside: its disk lies in several "
				   "files");
	if (bytes > FOREIGN_TEXT - 1)
		bytes = FOREIGN_TEXT - 1;
	step = foreign_copy(f, at, (size_t)bytes, text);
	if (step != FOREIGN_DONE)
		return step;
	text[bytes] = 0;
	type = value_of(text, "createType=");
	parent = value_of(text, "parentCID=");
	if (!begins(type, "\"monolithicSparse\"") && !begins(type, "\"streamOptimized\""))
		return foreign_bad(f, at,
				   "its createType is neither monolithicSparse nor "
				   "streamOptimized");
	if (parent && !begins(parent, "ffffffff") && !begins(parent, "FFFFFFFF"))
		return foreign_bad(f, at, "it holds the changes of another image");
	return FOREIGN_DONE;
}

/* --- the header --------------------------------------------------------------------------------
 */

static const char *check(struct foreign *f, const uint8_t *h, uint64_t *where)
{
	static const uint8_t newlines[] = {'\n', ' ', '\r', '\n'};
	uint64_t version = foreign_little(h + 4, 4), flags = foreign_little(h + 8, 4);
	uint64_t capacity = foreign_little(h + 12, 8), grain = foreign_little(h + 20, 8);

	*where = 0;
	if (foreign_little(h, 4) != MAGIC)
		return "it is no VMDK image with a description inside";
	*where = 4;
	if (!version || version > 3)
		return "its version is none of 1 to 3";
	*where = 73;
	if (flags & FLAG_NEWLINES && memcmp(h + 73, newlines, sizeof(newlines)) != 0)
		return "its ends of lines were changed on the way";
	*where = 12;
	if (!capacity || capacity > SECTOR_MAX)
		return "its disk has a size that no disk has";
	*where = 20;
	if (grain < 8 || grain > FOREIGN_GRAIN / 512 || grain & (grain - 1))
		return "its grains have a size that no grain has";
	*where = 44;
	if (foreign_little(h + 44, 4) != ENTRIES)
		return "its grain tables have not 512 entries";
	*where = 77;
	if (flags & FLAG_COMPRESSED &&
	    (foreign_little(h + 77, 2) != DEFLATE || !(flags & FLAG_MARKERS)))
		return "its grains are compressed in a way that dom0 does not know";
	f->size = capacity * 512;
	f->vmdk.grain = grain * 512;
	f->vmdk.packed = flags & FLAG_COMPRESSED;
	f->vmdk.has_zeros = flags & FLAG_ZEROS;
	return NULL;
}

static enum foreign_step open(struct foreign *f)
{
	const uint8_t *h;
	enum foreign_step step = foreign_bytes(f, 0, HEADER, &h);
	uint64_t where, directory, description, length, head;
	const char *wrong;

	if (step != FOREIGN_DONE)
		return step;
	wrong = check(f, h, &where);
	if (wrong)
		return foreign_bad(f, where, wrong);
	description = foreign_little(h + 28, 8);
	length = foreign_little(h + 36, 8);
	directory = foreign_little(h + 56, 8);
	head = foreign_little(h + 64, 8);
	f->vmdk.stream = f->vmdk.packed && directory == AT_END;
	if (description > SECTOR_MAX || length > SECTOR_MAX)
		return foreign_bad(f, 28, "it points beyond its end");
	if (!f->vmdk.stream && (!directory || directory > SECTOR_MAX))
		return foreign_bad(f, 56, "it points beyond its end");
	if (f->vmdk.stream && (!head || head > SECTOR_MAX))
		return foreign_bad(f, 64, "it points beyond its end");
	f->vmdk.tables = directory * 512;
	f->vmdk.marker = head * 512;
	f->vmdk.returned = 0;
	return read_description(f, description * 512, length * 512);
}

/* --- grains by their tables --------------------------------------------------------------------
 */

static enum foreign_step read_marker(struct foreign *f, uint64_t at, uint64_t *sector,
				     uint64_t *bytes)
{
	const uint8_t *marker;
	enum foreign_step step = foreign_bytes(f, at, 16, &marker);

	if (step != FOREIGN_DONE)
		return step;
	*sector = foreign_little(marker, 8);
	*bytes = foreign_little(marker + 8, 4);
	return FOREIGN_DONE;
}

/* Deflate makes bytes that cannot be compressed a little longer. */
static bool is_grain(const struct foreign *f, uint64_t bytes)
{
	return bytes && bytes <= 2 * f->vmdk.grain;
}

static enum foreign_step take_packed(struct foreign *f, uint64_t place, uint64_t disk,
				     struct foreign_extent *extent)
{
	uint64_t sector, bytes;
	enum foreign_step step = read_marker(f, place, &sector, &bytes);

	if (step != FOREIGN_DONE)
		return step;
	if (sector != disk / 512 || !is_grain(f, bytes))
		return foreign_bad(f, place, "a grain's marker is not what its table says");
	extent->kind = FOREIGN_PACKED;
	extent->at = place + MARKER;
	extent->packed = (uint32_t)bytes;
	extent->plain = (uint32_t)f->vmdk.grain;
	return FOREIGN_DONE;
}

static enum foreign_step next_by_tables(struct foreign *f, uint64_t at,
					struct foreign_extent *extent)
{
	uint64_t grain = at / f->vmdk.grain, inside = at % f->vmdk.grain, table, place;
	const uint8_t *entry;
	enum foreign_step step = foreign_bytes(f, f->vmdk.tables + grain / ENTRIES * 4, 4, &entry);

	if (step != FOREIGN_DONE)
		return step;
	table = foreign_little(entry, 4);
	extent->bytes = (ENTRIES - grain % ENTRIES) * f->vmdk.grain - inside;
	if (!table)
		return FOREIGN_DONE;
	step = foreign_bytes(f, table * 512 + grain % ENTRIES * 4, 4, &entry);
	if (step != FOREIGN_DONE)
		return step;
	place = foreign_little(entry, 4);
	extent->bytes = f->vmdk.grain - inside;
	if (!place || (place == 1 && f->vmdk.has_zeros))
		return FOREIGN_DONE;
	if (f->vmdk.packed)
		return take_packed(f, place * 512, at, extent);
	extent->kind = FOREIGN_DATA;
	extent->at = place * 512 + inside;
	return FOREIGN_DONE;
}

/* --- grains of a stream ------------------------------------------------------------------------
 */

static uint64_t round_up(uint64_t bytes)
{
	return (bytes + 511) / 512 * 512;
}

/* Goes past the markers that tell of tables, whose sizes are in their first field, in sectors. Each
 * turn leaves a marker behind, so the loop ends with the source. */
static enum foreign_step find_grain(struct foreign *f, uint64_t *sector, uint64_t *bytes, bool *end)
{
	for (;;) {
		const uint8_t *marker;
		enum foreign_step step = foreign_bytes(f, f->vmdk.marker, 16, &marker);
		uint64_t kind;

		if (step != FOREIGN_DONE)
			return step;
		*sector = foreign_little(marker, 8);
		*bytes = foreign_little(marker + 8, 4);
		kind = foreign_little(marker + 12, 4);
		*end = !*bytes && kind == END_OF_STREAM;
		if (*bytes || *end)
			return FOREIGN_DONE;
		if (kind > FOOTER_MARKER || *sector > SECTOR_MAX)
			return foreign_bad(f, f->vmdk.marker, "it has a marker that no stream has");
		f->vmdk.marker += 512 + *sector * 512;
	}
}

static enum foreign_step next_of_stream(struct foreign *f, uint64_t at,
					struct foreign_extent *extent)
{
	uint64_t sector, bytes;
	enum foreign_step step;
	bool end;

	/* The grain that was returned last lies before `at`. */
	if (f->vmdk.returned == f->vmdk.marker && at >= f->vmdk.behind) {
		step = read_marker(f, f->vmdk.marker, &sector, &bytes);
		if (step != FOREIGN_DONE)
			return step;
		f->vmdk.marker += round_up(MARKER + bytes);
	}
	step = find_grain(f, &sector, &bytes, &end);
	if (step != FOREIGN_DONE)
		return step;
	extent->bytes = f->size - at;
	if (end)
		return FOREIGN_DONE;
	if (sector >= f->size / 512 || sector * 512 % f->vmdk.grain || sector * 512 < at ||
	    !is_grain(f, bytes))
		return foreign_bad(f, f->vmdk.marker, "its grains are not in the disk's order");
	extent->bytes = sector * 512 - at;
	if (extent->bytes)
		return FOREIGN_DONE;
	extent->kind = FOREIGN_PACKED;
	extent->bytes = f->vmdk.grain;
	extent->at = f->vmdk.marker + MARKER;
	extent->packed = (uint32_t)bytes;
	extent->plain = (uint32_t)f->vmdk.grain;
	f->vmdk.returned = f->vmdk.marker;
	f->vmdk.behind = at + f->vmdk.grain;
	return FOREIGN_DONE;
}

static enum foreign_step next(struct foreign *f, uint64_t at, struct foreign_extent *extent)
{
	return f->vmdk.stream ? next_of_stream(f, at, extent) : next_by_tables(f, at, extent);
}

const struct foreign_format foreign_vmdk = {"vmdk", open, next};
