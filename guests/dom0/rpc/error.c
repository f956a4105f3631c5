/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/error.h"

#include <stddef.h>
#include <string.h>

#define FROM_RPC      7
#define FROM_STORAGE  18
#define FROM_NETWORK  19
#define FROM_DOMAIN   20
#define FROM_SNAPSHOT 35

enum error_code error_of(const char *text)
{
	static const struct {
		const char *begin;
		enum error_code code;
	} known[] = {
		{"Requested operation is not valid", ERROR_INVALID},
		{"Domain is already active", ERROR_INVALID},
		{"Operation not supported", ERROR_UNSUPPORTED},
		{"invalid argument", ERROR_INVALID_ARG},
		{"unsupported configuration", ERROR_CONFIG},
		{"XML error", ERROR_XML},
		{"dom0 is out of memory", ERROR_NO_MEMORY},
		{"Storage pool not found", ERROR_NO_POOL},
		{"Storage volume not found", ERROR_NO_VOLUME},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strncmp(text, known[i].begin, strlen(known[i].begin)))
			return known[i].code;
	return ERROR_FAILED;
}

int error_domain(enum error_code code)
{
	switch (code) {
	case ERROR_RPC:
	case ERROR_AUTH:
		return FROM_RPC;
	case ERROR_NO_POOL:
	case ERROR_NO_VOLUME:
		return FROM_STORAGE;
	case ERROR_NO_NETWORK:
		return FROM_NETWORK;
	case ERROR_NO_SNAPSHOT:
		return FROM_SNAPSHOT;
	default:
		return FROM_DOMAIN;
	}
}
