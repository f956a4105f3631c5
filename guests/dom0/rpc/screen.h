/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams that are pictures of guests' screens. */
#pragma once

struct client;
struct packet;
struct vm;

/* How many the client has. */
unsigned pictures_of(const struct client *client);
void pictures_pump(struct client *client);
void pictures_leave(struct client *client);
/* The guest has ended: so do its pictures. */
void pictures_end(const struct vm *vm);
/* The client ends the stream of the packet, if that is a picture. */
void picture_forget(struct client *client, const struct packet *packet);
