#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What udhcpc calls with a lease: sets the address, the route and the name servers.
case $1 in
deconfig)
	ip addr flush dev "$interface"
	ip link set "$interface" up
	;;
bound | renew)
	ip addr flush dev "$interface"
	ip addr add "$ip/${mask:-24}" dev "$interface"
	for r in $router; do
		ip route replace default via "$r" dev "$interface"
		break
	done
	: >/etc/resolv.conf
	for d in $dns; do
		echo "nameserver $d" >>/etc/resolv.conf
	done
	[ "$1" = bound ] && echo "guest $(hostname): $interface has $ip/${mask:-24} by DHCP" >/dev/console
	;;
esac
exit 0
