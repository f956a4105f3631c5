#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# mkiso.sh ISO KERNEL DOM0 [DIR]: a GRUB image that boots from BIOS and from UEFI, as a CD or as a raw disk: the kernel,
# dom0, and every file below DIR as a boot module named by its path in DIR. CMDLINE and DOM0_CMDLINE in
# the environment are the command lines of both. Without DOM0 (the empty string) no module is named dom0. GRUB_COMMANDS are
# run before the menu entry, with GRUB_MODULES beside those that GRUB always has.
set -eu
export LC_ALL=C TZ=UTC
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1767225600}"
iso=$1
kernel=$2
dom0=$3
dir=${4:-}

die() {
	echo "mkiso: $*" >&2
	exit 1
}

# DOM0_MODULES in kernel/dom0.c, and the name in struct sampo_module, kernel/abi.h: more cannot boot.
modules_max=7648
name_max=111

stage=$iso.stage
rm -rf "$stage"
mkdir -p "$stage/boot/grub" "$stage/sampo/guests"
cp "$kernel" "$stage/sampo/sampo.elf"

# The names that a description gives: files that must be there.
named() {
	sed -n 's/.*<\(kernel\|initrd\|loader\)[^>]*>[[:space:]]*\([^[:space:]<]*\).*/\2/p;
	        s/.*<source[^>]*file=["'"'"']\([^"'"'"']*\).*/\1/p' "$1" | sort -u
}

{
	echo 'set timeout=0'
	echo 'set default=0'
	echo 'serial --unit=0 --speed=115200'
	echo 'terminal_input console serial'
	echo 'terminal_output console serial'
	echo 'insmod all_video'
	echo "${GRUB_COMMANDS:-}"
	echo 'menuentry "Sampo" {'
	echo "	multiboot2 /sampo/sampo.elf ${CMDLINE:-}"
	if [ -n "$dom0" ]; then
		cp "$dom0" "$stage/sampo/dom0.bin"
		echo "	module2 /sampo/dom0.bin dom0 ${DOM0_CMDLINE:-}"
	fi
	if [ -n "$dir" ]; then
		[ -d "$dir" ] || die "$dir is not a folder"
		count=$(find -L "$dir" -type f | wc -l)
		[ "$count" -le $modules_max ] || die "$dir has $count files: Sampo starts with at most $modules_max"
		ls "$dir"/*.xml >/dev/null 2>&1 || echo "mkiso: no descriptions (*.xml) in $dir" >&2
		for x in "$dir"/*.xml; do
			[ -f "$x" ] || continue
			for f in $(named "$x"); do
				[ -f "$dir/${f#/}" ] || echo "mkiso: $x names $f, which is not in $dir" >&2
			done
		done
		(cd "$dir" && find -L . -type f | sed 's|^\./||' | sort) | while IFS= read -r f; do
			case $f in *[[:space:]\"\'\;\$\{\}]*) die "the name $f can't be given to GRUB" ;; esac
			[ ${#f} -le $name_max ] || die "the name $f is longer than $name_max characters"
			mkdir -p "$stage/sampo/guests/$(dirname "$f")"
			cp -L "$dir/$f" "$stage/sampo/guests/$f"
			echo "	module2 --nounzip /sampo/guests/$f $f"
		done
	fi
	echo '	boot'
	echo '}'
} >"$stage/boot/grub/grub.cfg"

# GRUB itself, for both firmwares, with all the modules that it needs inside.
modules='normal boot multiboot multiboot2 iso9660 fat part_gpt part_msdos search search_fs_file configfile serial
terminal all_video gfxterm gzio echo test ls cat reboot halt minicmd'"${GRUB_MODULES:+ $GRUB_MODULES}"
work=$iso.grub
rm -rf "$work"
mkdir -p "$work/EFI/BOOT" "$stage/boot/grub/i386-pc"
echo 'search --no-floppy --set=root --file /sampo/sampo.elf
set prefix=($root)/boot/grub' >"$work/early.cfg"
grub-mkimage -O i386-pc-eltorito -p /boot/grub -c "$work/early.cfg" -o "$stage/boot/grub/i386-pc/eltorito.img" \
	biosdisk $modules
grub-mkimage -O x86_64-efi -p /boot/grub -c "$work/early.cfg" -o "$work/EFI/BOOT/BOOTX64.EFI" $modules
find "$work/EFI" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
efi=$work/efi.img
truncate -s 4M "$efi"
mformat -i "$efi" -N 53414d50 -v SAMPO ::
mcopy -i "$efi" -s -m "$work/EFI" ::

chmod -R u=rwX,go=rX "$stage"
find "$stage" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

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
