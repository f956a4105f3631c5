#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# mkiso.sh ISO KERNEL DOM0 [DIR]: a GRUB image that boots from BIOS and from UEFI, as a CD or as a raw disk: the kernel,
# dom0, and every file below DIR as a boot module named by its path in DIR. CMDLINE and DOM0_CMDLINE in
# the environment are the command lines of both. Without DOM0 (the empty string) no module is named dom0. GRUB_COMMANDS are
# run before the menu entry, with GRUB_MODULES beside those that GRUB always has.
set -eu
# shellcheck source=boot/grub.sh
. "$(dirname "$0")/grub.sh"
iso=$1

stage=$iso.stage
stage_files "$stage" "$2" "$3" "${4:-}"

# GRUB itself, for both firmwares, with all the modules that it needs inside.
work=$iso.grub
rm -rf "$work"
mkdir -p "$work/EFI/BOOT" "$stage/boot/grub/i386-pc"
echo 'search --no-floppy --set=root --file /sampo/sampo.elf
set prefix=($root)/boot/grub' >"$work/early.cfg"
# shellcheck disable=SC2086 # a list
grub-mkimage -O i386-pc-eltorito -p /boot/grub -c "$work/early.cfg" -o "$stage/boot/grub/i386-pc/eltorito.img" \
	biosdisk $grub_modules
# shellcheck disable=SC2086
grub-mkimage -O x86_64-efi -p /boot/grub -c "$work/early.cfg" -o "$work/EFI/BOOT/BOOTX64.EFI" $grub_modules
date_files "$work/EFI"
efi=$work/efi.img
truncate -s 4M "$efi"
mformat -i "$efi" -N 53414d50 -v SAMPO ::
mcopy -i "$efi" -s -m "$work/EFI" ::

chmod -R u=rwX,go=rX "$stage"
date_files "$stage"

log=$iso.log
if ! xorriso -as mkisofs -quiet -r -V SAMPO -o "$iso.part" \
	--grub2-mbr /usr/lib/grub/i386-pc/boot_hybrid.img -partition_offset 16 \
	-b boot/grub/i386-pc/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info \
	-append_partition 2 0xef "$efi" -appended_part_as_gpt \
	-eltorito-alt-boot -e --interval:appended_partition_2:all:: -no-emul-boot \
	"$stage" >"$log" 2>&1; then
	cat "$log" >&2
	die "xorriso failed"
fi
rm -rf "$stage" "$work"
mv "$iso.part" "$iso"
