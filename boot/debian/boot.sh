# SPDX-License-Identifier: BSD-2-Clause
#
# The files that GRUB reads, for the package's scripts and for /etc/grub.d/20_sampo.
#
#     /boot/sampo/current     the version that the package has installed
#     /boot/sampo/previous    the version before, which has come up
#     /boot/sampo/mark        the mark, an environment block of GRUB with the variable sampo_state
#
# sampo_state is "new" until GRUB starts the current version for the first time and makes the state "try"; dom0 makes
# that "ran" when it has come up. Where GRUB finds "try", it starts the version before. The block stays where it is on the
# disk, for dom0 knows no file system: it gets the partition and the sector.
sampo_lib=/usr/lib/sampo
sampo_boot=/boot/sampo
sampo_marks="$sampo_boot/mark /boot/efi/EFI/sampo/mark"
sampo_mark_bytes=1024

# sampo_can_mark FOLDER: GRUB writes to plain partitions only, and dom0 knows partitions by the identity in their table.
sampo_can_mark() {
	[ -z "$(grub-probe --target=abstraction "$1" 2>/dev/null)" ] || return 1
	case "$(grub-probe --target=fs "$1" 2>/dev/null)" in ext2 | fat) ;; *) return 1 ;; esac
	case "$(grub-probe --target=partmap "$1" 2>/dev/null)" in gpt | msdos) ;; *) return 1 ;; esac
}

# Prints the name of the mark that is there. Returns false if there is none.
sampo_mark() {
	for m in $sampo_marks; do
		if [ -f "$m" ]; then
			echo "$m"
			return 0
		fi
	done
	return 1
}

# Prints the mark's state, or nothing.
sampo_state() {
	if m=$(sampo_mark); then
		sed -n 's/^sampo_state=\(.*\)/\1/p' "$m"
	fi
}

# sampo_set_state STATE: writes the mark in its place, or makes it where GRUB can write. Returns false if that is nowhere.
sampo_set_state() {
	if ! to=$(sampo_mark); then
		to=
		for m in $sampo_marks; do
			# The ESP counts only where one is mounted: its folder may be there without.
			case $m in /boot/efi/*) mountpoint -q /boot/efi || continue ;; esac
			mkdir -p "${m%/*}"
			if sampo_can_mark "${m%/*}"; then
				to=$m
				break
			fi
			rmdir "${m%/*}" 2>/dev/null || true
		done
		[ -n "$to" ] || return 1
	fi
	{
		printf '# GRUB Environment Block\nsampo_state=%s\n' "$1"
		head -c $sampo_mark_bytes /dev/zero | tr '\0' '#'
	} | dd of="$to" bs=$sampo_mark_bytes count=1 iflag=fullblock conv=notrunc,fsync status=none
}

# Prints dom0's word about the mark, boot-mark=DEVICE,SECTOR. Returns false if dom0 cannot reach the mark.
sampo_mark_word() {
	file=$(sampo_mark) && sampo_can_mark "${file%/*}" || return 1
	uuid=$(blkid -p -s PART_ENTRY_UUID -o value "$(grub-probe --target=device "$file")") || return 1
	sync -f "$file"
	# One extent, in sectors: "0: FIRST.. LAST: PHYSICAL.. LAST: LENGTH: FLAGS". Unwritten or inline data have no place.
	sector=$(filefrag -b512 -e "$file" 2>/dev/null |
		sed -n 's/^ *0: *0\.\. *[0-9]*: *\([0-9]*\)\.\. *[0-9]*: *[0-9]*:\(.*\)$/\1 \2/p')
	case $sector in *unwritten* | *inline* | *unknown* | *delalloc* | "") return 1 ;; esac
	[ -n "$uuid" ] || return 1
	echo "boot-mark=/dev/disk/by-partuuid/$uuid,${sector%% *}"
}

# Secure Boot is on (UEFI 2.10, 3.3: the variable behind its four bytes of attributes).
sampo_secure_boot() {
	var=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
	[ -r $var ] && [ "$(od -An -tu1 -j4 -N1 $var | tr -d ' ')" = 1 ]
}
