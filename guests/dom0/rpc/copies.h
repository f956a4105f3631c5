/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams that are uploads into volumes and downloads of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;
struct packet;

/* Does the packet name one of the client's? */
bool is_copy(const struct client *client, const struct packet *packet);
/* How many the client has. */
unsigned copies_of(const struct client *client);

/* As those of stream.h, for a packet that names one. */
size_t copy_input(struct client *client, const struct packet *packet, const uint8_t *bytes,
		  size_t n);
void copy_finish(struct client *client, const struct packet *packet);
void copies_pump(struct client *client);
void copies_leave(struct client *client);
