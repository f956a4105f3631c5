#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# mkdeb.sh DEB VERSION KERNEL DOM0 LIBRARY...: the Debian package. A LIBRARY is the folder of a source that dom0 is linked
# with: its notices are part of the package. OBJCOPY in the environment strips the kernel.
set -eu
export LC_ALL=C TZ=UTC
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1767225600}"
deb=$1
version=$2
kernel=$3
dom0=$4
shift 4
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
umask 022

root=$deb.root
doc=$root/usr/share/doc/sampo
lib=$root/usr/lib/sampo
rm -rf "$root"
mkdir -p "$root/DEBIAN" "$doc/libraries" "$lib" "$root/etc/default/grub.d" "$root/etc/grub.d" \
	"$root/usr/share/lintian/overrides"

"${OBJCOPY:-objcopy}" --strip-all "$kernel" "$lib/sampo.elf"
chmod 644 "$lib/sampo.elf"
install -m 644 "$dom0" "$lib/dom0.bin"
install -m 644 "$here/boot.sh" "$lib/boot.sh"
echo "$version" >"$lib/version"

install -m 644 "$here/sampo.default" "$root/etc/default/sampo"
install -m 644 "$here/sampo.cfg" "$root/etc/default/grub.d/sampo.cfg"
install -m 755 "$here/20_sampo" "$root/etc/grub.d/20_sampo"
(cd "$root" && find etc -type f | sort | sed 's|^|/|') >"$root/DEBIAN/conffiles"

install -m 644 "$top/README.md" "$top"/docs/*.md "$here/copyright" "$doc"
for source; do
	name=$(basename "$source")
	notices=$source/debian/copyright
	[ -e "$notices" ] || notices=$source/LICENSE
	install -m 644 "$notices" "$doc/libraries/${name%-*}"
done
install -m 644 /usr/share/doc/seabios/copyright "$doc/libraries/seabios"
{
	echo "sampo ($version) unstable; urgency=medium"
	echo
	echo "  * Built from Sampo's sources of this version."
	echo
	echo " -- $(sed -n 's/^Maintainer: //p' "$here/control")  $(date -u -R -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$doc/changelog.gz"
install -m 644 "$here/lintian-overrides" "$root/usr/share/lintian/overrides/sampo"

install -m 755 "$here/postinst" "$here/postrm" "$root/DEBIAN"
sed "s/@VERSION@/$version/; s/@SIZE@/$(du -sk --apparent-size "$root" | cut -f1)/" "$here/control" >"$root/DEBIAN/control"
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\n' | sort | xargs md5sum) >"$root/DEBIAN/md5sums"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$root" "$deb.part" >/dev/null
rm -rf "$root"
mv "$deb.part" "$deb"
