/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/lvm_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 16384u

/* --- memory: chunks, of which the newest is the first ------------------------------------------
 */

struct lvm_chunk {
	struct lvm_chunk *next;
	size_t bytes;
	_Alignas(16) uint8_t data[];
};

static void *take(struct lvm_tree *tree, size_t bytes)
{
	struct lvm_chunk *chunk = tree->chunks;
	void *taken;

	bytes = (bytes + 7) & ~(size_t)7;
	if (!chunk || bytes > chunk->bytes - tree->used) {
		size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;

		if (room > LVM_TREE_BYTES - tree->total)
			return NULL;
		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		chunk->next = tree->chunks;
		chunk->bytes = room;
		tree->chunks = chunk;
		tree->used = 0;
		tree->total += room;
	}
	taken = chunk->data + tree->used;
	tree->used += bytes;
	return taken;
}

void lvm_tree_free(struct lvm_tree *tree)
{
	while (tree->chunks) {
		struct lvm_chunk *chunk = tree->chunks;

		tree->chunks = chunk->next;
		free(chunk);
	}
	memset(tree, 0, sizeof(*tree));
}

static char *take_text(struct lvm_tree *tree, const char *text, size_t bytes)
{
	char *copy = take(tree, bytes + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, bytes);
	copy[bytes] = 0;
	return copy;
}

static struct lvm_node *take_node(struct lvm_tree *tree, enum lvm_kind kind)
{
	struct lvm_node *node = take(tree, sizeof(*node));

	if (node)
		*node = (struct lvm_node){.kind = kind};
	return node;
}

/* --- parsing -----------------------------------------------------------------------------------
 */

struct parse {
	struct lvm_tree *tree;
	const char *at, *end;
	const char *wrong;
};

static const char out_of_memory[] = "more metadata than there is room for";

static bool fail(struct parse *p, const char *why)
{
	if (!p->wrong)
		p->wrong = why;
	return false;
}

/* The character at hand; 0 at the end. */
static char peek(const struct parse *p)
{
	return p->at < p->end ? *p->at : 0;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip(struct parse *p)
{
	for (; p->at < p->end; p->at++) {
		if (*p->at == '#') {
			while (p->at < p->end && *p->at != '\n' && *p->at)
				p->at++;
			if (p->at == p->end || !*p->at)
				return;
		} else if (!is_blank(*p->at)) {
			return;
		}
	}
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_.+-/@:", c));
}

/* A name, or a number as it stands. */
static const char *parse_word(struct parse *p, const char *why)
{
	const char *start = p->at;
	const char *word;

	while (is_name(peek(p)))
		p->at++;
	if (p->at == start) {
		fail(p, why);
		return NULL;
	}
	word = take_text(p->tree, start, (size_t)(p->at - start));
	if (!word)
		fail(p, out_of_memory);
	return word;
}

static const char *parse_string(struct parse *p)
{
	const char *start = ++p->at;
	char *text, *to;

	while (peek(p) && *p->at != '"')
		p->at += *p->at == '\\' && p->end - p->at > 1 && p->at[1] ? 2 : 1;
	if (!peek(p)) {
		fail(p, "a text without its end");
		return NULL;
	}
	text = take_text(p->tree, start, (size_t)(p->at - start));
	p->at++;
	if (!text) {
		fail(p, out_of_memory);
		return NULL;
	}
	to = text;
	for (const char *from = text; *from; from++) {
		if (*from == '\\' && from[1])
			from++;
		*to++ = *from;
	}
	*to = 0;
	return text;
}

static bool parse_scalar(struct parse *p, struct lvm_node *node)
{
	if (peek(p) == '"') {
		node->kind = LVM_STRING;
		node->text = parse_string(p);
		return node->text;
	}
	if (!strchr("0123456789+-.", peek(p)) || !peek(p))
		return fail(p, "a value that is neither a text nor a number");
	node->kind = LVM_NUMBER;
	node->text = parse_word(p, "");
	return node->text;
}

static bool parse_array(struct parse *p, struct lvm_node *array)
{
	struct lvm_node **end = &array->child;

	array->kind = LVM_ARRAY;
	p->at++;
	skip(p);
	while (peek(p) != ']') {
		struct lvm_node *node = take_node(p->tree, LVM_STRING);

		if (!node)
			return fail(p, out_of_memory);
		if (!parse_scalar(p, node))
			return false;
		*end = node;
		end = &node->next;
		skip(p);
		if (peek(p) == ',') {
			p->at++;
			skip(p);
		} else if (peek(p) != ']') {
			return fail(p, "an array without its end");
		}
	}
	p->at++;
	return true;
}

static bool parse_section(struct parse *p, struct lvm_node *section, unsigned depth);

static bool parse_named(struct parse *p, struct lvm_node *node, unsigned depth)
{
	node->name = parse_word(p, "a character that begins no name");
	if (!node->name)
		return false;
	skip(p);
	if (peek(p) == '{') {
		if (depth == LVM_DEPTH)
			return fail(p, "sections that are nested too deeply");
		p->at++;
		node->kind = LVM_SECTION;
		return parse_section(p, node, depth + 1);
	}
	if (peek(p) != '=')
		return fail(p, "a name without a value");
	p->at++;
	skip(p);
	return peek(p) == '[' ? parse_array(p, node) : parse_scalar(p, node);
}

/* A section's end is "}", the text's end that of the outermost one. */
static bool parse_section(struct parse *p, struct lvm_node *section, unsigned depth)
{
	struct lvm_node **end = &section->child;

	for (;;) {
		struct lvm_node *node;

		skip(p);
		if (!peek(p))
			return !depth || fail(p, "a section without its end");
		if (peek(p) == '}' && depth) {
			p->at++;
			return true;
		}
		node = take_node(p->tree, LVM_STRING);
		if (!node)
			return fail(p, out_of_memory);
		if (!parse_named(p, node, depth))
			return false;
		*end = node;
		end = &node->next;
	}
}

const char *lvm_text_parse(struct lvm_tree *tree, const char *text, size_t bytes)
{
	struct parse p = {.tree = tree, .at = text, .end = text + bytes};

	memset(tree, 0, sizeof(*tree));
	tree->root = take_node(tree, LVM_SECTION);
	if (!tree->root)
		return out_of_memory;
	if (!parse_section(&p, tree->root, 0))
		return p.wrong;
	for (; p.at < p.end; p.at++)
		if (*p.at)
			return "something behind the text's end";
	return NULL;
}

/* --- looking up --------------------------------------------------------------------------------
 */

struct lvm_node *lvm_find(const struct lvm_node *in, const char *name)
{
	for (struct lvm_node *node = in ? in->child : NULL; node; node = node->next)
		if (node->name && !strcmp(node->name, name))
			return node;
	return NULL;
}

struct lvm_node *lvm_section(const struct lvm_node *in, const char *name)
{
	struct lvm_node *node = lvm_find(in, name);

	return node && node->kind == LVM_SECTION ? node : NULL;
}

const char *lvm_string(const struct lvm_node *in, const char *name)
{
	const struct lvm_node *node = lvm_find(in, name);

	return node && node->kind == LVM_STRING ? node->text : NULL;
}

bool lvm_value(const struct lvm_node *node, uint64_t most, uint64_t *value)
{
	uint64_t sum = 0;

	if (!node || node->kind != LVM_NUMBER || !*node->text)
		return false;
	for (const char *at = node->text; *at; at++) {
		unsigned digit = (unsigned)*at - '0';

		if (digit > 9 || sum > (most - (digit > most ? most : digit)) / 10)
			return false;
		sum = sum * 10 + digit;
		if (sum > most)
			return false;
	}
	*value = sum;
	return true;
}

bool lvm_number(const struct lvm_node *in, const char *name, uint64_t most, uint64_t *value)
{
	return lvm_value(lvm_find(in, name), most, value);
}

/* --- changing ----------------------------------------------------------------------------------
 */

struct lvm_node *lvm_add(struct lvm_tree *tree, struct lvm_node *in, enum lvm_kind kind,
			 const char *name, const char *text)
{
	struct lvm_node *node = in ? take_node(tree, kind) : NULL;
	struct lvm_node **end;

	if (!node)
		return NULL;
	if (name) {
		node->name = take_text(tree, name, strlen(name));
		if (!node->name)
			return NULL;
	}
	if (text) {
		node->text = take_text(tree, text, strlen(text));
		if (!node->text)
			return NULL;
	}
	end = &in->child;
	while (*end)
		end = &(*end)->next;
	*end = node;
	return node;
}

struct lvm_node *lvm_add_number(struct lvm_tree *tree, struct lvm_node *in, const char *name,
				uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return lvm_add(tree, in, LVM_NUMBER, name, text);
}

bool lvm_set_number(struct lvm_tree *tree, struct lvm_node *node, uint64_t value)
{
	char text[24];
	const char *copy;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	copy = node ? take_text(tree, text, strlen(text)) : NULL;
	if (!copy)
		return false;
	node->kind = LVM_NUMBER;
	node->text = copy;
	return true;
}

bool lvm_set_name(struct lvm_tree *tree, struct lvm_node *node, const char *name)
{
	const char *copy = take_text(tree, name, strlen(name));

	if (!copy)
		return false;
	node->name = copy;
	return true;
}

void lvm_remove(struct lvm_node *in, const struct lvm_node *node)
{
	struct lvm_node **at = &in->child;

	while (*at && *at != node)
		at = &(*at)->next;
	if (*at)
		*at = node->next;
}

static bool copy_children(struct lvm_tree *to, struct lvm_node *into, const struct lvm_node *from)
{
	struct lvm_node **end = &into->child;

	for (const struct lvm_node *node = from->child; node; node = node->next) {
		struct lvm_node *copy = take_node(to, node->kind);

		if (!copy)
			return false;
		if (node->name)
			copy->name = take_text(to, node->name, strlen(node->name));
		if (node->text)
			copy->text = take_text(to, node->text, strlen(node->text));
		if (!copy->name != !node->name || !copy->text != !node->text)
			return false;
		*end = copy;
		end = &copy->next;
		if (!copy_children(to, copy, node))
			return false;
	}
	return true;
}

bool lvm_tree_copy(struct lvm_tree *to, const struct lvm_tree *from)
{
	memset(to, 0, sizeof(*to));
	to->root = take_node(to, LVM_SECTION);
	return to->root && copy_children(to, to->root, from->root);
}

/* --- printing ----------------------------------------------------------------------------------
 */

struct print {
	char *text;
	size_t room, used;
};

static void put(struct print *p, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++, p->used++)
		if (p->used < p->room)
			p->text[p->used] = text[i];
}

static void put_text(struct print *p, const char *text)
{
	put(p, text, strlen(text));
}

static void print_scalar(struct print *p, const struct lvm_node *node)
{
	if (node->kind == LVM_NUMBER) {
		put_text(p, node->text);
		return;
	}
	put_text(p, "\"");
	for (const char *at = node->text; *at; at++) {
		if (*at == '"' || *at == '\\')
			put(p, "\\", 1);
		put(p, at, 1);
	}
	put_text(p, "\"");
}

static void print_node(struct print *p, const struct lvm_node *node)
{
	put_text(p, node->name);
	if (node->kind == LVM_SECTION) {
		put_text(p, " {\n");
		for (const struct lvm_node *child = node->child; child; child = child->next)
			print_node(p, child);
		put_text(p, "}\n");
		return;
	}
	put_text(p, " = ");
	if (node->kind == LVM_ARRAY) {
		put_text(p, "[");
		for (const struct lvm_node *child = node->child; child; child = child->next) {
			print_scalar(p, child);
			put_text(p, child->next ? ", " : "");
		}
		put_text(p, "]");
	} else {
		print_scalar(p, node);
	}
	put_text(p, "\n");
}

size_t lvm_text_print(const struct lvm_tree *tree, char *text, size_t room)
{
	struct print p = {.text = text, .room = room};

	for (const struct lvm_node *node = tree->root->child; node; node = node->next)
		print_node(&p, node);
	put(&p, "", 1);
	return p.used;
}
