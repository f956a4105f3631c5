#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# debian.sh RELEASE DIR [GOAL...]: makes a root of that Debian release below DIR with debootstrap, if none is there yet,
# clones this repository into it, and runs `make GOAL` there, as a new user would; without a GOAL both of the README's:
# `make run`, whose machine is switched off by `poweroff`, and `make test`. Run by hand, as root.
set -eu
usage="usage: debian.sh RELEASE DIR [GOAL...]"
release=${1:?$usage}
root=$(mkdir -p "${2:?$usage}" && cd "$2" && pwd)/$release
shift 2
top=$(cd "$(dirname "$0")/.." && pwd)
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
	sed -n 's/^URIs: *\([^ ]*debian\)\/*$/\1/p; s/^deb \([^ ]*debian\)\/* .*/\1/p' | head -1)
[ -n "$mirror" ] || { echo "debian.sh: apt's sources name no mirror of Debian" >&2; exit 1; }

if [ ! -e "$root/etc/debian_version" ]; then
	debootstrap --variant=minbase "$release" "$root" "$mirror"
	for suite in "debian $release" "debian-security $release-security"; do
		echo "deb ${mirror%debian}${suite% *} ${suite#* } main"
	done >"$root/etc/apt/sources.list"
	cp /etc/resolv.conf "$root/etc/"
fi

mounted=
leave() {
	for d in $mounted; do
		umount -l "$root/$d"
	done
}
trap leave EXIT
for d in proc dev sys; do
	mount --rbind "/$d" "$root/$d"
	mounted="$mounted $d"
done

# What a user has before the first `make`.
chroot "$root" sh -c 'apt-get -q update && apt-get -q -y install --no-install-recommends make git ca-certificates'
rm -rf "$root/sampo"
git clone -q "$top" "$root/sampo"

# The demo is up long before it is told to end.
run() {
	{ sleep 300; echo poweroff; sleep 60; } | chroot "$root" make -C /sampo run
}
if [ $# -gt 0 ]; then
	for goal; do
		chroot "$root" make -C /sampo "$goal"
	done
	exit 0
fi
run
chroot "$root" make -C /sampo test
