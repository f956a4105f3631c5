/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/shell/download.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/sha256.h>

#include "guests/dom0/base/hex.h"
#include "guests/dom0/net/http.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"

#define LOOK_NS 50000000u
#define DIGEST  32u /* bytes of a SHA-256 */

static struct {
	struct download order;
	struct http_get get;
	char url[HTTP_URL];
	char *text;
	size_t bytes;
	bool ended, hashes;
	uint8_t digest[DIGEST];
	mbedtls_sha256_context sha;
	char why[SERVER_WHY];
} job;

static void begins(struct http_get *get, bool has_length, uint64_t length)
{
	(void)get;
	(void)has_length;
	(void)length;
}

static void end(const char *why)
{
	job.ended = true;
	snprintf(job.why, sizeof(job.why), "%s", why);
}

static void ends(struct http_get *get, const char *why)
{
	uint8_t digest[DIGEST];

	(void)get;
	if (!why && job.hashes) {
		mbedtls_sha256_finish(&job.sha, digest);
		if (memcmp(digest, job.digest, DIGEST) != 0)
			why = "the SHA-256 of the file is another one";
	}
	end(why ? why : "");
}

/* The bytes are those of one buffer of the stack's, so that hashing them is short. */
static size_t take(struct http_get *get, const uint8_t *data, size_t bytes)
{
	char why[80];

	if (bytes > job.order.most - job.bytes) {
		http_stop(get);
		snprintf(why, sizeof(why), "%s is larger than %zu KiB", job.order.what,
			 job.order.most / 1024);
		end(why);
		return 0;
	}
	memcpy(job.text + job.bytes, data, bytes);
	job.bytes += bytes;
	if (job.hashes)
		mbedtls_sha256_update(&job.sha, data, bytes);
	return bytes;
}

static bool look(bool cancel)
{
	bool goes_on = false;

	if (cancel && !job.ended) {
		http_stop(&job.get);
		end("stopped");
	}
	if (!job.ended)
		return true;
	job.text[job.bytes] = 0;
	if (*job.why)
		shell_failure(job.why, "%s %s", job.order.fault, job.url);
	else
		goes_on = job.order.use(job.url, job.text, job.bytes);
	free(job.text);
	if (!goes_on)
		term_printf("\n");
	return goes_on;
}

static const char *begin(void)
{
	const char *sha256 = job.order.sha256;

	job.hashes = sha256 != NULL;
	if (sha256 && !hex_read(sha256, job.digest, DIGEST))
		return "a SHA-256 has 64 hexadecimal digits";
	mbedtls_sha256_init(&job.sha);
	mbedtls_sha256_starts(&job.sha, 0);
	job.ended = false;
	job.bytes = 0;
	job.get.head = begins;
	job.get.body = take;
	job.get.done = ends;
	job.get.unproven = job.hashes;
	job.text = malloc(job.order.most + 1);
	return job.text ? http_get(&job.get, job.url) : "dom0 is out of memory";
}

void shell_download(const struct download *order)
{
	const char *wrong;

	job.order = *order;
	job.text = NULL;
	snprintf(job.url, sizeof(job.url), "%s", order->url);
	wrong = begin();
	if (!wrong) {
		shell_job(look, LOOK_NS);
		return;
	}
	free(job.text);
	shell_failure(wrong, "%s %s", order->fault, job.url);
}
