// SPDX-License-Identifier: BSD-2-Clause
//
// golibvirt ADDRESS: what a program on go-libvirt (the library in Terraform's provider) does: lists,
// a volume that is made, filled, read and deleted, a guest that is defined, started, ended and
// undefined. Prints a line for each step.
package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"time"

	libvirt "github.com/digitalocean/go-libvirt"
)

const guest = `<domain type='kvm'><name>gopher</name><memory unit='MiB'>16</memory>
<os><type>hvm</type><kernel>typed.elf</kernel><cmdline>bytes=6</cmdline></os></domain>`

const volume = `<volume><name>gopher</name><capacity unit='MiB'>4</capacity></volume>`

func check(what string, err error) {
	if err != nil {
		fmt.Printf("%s: %v\n", what, err)
		os.Exit(1)
	}
	fmt.Println(what)
}

func storage(l *libvirt.Libvirt) {
	pool, err := l.StoragePoolLookupByName("data")
	check("pool found", err)
	check("pool refreshed", l.StoragePoolRefresh(pool, 0))
	vol, err := l.StorageVolCreateXML(pool, volume, 0)
	check("volume made", err)
	content := bytes.Repeat([]byte("Sampo "), 100000)
	check("volume filled", l.StorageVolUpload(vol, bytes.NewReader(content), 0, uint64(len(content)), 0))
	var back bytes.Buffer
	check("volume read", l.StorageVolDownload(vol, &back, 0, uint64(len(content)), 0))
	fmt.Println("content right:", bytes.Equal(back.Bytes(), content))
	check("volume deleted", l.StorageVolDelete(vol, 0))
	_, err = l.StorageVolLookupByName(pool, "gopher")
	fmt.Println("volume is not there:", libvirt.IsNotFound(err) || err != nil)
}

func life(l *libvirt.Libvirt) {
	_, err := l.DomainLookupByName("gopher")
	fmt.Println("guest is not there:", libvirt.IsNotFound(err))
	dom, err := l.DomainDefineXML(guest)
	check("guest defined", err)
	check("guest started", l.DomainCreate(dom))
	state, reason, err := l.DomainGetState(dom, 0)
	check(fmt.Sprintf("state %d %d", state, reason), err)
	_, err = l.DomainGetXMLDesc(dom, 0)
	check("guest described", err)
	check("guest ended", l.DomainDestroyFlags(dom, 0))
	check("guest undefined", l.DomainUndefineFlags(dom, 0))
}

func main() {
	conn, err := net.DialTimeout("tcp", os.Args[1], 10*time.Second)
	check("dialled", err)
	l := libvirt.New(conn)
	check("connected", l.Connect())
	version, err := l.ConnectGetLibVersion()
	check(fmt.Sprintf("version known: %t", version > 0), err)
	domains, _, err := l.ConnectListAllDomains(1, 3)
	check(fmt.Sprintf("guests: %d", len(domains)), err)
	storage(l)
	life(l)
	check("disconnected", l.Disconnect())
}
