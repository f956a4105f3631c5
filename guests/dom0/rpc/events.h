/* SPDX-License-Identifier: BSD-2-Clause */
/* News for the clients that want to hear them. */
#pragma once

struct client;

enum callback_of { CALLBACK_DOMAIN, CALLBACK_NETWORK, CALLBACK_POOL, CALLBACK_DEVICE };

void callbacks_init(struct client *client);
/* At dom0's start. */
void events_start(void);
