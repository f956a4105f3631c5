# SPDX-License-Identifier: BSD-2-Clause
#
# SQLite without floating point: dom0 keeps no number with a point, and its code has no such instructions.
/^SQLITE_PRIVATE int sqlite3IntFloatCompare(i64 i, double r){$/a return i<r ? -1 : i>r;
/^SQLITE_PRIVATE int sqlite3RealSameAsInt(double r1, sqlite3_int64 i){$/a return r1==i;
/^SQLITE_PRIVATE i64 sqlite3RealToI64(double r){$/a return r;
# Newer versions print such a number by this function: as 0.
/^SQLITE_PRIVATE void sqlite3FpDecode(FpDecode \*p.*{$/a p->isSpecial=0; p->sign='+'; p->n=1; p->iDP=1; p->z="0"; return;
/["']/!s/\b\([0-9][0-9]*\)\.[0-9][0-9]*\(e[+-]\?[0-9][0-9]*\)\?L\?\b/\1/g
