#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# build.sh DIR [KIND MODULE...]: Debian's own kernel and a small user land of busybox, as DIR/vmlinuz and DIR/initrd.gz. KIND
# is cloud-amd64, the kernel for clouds (the default), or amd64, the generic one. The guest loads each MODULE, too.
# The packages are fetched with `apt-get download`, kept in DIR, and unpacked; nothing is installed.
set -eu
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin" # kmod's programs
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/debs"
out=$(cd "$1" && pwd)
kind=${2:-cloud-amd64}
shift $(($# < 2 ? $# : 2))
modules="virtio_pci virtio_blk virtio_net virtio-rng virtio_console virtio_balloon evdev button $*"

die() {
	echo "linux: $*" >&2
	exit 1
}

# fetch PACKAGE: succeeds if the archive has it.
fetch() {
	(cd "$out/debs" && apt-get -q -o APT::Sandbox::User=root download "$1" >>"$out/apt.log" 2>&1)
}

: >"$out/apt.log"
if ! apt-cache show "linux-image-$kind" >/dev/null 2>&1; then
	as=
	[ "$(id -u)" = 0 ] || as=sudo
	$as apt-get -q update
fi

# The kernel that the archive calls current, or the newest of the same release that it still has.
current=$(apt-cache depends "linux-image-$kind" | sed -n "s/^ *Depends: \(linux-image-[0-9].*-$kind\)\$/\1/p")
series=$(echo "$current" | sed "s/-[0-9]*-$kind\$//; s/[.]/[.]/g")
if ! ls "$out"/debs/linux-image-*.deb >/dev/null 2>&1; then
	found=
	for p in $current $(apt-cache search --names-only "^$series-[0-9]*-$kind\$" | cut -d' ' -f1 | sort -Vr); do
		if fetch "$p"; then
			found=$p
			break
		fi
	done
	[ -n "$found" ] || { cat "$out/apt.log" >&2; die "no kernel package could be fetched"; }
	echo "linux: fetched $found"
fi
if ! ls "$out"/debs/busybox-static_*.deb >/dev/null 2>&1; then
	fetch busybox-static || { cat "$out/apt.log" >&2; die "busybox-static could not be fetched"; }
fi

rm -rf "$out/unpacked" "$out/root"
mkdir -p "$out/unpacked" "$out/root"
for d in "$out"/debs/*.deb; do
	dpkg-deb -x "$d" "$out/unpacked"
done
# kmod looks for modules in /lib/modules or /usr/lib/modules, whatever the package has.
rm -rf "$out/tree"
mkdir -p "$out/tree/lib" "$out/tree/usr"
ln -s ../lib "$out/tree/usr/lib"
ln -s "$(find "$out/unpacked" -type d -path '*lib/modules')" "$out/tree/lib/modules"
version=$(ls "$out/tree/lib/modules")
depmod -b "$out/tree" "$version"

cd "$out/root"
mkdir -p bin dev etc lib/modules mnt proc root run sys tmp
cp "$(find "$out/unpacked" -path '*bin/busybox')" bin/busybox
for a in $(bin/busybox --list); do
	[ "$a" = busybox ] || ln -s busybox "bin/$a"
done
ln -s bin sbin
ln -s bin/busybox init
# Each module behind those that it needs, as kmod says; parts of the kernel itself are none.
for m in $modules; do
	modprobe -d "$out/tree" -S "$version" --show-depends "$m" >"$out/needed" 2>&1 || {
		cat "$out/needed" >&2
		die "the kernel package has no module $m"
	}
	sed -n 's/^insmod \([^ ]*\).*/\1/p' "$out/needed"
done | awk '!seen[$0]++' >"$out/modules"
while read -r f; do
	m=${f##*/}
	m=${m%%.ko*}
	case $f in
	*.xz) xz -dc "$f" >"lib/modules/$m.ko" ;;
	*) cp "$f" lib/modules/ ;;
	esac
	echo "$m" >>lib/modules/order
done <"$out/modules"
cp -R "$here/rootfs/." .
chmod -R go+rX,u+rwX .
chmod 755 etc/rc etc/down etc/shell etc/udhcpc.sh etc/acpi/PWRF/00000080

find . -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
find . | sort | cpio --quiet -o -H newc --reproducible -R 0:0 | gzip -9n >"$out/initrd.gz.part"
mv "$out/initrd.gz.part" "$out/initrd.gz"
cp "$out"/unpacked/boot/vmlinuz-* "$out/vmlinuz"
