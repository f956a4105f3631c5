/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests' screens for people: a VNC server for each guest whose description has one, and pictures
 * of any screen.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/dom0/vm/part.h"

struct vm;

/* Listens as long as the guest runs. The start fails if the port that the description names is not
 * free. */
extern const struct vm_part display_part;

/* The port at which the guest's VNC server listens, 0: there is none. */
uint16_t display_port(const struct vm *vm);
