/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/store/database.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "guests/dom0/store/vfs.h"

#define HEAP_BYTES (2u << 20) /* the most that SQLite may have */
#define TEXT_BYTES 160u

/* The most that one statement may take, in SQLite's instructions: some 50 for each domain are
 * enough, and a database whose pages form a circle takes more than any. */
#define STEPS       500000
#define STEPS_ASKED 1000

/* The format. A change of these tables is another version, and an older Sampo refuses it. */
#define VERSION "1"
#define DOMAIN_TABLE                                                                           \
	"CREATE TABLE domain(name TEXT PRIMARY KEY NOT NULL, autostart INTEGER NOT NULL, xml " \
	"TEXT NOT NULL)"
#define SETTING_TABLE "CREATE TABLE setting(name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)"
#define FORMAT_ID     "0x53616d70" /* "Samp" */

static sqlite3 *db;
static char why[TEXT_BYTES];

static const char *explain(int status)
{
	switch (status) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return NULL;
	case SQLITE_FULL:
		return "the store is full: it has room again when guests are undefined";
	case SQLITE_INTERRUPT:
		return "its database is damaged: there is no end to it";
	case SQLITE_NOMEM:
		return "its memory in dom0 does not suffice";
	default:
		snprintf(why, sizeof(why), "%s", db ? sqlite3_errmsg(db) : sqlite3_errstr(status));
		return why;
	}
}

/* --- statements --------------------------------------------------------------------------------
 */

struct parameter {
	const char *text; /* NULL: a number */
	size_t bytes;
	int number;
};

static struct parameter text_of(const char *text)
{
	return (struct parameter){.text = text, .bytes = strlen(text)};
}

static int bind(sqlite3_stmt *statement, const struct parameter *parameter, int count)
{
	int status = SQLITE_OK;

	for (int i = 0; i < count && status == SQLITE_OK; i++)
		status = parameter[i].text
				 ? sqlite3_bind_text(statement, i + 1, parameter[i].text,
						     (int)parameter[i].bytes, SQLITE_STATIC)
				 : sqlite3_bind_int(statement, i + 1, parameter[i].number);
	return status;
}

static int steps;

static int is_too_long(void *context)
{
	(void)context;
	steps += STEPS_ASKED;
	return steps > STEPS;
}

/* Statements without parameters and results. */
static int execute(const char *sql)
{
	steps = 0;
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

typedef void row_function(void *context, sqlite3_stmt *row);

/* Runs one statement, and calls `each` (may be NULL) with every row of its result. */
static const char *run(const char *sql, const struct parameter *parameter, int count,
		       row_function *each, void *context)
{
	sqlite3_stmt *statement = NULL;
	const char *wrong;
	int status;

	steps = 0;
	status = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	if (status == SQLITE_OK)
		status = bind(statement, parameter, count);
	while (status == SQLITE_OK || status == SQLITE_ROW) {
		status = sqlite3_step(statement);
		if (status == SQLITE_ROW && each)
			each(context, statement);
	}
	wrong = explain(status);
	sqlite3_finalize(statement);
	/* The pages are in memory already: as the image. */
	sqlite3_db_release_memory(db);
	return wrong;
}

static const char *column_text(sqlite3_stmt *row, int column)
{
	const char *text = (const char *)sqlite3_column_text(row, column);

	return text ? text : "";
}

/* --- the format --------------------------------------------------------------------------------
 */

struct look {
	bool domain, setting, foreign, any;
};

/*
 * A volume may come from anywhere: the tables must be, letter for letter, those that are made here,
 * without an index that would compute something. Other tables are nobody's here.
 */
static void look_at_object(void *context, sqlite3_stmt *row)
{
	struct look *look = context;
	const char *table = column_text(row, 0), *sql = column_text(row, 1);

	look->any = true;
	if (!strcmp(sql, DOMAIN_TABLE))
		look->domain = true;
	else if (!strcmp(sql, SETTING_TABLE))
		look->setting = true;
	else if (*sql && (!sqlite3_stricmp(table, "domain") || !sqlite3_stricmp(table, "setting")))
		look->foreign = true;
}

static void keep_text(void *context, sqlite3_stmt *row)
{
	snprintf(context, TEXT_BYTES, "%s", column_text(row, 0));
}

static const char *make_tables(void)
{
	int status = execute("BEGIN;" DOMAIN_TABLE ";" SETTING_TABLE ";"
			     "PRAGMA user_version=" VERSION ";"
			     "PRAGMA application_id=" FORMAT_ID ";"
			     "COMMIT");
	const char *wrong = explain(status);

	if (wrong)
		execute("ROLLBACK");
	return wrong;
}

static const char *check_table(const char *sql)
{
	char result[TEXT_BYTES] = "";
	const char *wrong = run(sql, NULL, 0, keep_text, result);

	if (wrong || !strcmp(result, "ok"))
		return wrong;
	snprintf(why, sizeof(why), "its database is damaged: %.100s", result);
	return why;
}

static const char *check_format(void)
{
	char version[TEXT_BYTES] = "";
	struct look look = {false};
	const char *wrong =
		run("SELECT tbl_name, sql FROM sqlite_schema", NULL, 0, look_at_object, &look);

	if (!wrong)
		wrong = run("PRAGMA user_version", NULL, 0, keep_text, version);
	if (wrong)
		return wrong;
	if (!look.any && !strcmp(version, "0"))
		return make_tables();
	/* A database that a rescue has made anew from a dump has no number. */
	if (strcmp(version, VERSION) != 0 && strcmp(version, "0") != 0) {
		snprintf(why, sizeof(why), "its database has format %.20s, known is " VERSION,
			 version);
		return why;
	}
	if (!look.domain || !look.setting || look.foreign)
		return "its database has other tables than Sampo's";
	wrong = check_table("PRAGMA quick_check(domain)");
	return wrong ? wrong : check_table("PRAGMA quick_check(setting)");
}

static const char *set_up(unsigned pages)
{
	char most[64];
	int status;

	snprintf(most, sizeof(most), "PRAGMA max_page_count=%u", pages);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_progress_handler(db, STEPS_ASKED, is_too_long, NULL);
	/* The first of these that reads the database rolls an unfinished change back. */
	status = execute("PRAGMA journal_mode=PERSIST;"
			 "PRAGMA synchronous=FULL;"
			 "PRAGMA cell_size_check=ON;"
			 "PRAGMA cache_spill=OFF");
	if (status == SQLITE_OK)
		status = execute(most);
	return explain(status);
}

const char *database_open(unsigned pages)
{
	static char kept[TEXT_BYTES];
	const char *wrong;

	sqlite3_initialize();
	sqlite3_hard_heap_limit64(HEAP_BYTES);
	wrong = explain(sqlite3_open_v2(VFS_DATABASE, &db,
					SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL));
	if (!wrong)
		wrong = set_up(pages);
	if (!wrong)
		wrong = check_format();
	if (!wrong)
		return NULL;
	snprintf(kept, sizeof(kept), "%s", wrong);
	database_close();
	return kept;
}

void database_close(void)
{
	sqlite3_close(db);
	db = NULL;
}

/* --- domains -----------------------------------------------------------------------------------
 */

struct each_domain {
	void (*each)(void *context, const struct database_domain *domain);
	void *context;
};

static void give_domain(void *context, sqlite3_stmt *row)
{
	struct each_domain *to = context;
	struct database_domain domain = {
		.name = column_text(row, 0),
		.autostart = sqlite3_column_int(row, 1) != 0,
	};

	domain.xml = column_text(row, 2);
	domain.bytes = (size_t)sqlite3_column_bytes(row, 2);
	to->each(to->context, &domain);
}

const char *database_domains(void (*each)(void *context, const struct database_domain *domain),
			     void *context)
{
	struct each_domain to = {each, context};

	return run("SELECT name, autostart, xml FROM domain ORDER BY name", NULL, 0, give_domain,
		   &to);
}

const char *database_put_domain(const struct database_domain *domain)
{
	struct parameter parameter[] = {
		text_of(domain->name),
		{.number = domain->autostart},
		{.text = domain->xml, .bytes = domain->bytes},
	};

	return run("INSERT OR REPLACE INTO domain(name, autostart, xml) VALUES(?1, ?2, ?3)",
		   parameter, 3, NULL, NULL);
}

const char *database_drop_domain(const char *name)
{
	struct parameter parameter = text_of(name);

	return run("DELETE FROM domain WHERE name = ?1", &parameter, 1, NULL, NULL);
}

/* One statement, so one change: no cut of the power leaves both names or none. */
const char *database_rename_domain(const char *name, const struct database_domain *domain)
{
	struct parameter parameter[] = {
		text_of(name),
		text_of(domain->name),
		{.text = domain->xml, .bytes = domain->bytes},
	};

	return run("UPDATE domain SET name = ?2, xml = ?3 WHERE name = ?1", parameter, 3, NULL,
		   NULL);
}

const char *database_mark_domain(const char *name, bool autostart)
{
	struct parameter parameter[] = {text_of(name), {.number = autostart}};

	return run("UPDATE domain SET autostart = ?2 WHERE name = ?1", parameter, 2, NULL, NULL);
}

/* --- settings ----------------------------------------------------------------------------------
 */

struct setting {
	char *value;
	size_t bytes;
};

static void give_setting(void *context, sqlite3_stmt *row)
{
	struct setting *to = context;

	snprintf(to->value, to->bytes, "%s", column_text(row, 0));
}

const char *database_setting(const char *name, char *value, size_t bytes)
{
	struct parameter parameter = text_of(name);
	struct setting to = {value, bytes};

	*value = 0;
	return run("SELECT value FROM setting WHERE name = ?1", &parameter, 1, give_setting, &to);
}

const char *database_set(const char *name, const char *value)
{
	struct parameter parameter[] = {text_of(name), text_of(value ? value : "")};

	return value ? run("INSERT OR REPLACE INTO setting(name, value) VALUES(?1, ?2)", parameter,
			   2, NULL, NULL)
		     : run("DELETE FROM setting WHERE name = ?1", parameter, 1, NULL, NULL);
}

static void give_number(void *context, sqlite3_stmt *row)
{
	*(unsigned long long *)context = (unsigned long long)sqlite3_column_int64(row, 0);
}

void database_size(unsigned long long *bytes, unsigned long long *unused)
{
	unsigned long long pages = 0, bytes_of_page = 0, free_pages = 0;

	run("PRAGMA page_size", NULL, 0, give_number, &bytes_of_page);
	run("PRAGMA page_count", NULL, 0, give_number, &pages);
	run("PRAGMA freelist_count", NULL, 0, give_number, &free_pages);
	*bytes = pages * bytes_of_page;
	*unused = free_pages * bytes_of_page;
}
