#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# mkdisk.sh FILE [MiB-per-partition [NAME...]]: a sparse raw disk image with a GPT and one ext4 partition for each NAME
# (guest1 and guest2 if none is given). Needs no privileges.
set -eu
export LC_ALL=C
file=$1
size=${2:-120}
[ $# -ge 2 ] && shift 2 || shift $#
[ $# -gt 0 ] || set -- guest1 guest2

PATH=$PATH:/sbin:/usr/sbin
part=$file.part
rm -f "$part"
truncate -s "$((1 + size * $# + 1))M" "$part"

start=1
{
	echo 'label: gpt'
	for name in "$@"; do
		echo "start=${start}MiB, size=${size}MiB, type=linux, name=$name"
		start=$((start + size))
	done
} | sfdisk -q "$part"

start=1
for name in "$@"; do
	mkfs.ext4 -q -F -L "$name" -m 0 -E "offset=$((start << 20)),lazy_itable_init=1" "$part" "${size}M"
	start=$((start + size))
done
mv "$part" "$file"
