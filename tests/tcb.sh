#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tcb.sh BUDGET IMAGE DEPENDENCIES...: the code and comment lines of ring 0 per folder and its largest files, the size of the
# image; fails above the budget. The count is of whole files: each source that is linked into the image and each
# header that one of them includes, as the compiler's dependency files of the linked objects name them.
set -eu
budget=$1
image=$2
shift 2

list=$(mktemp)
trap 'rm -f "$list" "$list.csv"' EXIT
cat "$@" | tr -s ' \\' '\n\n' | grep -v ':' | grep -E '\.(c|h|S)$' | grep -v '^/' |
	sort -u >"$list"
cloc --quiet --csv --by-file --skip-uniqueness --include-lang='C,C/C++ Header,Assembly' --list-file="$list" \
	--out="$list.csv"

echo "Ring 0 (cloc):"
awk -F, -v budget="$budget" '
	$2 !~ /\.[chS]$/ { next }
	{
		file = $2; sub(/^\.\//, "", file)
		dir = file; sub(/\/[^\/]*$/, "", dir)
		code[dir] += $5; comment[dir] += $4; all += $5; comments += $4
	}
	END {
		print "   code comment"
		for (d in code) printf "%7d %7d  %s\n", code[d], comment[d], d | "sort -k3"
		close("sort -k3")
		printf "%7d %7d  total; the budget is %d lines of code\n", all, comments, budget
	}' "$list.csv"

echo
echo "The image:"
size -A -d "$image" | awk '
	$1 == ".text" || $1 ~ /^\.text\./ { t += $2 } $1 ~ /^\.rodata/ { r += $2 }
	$1 ~ /^\.data/ { d += $2 } $1 ~ /^\.bss/ { b += $2 }
	END { printf "%7d  code\n%7d  constants\n%7d  data\n%7d  zeroed\n", t, r, d, b }'

echo
echo "The largest files (code lines):"
awk -F, '$2 ~ /\.[chS]$/ { print $5, $2 }' "$list.csv" | sort -rn | head -12 | awk '{ printf "%7d  %s\n", $1, $2 }'

total=$(awk -F, '$2 ~ /\.[chS]$/ { n += $5 } END { print n + 0 }' "$list.csv")
if [ "$total" -gt "$budget" ]; then
	echo "ring 0 is over its budget of $budget lines" >&2
	exit 1
fi
