/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptions in XML, as virsh dumpxml shows them, in pieces that end with a zero. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct nodedev;
struct pool;
struct vm;

typedef void document_piece(void *context, const char *text);

/* A guest's: of its next start if `inactive`, else with its number, the names of its interfaces and
 * the port of its screen. `secure`: with passwords.
 */
void domain_document(const struct vm *vm, bool inactive, bool secure, document_piece *put,
		     void *context);
/* A device's. */
void nodedev_document(const struct nodedev *device, document_piece *put, void *context);
void pool_document(const struct pool *pool, document_piece *put, void *context);

/* What the header of the image in a volume says. */
struct volume_facts {
	char format[8]; /* "": nobody has said */
	uint64_t capacity;
	char backing[1024], backing_format[16];
	char wrong[96]; /* the reason why the header is none, or "" */
};
/* `facts` may be NULL: then the format is all that is told of an image. */
void volume_document(const struct pool *pool, uint32_t number, const struct volume_facts *facts,
		     document_piece *put, void *context);
/* The switch's, which is the network "default". */
void network_document(document_piece *put, void *context);
