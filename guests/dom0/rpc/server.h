/* SPDX-License-Identifier: BSD-2-Clause */
/* The server of libvirt's remote protocol: virsh and its like manage the machine by it. */
#pragma once

/* Listens where the command line says (`libvirt-tcp=PORT`), after the network stack has started. */
void server_start(const char *cmdline);
