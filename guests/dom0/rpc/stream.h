/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams: guests' consoles for clients, and copies of volumes (copies.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;
struct packet;

/* The client sends data. Returns how many bytes were taken; the others come again. */
size_t stream_input(struct client *client, const struct packet *packet, const uint8_t *bytes,
		    size_t n);
/* Are bytes given up that are not taken for a long time? */
bool stream_may_lose(const struct client *client, const struct packet *packet);
/* The client ends a stream; packet->status says how. */
void stream_finish(struct client *client, const struct packet *packet);
/* Sends the streams' output, as far as the client takes it. */
void streams_pump(struct client *client);
/* The client goes. */
void streams_end(struct client *client);
unsigned streams_of(const struct client *client);
/* At dom0's start. */
void streams_start(void);
