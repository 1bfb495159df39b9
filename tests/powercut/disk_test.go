package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
)

func (d *disk) add(folder *inode, name string, mode uint32) *inode {
	n := d.create(mode)
	d.rename(change{{folder.number, name, n.number}})
	return n
}

func (d *disk) text(n *inode) string {
	buffer := make([]byte, n.seen.size)
	n.read(buffer, 0)
	return string(buffer)
}

// TestSynced: what was synced survives every cut, and what was not is lost when nothing stays.
func TestSynced(t *testing.T) {
	for _, rate := range []float64{0, 0.1, 0.5, 1} {
		for seed := range uint64(50) {
			d := newDisk()
			top := d.inodes[root]
			f := d.add(top, "file", syscall.S_IFREG)
			synced := bytes.Repeat([]byte("s"), 3*blockSize+100)
			f.write(synced, 0)
			d.syncFile(f)
			d.syncFolder(top)
			folder := d.add(top, "folder", syscall.S_IFDIR)
			d.rename(change{{root, "file", 0}, {folder.number, "moved", f.number}})
			f.write(bytes.Repeat([]byte("n"), blockSize), blockSize)
			f.resize(2*blockSize + 1)
			left := d.restart(rate, rand.New(rand.NewPCG(seed, 0)))

			kept := top.names["file"] == 0
			if kept {
				f = d.inodes[d.inodes[top.names["folder"]].names["moved"]]
			}
			if kept != (rate == 1) {
				t.Errorf("rate %g: the file has moved: %t; %s", rate, kept, left)
			}
			got := d.text(f)
			sectors := slices.Collect(slices.Chunk([]byte(got[blockSize:2*blockSize]), sectorSize))
			fresh := 0
			for fresh < len(sectors) && sectors[fresh][0] == 'n' {
				fresh++
			}
			want := string(synced[:blockSize]) + string(bytes.Repeat([]byte("n"), fresh*sectorSize)) + string(synced[:blockSize-fresh*sectorSize])
			if got[:2*blockSize] != want || rate == 0 && fresh != 0 || rate == 1 && fresh == 0 {
				t.Errorf("rate %g, seed %d: %d new sectors in front, or others", rate, seed, fresh)
			}
			if size := len(got); size != len(synced) && (rate == 0 || size != 2*blockSize+1) {
				t.Errorf("rate %g: %d bytes", rate, size)
			}
		}
	}
}

// TestOrder: changes of names become durable in their order, and fsync of a folder makes those
// before it durable.
func TestOrder(t *testing.T) {
	d := newDisk()
	top := d.inodes[root]
	folder := d.add(top, "folder", syscall.S_IFDIR)
	for i := range 10 {
		d.add(top, fmt.Sprint(i), syscall.S_IFREG)
	}
	d.syncFolder(folder) // no name in it has changed
	if len(d.changes) != 11 {
		t.Errorf("%d changes are not durable", len(d.changes))
	}
	d.add(folder, "last", syscall.S_IFREG)
	d.syncFolder(folder)
	for i := range 10 {
		d.rename(change{{root, fmt.Sprint(i), 0}})
	}
	d.restart(0.5, rand.New(rand.NewPCG(1, 0)))
	if len(top.names) != 6 || top.names["5"] == 0 || top.names["4"] != 0 || len(folder.names) != 1 {
		t.Errorf("%v %v", top.names, folder.names)
	}
}

// TestCountdown: the power is cut at the operation, which is not done.
func TestCountdown(t *testing.T) {
	d := newDisk()
	cuts := 0
	d.onCut = func() { cuts++ }
	d.countdown = 3
	done := []bool{d.step(), d.step(), d.step(), d.step()}
	if !slices.Equal(done, []bool{true, true, false, false}) || cuts != 1 {
		t.Errorf("%v, %d cuts", done, cuts)
	}
}
