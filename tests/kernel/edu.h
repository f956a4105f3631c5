/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QEMU's device edu (docs/specs/edu in QEMU's sources): it has a buffer, copies between the buffer
 * and any address of DMA, and sends one message. The program is its driver.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* QEMU 7.2 ends when a transfer touches the last byte of the device's buffer of 4 KiB. */
#define EDU_MOST 2048u

extern uint16_t edu_requester;
extern uint64_t edu_bar; /* physical */

/* Finds the device on bus 0 and maps its registers into a slot. False: there is none. */
bool edu_find(unsigned slot);
/* Is it a master of its bus? */
void edu_set_master(bool on);
bool edu_is_master(void);
/* From a bus address to the device's buffer, and back. They return when the device is done. */
void edu_load(uint64_t bus, uint64_t bytes);
void edu_store(uint64_t bus, uint64_t bytes);
/* Its message is this one from now on: address << 32 | data. */
void edu_set_message(uint64_t message);
/* Sends it. */
void edu_interrupt(void);
