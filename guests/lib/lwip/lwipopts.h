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
#define LWIP_ALTCP               1
#define LWIP_DHCP                1
#define LWIP_DNS                 1
#define LWIP_ACD                 0
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define LWIP_AUTOIP              0
#define LWIP_IGMP                0
#define DHCP_DOES_ARP_CHECK      0
#define LWIP_DHCP_GET_NTP_SRV    1

#define LWIP_SINGLE_NETIF          1
#define LWIP_NETIF_HOSTNAME        1
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_LINK_CALLBACK   1
#define LWIP_NETIF_TX_SINGLE_PBUF  1

/* Memory: a heap of its own for pbufs, and pools for the rest. */
#define MEM_ALIGNMENT           8
#define MEM_SIZE                (1024 * 1024)
#define MEMP_NUM_PBUF           64
#define MEMP_NUM_UDP_PCB        8
#define MEMP_NUM_TCP_PCB        120 /* those of libvirt's and other clients, and some at their end */
#define MEMP_NUM_TCP_PCB_LISTEN 72  /* one for each screen of a guest, and dom0's own */
#define MEMP_NUM_TCP_SEG        1024
#define MEMP_NUM_ARP_QUEUE      16
/* The stack counts its own timeouts; SNTP has two at a time. */
#define MEMP_NUM_SYS_TIMEOUT (LWIP_NUM_SYS_TIMEOUT_INTERNAL + 4)
#define IP_REASS_MAX_PBUFS   64 /* the longest packet has 45 fragments */
#define PBUF_POOL_SIZE       128
#define PBUF_POOL_BUFSIZE    1600

#define TCP_MSS            1460
#define TCP_WND            (64 * 1024 - 1)
#define TCP_SND_BUF        (32 * TCP_MSS)
#define TCP_SND_QUEUELEN   128
#define TCP_SNDLOWAT       (TCP_SND_BUF / 2)
#define LWIP_TCP_SACK_OUT  1
#define TCP_LISTEN_BACKLOG 1
#define SO_REUSE           1
#define LWIP_TCP_KEEPALIVE 1
#define TCP_OVERSIZE       TCP_MSS

#define LWIP_CHKSUM_ALGORITHM 3

/* The time: an answer is one to the last question, and half of the way there and back is taken off.
 * The program says what becomes of it, in seconds since 2036-02-07 06:28:16 UTC and their 2^-32. */
#define SNTP_SERVER_DNS                1
#define SNTP_STARTUP_DELAY             0
#define SNTP_CHECK_RESPONSE            2
#define SNTP_COMP_ROUNDTRIP            1
#define SNTP_SET_SYSTEM_TIME_NTP(s, f) ntp_set_time(s, f)
#define SNTP_GET_SYSTEM_TIME_NTP(s, f) ntp_get_time(&(s), &(f))
void ntp_set_time(int seconds, unsigned fraction);
void ntp_get_time(int *seconds, unsigned *fraction);

#define LWIP_STATS 0
#define LWIP_DEBUG 0
