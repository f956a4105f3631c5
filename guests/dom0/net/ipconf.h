/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dom0's network address from its command line:
 *   ip=dhcp (the default)
 *   ip=192.168.1.2/24[,gw=192.168.1.1][,dns=192.168.1.1]
 *   ip=off
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum ip_mode { IP_DHCP, IP_STATIC, IP_OFF };

/* Addresses in network byte order, 0: none. */
struct ip_config {
	enum ip_mode mode;
	uint32_t address, mask, gateway, dns;
};

/* The first `ip=` word of the command line. NULL, or what is wrong with it;
 * then the mode is IP_OFF. */
const char *ip_config_parse(const char *cmdline, struct ip_config *config);
