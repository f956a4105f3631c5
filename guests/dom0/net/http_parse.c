/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/net/http_parse.h"

#include <string.h>
#include <strings.h>

#include "guests/dom0/base/hex.h"

static const char too_long[] = "a line of the answer is too long";

/* --- URLs ------------------------------------------------------------------------------------- */

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

/* A number of digits alone, of at most `most`; *text moves behind it. */
static bool read_number(const char **text, uint64_t most, uint64_t *value)
{
	const char *at = *text;

	for (*value = 0; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (*value > (most - digit) / 10)
			return false;
		*value = *value * 10 + digit;
	}
	if (at == *text)
		return false;
	*text = at;
	return true;
}

uint16_t http_url_port(const struct http_url *url)
{
	return url->secure ? 443 : 80;
}

/* A name or an IPv4 address, then perhaps a port. `bytes` of the text are it. */
static const char *read_authority(struct http_url *url, const char *text, size_t bytes)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._";
	size_t host = strspn(text, letters);
	uint64_t port = http_url_port(url);
	const char *at;

	if (memchr(text, '@', bytes))
		return "a URL with a user's name is not sent";
	if (host > bytes)
		host = bytes;
	if (!host || host >= HTTP_HOST)
		return "the URL has no host name";
	at = text + host;
	if (at < text + bytes && *at++ != ':')
		return "the URL's host name has a character that is none of a name's";
	/* The colon may stand without a port (RFC 3986, 3.2.3). */
	if (at < text + bytes && (!read_number(&at, UINT16_MAX, &port) || !port))
		return "the URL's port is not a number from 1 to 65535";
	if (at != text + bytes)
		return "the URL's port is not a number from 1 to 65535";
	memcpy(url->host, text, host);
	url->host[host] = 0;
	url->port = (uint16_t)port;
	return NULL;
}

/* A path with its query, up to a fragment, which is the reader's own. */
static const char *read_path(struct http_url *url, const char *text)
{
	size_t n = strcspn(text, "#"), slash = *text != '/';

	if (n + slash >= HTTP_URL)
		return "the URL is too long";
	url->path[0] = '/';
	memcpy(url->path + slash, text, n);
	url->path[slash + n] = 0;
	return NULL;
}

static const char *read_behind_scheme(struct http_url *url, const char *text)
{
	size_t authority = strcspn(text, "/?#");
	const char *wrong = read_authority(url, text, authority);

	return wrong ? wrong : read_path(url, text + authority);
}

const char *http_url_read(struct http_url *url, const char *text)
{
	if (!is_printable(text))
		return "the URL has a character that is none of a URL's";
	url->secure = !strncasecmp(text, "https://", 8);
	if (!url->secure && strncasecmp(text, "http://", 7) != 0)
		return "the URL does not begin with http:// or https://";
	return read_behind_scheme(url, text + (url->secure ? 8 : 7));
}

/* The place behind "scheme:" (RFC 3986, 3.1); NULL: the text has no scheme. */
static const char *behind_scheme(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789+-.";
	size_t n = strspn(text, letters);

	return n && text[n] == ':' ? text + n + 1 : NULL;
}

/* A path that does not begin with a slash takes the place of all behind the last one. */
static const char *follow_relative(struct http_url *url, const char *location)
{
	size_t path = strcspn(url->path, "?"), n = strcspn(location, "#");
	size_t keep = path;

	while (*location != '?' && n && url->path[keep - 1] != '/')
		keep--;
	if (!n)
		keep = strlen(url->path);
	if (keep + n >= HTTP_URL)
		return "the URL is too long";
	memcpy(url->path + keep, location, n);
	url->path[keep + n] = 0;
	return NULL;
}

const char *http_url_follow(struct http_url *url, const char *location)
{
	struct http_url next = *url;
	const char *wrong;

	if (!*location)
		return "the server names no place to go to";
	if (!is_printable(location))
		return "the URL has a character that is none of a URL's";
	if (behind_scheme(location))
		wrong = http_url_read(&next, location);
	else if (!strncmp(location, "//", 2))
		wrong = read_behind_scheme(&next, location + 2);
	else if (*location == '/')
		wrong = read_path(&next, location);
	else
		wrong = follow_relative(&next, location);
	if (!wrong && url->secure && !next.secure)
		wrong = "the server leads from https to http";
	if (!wrong)
		*url = next;
	return wrong;
}

bool http_url_same(const struct http_url *a, const struct http_url *b)
{
	return a->secure == b->secure && a->port == b->port && !strcasecmp(a->host, b->host) &&
	       !strcmp(a->path, b->path);
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Gathers a line of at most HTTP_LINE bytes; ends it with a zero in place of its end. */
static enum http_fed feed_line(char line[HTTP_LINE], size_t *used, const uint8_t *data,
			       size_t bytes, size_t *taken)
{
	for (size_t i = 0; i < bytes; i++) {
		if (data[i] == '\n') {
			if (*used && line[*used - 1] == '\r')
				--*used;
			line[*used] = 0;
			*used = 0;
			*taken += i + 1;
			return HTTP_END;
		}
		if (*used == HTTP_LINE - 1)
			return HTTP_WRONG;
		line[(*used)++] = (char)data[i];
	}
	*taken += bytes;
	return HTTP_MORE;
}

/* --- the head --------------------------------------------------------------------------------- */

/* "HTTP/1.1 200 OK" */
static bool read_status(struct http_head *head)
{
	const char *at = head->line + 9;
	uint64_t status;

	if (strncmp(head->line, "HTTP/1.", 7) != 0 || head->line[7] < '0' || head->line[7] > '9' ||
	    head->line[8] != ' ' || !read_number(&at, 599, &status) || status < 100 ||
	    (*at && *at != ' '))
		return false;
	head->status = (unsigned)status;
	return true;
}

static const char *read_length(struct http_head *head, const char *value)
{
	uint64_t length;

	/* Sizes of files have 63 bits. */
	if (!read_number(&value, INT64_MAX, &length) || *value)
		return "Content-Length is not a number";
	if (head->has_length && length != head->length)
		return "the answer has two lengths";
	head->has_length = true;
	head->length = length;
	return NULL;
}

/* "bytes 100-199/200", the last part may be an asterisk (RFC 9110, 14.4). */
static const char *read_range(struct http_head *head, const char *value)
{
	static const char wrong[] = "Content-Range makes no sense";

	if (!strncmp(value, "bytes */", 8))
		return NULL;
	if (strncmp(value, "bytes ", 6) != 0)
		return wrong;
	value += 6;
	if (!read_number(&value, INT64_MAX, &head->first) || *value++ != '-' ||
	    !read_number(&value, INT64_MAX, &head->last) || *value++ != '/' ||
	    head->last < head->first)
		return wrong;
	head->whole = 0;
	if (strcmp(value, "*") != 0 &&
	    (!read_number(&value, INT64_MAX, &head->whole) || *value || head->whole <= head->last))
		return wrong;
	head->has_range = true;
	return NULL;
}

static void keep(char *to, size_t room, const char *value)
{
	size_t n = strlen(value);

	if (n < room && is_printable(value))
		memcpy(to, value, n + 1);
}

/* A date has blanks. */
static void keep_date(char *to, size_t room, const char *value)
{
	size_t n = strlen(value);

	for (size_t i = 0; i < n; i++)
		if (value[i] < ' ' || value[i] > '~')
			return;
	if (n < room)
		memcpy(to, value, n + 1);
}

static const char *read_encoding(struct http_head *head, const char *value)
{
	if (strcasecmp(value, "chunked") != 0)
		return "the answer has a transfer coding that was not asked for";
	head->chunked = true;
	return NULL;
}

/* Returns the reason against the field. */
static const char *read_field(struct http_head *head, const char *name, const char *value)
{
	if (!strcasecmp(name, "Content-Length"))
		return read_length(head, value);
	if (!strcasecmp(name, "Transfer-Encoding"))
		return read_encoding(head, value);
	if (!strcasecmp(name, "Content-Encoding") && strcasecmp(value, "identity") != 0)
		return "the answer has a content coding that was not asked for";
	if (!strcasecmp(name, "Content-Range"))
		return read_range(head, value);
	/* A weak one ("W/...") says nothing about bytes (RFC 9110, 8.8.1). */
	if (!strcasecmp(name, "ETag") && *value == '"')
		keep(head->etag, sizeof(head->etag), value);
	else if (!strcasecmp(name, "Last-Modified"))
		keep_date(head->modified, sizeof(head->modified), value);
	else if (!strcasecmp(name, "Location"))
		keep(head->location, sizeof(head->location), value);
	return NULL;
}

static const char *split_field(struct http_head *head)
{
	char *colon = strchr(head->line, ':'), *value, *end;

	/* A line that begins with a blank would continue the one before (RFC 9112, 5.2). */
	if (!colon || colon == head->line ||
	    strcspn(head->line, " \t") < (size_t)(colon - head->line))
		return "a line of the answer's head is no field";
	*colon = 0;
	value = colon + 1 + strspn(colon + 1, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = 0;
	return read_field(head, head->line, value);
}

void http_head_begin(struct http_head *head)
{
	memset(head, 0, sizeof(*head));
}

/* A body has the length that its last field says; chunks say it better (RFC 9112, 6.3). */
static enum http_fed end_head(struct http_head *head)
{
	size_t bytes = head->bytes;

	if (head->status < 200) {
		http_head_begin(head);
		head->bytes = bytes;
		return HTTP_MORE;
	}
	if (head->chunked)
		head->has_length = false;
	return HTTP_END;
}

/* A whole line of the head. */
static enum http_fed take_line(struct http_head *head, const char **why)
{
	if (!head->has_status) {
		head->has_status = read_status(head);
		*why = head->has_status ? NULL : "the server does not speak HTTP/1";
	} else if (!*head->line) {
		return end_head(head);
	} else {
		*why = split_field(head);
	}
	return *why ? HTTP_WRONG : HTTP_MORE;
}

enum http_fed http_head_feed(struct http_head *head, const uint8_t *data, size_t bytes,
			     size_t *taken, const char **why)
{
	enum http_fed fed = HTTP_MORE;

	*taken = 0;
	while (*taken < bytes && fed == HTTP_MORE) {
		size_t before = *taken;

		fed = feed_line(head->line, &head->line_bytes, data + *taken, bytes - *taken,
				taken);
		head->bytes += *taken - before;
		if (fed == HTTP_WRONG || head->bytes > HTTP_HEAD) {
			*why = fed == HTTP_WRONG ? too_long : "the answer's head is too long";
			return HTTP_WRONG;
		}
		if (fed == HTTP_END)
			fed = take_line(head, why);
	}
	return fed;
}

/* --- chunks ----------------------------------------------------------------------------------- */

/* "1a2b;name=value": extensions are passed over (RFC 9112, 7.1.1). */
static bool read_chunk_size(const char *line, uint64_t *size)
{
	unsigned digits = 0;

	for (*size = 0; hex_digit(*line) >= 0; line++) {
		if (++digits > 15)
			return false;
		*size = *size << 4 | (uint64_t)hex_digit(*line);
	}
	line += strspn(line, " \t");
	return digits && (!*line || *line == ';');
}

/* A whole line around the data. */
static const char *take_frame(struct http_chunks *c)
{
	switch (c->state) {
	case CHUNK_SIZE:
		if (!read_chunk_size(c->line, &c->left))
			return "the size of a chunk is no number";
		c->state = c->left ? CHUNK_DATA : CHUNK_TRAILER;
		return NULL;
	case CHUNK_END:
		c->state = CHUNK_SIZE;
		return *c->line ? "a chunk is longer than it says" : NULL;
	default:
		if (!*c->line)
			c->state = CHUNK_DONE;
		return NULL;
	}
}

enum http_fed http_chunks_feed(struct http_chunks *c, const uint8_t *data, size_t bytes,
			       size_t *skipped, size_t *data_bytes, const char **why)
{
	*skipped = *data_bytes = 0;
	while (c->state != CHUNK_DATA && c->state != CHUNK_DONE) {
		size_t before = *skipped;
		enum http_fed fed = feed_line(c->line, &c->line_bytes, data + *skipped,
					      bytes - *skipped, skipped);

		if (c->state == CHUNK_TRAILER)
			c->trailer_bytes += *skipped - before;
		*why = fed == HTTP_WRONG || c->trailer_bytes > HTTP_HEAD ? too_long : NULL;
		if (fed == HTTP_END && !*why)
			*why = take_frame(c);
		if (*why)
			return HTTP_WRONG;
		if (fed == HTTP_MORE)
			return HTTP_MORE;
	}
	if (c->state == CHUNK_DONE)
		return HTTP_END;
	*data_bytes = bytes - *skipped;
	if (*data_bytes > c->left)
		*data_bytes = (size_t)c->left;
	return HTTP_MORE;
}

void http_chunks_take(struct http_chunks *c, size_t bytes)
{
	c->left -= bytes;
	if (c->state == CHUNK_DATA && !c->left)
		c->state = CHUNK_END;
}
