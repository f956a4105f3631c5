/* SPDX-License-Identifier: BSD-2-Clause */
/* The server of libvirt's remote protocol: virsh and its like manage the machine by it. */
#pragma once

/*
 * Listens, after the network stack has started: for TLS on port 16514, or where `libvirt-tls=` of
 * the command line says ("off": nowhere), as soon as there are keys (manage/access.h); without TLS
 * only where `libvirt-tcp=` says.
 */
void server_start(const char *cmdline);
