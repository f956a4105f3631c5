/* SPDX-License-Identifier: BSD-2-Clause */
/* libvirt's numbers of errors (virErrorNumber), as far as Sampo has use for them. */
#pragma once

enum error_code {
	ERROR_INTERNAL = 1,
	ERROR_NO_MEMORY = 2,
	ERROR_NO_SUPPORT = 3,
	ERROR_INVALID_ARG = 8,
	ERROR_FAILED = 9,
	ERROR_XML = 27,
	ERROR_DENIED = 29,
	ERROR_RPC = 39,
	ERROR_NO_DOMAIN = 42,
	ERROR_NO_NETWORK = 43,
	ERROR_AUTH = 45,
	ERROR_NO_POOL = 49,
	ERROR_NO_VOLUME = 50,
	ERROR_NO_NODE_DEVICE = 53,
	ERROR_INVALID = 55,
	ERROR_NO_INTERFACE = 57,
	ERROR_CONFIG = 67,
	ERROR_NO_SNAPSHOT = 72,
	ERROR_NO_METADATA = 80,
	ERROR_UNSUPPORTED = 84,
};

/* The number of a text with which dom0 refuses something: by the words that it begins with, which
 * are libvirt's; ERROR_FAILED for other texts. */
enum error_code error_of(const char *text);
/* The part of libvirt that an error is from (virErrorDomain). Clients only show it. */
int error_domain(enum error_code code);
