/* SPDX-License-Identifier: BSD-2-Clause */
/* SQLite's configuration: one program, one thread, one database, on a VFS of ours
 * (guests/dom0/store/vfs.c). guests/libs.mk says which statements the parser leaves out. */
#pragma once

#define SQLITE_OS_OTHER   1
#define SQLITE_THREADSAFE 0
#define SQLITE_TEMP_STORE 3 /* temporary tables and journals of statements: in memory */

#define SQLITE_STMTJRNL_SPILL      (-1)
#define SQLITE_MAX_MMAP_SIZE       0
#define SQLITE_DQS                 0
#define SQLITE_DEFAULT_CACHE_SIZE  64
#define SQLITE_DEFAULT_PAGE_SIZE   4096
#define SQLITE_DEFAULT_SYNCHRONOUS 2 /* FULL: each commit is on the disk before the next begins */

/* Bounds: a database is read that anybody may have written. */
#define SQLITE_MAX_LENGTH     (1 << 20)
#define SQLITE_MAX_SQL_LENGTH (16 << 10)
#define SQLITE_MAX_COLUMN     32
#define SQLITE_MAX_EXPR_DEPTH 20
#define SQLITE_MAX_ATTACHED   0

#define SQLITE_OMIT_AUTHORIZATION       1
#define SQLITE_OMIT_AUTOMATIC_INDEX     1
#define SQLITE_OMIT_COMPILEOPTION_DIAGS 1
#define SQLITE_OMIT_COMPLETE            1
#define SQLITE_OMIT_DATETIME_FUNCS      1
#define SQLITE_OMIT_DECLTYPE            1
#define SQLITE_OMIT_DEPRECATED          1
#define SQLITE_OMIT_DESERIALIZE         1
#define SQLITE_OMIT_GET_TABLE           1
#define SQLITE_OMIT_INCRBLOB            1
#define SQLITE_OMIT_JSON                1
#define SQLITE_OMIT_LOAD_EXTENSION      1
#define SQLITE_OMIT_LOOKASIDE           1
#define SQLITE_OMIT_SHARED_CACHE        1
#define SQLITE_OMIT_TCL_VARIABLE        1
#define SQLITE_OMIT_TRACE               1
#define SQLITE_OMIT_UTF16               1
#define SQLITE_OMIT_WAL                 1
#define SQLITE_UNTESTABLE               1

/* Where SQLite calls these for a number with a point, it is an integer here. */
static inline long long sampo_absolute(long long number)
{
	return number < 0 ? -number : number;
}
#define fabs sampo_absolute
static inline int sqlite3IsOverflow(long long number)
{
	(void)number;
	return 0;
}
