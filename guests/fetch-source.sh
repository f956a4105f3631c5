#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# fetch-source.sh PACKAGE UPSTREAM-VERSION DIR
#
# Fetches the Debian source package PACKAGE with the stated upstream version, in any Debian revision of it, with the
# ordinary `apt-get source`, which checks every file against the signed package index. Unpacks it, with Debian's
# patches applied, into DIR. The machine's apt configuration is left alone: a copy of its Debian sources, turned from
# binaries to sources and with the next release added, is kept with its own indexes under build/apt.
set -eu
export LC_ALL=C

package=$1
upstream=$2
dir=$3
top=$(pwd)
apt=$top/build/apt
next_release=trixie

opts="-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$apt/sources.list.d -o Dir::State::lists=$apt/lists
-o Dir::Cache=$apt/cache -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3"

die() {
	echo "fetch-source: $*" >&2
	exit 1
}

# Only the sources that are Debian's own: those of a release named in /etc/os-release, with component main.
configure() {
	. /etc/os-release
	release=${VERSION_CODENAME:-bookworm}
	[ "${ID:-}" = debian ] || die "this needs Debian (or build/src/$package filled by hand)"
	rm -rf "$apt"
	mkdir -p "$apt/sources.list.d" "$apt/lists/partial" "$apt/cache/archives/partial"
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -f "$f" ] || continue
		awk -v RS= -v ORS='\n\n' -v r="$release" '
			{ gsub(/\n#[^\n]*/, ""); sub(/^#[^\n]*\n/, "") }
			$0 ~ "(^|\n)Suites:[^\n]*" r && $0 ~ "(^|\n)Components:[^\n]*main" { print }' "$f" |
			sed -e 's/^Types:.*/Types: deb-src/' -e '/^Components:/s/:.*/: main/' >>"$apt/sources.list.d/own.sources"
	done
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		sed -n "s/^[[:space:]]*deb\(-src\)\?[[:space:]]\(.*[[:space:]]$release[^[:space:]]*[[:space:]].*\)/deb-src \2/p" |
		grep -w main | sort -u >"$apt/sources.list.d/own.list" || true
	# The next release's sources, from the same place: its main suite only.
	if [ "$release" != "$next_release" ]; then
		if [ -s "$apt/sources.list.d/own.sources" ]; then
			awk -v RS= -v ORS='\n\n' '!/security/' "$apt/sources.list.d/own.sources" |
				sed "/^Suites:/s/:.*/: $next_release/" >"$apt/sources.list.d/next.sources"
		fi
		grep -v security "$apt/sources.list.d/own.list" |
			sed "s/[[:space:]]$release[^[:space:]]*[[:space:]]/ $next_release /" |
			sort -u >"$apt/sources.list.d/next.list" || true
	fi
	find "$apt/sources.list.d" -size 0 -delete
	apt-get $opts update >"$apt/update.log" 2>&1 || { cat "$apt/update.log" >&2; die "apt-get update failed"; }
	: >"$apt/ready"
}

mkdir -p "$top/build"
# One at a time: make may run several of us.
exec 9>"$top/build/apt.lock"
flock 9
[ -f "$apt/ready" ] || configure

# A line that nobody overlooks.
warn() {
	printf '\n*** fetch-source: %s ***\n\n' "$*" >&2
}

# The revisions of the stated upstream version (epoch, +dfsg and revision apart), newest first. A security update may
# have brought a later version in its place.
offered=$(apt-cache $opts showsrc "$package" 2>/dev/null | sed -n 's/^Version: //p' | sort -uVr)
[ -n "$offered" ] || die "$package: not offered by the machine's apt sources"
revisions=$(echo "$offered" |
	while read -r v; do
		u=${v#*:}
		u=${u%-*}
		u=${u%%+*}
		[ "$u" = "$upstream" ] && echo "$v"
	done || true)
if [ -z "$revisions" ]; then
	revisions=$(echo "$offered" | head -1)
	warn "$package: version $upstream is no longer offered, using $revisions, with which Sampo was not tested"
fi

files=$apt/files/$package
rm -rf "$files"
mkdir -p "$files"
cd "$files"
found=
for v in $revisions; do
	echo "fetching $package $v"
	apt-get $opts --download-only source "$package=$v" >log 2>&1 || true
	# The archive drops old revisions: what counts is the upstream tarball and Debian's patches, both checked by apt.
	if ls ./*.orig.tar.* >/dev/null 2>&1 && ls ./*.debian.tar.* >/dev/null 2>&1; then
		found=$v
		break
	fi
done
if [ -z "$found" ]; then
	ls ./*.orig.tar.* >/dev/null 2>&1 || { cat log >&2; die "$package $upstream: not in the archive"; }
	warn "$package: Debian's patches are not in the archive, using upstream's $upstream WITHOUT THEM, security fixes included"
fi

rm -rf "$dir.part"
mkdir -p "$dir.part"
for t in ./*.orig.tar.*; do
	case $t in *.asc) continue ;; esac
	tar -xf "$t" -C "$dir.part" --strip-components=1
done
if [ -n "$found" ]; then
	for t in ./*.debian.tar.*; do
		tar -xf "$t" -C "$dir.part"
	done
	if [ -f "$dir.part/debian/patches/series" ]; then
		sed -e 's/[[:space:]]*#.*//' -e '/^[[:space:]]*$/d' "$dir.part/debian/patches/series" |
			while read -r p; do
				patch -d "$dir.part" -p1 -s -f <"$dir.part/debian/patches/$p" || die "$package: patch $p"
			done
	fi
fi
rm -rf "$dir"
mv "$dir.part" "$dir"
