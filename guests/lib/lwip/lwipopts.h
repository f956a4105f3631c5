/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration of lwIP: the raw API on one thread, IPv4 with DHCP, UDP and TCP. */
#pragma once

#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET          0
#define LWIP_NETCONN         0
#define LWIP_TIMERS          1

#define LWIP_IPV4                1
#define LWIP_IPV6                0
#define LWIP_ARP                 1
#define LWIP_ETHERNET            1
#define LWIP_ICMP                1
#define LWIP_RAW                 1
#define LWIP_UDP                 1
#define LWIP_TCP                 1
#define LWIP_DHCP                1
#define LWIP_DNS                 1
#define LWIP_ACD                 0
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define LWIP_AUTOIP              0
#define LWIP_IGMP                0
#define DHCP_DOES_ARP_CHECK      0
#define LWIP_DHCP_GET_NTP_SRV    0

#define LWIP_SINGLE_NETIF          1
#define LWIP_NETIF_HOSTNAME        1
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_LINK_CALLBACK   1
#define LWIP_NETIF_TX_SINGLE_PBUF  1

/* Memory: a heap of its own for pbufs, and pools for the rest. */
#define MEM_ALIGNMENT           8
#define MEM_SIZE                (512 * 1024)
#define MEMP_NUM_PBUF           64
#define MEMP_NUM_UDP_PCB        8
#define MEMP_NUM_TCP_PCB        32
#define MEMP_NUM_TCP_PCB_LISTEN 8
#define MEMP_NUM_TCP_SEG        256
#define MEMP_NUM_ARP_QUEUE      16
#define IP_REASS_MAX_PBUFS      64 /* the longest packet has 45 fragments */
#define PBUF_POOL_SIZE          128
#define PBUF_POOL_BUFSIZE       1600

#define TCP_MSS            1460
#define TCP_WND            (64 * 1024 - 1)
#define TCP_SND_BUF        (32 * TCP_MSS)
#define TCP_SND_QUEUELEN   128
#define TCP_SNDLOWAT       (TCP_SND_BUF / 2)
#define LWIP_TCP_SACK_OUT  1
#define TCP_LISTEN_BACKLOG 1
#define TCP_OVERSIZE       TCP_MSS

#define LWIP_CHKSUM_ALGORITHM 3

#define LWIP_STATS 0
#define LWIP_DEBUG 0
