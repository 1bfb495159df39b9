package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"syscall"
	"time"
)

const (
	blockSize  = 4096
	sectorSize = 512 // the disk writes a sector whole or not at all
	root       = 1   // number of the root folder
)

// disk is a file system in memory. It knows what processes see, and what would be left
// after a power cut: what was synced, and any part of the rest. The caller locks it.
//
// The content of a file is durable after fsync of the file, its name after fsync of its
// folder: POSIX promises no more. Changes of names become durable in their order, as on
// ext4, XFS and btrfs: fsync of a folder makes all earlier changes durable, too.
type disk struct {
	inodes  map[uint64]*inode
	last    uint64
	changes []change // of names, not durable yet

	ignoreFsync, ignoreFolderFsync bool // a disk, or a program, that does not sync

	countdown int // operations until the cut; 0 for none
	operation int // operations since the countdown began
	cut       bool
	onCut     func()
}

// inode is a file or a folder.
type inode struct {
	number uint64
	mode   uint32
	links  uint32
	target string            // of a symbolic link
	names  map[string]uint64 // of a folder
	synced map[string]uint64 // those of names that are durable

	seen, safe content
	dirty      map[int64]bool // blocks that differ
}

// content is what a file holds. Blocks are never changed once two contents share them.
type content struct {
	size     int64
	modified time.Time
	blocks   map[int64]*[blockSize]byte
}

// change is an atomic change of names.
type change []entry

// entry gives a name in a folder to a child; 0 removes it.
type entry struct {
	folder uint64
	name   string
	child  uint64
}

func newDisk() *disk {
	d := &disk{inodes: map[uint64]*inode{}, onCut: func() {}}
	d.create(syscall.S_IFDIR | 0o755)
	return d
}

func (d *disk) create(mode uint32) *inode {
	d.last++
	empty := content{modified: time.Now(), blocks: map[int64]*[blockSize]byte{}}
	n := &inode{number: d.last, mode: mode, seen: empty, safe: empty, dirty: map[int64]bool{}}
	n.seen.blocks = map[int64]*[blockSize]byte{}
	if n.isFolder() {
		n.names, n.synced = map[string]uint64{}, map[string]uint64{}
	}
	d.inodes[n.number] = n
	return n
}

func (n *inode) isFolder() bool { return n.mode&syscall.S_IFMT == syscall.S_IFDIR }

// step counts an operation that changes or syncs something; false after the cut.
func (d *disk) step() bool {
	if d.cut {
		return false
	}
	d.operation++
	if d.countdown == 0 {
		return true
	}
	d.countdown--
	if d.countdown > 0 {
		return true
	}
	d.powerOff()
	return false
}

// powerOff ends all operations: from now on, each is an error.
func (d *disk) powerOff() {
	if !d.cut {
		d.cut = true
		d.onCut()
	}
}

// rename changes names at once, and their durable form later.
func (d *disk) rename(c change) {
	for _, e := range c {
		folder := d.inodes[e.folder]
		if old := d.inodes[folder.names[e.name]]; old != nil {
			old.links--
		}
		if child := d.inodes[e.child]; child != nil {
			child.links++
		}
		set(folder.names, e)
		folder.seen.modified = time.Now()
	}
	d.changes = append(d.changes, c)
}

func set(names map[string]uint64, e entry) {
	if e.child == 0 {
		delete(names, e.name)
	} else {
		names[e.name] = e.child
	}
}

// keep makes the first changes of names durable.
func (d *disk) keep(first int) {
	for _, c := range d.changes[:first] {
		for _, e := range c {
			set(d.inodes[e.folder].synced, e)
		}
	}
	d.changes = d.changes[first:]
}

// syncFolder makes the names of a folder durable.
func (d *disk) syncFolder(n *inode) {
	if d.ignoreFsync || d.ignoreFolderFsync {
		return
	}
	last := 0
	for i, c := range d.changes {
		for _, e := range c {
			if e.folder == n.number {
				last = i + 1
			}
		}
	}
	d.keep(last)
}

// syncFile makes the content of a file durable.
func (d *disk) syncFile(n *inode) {
	if !d.ignoreFsync {
		n.sync()
	}
}

func (n *inode) sync() {
	n.safe.size, n.safe.modified = n.seen.size, n.seen.modified
	for b := range n.dirty {
		n.keep(b, n.seen.blocks[b])
	}
	clear(n.dirty)
}

func (n *inode) keep(b int64, content *[blockSize]byte) {
	if content == nil {
		delete(n.safe.blocks, b)
	} else {
		n.safe.blocks[b] = content
	}
}

// syncAll makes everything durable, whatever the disk ignores.
func (d *disk) syncAll() {
	d.keep(len(d.changes))
	for _, n := range d.inodes {
		n.sync()
	}
}

func (n *inode) read(to []byte, offset int64) int {
	if offset >= n.seen.size {
		return 0
	}
	to = to[:min(int64(len(to)), n.seen.size-offset)]
	for done := 0; done < len(to); {
		b, at := (offset+int64(done))/blockSize, (offset+int64(done))%blockSize
		piece := to[done:min(len(to), done+int(blockSize-at))]
		if block := n.seen.blocks[b]; block != nil {
			copy(piece, block[at:])
		} else {
			clear(piece)
		}
		done += len(piece)
	}
	return len(to)
}

func (n *inode) write(from []byte, offset int64) {
	for done := 0; done < len(from); {
		b, at := (offset+int64(done))/blockSize, (offset+int64(done))%blockSize
		done += copy(n.own(b)[at:], from[done:])
	}
	n.seen.size = max(n.seen.size, offset+int64(len(from)))
	n.seen.modified = time.Now()
}

// own returns a block to write to, which no durable content shares.
func (n *inode) own(b int64) *[blockSize]byte {
	block := n.seen.blocks[b]
	if block == nil || block == n.safe.blocks[b] {
		mine := new([blockSize]byte)
		if block != nil {
			*mine = *block
		}
		block = mine
		n.seen.blocks[b] = block
	}
	n.dirty[b] = true
	return block
}

func (n *inode) resize(size int64) {
	if size < n.seen.size {
		for b := range n.seen.blocks {
			if b*blockSize >= size {
				delete(n.seen.blocks, b)
				n.dirty[b] = true
			}
		}
		if at := size % blockSize; at > 0 && n.seen.blocks[size/blockSize] != nil {
			clear(n.own(size / blockSize)[at:])
		}
	}
	n.seen.size = size
	n.seen.modified = time.Now()
}

// aftermath is what a cut has left of what was not synced.
type aftermath struct {
	Operations              int
	Blocks, Kept, Torn      int
	Changes, ChangesKept    int
	Files, FilesWithNewSize int
}

func (a aftermath) String() string {
	return fmt.Sprintf("after %d operations: kept %d of %d blocks (%d torn), %d of %d sizes, %d of %d changes of names",
		a.Operations, a.Kept, a.Blocks, a.Torn, a.FilesWithNewSize, a.Files, a.ChangesKept, a.Changes)
}

// restart puts the disk into its state after the cut. Of what was not synced, rate is the
// part that is kept: the first changes of names, and any blocks, of which some are torn.
func (d *disk) restart(rate float64, random *rand.Rand) aftermath {
	a := aftermath{Operations: d.operation, Changes: len(d.changes), ChangesKept: int(rate * float64(len(d.changes)))}
	d.keep(a.ChangesKept)
	d.changes = nil
	alive := map[uint64]*inode{}
	d.collect(root, alive)
	for number := uint64(root); number <= d.last; number++ { // in order, so that a seed gives one state
		if n := alive[number]; n != nil {
			n.restart(rate, random, &a)
		}
	}
	d.inodes, d.operation, d.countdown, d.cut = alive, 0, 0, false
	return a
}

// collect finds all that has a durable name.
func (d *disk) collect(number uint64, alive map[uint64]*inode) {
	n := d.inodes[number]
	alive[number] = n
	n.links = 0
	for _, child := range n.synced {
		if alive[child] == nil {
			d.collect(child, alive)
		}
		alive[child].links++
	}
}

func (n *inode) restart(rate float64, random *rand.Rand, a *aftermath) {
	if n.isFolder() {
		n.names = maps.Clone(n.synced)
	}
	if n.seen.size != n.safe.size || n.seen.modified != n.safe.modified {
		a.Files++
		if random.Float64() < rate {
			a.FilesWithNewSize++
			n.safe.size, n.safe.modified = n.seen.size, n.seen.modified
		}
	}
	for b := int64(0); b*blockSize < max(n.seen.size, n.safe.size); b++ {
		if !n.dirty[b] {
			continue
		}
		a.Blocks++
		if random.Float64() >= rate {
			continue
		}
		a.Kept++
		kept := n.seen.blocks[b]
		if random.IntN(4) == 0 {
			a.Torn++
			kept = torn(n.safe.blocks[b], kept, 1+random.IntN(blockSize/sectorSize-1))
		}
		n.keep(b, kept)
	}
	for b := range n.safe.blocks {
		if b*blockSize >= n.safe.size {
			delete(n.safe.blocks, b)
		}
	}
	if at := n.safe.size % blockSize; at > 0 && n.safe.blocks[n.safe.size/blockSize] != nil {
		tail := *n.safe.blocks[n.safe.size/blockSize]
		clear(tail[at:])
		n.safe.blocks[n.safe.size/blockSize] = &tail
	}
	clear(n.dirty)
	n.seen = content{n.safe.size, n.safe.modified, maps.Clone(n.safe.blocks)}
}

// torn is a block whose first sectors are new and whose others are old.
func torn(old, written *[blockSize]byte, sectors int) *[blockSize]byte {
	mixed := new([blockSize]byte)
	if old != nil {
		*mixed = *old
	}
	fresh := make([]byte, sectors*sectorSize)
	if written != nil {
		copy(fresh, written[:])
	}
	copy(mixed[:], fresh)
	return mixed
}
