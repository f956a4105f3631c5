/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What dom0 remembers, as tables of SQLite. Each function works on memory (vfs.h) and returns at
 * once; what it has left in the outbox must get to the disk before the next change. Each that
 * returns a text returns the reason for its failure, which stays valid until the next call, or
 * NULL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Opens the database on the volumes that vfs_use was told, and rolls an unfinished change back;
 * makes the tables if the database is empty. `pages` is the most that it may have. */
const char *database_open(unsigned pages);
void database_close(void);

struct database_domain {
	const char *name, *xml;
	size_t bytes; /* of the XML */
	bool autostart;
};

/* Calls `each` for every domain, in the order of their names. */
const char *database_domains(void (*each)(void *context, const struct database_domain *domain),
			     void *context);
const char *database_put_domain(const struct database_domain *domain);
/* These succeed as well if there is no such domain. */
const char *database_drop_domain(const char *name);
/* The domain of that name gets another, with another XML; nothing happens if there is none. */
const char *database_rename_domain(const char *name, const struct database_domain *domain);
const char *database_mark_domain(const char *name, bool autostart);

/* A setting's text in `value`; "" if there is none. */
const char *database_setting(const char *name, char *value, size_t bytes);
/* NULL as a value: forgets it. */
const char *database_set(const char *name, const char *value);

/* Bytes that the database has, and of them those that are free; for reports. */
void database_size(unsigned long long *bytes, unsigned long long *unused);
