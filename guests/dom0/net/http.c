/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection is lwIP's altcp: for https, another layer lies between it and TCP. The stack's
 * reports are noted and queued; a timer that is due at once then goes through them from the event
 * loop, where a connection may be closed. TCP's window opens only by the bytes that the sink has
 * taken, so a sink that is slow holds back the server and not dom0's memory.
 */
#include "guests/dom0/net/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <lwip/altcp.h>
#include <lwip/dns.h>
#include <lwip/pbuf.h>

#include "guests/dom0/base/loop.h"

#define SECOND     1000000000ull
#define CONNECT_NS (15 * SECOND)
#define STALL_NS   (10 * SECOND)
#define BEHIND_NS  (SECOND / 2) /* for the server's end of the connection */
#define FIRST_NS   SECOND       /* between two connections, then twice as long */

/* A question to a name server cannot be taken back: its answer finds no client then. */
struct http_name {
	struct http_get *get;
};

static const char no_end[] = "the answer has neither a length nor chunks";
static const char changed[] = "the file has changed on the server";
static const char shorter[] = "the body is shorter than its length says";
static const char no_length[] = "the server does not say how long the file is";
static const char longer[] = "the body is longer than its length says";

static void open_connection(struct http_get *get);

/* --- ends ------------------------------------------------------------------------------------- */

static void close_connection(struct http_get *get)
{
	struct altcp_pcb *connection = get->connection;

	if (get->name)
		get->name->get = NULL;
	get->name = NULL;
	get->connection = NULL;
	timer_cancel(&get->step);
	timer_cancel(&get->patience);
	if (connection) {
		altcp_arg(connection, NULL);
		altcp_recv(connection, NULL);
		altcp_err(connection, NULL);
		if (altcp_close(connection) != ERR_OK)
			altcp_abort(connection);
	}
	if (get->queue)
		pbuf_free(get->queue);
	get->queue = NULL;
}

void http_stop(struct http_get *get)
{
	if (get->state == HTTP_IDLE)
		return;
	close_connection(get);
	get->state = HTTP_IDLE;
}

static void finish(struct http_get *get, const char *why)
{
	if (why && why != get->why)
		snprintf(get->why, sizeof(get->why), "%s", why);
	http_stop(get);
	get->done(get, why ? get->why : NULL);
}

/* The body is not complete and the connection is of no more use: another one goes on. */
static void try_again(struct http_get *get, const char *why)
{
	bool resumes = get->received != 0;

	if (get->received - get->progress >= HTTP_PROGRESS) {
		get->progress = get->received;
		get->tries = 0;
	}
	if (++get->tries == HTTP_TRIES || (resumes && !*get->etag && !*get->modified)) {
		snprintf(get->why, sizeof(get->why), "%s, after %llu bytes%s", why,
			 (unsigned long long)get->received,
			 get->tries == HTTP_TRIES ? ""
						  : "; the server names no version of the file to "
						    "go on with");
		finish(get, get->why);
		return;
	}
	close_connection(get);
	get->ended = false;
	get->error = ERR_OK;
	get->state = HTTP_CONNECT;
	timer_set(&get->step, clock_ns() + (FIRST_NS << (get->tries - 1)));
}

/* --- reports of the stack -----------------------------------------------------------------------
 */

static void look_soon(struct http_get *get)
{
	timer_set(&get->step, clock_ns());
}

static void broken(void *context, err_t error)
{
	struct http_get *get = context;

	get->connection = NULL; /* the stack has freed it */
	get->error = error;
	look_soon(get);
}

static err_t received(void *context, struct altcp_pcb *connection, struct pbuf *data, err_t error)
{
	struct http_get *get = context;

	(void)connection;
	(void)error;
	if (!data)
		get->ended = true;
	else if (get->queue)
		pbuf_cat(get->queue, data);
	else
		get->queue = data;
	look_soon(get);
	return ERR_OK;
}

static int print_request(const struct http_get *get, char *text, size_t room)
{
	char port[8] = "", range[2 * HTTP_VALIDATOR] = "";

	if (get->url.port != http_url_port(&get->url))
		snprintf(port, sizeof(port), ":%u", get->url.port);
	if (get->received)
		snprintf(range, sizeof(range), "Range: bytes=%llu-\r\nIf-Range: %s\r\n",
			 (unsigned long long)get->received, *get->etag ? get->etag : get->modified);
	return snprintf(text, room,
			"GET %s HTTP/1.1\r\nHost: %s%s\r\nUser-Agent: Sampo\r\n"
			"Accept-Encoding: identity\r\n%sConnection: close\r\n\r\n",
			get->url.path, get->url.host, port, range);
}

static err_t connected(void *context, struct altcp_pcb *connection, err_t error)
{
	char request[HTTP_URL + HTTP_HOST + 2 * HTTP_VALIDATOR + 128];
	struct http_get *get = context;
	int n = print_request(get, request, sizeof(request));

	(void)error;
	get->state = HTTP_IN_HEAD;
	timer_set(&get->patience, clock_ns() + STALL_NS);
	/* A request that cannot be queued gets no answer: patience ends. */
	if (altcp_write(connection, request, (u16_t)n, TCP_WRITE_FLAG_COPY) == ERR_OK)
		altcp_output(connection);
	return ERR_OK;
}

/* --- the answer's head ------------------------------------------------------------------------ */

/* FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo) */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
	return hash;
}

/* Notes the URL as visited. Returns false if it was before. */
static bool note_visit(struct http_get *get)
{
	uint64_t hash = hash_text(0xcbf29ce484222325ull + get->url.port, get->url.host);

	hash = hash_text(hash + get->url.secure, get->url.path);
	for (unsigned i = 0; i < get->redirects; i++)
		if (get->visited[i] == hash)
			return false;
	get->visited[get->redirects] = hash;
	return true;
}

static void redirect(struct http_get *get)
{
	const char *wrong = http_url_follow(&get->url, get->answer.location);

	if (!wrong && ++get->redirects > HTTP_REDIRECTS)
		wrong = "the server redirects more than 8 times";
	if (!wrong && !note_visit(get))
		wrong = "the server redirects in a circle";
	if (wrong) {
		finish(get, wrong);
		return;
	}
	close_connection(get);
	open_connection(get);
}

/* Is the answer about the file whose beginning has been received? */
static bool is_same_file(const struct http_get *get)
{
	const struct http_head *head = &get->answer;

	return *get->etag ? !strcmp(get->etag, head->etag)
			  : *get->modified && !strcmp(get->modified, head->modified);
}

/* The first answer with a body. */
static const char *begin_body(struct http_get *get)
{
	const struct http_head *head = &get->answer;

	if (!head->has_length && !head->chunked)
		return no_end;
	if (get->started && (head->has_length != get->has_length || head->length != get->length))
		return changed;
	get->has_length = head->has_length;
	get->length = head->length;
	get->skip = 0;
	memcpy(get->etag, head->etag, sizeof(get->etag));
	memcpy(get->modified, head->modified, sizeof(get->modified));
	return NULL;
}

/* A later answer may say the length that the first one, in chunks, has not said. Returns false if
 * the length is not that of the file whose beginning has been received. */
static bool note_length(struct http_get *get, uint64_t length)
{
	if (!get->has_length && length >= get->received) {
		get->has_length = true;
		get->length = length;
	}
	return get->has_length && length == get->length;
}

/* The whole file again, to a client that has a part of it: the server knows no ranges, or the file
 * is another one. */
static const char *begin_again(struct http_get *get)
{
	const struct http_head *head = &get->answer;

	if (!is_same_file(get) || (head->has_length && !note_length(get, head->length)))
		return changed;
	if (!head->has_length && !head->chunked)
		return no_end;
	get->skip = get->received;
	return NULL;
}

/* A part names its version as the whole does (RFC 9110, 15.3.7). */
static bool is_of_another_file(const struct http_get *get)
{
	const struct http_head *head = &get->answer;

	return *get->etag ? *head->etag && strcmp(get->etag, head->etag) != 0
			  : *head->modified && strcmp(get->modified, head->modified) != 0;
}

static const char *begin_range(struct http_get *get)
{
	const struct http_head *head = &get->answer;

	if (!get->received || !head->has_range || head->first != get->received)
		return "the server sends another part than was asked for";
	if (head->has_length && head->length != head->last - head->first + 1)
		return "the length of the answer is not that of its part";
	if (!head->has_length && !head->chunked)
		return no_end;
	if (is_of_another_file(get) || (head->whole && !note_length(get, head->whole)) ||
	    (get->has_length && head->last >= get->length))
		return changed;
	/* Without the file's length nobody knows whether this part is the last one. */
	if (!get->has_length)
		return no_length;
	get->skip = 0;
	return NULL;
}

static const char *begin_part(struct http_get *get)
{
	switch (get->answer.status) {
	case 200:
		return get->received ? begin_again(get) : begin_body(get);
	case 206:
		return begin_range(get);
	case 416:
		return "the server has fewer bytes than it said";
	default:
		snprintf(get->why, sizeof(get->why), "the server answers %u", get->answer.status);
		return get->why;
	}
}

static void head_ended(struct http_get *get)
{
	unsigned status = get->answer.status;
	const char *wrong;

	if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) {
		redirect(get);
		return;
	}
	wrong = begin_part(get);
	if (wrong) {
		finish(get, wrong);
		return;
	}
	get->left = get->answer.chunked ? UINT64_MAX : get->answer.length;
	get->resumed += get->received != 0;
	memset(&get->chunks, 0, sizeof(get->chunks));
	get->state = HTTP_IN_BODY;
	if (get->started)
		return;
	get->started = true;
	get->head(get, get->has_length, get->length);
}

/* --- the body --------------------------------------------------------------------------------- */

/* The first bytes of the queue have been used. */
static void use(struct http_get *get, size_t bytes)
{
	if (!bytes)
		return;
	get->queue = pbuf_free_header(get->queue, (u16_t)bytes);
	if (get->connection)
		altcp_recved(get->connection, (u16_t)bytes);
}

/* How many of the next bytes the sink has from an earlier connection. */
static size_t known_of(const struct http_get *get, size_t bytes)
{
	return bytes < get->skip ? bytes : (size_t)get->skip;
}

/* Gives data to the sink, but for those that it has. Returns how many are taken: fewer if the sink
 * is full. */
static size_t give(struct http_get *get, const uint8_t *data, size_t bytes)
{
	size_t known = known_of(get, bytes), taken;

	get->skip -= known;
	if (known == bytes)
		return known;
	taken = get->body(get, data + known, bytes - known);
	get->received += taken;
	return known + taken;
}

static void part_ended(struct http_get *get)
{
	if (get->skip) {
		finish(get, changed);
		return;
	}
	if (get->has_length && get->received < get->length) {
		if (get->answer.status == 206 && get->answer.last + 1 < get->length)
			try_again(get, "the server sends less than was asked for");
		else
			finish(get, shorter);
		return;
	}
	if (get->has_length && get->received > get->length) {
		finish(get, longer);
		return;
	}
	get->state = HTTP_BEHIND;
	timer_set(&get->patience, clock_ns() + BEHIND_NS);
}

/* Both take from the first piece of the queue and return false if the rest must wait. */
static bool take_plain(struct http_get *get)
{
	size_t bytes = get->queue->len, taken;

	if (bytes > get->left)
		bytes = (size_t)get->left;
	taken = give(get, get->queue->payload, bytes);
	if (get->state != HTTP_IN_BODY)
		return false;
	get->left -= taken;
	use(get, taken);
	return taken == bytes;
}

static bool take_chunks(struct http_get *get)
{
	const uint8_t *data = get->queue->payload;
	size_t skipped, bytes, taken = 0;
	const char *wrong = NULL;
	enum http_fed fed =
		http_chunks_feed(&get->chunks, data, get->queue->len, &skipped, &bytes, &wrong);

	if (get->has_length && get->received + bytes - known_of(get, bytes) > get->length)
		wrong = longer;
	if (wrong) {
		finish(get, wrong);
		return false;
	}
	if (bytes)
		taken = give(get, data + skipped, bytes);
	if (get->state != HTTP_IN_BODY)
		return false;
	http_chunks_take(&get->chunks, taken);
	use(get, skipped + taken);
	if (fed == HTTP_END)
		get->left = 0;
	return taken == bytes;
}

static bool take_body(struct http_get *get)
{
	bool all = get->answer.chunked ? take_chunks(get) : take_plain(get);

	if (get->state == HTTP_IN_BODY && !get->left) {
		part_ended(get);
		return get->state == HTTP_BEHIND;
	}
	return all;
}

static bool take_head(struct http_get *get)
{
	const char *wrong = NULL;
	size_t taken;
	enum http_fed fed =
		http_head_feed(&get->answer, get->queue->payload, get->queue->len, &taken, &wrong);

	if (fed == HTTP_WRONG) {
		finish(get, wrong);
		return false;
	}
	use(get, taken);
	if (fed == HTTP_MORE)
		return true;
	head_ended(get);
	return get->state == HTTP_IN_BODY;
}

/* --- the connection ----------------------------------------------------------------------------
 */

/* An empty body ends with its head. */
static bool is_empty_body(const struct http_get *get)
{
	return get->state == HTTP_IN_BODY && !get->answer.chunked && !get->left;
}

/* Where the stack has cut off bytes that came twice, and behind its headers, there are buffers
 * without any byte: no step would use them up. */
static void drop_empty_buffers(struct http_get *get)
{
	while (get->queue && !get->queue->len) {
		struct pbuf *empty = get->queue;

		get->queue = empty->next;
		empty->next = NULL;
		pbuf_free(empty);
	}
}

/* Goes through the queue. Returns false if it is not empty then: the sink is full, or all is over.
 */
static bool take_queue(struct http_get *get)
{
	for (drop_empty_buffers(get); get->queue; drop_empty_buffers(get)) {
		if (get->state == HTTP_BEHIND) {
			finish(get, longer);
			return false;
		}
		if (get->state == HTTP_IN_HEAD ? !take_head(get) : !take_body(get))
			return false;
		if (is_empty_body(get))
			part_ended(get);
	}
	return get->state >= HTTP_IN_HEAD;
}

static const char *error_text(const struct http_get *get)
{
	if (get->state == HTTP_CONNECT)
		return get->error == ERR_RST ? "the server refuses the connection"
					     : "no connection to the server";
	return "the connection broke";
}

static void step(struct timer *timer)
{
	struct http_get *get = timer->context;

	if (get->state == HTTP_CONNECT && !get->connection && get->error == ERR_OK) {
		open_connection(get);
		return;
	}
	if (get->queue && !take_queue(get))
		return;
	if (get->state == HTTP_BEHIND && (get->ended || get->error != ERR_OK)) {
		finish(get, NULL);
		return;
	}
	if (get->error != ERR_OK && *get->https.why) {
		finish(get, get->https.why); /* the same would come again */
		return;
	}
	if (get->ended || get->error != ERR_OK) {
		if (get->state == HTTP_CONNECT && !get->received)
			finish(get, error_text(get));
		else
			try_again(get, error_text(get));
		return;
	}
	if (get->state == HTTP_IN_HEAD || get->state == HTTP_IN_BODY)
		timer_set(&get->patience, clock_ns() + STALL_NS);
}

static void out_of_patience(struct timer *timer)
{
	struct http_get *get = timer->context;

	if (get->state == HTTP_BEHIND)
		finish(get, NULL);
	else if (get->state == HTTP_IN_BODY && get->queue)
		return; /* the sink lets the server wait */
	else
		try_again(get, get->state == HTTP_CONNECT ? "no connection to the server"
							  : "the server is silent");
}

static void connect_to(struct http_get *get)
{
	altcp_allocator_t tls = {https_new, &get->https};

	get->state = HTTP_CONNECT;
	get->https = (struct https){.host = get->url.host, .unproven = get->unproven};
	get->connection = altcp_new_ip_type(get->url.secure ? &tls : NULL, IPADDR_TYPE_V4);
	if (!get->connection) {
		finish(get,
		       *get->https.why ? get->https.why : "dom0 has no memory for a connection");
		return;
	}
	altcp_arg(get->connection, get);
	altcp_recv(get->connection, received);
	altcp_err(get->connection, broken);
	timer_set(&get->patience, clock_ns() + CONNECT_NS);
	if (altcp_connect(get->connection, &get->address, get->url.port, connected) != ERR_OK)
		finish(get, "dom0 has no way to the server: see net");
}

static void name_found(const char *host, const ip_addr_t *address, void *context)
{
	struct http_name *name = context;
	struct http_get *get = name->get;

	(void)host;
	free(name);
	if (!get)
		return;
	get->name = NULL;
	if (!address) {
		snprintf(get->why, sizeof(get->why), "no name server knows %.100s", get->url.host);
		finish(get, get->why);
		return;
	}
	get->address = *address;
	connect_to(get);
}

static void open_connection(struct http_get *get)
{
	struct http_name *name = malloc(sizeof(*name));
	err_t error;

	http_head_begin(&get->answer);
	get->ended = false;
	get->error = ERR_OK;
	get->state = HTTP_NAME;
	if (!name) {
		finish(get, "dom0 is out of memory");
		return;
	}
	name->get = get;
	error = dns_gethostbyname(get->url.host, &get->address, name_found, name);
	if (error == ERR_INPROGRESS) {
		get->name = name;
		return;
	}
	free(name);
	if (error == ERR_OK)
		connect_to(get);
	else
		finish(get, error == ERR_VAL ? "dom0 knows no name server: dns= gives one"
					     : "dom0 is out of memory");
}

static void begin(struct timer *timer)
{
	struct http_get *get = timer->context;

	timer_init(&get->step, step, get);
	open_connection(get);
}

const char *http_get(struct http_get *get, const char *url)
{
	struct http_get fresh = {.head = get->head,
				 .body = get->body,
				 .done = get->done,
				 .context = get->context,
				 .unproven = get->unproven};
	const char *wrong = http_url_read(&fresh.url, url);

	if (wrong)
		return wrong;
	*get = fresh;
	get->state = HTTP_NAME;
	note_visit(get);
	timer_init(&get->step, begin, get);
	timer_init(&get->patience, out_of_patience, get);
	look_soon(get);
	return NULL;
}

void http_go_on(struct http_get *get)
{
	if (get->state == HTTP_IN_BODY)
		look_soon(get);
}
