#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# build.sh DIR: Debian's own kernel for clouds and a small user land of busybox, as DIR/vmlinuz and DIR/initrd.gz.
# The packages are fetched with `apt-get download`, kept in DIR, and unpacked; nothing is installed.
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/debs"
out=$(cd "$1" && pwd)
modules='virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk failover net_failover
virtio_net virtio-rng virtio_console virtio_balloon evdev button'

die() {
	echo "linux: $*" >&2
	exit 1
}

# fetch PACKAGE: succeeds if the archive has it.
fetch() {
	(cd "$out/debs" && apt-get -q -o APT::Sandbox::User=root download "$1" >>"$out/apt.log" 2>&1)
}

: >"$out/apt.log"
if ! apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1; then
	as=
	[ "$(id -u)" = 0 ] || as=sudo
	$as apt-get -q update
fi

# The kernel that the archive calls current, or the newest of the same release that it still has.
current=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*-cloud-amd64\)$/\1/p')
series=$(echo "$current" | sed 's/-[0-9]*-cloud-amd64$//; s/[.]/[.]/g')
if ! ls "$out"/debs/linux-image-*.deb >/dev/null 2>&1; then
	found=
	for p in $current $(apt-cache search --names-only "^$series-[0-9]*-cloud-amd64\$" | cut -d' ' -f1 | sort -Vr); do
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

cd "$out/root"
mkdir -p bin dev etc lib/modules mnt proc root run sys tmp
cp "$(find "$out/unpacked" -path '*bin/busybox')" bin/busybox
for a in $(bin/busybox --list); do
	[ "$a" = busybox ] || ln -s busybox "bin/$a"
done
ln -s bin sbin
ln -s bin/busybox init
for m in $modules; do
	f=$(find "$out/unpacked" -name "$m.ko" -o -name "$m.ko.xz" | head -1)
	if [ -z "$f" ]; then
		grep -rqs --include=modules.builtin "/$m.ko" "$out/unpacked" || die "the kernel package has no module $m"
		continue # part of the kernel
	fi
	case $f in
	*.xz) xz -dc "$f" >"lib/modules/$m.ko" ;;
	*) cp "$f" lib/modules/ ;;
	esac
	echo "$m" >>lib/modules/order
done
cp -R "$here/rootfs/." .
chmod -R go+rX,u+rwX .
chmod 755 etc/rc etc/down etc/shell etc/udhcpc.sh etc/acpi/PWRF/00000080

find . -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
find . | sort | cpio --quiet -o -H newc --reproducible -R 0:0 | gzip -9n >"$out/initrd.gz.part"
mv "$out/initrd.gz.part" "$out/initrd.gz"
cp "$out"/unpacked/boot/vmlinuz-* "$out/vmlinuz"
