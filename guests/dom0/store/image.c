/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/store/image.h"

#include <stdlib.h>
#include <string.h>

struct copy {
	struct copy *next;
	uint8_t data[];
};

static uint64_t blocks_of(uint64_t bytes)
{
	return (bytes + IMAGE_BLOCK - 1) / IMAGE_BLOCK;
}

bool image_init(struct image *image, struct blkdev *dev, uint64_t limit)
{
	uint64_t blocks = limit / IMAGE_BLOCK;

	*image = (struct image){.dev = dev, .limit = blocks * IMAGE_BLOCK};
	image->block = calloc(blocks, sizeof(*image->block));
	image->dirty = calloc(blocks, sizeof(*image->dirty));
	if (image->block && image->dirty)
		return true;
	image_free(image);
	return false;
}

void image_free(struct image *image)
{
	for (uint64_t i = 0; image->block && i < image->limit / IMAGE_BLOCK; i++)
		free(image->block[i]);
	free(image->block);
	free(image->dirty);
	memset(image, 0, sizeof(*image));
}

static bool touch(struct image *image, uint64_t block)
{
	if (!image->block[block])
		image->block[block] = calloc(1, IMAGE_BLOCK);
	if (!image->block[block])
		return false;
	image->dirty[block] = true;
	return true;
}

bool image_write(struct image *image, uint64_t offset, const void *data, size_t bytes)
{
	const uint8_t *from = data;

	while (bytes) {
		size_t at = offset % IMAGE_BLOCK;
		size_t piece = bytes < IMAGE_BLOCK - at ? bytes : IMAGE_BLOCK - at;

		if (!touch(image, offset / IMAGE_BLOCK))
			return false;
		memcpy(image->block[offset / IMAGE_BLOCK] + at, from, piece);
		from += piece;
		offset += piece;
		bytes -= piece;
		if (offset > image->bytes)
			image->bytes = offset;
	}
	return true;
}

void image_read(const struct image *image, uint64_t offset, void *data, size_t bytes)
{
	uint8_t *to = data;

	while (bytes) {
		size_t at = offset % IMAGE_BLOCK;
		size_t piece = bytes < IMAGE_BLOCK - at ? bytes : IMAGE_BLOCK - at;
		const uint8_t *block =
			offset < image->limit ? image->block[offset / IMAGE_BLOCK] : NULL;

		if (block)
			memcpy(to, block + at, piece);
		else
			memset(to, 0, piece);
		to += piece;
		offset += piece;
		bytes -= piece;
	}
}

static void drop(struct image *image, uint64_t first)
{
	for (uint64_t i = first; i < image->limit / IMAGE_BLOCK; i++) {
		free(image->block[i]);
		image->block[i] = NULL;
		image->dirty[i] = false;
	}
}

bool image_truncate(struct image *image, uint64_t bytes)
{
	uint64_t rest = bytes % IMAGE_BLOCK, last = bytes / IMAGE_BLOCK;

	if (bytes >= image->bytes)
		return true;
	image->bytes = bytes;
	drop(image, blocks_of(bytes));
	if (rest && image->block[last])
		memset(image->block[last] + rest, 0, IMAGE_BLOCK - rest);
	return bytes || touch(image, 0);
}

void image_settle(struct image *image)
{
	memset(image->dirty, 0, image->limit / IMAGE_BLOCK);
}

static bool add_run(struct image *image, struct outbox *outbox, uint64_t first, uint64_t blocks)
{
	uint64_t total = blocks;
	struct copy *copy;

	if (first + blocks >= blocks_of(image->bytes) &&
	    first + blocks < image->limit / IMAGE_BLOCK)
		total++;
	copy = calloc(1, sizeof(*copy) + total * IMAGE_BLOCK);
	if (!copy)
		return false;
	copy->next = outbox->copies;
	outbox->copies = copy;
	image_read(image, first * IMAGE_BLOCK, copy->data, blocks * IMAGE_BLOCK);
	script_add(&outbox->script, (struct script_step){
					    .dev = image->dev,
					    .kind = TRANSFER_WRITE,
					    .offset = first * IMAGE_BLOCK,
					    .data = copy->data,
					    .bytes = total * IMAGE_BLOCK,
					    .target = SCRIPT_ALL,
				    });
	return true;
}

bool image_sync(struct image *image, struct outbox *outbox)
{
	uint64_t blocks = image->limit / IMAGE_BLOCK, end;
	bool any = false;

	for (uint64_t first = 0; first < blocks; first = end) {
		end = first + 1;
		if (!image->dirty[first])
			continue;
		while (end < blocks && image->dirty[end])
			end++;
		if (!add_run(image, outbox, first, end - first))
			return false;
		memset(image->dirty + first, 0, end - first);
		any = true;
	}
	if (any)
		script_add(&outbox->script, (struct script_step){.dev = image->dev,
								 .kind = TRANSFER_FLUSH,
								 .target = SCRIPT_ALL});
	return !outbox->script.out_of_memory;
}

void outbox_free(struct outbox *outbox)
{
	while (outbox->copies) {
		struct copy *copy = outbox->copies;

		outbox->copies = copy->next;
		free(copy);
	}
	script_free(&outbox->script);
}
