/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/foreign.h"

#include <stdio.h>
#include <string.h>

static const struct foreign_format *const formats[] = {&foreign_vmdk, &foreign_vhd, &foreign_vdi};

const struct foreign_format *foreign_named(const char *name)
{
	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(formats[i]->name, name))
			return formats[i];
	return NULL;
}

enum foreign_step foreign_bad(struct foreign *f, uint64_t where, const char *why)
{
	f->where = where;
	snprintf(f->why, sizeof(f->why), "%s", why);
	return FOREIGN_BAD;
}

uint64_t foreign_little(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | at[bytes];
	return value;
}

uint64_t foreign_big(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

/* --- slices ------------------------------------------------------------------------------------
 */

static struct foreign_slice *find_slice(struct foreign *f, uint64_t at)
{
	for (unsigned i = 0; i < FOREIGN_SLICES; i++)
		if (f->slice[i].right && f->slice[i].at == at)
			return &f->slice[i];
	return NULL;
}

/* The slice that has been idle for longest. */
static struct foreign_slice *oldest_slice(struct foreign *f)
{
	struct foreign_slice *oldest = &f->slice[0];

	for (unsigned i = 1; i < FOREIGN_SLICES; i++)
		if (f->slice[i].used < oldest->used)
			oldest = &f->slice[i];
	return oldest;
}

uint8_t *foreign_place(struct foreign *f, uint32_t *bytes)
{
	struct foreign_slice *slice = oldest_slice(f);
	uint64_t left = f->source - f->want;

	slice->right = false;
	*bytes = left < FOREIGN_SLICE ? (uint32_t)left : FOREIGN_SLICE;
	return slice->data;
}

void foreign_take(struct foreign *f)
{
	struct foreign_slice *slice = oldest_slice(f);

	slice->at = f->want;
	slice->used = ++f->clock;
	slice->right = true;
}

/* The part of the bytes that lies in the slice of the first one. */
static enum foreign_step look(struct foreign *f, uint64_t at, const uint8_t **bytes)
{
	struct foreign_slice *slice = find_slice(f, at / FOREIGN_SLICE * FOREIGN_SLICE);

	if (!slice) {
		f->want = at / FOREIGN_SLICE * FOREIGN_SLICE;
		return FOREIGN_WAIT;
	}
	slice->used = ++f->clock;
	*bytes = slice->data + at % FOREIGN_SLICE;
	return FOREIGN_DONE;
}

static bool is_there(const struct foreign *f, uint64_t at, size_t n)
{
	return at < f->source && n <= f->source - at;
}

enum foreign_step foreign_copy(struct foreign *f, uint64_t at, size_t n, void *to)
{
	if (!is_there(f, at, n) || n > FOREIGN_TEXT)
		return foreign_bad(f, at, "it points beyond its end");
	for (size_t done = 0; done < n;) {
		size_t part = FOREIGN_SLICE - (size_t)((at + done) % FOREIGN_SLICE);
		const uint8_t *bytes;
		enum foreign_step step = look(f, at + done, &bytes);

		if (step != FOREIGN_DONE)
			return step;
		if (part > n - done)
			part = n - done;
		memcpy((uint8_t *)to + done, bytes, part);
		done += part;
	}
	return FOREIGN_DONE;
}

enum foreign_step foreign_bytes(struct foreign *f, uint64_t at, size_t n, const uint8_t **bytes)
{
	if (!is_there(f, at, n))
		return foreign_bad(f, at, "it points beyond its end");
	if (at % FOREIGN_SLICE + n > FOREIGN_SLICE)
		return foreign_bad(f, at, "it has a table at an offset that no table has");
	return look(f, at, bytes);
}

/* --- an image ----------------------------------------------------------------------------------
 */

enum foreign_step foreign_open(struct foreign *f)
{
	enum foreign_step step = f->format->open(f);

	if (step != FOREIGN_DONE)
		return step;
	if (!f->size || f->size > FOREIGN_MOST || f->size % 512)
		return foreign_bad(f, 0, "its disk has a size that no disk has");
	return FOREIGN_DONE;
}

enum foreign_step foreign_next(struct foreign *f, uint64_t at, struct foreign_extent *extent)
{
	enum foreign_step step;
	uint64_t stored;

	memset(extent, 0, sizeof(*extent));
	step = f->format->next(f, at, extent);
	if (step != FOREIGN_DONE)
		return step;
	if (extent->bytes > f->size - at)
		extent->bytes = f->size - at;
	stored = extent->kind == FOREIGN_PACKED ? extent->packed : extent->bytes;
	if (extent->kind != FOREIGN_ZERO &&
	    (extent->at >= f->source || stored > f->source - extent->at))
		return foreign_bad(f, extent->at, "a part of its disk lies beyond its end");
	return FOREIGN_DONE;
}
