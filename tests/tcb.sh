#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tcb.sh BUDGET IMAGE: the code lines of ring 0 per folder and its largest files, the size of the image; fails above
# the budget.
set -eu
budget=$1
image=$2

# Code lines of the files below the given folders, as cloc counts them; 0 if there are none.
lines() {
	cloc --quiet --csv --include-lang='C,C/C++ Header,Assembly' --sum-one "$@" 2>/dev/null |
		awk -F, '$2 == "SUM" { n = $5 } END { print n + 0 }'
}

echo "Code lines of ring 0 (cloc):"
total=0
for d in boot arch kernel; do
	[ -d "$d" ] || continue
	for s in "$d" $(find "$d" -mindepth 1 -maxdepth 1 -type d | sort); do
		n=$(lines "$s")
		if [ "$s" = "$d" ]; then
			total=$((total + n))
			printf '%7d  %s\n' "$n" "$s"
		else
			printf '          %7d  %s\n' "$n" "$s"
		fi
	done
done
printf '%7d  total, of %d\n' "$total" "$budget"
shared=$(lines drivers/console)
printf '%7d  drivers/console, shared with the kernel and not in the count\n' "$shared"

echo
echo "The image:"
size -A -d "$image" | awk '
	$1 == ".text" || $1 ~ /^\.text\./ { t += $2 } $1 ~ /^\.rodata/ { r += $2 }
	$1 ~ /^\.data/ { d += $2 } $1 ~ /^\.bss/ { b += $2 }
	END { printf "%7d  code\n%7d  constants\n%7d  data\n%7d  zeroed\n", t, r, d, b }'

echo
echo "The largest files (code lines):"
cloc --quiet --csv --by-file --include-lang='C,C/C++ Header,Assembly' boot arch kernel 2>/dev/null |
	awk -F, '$2 ~ /\// { print $5, $2 }' | sort -rn | head -12 | awk '{ printf "%7d  %s\n", $1, $2 }'

if [ "$total" -gt "$budget" ]; then
	echo "ring 0 is over its budget of $budget lines" >&2
	exit 1
fi
