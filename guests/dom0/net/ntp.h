/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The wall clock by lwIP's SNTP. dom0's command line names the server: `ntp=ADDRESS`, `ntp=NAME` or
 * `ntp=off`; without that word it is the one that the DHCP server names (option 42), if it does.
 *
 * The first answer may set any time from 2026 to 2099. A later one is refused if it is more than
 * NTP_STEP_SECONDS away from the clock, unless the operator has asked for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NTP_STEP_SECONDS 1000

void ntp_start(const char *cmdline);
/* dom0 has an address now, or none any more. */
void ntp_address_changed(bool has_address);

/* Asks once more at once; `any`: the answer may be as far away as the first one. Returns the reason
 * why nobody is asked, or NULL. */
const char *ntp_ask(bool any);

struct ntp_status {
	const char *server; /* its name or address; NULL: none */
	bool set;           /* the clock has been set by an answer */
	uint64_t when;      /* of the last answer that was taken, as clock_ns */
	int64_t change_ns;  /* by which it set the clock */
	unsigned taken, refused;
	const char *why; /* the last answer was refused, or NULL */
};
void ntp_status(struct ntp_status *status);
