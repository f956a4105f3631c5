/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dom0's network address from its command line:
 *   ip=dhcp (the default)
 *   ip=192.168.1.2/24[,gw=192.168.1.1][,dns=192.168.1.1]
 *   ip=off
 * and the servers that it asks:
 *   dns=192.168.1.1[,192.168.1.2]
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ip_mode { IP_DHCP, IP_STATIC, IP_OFF };

/* Addresses in network byte order, 0: none. */
struct ip_config {
	enum ip_mode mode;
	uint32_t address, mask, gateway, dns;
};

/* The first `ip=` word of the command line. NULL, or the error in it;
 * then the mode is IP_OFF. */
const char *ip_config_parse(const char *cmdline, struct ip_config *config);

/* The `dns=` word: name servers that are asked in place of any others; zeros: there is none. NULL,
 * or the error in it. */
#define IP_NAME_SERVERS 2u
const char *ip_name_servers(const char *cmdline, uint32_t server[IP_NAME_SERVERS]);
/* Has the command line such a word, right or wrong? */
bool ip_is_given(const char *cmdline);
