# SPDX-License-Identifier: BSD-2-Clause
#
# grub.sh, for the scripts that make boot media: what GRUB finds on all of them.
export LC_ALL=C TZ=UTC
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1767225600}"

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# DOM0_MODULES in kernel/dom0.c, and the name in struct sampo_module, kernel/abi.h: more cannot boot.
modules_max=7648
name_max=111

# GRUB's own modules that are inside its images.
grub_modules='normal boot multiboot multiboot2 iso9660 fat part_gpt part_msdos search search_fs_file configfile serial
terminal all_video gfxterm gzio echo test ls cat reboot halt minicmd'"${GRUB_MODULES:+ $GRUB_MODULES}"

# The names that a description gives: files that must be there.
named() {
	sed -n 's/.*<\(kernel\|initrd\|loader\)[^>]*>[[:space:]]*\([^[:space:]<]*\).*/\2/p;
	        s/.*<source[^>]*file=["'"'"']\([^"'"'"']*\).*/\1/p' "$1" | sort -u
}

# guest_files DIR STAGE: copies each file below DIR, and prints GRUB's lines for them.
guest_files() {
	[ -d "$1" ] || die "$1 is not a folder"
	count=$(find -L "$1" -type f | wc -l)
	[ "$count" -le $modules_max ] || die "$1 has $count files: Sampo starts with at most $modules_max"
	ls "$1"/*.xml >/dev/null 2>&1 || echo "${0##*/}: no descriptions (*.xml) in $1" >&2
	for x in "$1"/*.xml; do
		[ -f "$x" ] || continue
		for f in $(named "$x"); do
			[ -f "$1/${f#/}" ] || echo "${0##*/}: $x names $f, which is not in $1" >&2
		done
	done
	(cd "$1" && find -L . -type f | sed 's|^\./||' | sort) | while IFS= read -r f; do
		# GRUB would read these signs (GRUB 2.06, "Quoting"), and a name with a line's end comes as two.
		case $f in
		*[[:space:]\"\'\;\$\{\}\\\&\|\<\>]* | \#*) die "the name $f can't be given to GRUB" ;;
		esac
		[ -f "$1/$f" ] || die "a name with the part $f can't be given to GRUB"
		[ ${#f} -le $name_max ] || die "the name $f is longer than $name_max characters"
		mkdir -p "$2/sampo/guests/$(dirname "$f")"
		cp -L "$1/$f" "$2/sampo/guests/$f"
		echo "	module2 --nounzip /sampo/guests/$f $f"
	done
}

# stage_files STAGE KERNEL DOM0 DIR: a new folder with all files of the medium, GRUB's menu among them. CMDLINE and
# DOM0_CMDLINE in the environment are the command lines of both. DOM0 and DIR may be the empty string: no module is named
# dom0, and there are no guests. GRUB_COMMANDS are run before the menu entry.
stage_files() {
	rm -rf "$1"
	mkdir -p "$1/boot/grub" "$1/sampo/guests"
	cp "$2" "$1/sampo/sampo.elf"
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
		if [ -n "$3" ]; then
			cp "$3" "$1/sampo/dom0.bin"
			echo "	module2 /sampo/dom0.bin dom0 ${DOM0_CMDLINE:-}"
		fi
		if [ -n "$4" ]; then
			guest_files "$4" "$1"
		fi
		echo '	boot'
		echo '}'
	} >"$1/boot/grub/grub.cfg"
}

# date_files DIR: one date for all files, so that two builds give the same bytes.
date_files() {
	find "$1" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
}
