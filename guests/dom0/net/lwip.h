/* SPDX-License-Identifier: BSD-2-Clause */
/* dom0's own network stack: lwIP as a port of the switch. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Joins the switch and asks for an address as the command line says (`ip=`,
 * see ipconf.h). After the network drivers have found their devices.
 */
void stack_start(const char *cmdline);

#define STACK_NAME "sampo" /* if nobody gives another */

/* The name that DHCP servers get, at most 63 characters. */
const char *stack_name(void);
void stack_set_name(const char *name);

/* Uses another address from now on, in the words of `ip=`; the command line's counts all the same
 * if there was one (stack_is_fixed). Returns the error in `ip`, or NULL; stack_check looks for the
 * error alone. */
const char *stack_use(const char *ip);
const char *stack_check(const char *ip);
bool stack_is_fixed(void);

/* Addresses are in network byte order; 0: none. */
struct stack_status {
	bool enabled, dhcp, cable;
	uint8_t mac[6];
	uint32_t address, mask, gateway, dns;
	const char *dhcp_state; /* "bound", "discovering", ... */
	uint32_t lease_seconds; /* of the whole lease */
	uint64_t received, sent, dropped;
};
void stack_status(struct stack_status *status);
