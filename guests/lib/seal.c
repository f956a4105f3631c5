/* SPDX-License-Identifier: BSD-2-Clause */
/* seal IN OUT: writes the checksum into an image that begins with struct sampo_image. Runs where
 * the image is built. */
#include <stdio.h>
#include <stdlib.h>

#include "kernel/abi.h"
#include "kernel/base/crc32c.h"

#define IMAGE_MAX (64u << 20)

static int fail(const char *file, const char *what)
{
	fprintf(stderr, "seal: %s: %s\n", file, what);
	return 1;
}

int main(int argc, char **argv)
{
	struct sampo_image *image = malloc(IMAGE_MAX);
	FILE *file;
	size_t bytes;

	if (argc != 3 || !image)
		return fail("seal", "usage: seal IN OUT");
	file = fopen(argv[1], "rb");
	if (!file)
		return fail(argv[1], "cannot be read");
	bytes = fread(image, 1, IMAGE_MAX, file);
	fclose(file);
	if (bytes < sizeof(*image) || image->magic != SAMPO_IMAGE_MAGIC || image->loaded != bytes)
		return fail(argv[1], "is no image, or not all of one");
	image->crc32c = 0;
	image->crc32c = crc32c(0, image, bytes);
	file = fopen(argv[2], "wb");
	if (!file || fwrite(image, 1, bytes, file) != bytes || fclose(file))
		return fail(argv[2], "cannot be written");
	return 0;
}
