// SPDX-License-Identifier: MIT OR Apache-2.0

// Uses a map type that Go's cilium/ebpf does not know.
//
// Takes a BPF object and the type's number, uses the object's map and programs, and
// prints the result of each call; the suite compares the output.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/cilium/ebpf"
)

type key struct {
	Prefixlen uint32
	Data      [4]byte
}

const pin = "/sys/fs/bpf/suite_cilium_ebpf"

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintf(os.Stderr, "usage: %s OBJECT MAP_TYPE_NUMBER\n", os.Args[0])
		os.Exit(2)
	}
	number, err := strconv.ParseUint(os.Args[2], 10, 32)
	if err == nil {
		err = run(os.Args[1], ebpf.MapType(number))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(object string, mapType ebpf.MapType) error {
	spec, err := ebpf.LoadCollectionSpec(object)
	if err != nil {
		return err
	}
	spec.Maps["lpm"].Type = mapType
	loaded, err := ebpf.NewCollection(spec)
	if err != nil {
		return err
	}
	defer loaded.Close()
	routes := loaded.Maps["lpm"]
	fmt.Println("type:", routes.Type())

	wide, narrow := key{8, [4]byte{10}}, key{16, [4]byte{10, 1}}
	for n, prefix := range []key{wide, narrow} {
		if err := routes.Put(prefix, uint64(n+1)); err != nil {
			return err
		}
	}
	answer, _, err := loaded.Programs["count"].Test(make([]byte, 64))
	if err != nil {
		return err
	}
	fmt.Println("program:", answer)

	var value uint64
	if err := routes.Lookup(key{32, [4]byte{10, 1, 2, 3}}, &value); err != nil {
		return err
	}
	fmt.Println("lookup:", value)
	var found key
	entries := routes.Iterate()
	for entries.Next(&found, &value) {
		fmt.Println("entry:", found.Prefixlen, found.Data, value)
	}
	if entries.Err() != nil {
		return entries.Err()
	}
	fmt.Println("update of a present prefix:", routes.Update(wide, value, ebpf.UpdateNoExist))

	if err := routes.Pin(pin); err != nil {
		return err
	}
	defer os.Remove(pin)
	again, err := ebpf.LoadPinnedMap(pin, nil)
	if err != nil {
		return err
	}
	defer again.Close()
	if err := again.Delete(narrow); err != nil {
		return err
	}
	fmt.Println("deleted twice:", again.Delete(narrow))

	created, err := ebpf.NewMap(&ebpf.MapSpec{
		Type: mapType, KeySize: 8, ValueSize: 8, MaxEntries: 16, Flags: 1,
	})
	if err != nil {
		return err
	}
	defer created.Close()
	fmt.Println("created:", created.Type(), created.MaxEntries())
	return nil
}
