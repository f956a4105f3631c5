/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/web/request.h"

#include <string.h>
#include <strings.h>

#define BAD_REQUEST     400u /* RFC 9110, 15.5 and 15.6; RFC 6585, 5 */
#define NOT_ALLOWED     405u
#define TARGET_TOO_LONG 414u
#define HEAD_TOO_LONG   431u
#define OTHER_VERSION   505u

static bool refuse(struct request *request, unsigned status)
{
	if (!request->status)
		request->status = status;
	request->close = true;
	return true;
}

/* --- the first line --- */

/* Cuts the text at the first blank and returns the text behind it, or NULL. */
static char *cut_word(char *text)
{
	char *blank = strchr(text, ' ');

	if (!blank)
		return NULL;
	*blank = 0;
	return blank + 1;
}

/* The path of a target in the origin or the absolute form (RFC 9112, 3.2); NULL: another form. */
static const char *path_of(const char *target)
{
	if (!strncasecmp(target, "http://", 7)) {
		target += 7;
		target += strcspn(target, "/?#");
		return *target == '/' ? target : "/";
	}
	return *target == '/' ? target : NULL;
}

static void keep_path(struct request *request, const char *path)
{
	size_t n = strcspn(path, "?#");

	if (n >= REQUEST_PATH)
		n = REQUEST_PATH - 1;
	memcpy(request->path, path, n);
	request->path[n] = 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9112, 2.3 */
static void read_version(struct request *request, const char *version)
{
	bool right = !strncmp(version, "HTTP/", 5) && is_digit(version[5]) && version[6] == '.' &&
		     is_digit(version[7]) && !version[8];

	if (!right) {
		refuse(request, BAD_REQUEST);
	} else if (version[5] != '1') {
		refuse(request, OTHER_VERSION);
	} else {
		request->chunks = version[7] != '0';
		request->close = !request->chunks;
	}
}

static void read_first(struct request *request)
{
	char *target = cut_word(request->line), *version = target ? cut_word(target) : NULL;
	const char *path = version ? path_of(target) : NULL;

	if (request->cut) {
		refuse(request, TARGET_TOO_LONG);
		return;
	}
	if (!path) {
		refuse(request, BAD_REQUEST);
		return;
	}
	keep_path(request, path);
	read_version(request, version);
	request->head_only = !strcmp(request->line, "HEAD");
	if (!request->head_only && strcmp(request->line, "GET") != 0)
		refuse(request, NOT_ALLOWED);
}

/* --- the fields --- */

/* Is the word one of a list with commas? (RFC 9110, 5.6.1) */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (*list) {
		size_t length;

		list += strspn(list, ", \t");
		length = strcspn(list, ", \t");
		if (length == n && !strncasecmp(list, word, n))
			return true;
		list += length;
	}
	return false;
}

/* A request with a body is answered, and its connection ends: the body is not read. */
static void read_field(struct request *request)
{
	char *value = strchr(request->line, ':');

	if (!value || value == request->line || strcspn(request->line, " \t") == 0 ||
	    value[-1] == ' ' || value[-1] == '\t') {
		refuse(request, value || !request->cut ? BAD_REQUEST : HEAD_TOO_LONG);
		return;
	}
	*value++ = 0;
	value += strspn(value, " \t");
	if (!strcasecmp(request->line, "host"))
		request->hosts++;
	else if (!strcasecmp(request->line, "connection"))
		request->close |= request->cut || has_word(value, "close");
	else if (!strcasecmp(request->line, "content-length"))
		request->close |= strcmp(value, "0") != 0;
	else if (!strcasecmp(request->line, "transfer-encoding"))
		request->close = true;
}

/* RFC 9112, 3.2: a request of HTTP/1.1 has one Host field. */
static void end_head(struct request *request)
{
	if (request->chunks ? request->hosts != 1 : request->hosts > 1)
		refuse(request, BAD_REQUEST);
}

/* --- lines --- */

/* Returns true at the head's end. Empty lines in front of the first one are nothing (RFC 9112,
 * 2.2). */
static bool end_line(struct request *request)
{
	bool empty = !request->used;

	request->line[request->used] = 0;
	if (empty && request->lines)
		end_head(request);
	else if (!empty && !request->lines++)
		read_first(request);
	else if (!empty)
		read_field(request);
	request->used = 0;
	request->cut = false;
	request->after_r = false;
	return request->status || (empty && request->lines);
}

static bool feed_byte(struct request *request, uint8_t byte)
{
	if (++request->bytes > REQUEST_HEAD)
		return refuse(request, HEAD_TOO_LONG);
	if (byte == '\n')
		return end_line(request);
	if (request->after_r || ((byte < ' ' || byte == 0x7f) && byte != '\t' && byte != '\r'))
		return refuse(request, BAD_REQUEST);
	if (byte == '\r')
		request->after_r = true;
	else if (request->used < REQUEST_LINE - 1)
		request->line[request->used++] = (char)byte;
	else
		request->cut = true;
	return false;
}

bool request_feed(struct request *request, const uint8_t *bytes, size_t n, size_t *taken)
{
	bool ended = false;

	for (*taken = 0; *taken < n && !ended; ++*taken)
		ended = feed_byte(request, bytes[*taken]);
	return ended;
}
