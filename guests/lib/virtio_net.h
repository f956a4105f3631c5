/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver for one virtio network device (virtio 1.2, PCI) of a small guest. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIRTIO_NET_FRAME 1514u

/*
 * Finds the device and starts it. A received frame and a change of the link
 * come as the given interrupt vector, if the device has MSI-X. NULL, or the
 * error.
 */
const char *virtio_net_start(uint8_t mac[6], uint8_t interrupt);

/* Copies the frame and sends it. false: no room just now. */
bool virtio_net_send(const void *frame, size_t bytes);

/* The next frame that has come, valid until virtio_net_done(); NULL: none. */
const void *virtio_net_receive(size_t *bytes);
void virtio_net_done(void);

bool virtio_net_link(void);
