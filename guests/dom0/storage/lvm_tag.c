/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/lvm_tag.h"

#include <string.h>

#include "guests/dom0/base/hex.h"

#define ESCAPE '&'

/* lvm(8), "Tags"; without the sign that begins an escape. */
static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_+.-/=!:#", c));
}

bool lvm_tag_make(char tag[LVM_TAG_ROOM], const char *key, const char *value)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = strlen(key);

	if (n + 2 > LVM_TAG_ROOM)
		return false;
	memcpy(tag, key, n);
	tag[n++] = '=';
	for (; *value; value++) {
		bool plain = is_plain(*value);

		if (n + (plain ? 1 : 3) >= LVM_TAG_ROOM)
			return false;
		if (plain) {
			tag[n++] = *value;
			continue;
		}
		tag[n++] = ESCAPE;
		tag[n++] = digits[(uint8_t)*value >> 4];
		tag[n++] = digits[*value & 15];
	}
	tag[n] = 0;
	return true;
}

bool lvm_tag_has_key(const char *tag, const char *key)
{
	size_t n = strlen(key);

	return !strncmp(tag, key, n) && tag[n] == '=';
}

static bool read_value(const char *text, char value[LVM_TAG_ROOM])
{
	size_t n = 0;

	while (*text) {
		int byte = *text++;

		if (n + 1 >= LVM_TAG_ROOM)
			return false;
		if (byte == ESCAPE) {
			int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

			if (low < 0)
				return false;
			byte = high << 4 | low;
			text += 2;
		}
		if (!byte)
			return false;
		value[n++] = (char)byte;
	}
	value[n] = 0;
	return true;
}

/* The volume's first tag of that key, or NULL. */
static const struct lvm_node *find_tag(const struct lvm_lv *lv, const char *key)
{
	const struct lvm_node *tags = lvm_find(lv->node, "tags");
	const struct lvm_node *at = tags && tags->kind == LVM_ARRAY ? tags->child : NULL;

	while (at && (at->kind != LVM_STRING || !lvm_tag_has_key(at->text, key)))
		at = at->next;
	return at;
}

bool lvm_tag_is_there(const struct lvm_lv *lv, const char *key)
{
	return find_tag(lv, key) != NULL;
}

bool lvm_tag_value(const struct lvm_lv *lv, const char *key, char value[LVM_TAG_ROOM])
{
	const struct lvm_node *tag = find_tag(lv, key);

	return tag && read_value(tag->text + strlen(key) + 1, value);
}
