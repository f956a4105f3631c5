#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# mkdisk.sh IMAGE SIZE KERNEL DOM0 [DIR]: a sparse raw disk image of SIZE (as truncate takes it) that boots by itself from
# BIOS and from UEFI: GRUB, the kernel, dom0, and the guests of DIR as mkiso.sh takes them. The rest of the disk is an
# empty partition, which dom0 makes a pool of at its first start. Needs no privileges.
set -eu
# shellcheck source=boot/grub.sh
. "$(dirname "$0")/grub.sh"
PATH=$PATH:/sbin:/usr/sbin
image=$1
pool=data
label=sampo-data

stage=$image.stage
DOM0_CMDLINE="pool=$pool:$label${DOM0_CMDLINE:+ $DOM0_CMDLINE}"
stage_files "$stage" "$3" "$4" "${5:-}"

# The firmware's folder is on the partition that GRUB reads: each GRUB has its own disk as its root.
core=$image.core
mkdir -p "$stage/EFI/BOOT"
# shellcheck disable=SC2086 # a list
grub-mkimage -O i386-pc -p '(,gpt2)/boot/grub' -o "$core" biosdisk $grub_modules
# shellcheck disable=SC2086
grub-mkimage -O x86_64-efi -p /boot/grub -o "$stage/EFI/BOOT/BOOTX64.EFI" $grub_modules
date_files "$stage"

# FAT32 with clusters of 4 KiB is no smaller than this; a second version of all files has room.
boot_min=272
grub_at=1 # MiB
grub_size=1
boot_at=2
boot_size=$(($(du -sm --apparent-size "$stage" | cut -f1) * 2 + 64))
[ $boot_size -ge $boot_min ] || boot_size=$boot_min
[ "$(stat -c %s "$core")" -le $((grub_size << 20)) ] || die "GRUB is too large for its partition"

part=$image.part
rm -f "$part"
truncate -s "$2" "$part"
[ "$(stat -c %s "$part")" -ge $((boot_at + boot_size + 64 << 20)) ] ||
	die "a disk of $2 is too small: the least is $((boot_at + boot_size + 64))M"
sfdisk -q "$part" <<END
label: gpt
label-id: 53414d50-4f00-4000-8000-000000000000
start=${grub_at}MiB, size=${grub_size}MiB, type=21686148-6449-6E6F-744E-656564454649, name=sampo-grub, uuid=53414d50-4f00-4000-8000-000000000001
start=${boot_at}MiB, size=${boot_size}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=sampo-boot, uuid=53414d50-4f00-4000-8000-000000000002
start=$((boot_at + boot_size))MiB, type=E6D6D379-F507-44C2-A23C-238F2A3DF928, name=$label, uuid=53414d50-4f00-4000-8000-000000000003
END

# The file system of the boot partition, with the partition's place on the disk in its header, but without the partition
# table that mformat adds.
boot=$part@@${boot_at}M
mformat -i "$boot" -F -c 8 -h 255 -s 63 -T $((boot_size << 11)) -H $((boot_at << 11)) -N 53414d50 -v SAMPO ::
dd if=/dev/zero of="$part" bs=1 count=64 seek=$(((boot_at << 20) + 446)) conv=notrunc status=none
# FAT has no name for some files, and no two that differ only in the case of letters: mcopy asks, or changes the name.
mcopy -i "$boot" -s -m "$stage"/* :: </dev/null || die "FAT cannot keep all of these files by their names"
staged=$(cd "$stage" && find . -type f | sed 's|^\./||' | sort)
kept=$(mdir -/ -b -i "$boot" :: | sed -n '/\/$/!s|^::/||p' | sort)
[ "$staged" = "$kept" ] ||
	die "FAT cannot keep the name $(printf '%s\n' "$staged" | grep -vxF "$kept" | head -n 1)"

# number BYTES VALUE: little-endian.
number() {
	n=$2
	for _ in $(seq "$1"); do
		# shellcheck disable=SC2059 # the format is the byte
		printf "\\$(printf %03o $((n & 255)))"
		n=$((n >> 8))
	done
}
# put FILE OFFSET: the standard input goes to that place of a file.
put() {
	dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# GRUB's first sector loads the first sector of its core (grub/i386/pc/boot.h, GRUB_BOOT_MACHINE_KERNEL_SECTOR), which
# loads all others (GRUB_BOOT_MACHINE_LIST_SIZE: the last entry of a list that ends with the sector).
number 8 $(((grub_at << 11) + 1)) | put "$core" $((512 - 12))
dd if="$core" of="$part" bs=1M seek=$grub_at conv=notrunc status=none
dd if=/usr/lib/grub/i386-pc/boot.img of="$part" bs=1 count=440 conv=notrunc status=none
number 8 $((grub_at << 11)) | put "$part" $((0x5c))

rm -rf "$stage" "$core"
mv "$part" "$image"
