/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/qcow2_snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An entry's fixed part, and what stands in it. */
#define FIXED       40u
#define AT_ENTRIES  8u
#define AT_ID       12u
#define AT_NAME     14u
#define AT_SECONDS  16u
#define AT_NANOS    20u
#define AT_STATE    32u
#define AT_EXTRA    36u
#define EXTRA_STATE 0u
#define EXTRA_SIZE  8u
#define EXTRA_BYTES 16u
#define NS_PER_S    1000000000u

static const char broken[] = "its snapshot table is broken";

/* Returns the bytes of the entry, 0 if it does not end within the table. */
static uint32_t parse_one(struct qcow2_snapshot *s, const uint8_t *at, size_t room,
			  const struct qcow2_header *header)
{
	uint64_t bytes, extra;

	if (room < FIXED)
		return 0;
	extra = qcow2_get(at + AT_EXTRA, 4);
	s->id_bytes = (uint16_t)qcow2_get(at + AT_ID, 2);
	s->name_bytes = (uint16_t)qcow2_get(at + AT_NAME, 2);
	bytes = (FIXED + extra + s->id_bytes + s->name_bytes + 7) & ~7ull;
	if (bytes > room)
		return 0;
	s->raw = at;
	s->bytes = (uint32_t)bytes;
	s->l1_offset = qcow2_get(at, 8);
	s->l1_entries = (uint32_t)qcow2_get(at + AT_ENTRIES, 4);
	s->seconds = (uint32_t)qcow2_get(at + AT_SECONDS, 4);
	s->state = qcow2_get(at + AT_STATE, 4);
	s->size = header->size;
	if (extra >= EXTRA_SIZE)
		s->state = qcow2_get(at + FIXED + EXTRA_STATE, 8);
	if (extra >= EXTRA_BYTES)
		s->size = qcow2_get(at + FIXED + EXTRA_SIZE, 8);
	s->id = (const char *)at + FIXED + extra;
	s->name = s->id + s->id_bytes;
	return s->bytes;
}

const char *qcow2_snapshots_parse(struct qcow2_snapshots *list, const struct qcow2_header *header)
{
	size_t at = 0;

	list->one = calloc(header->snapshots + 1u, sizeof(*list->one));
	if (!list->one)
		return "dom0 is out of memory";
	for (uint32_t i = 0; i < header->snapshots; i++) {
		struct qcow2_snapshot *s = &list->one[i];
		struct qcow2_header old = {.cluster_bits = header->cluster_bits};
		uint32_t bytes = parse_one(s, list->bytes + at, list->n - at, header);

		if (!bytes)
			return list->n < QCOW2_SNAPSHOT_TABLE
				       ? broken
				       : "its snapshot table is larger than 256 KiB";
		old.size = s->size;
		if (s->l1_offset % (1u << header->cluster_bits) ||
		    s->l1_entries > QCOW2_L1_BYTES / 8 || s->size > INT64_MAX / 2 ||
		    s->l1_entries < qcow2_l1_needed(&old))
			return broken;
		at += bytes;
		list->count++;
	}
	list->n = at;
	return NULL;
}

void qcow2_snapshots_free(struct qcow2_snapshots *list)
{
	free(list->bytes);
	free(list->one);
	memset(list, 0, sizeof(*list));
}

uint32_t qcow2_snapshots_find(const struct qcow2_snapshots *list, const char *name, uint32_t *index)
{
	size_t n = strlen(name);
	uint32_t found = 0;

	for (uint32_t i = 0; i < list->count; i++) {
		if (list->one[i].name_bytes != n || memcmp(list->one[i].name, name, n) != 0)
			continue;
		*index = i;
		found++;
	}
	return found;
}

/* One more than the highest number that an entry has as its identity, as QEMU chooses it. */
static unsigned next_id(const struct qcow2_snapshots *list)
{
	unsigned long highest = 0;

	for (uint32_t i = 0; i < list->count; i++) {
		char text[10] = "";
		unsigned long id;

		if (list->one[i].id_bytes >= sizeof(text))
			continue;
		memcpy(text, list->one[i].id, list->one[i].id_bytes);
		id = strtoul(text, NULL, 10);
		if (id > highest)
			highest = id;
	}
	return (unsigned)highest + 1;
}

uint32_t qcow2_snapshot_build(uint8_t *entry, const struct qcow2_header *header,
			      const struct qcow2_snapshots *list, const char *name,
			      uint64_t unix_ns)
{
	char id[16];
	size_t id_bytes, name_bytes = strnlen(name, QCOW2_SNAPSHOT_NAME - 1);

	snprintf(id, sizeof(id), "%u", next_id(list));
	id_bytes = strlen(id);
	qcow2_put(entry, 8, header->l1_offset);
	qcow2_put(entry + AT_ENTRIES, 4, header->l1_entries);
	qcow2_put(entry + AT_ID, 2, id_bytes);
	qcow2_put(entry + AT_NAME, 2, name_bytes);
	qcow2_put(entry + AT_SECONDS, 4, unix_ns / NS_PER_S);
	qcow2_put(entry + AT_NANOS, 4, unix_ns % NS_PER_S);
	qcow2_put(entry + AT_EXTRA, 4, EXTRA_BYTES);
	qcow2_put(entry + FIXED + EXTRA_SIZE, 8, header->size);
	memcpy(entry + FIXED + EXTRA_BYTES, id, id_bytes);
	memcpy(entry + FIXED + EXTRA_BYTES + id_bytes, name, name_bytes);
	return (uint32_t)((FIXED + EXTRA_BYTES + id_bytes + name_bytes + 7) & ~7ull);
}
