package main

import (
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// files serves a disk to the kernel.
type files struct {
	fuse.RawFileSystem
	mu   sync.Mutex
	disk *disk
}

// lasting is how long the kernel may remember: nobody but itself changes anything.
const lasting = uint64(time.Hour / time.Second)

func (f *files) mount(at string) (*fuse.Server, error) {
	server, err := fuse.NewServer(f, at, &fuse.MountOptions{
		FsName: "powercut", Name: "powercut", DirectMountStrict: true, DisableReadDirPlus: true, DisableXAttrs: true,
	})
	if err != nil {
		return nil, err
	}
	go server.Serve()
	return server, server.WaitMount()
}

// find returns a file that an operation may look at.
func (f *files) find(number uint64) (*inode, fuse.Status) {
	if f.disk.cut {
		return nil, fuse.EIO
	}
	if n := f.disk.inodes[number]; n != nil {
		return n, fuse.OK
	}
	return nil, fuse.Status(syscall.ESTALE)
}

// change returns a file that an operation may change.
func (f *files) change(number uint64) (*inode, fuse.Status) {
	if !f.disk.step() {
		return nil, fuse.EIO
	}
	return f.find(number)
}

func (f *files) attributes(n *inode, out *fuse.Attr) {
	out.Ino, out.Mode, out.Size, out.Blocks, out.Blksize = n.number, n.mode, uint64(n.seen.size), uint64(n.seen.size+511)/512, blockSize
	out.Nlink = n.links
	out.SetTimes(&n.seen.modified, &n.seen.modified, &n.seen.modified)
}

func (f *files) answer(n *inode, out *fuse.EntryOut) fuse.Status {
	out.NodeId, out.Generation, out.EntryValid, out.AttrValid = n.number, 1, lasting, lasting
	f.attributes(n, &out.Attr)
	return fuse.OK
}

func (f *files) Lookup(_ <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	folder, status := f.find(header.NodeId)
	if !status.Ok() {
		return status
	}
	child := folder.names[name]
	if child == 0 {
		return fuse.ENOENT
	}
	return f.answer(f.disk.inodes[child], out)
}

func (f *files) GetAttr(_ <-chan struct{}, input *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.find(input.NodeId)
	if status.Ok() {
		out.AttrValid = lasting
		f.attributes(n, &out.Attr)
	}
	return status
}

func (f *files) SetAttr(_ <-chan struct{}, input *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.change(input.NodeId)
	if !status.Ok() {
		return status
	}
	if size, given := input.GetSize(); given {
		n.resize(int64(size))
	}
	if mode, given := input.GetMode(); given {
		n.mode = n.mode&syscall.S_IFMT | mode&0o7777
	}
	if modified, given := input.GetMTime(); given {
		n.seen.modified = modified
	}
	out.AttrValid = lasting
	f.attributes(n, &out.Attr)
	return fuse.OK
}

// add creates a file or folder.
func (f *files) add(folder uint64, name string, mode uint32, out *fuse.EntryOut) (*inode, fuse.Status) {
	parent, status := f.change(folder)
	if !status.Ok() {
		return nil, status
	}
	if parent.names[name] != 0 {
		return nil, fuse.Status(syscall.EEXIST)
	}
	n := f.disk.create(mode)
	f.disk.rename(change{{folder, name, n.number}})
	return n, f.answer(n, out)
}

func (f *files) Mknod(_ <-chan struct{}, input *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, status := f.add(input.NodeId, name, input.Mode, out)
	return status
}

func (f *files) Mkdir(_ <-chan struct{}, input *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, status := f.add(input.NodeId, name, syscall.S_IFDIR|input.Mode&0o7777, out)
	return status
}

func (f *files) Create(_ <-chan struct{}, input *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	_, status := f.add(input.NodeId, name, syscall.S_IFREG|input.Mode&0o7777, &out.EntryOut)
	return status
}

func (f *files) Symlink(_ <-chan struct{}, header *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.add(header.NodeId, name, syscall.S_IFLNK|0o777, out)
	if status.Ok() {
		n.target = target
	}
	return status
}

func (f *files) Readlink(_ <-chan struct{}, header *fuse.InHeader) ([]byte, fuse.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.find(header.NodeId)
	if !status.Ok() {
		return nil, status
	}
	return []byte(n.target), fuse.OK
}

func (f *files) Unlink(_ <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	folder, status := f.change(header.NodeId)
	switch {
	case !status.Ok():
		return status
	case folder.names[name] == 0:
		return fuse.ENOENT
	}
	f.disk.rename(change{{header.NodeId, name, 0}})
	return fuse.OK
}

func (f *files) Rmdir(cancel <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	f.mu.Lock()
	folder := f.disk.inodes[header.NodeId]
	full := folder != nil && folder.names[name] != 0 && len(f.disk.inodes[folder.names[name]].names) > 0
	f.mu.Unlock()
	if full { // the kernel lets nobody else into the folder meanwhile
		return fuse.Status(syscall.ENOTEMPTY)
	}
	return f.Unlink(cancel, header, name)
}

func (f *files) Rename(_ <-chan struct{}, input *fuse.RenameIn, from, to string) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	folder, status := f.change(input.NodeId)
	if !status.Ok() {
		return status
	}
	target, status := f.find(input.Newdir)
	switch {
	case !status.Ok():
		return status
	case input.Flags != 0:
		return fuse.EINVAL
	case folder.names[from] == 0:
		return fuse.ENOENT
	}
	if old := f.disk.inodes[target.names[to]]; old != nil && len(old.names) > 0 {
		return fuse.Status(syscall.ENOTEMPTY)
	}
	f.disk.rename(change{{input.NodeId, from, 0}, {input.Newdir, to, folder.names[from]}})
	return fuse.OK
}

func (f *files) Link(_ <-chan struct{}, input *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	folder, status := f.change(input.NodeId)
	if !status.Ok() {
		return status
	}
	n, status := f.find(input.Oldnodeid)
	switch {
	case !status.Ok():
		return status
	case folder.names[name] != 0:
		return fuse.Status(syscall.EEXIST)
	}
	f.disk.rename(change{{input.NodeId, name, n.number}})
	return f.answer(n, out)
}

func (f *files) Open(_ <-chan struct{}, input *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	_, status := f.find(input.NodeId)
	return status
}

func (f *files) Read(_ <-chan struct{}, input *fuse.ReadIn, buffer []byte) (fuse.ReadResult, fuse.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.find(input.NodeId)
	if !status.Ok() {
		return nil, status
	}
	return fuse.ReadResultData(buffer[:n.read(buffer, int64(input.Offset))]), fuse.OK
}

func (f *files) Write(_ <-chan struct{}, input *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.change(input.NodeId)
	if !status.Ok() {
		return 0, status
	}
	n.write(data, int64(input.Offset))
	return uint32(len(data)), fuse.OK
}

func (f *files) Fallocate(_ <-chan struct{}, input *fuse.FallocateIn) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.change(input.NodeId)
	switch {
	case !status.Ok():
		return status
	case input.Mode != 0:
		return fuse.Status(syscall.EOPNOTSUPP)
	}
	n.resize(max(n.seen.size, int64(input.Offset+input.Length)))
	return fuse.OK
}

func (f *files) Fsync(_ <-chan struct{}, input *fuse.FsyncIn) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.change(input.NodeId)
	if status.Ok() {
		f.disk.syncFile(n)
	}
	return status
}

func (f *files) FsyncDir(_ <-chan struct{}, input *fuse.FsyncIn) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.change(input.NodeId)
	if status.Ok() {
		f.disk.syncFolder(n)
	}
	return status
}

func (f *files) OpenDir(_ <-chan struct{}, input *fuse.OpenIn, _ *fuse.OpenOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, status := f.find(input.NodeId)
	return status
}

// ReadDir lists a folder by the numbers of its files, so that changes meanwhile skip none.
func (f *files) ReadDir(_ <-chan struct{}, input *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	folder, status := f.find(input.NodeId)
	if !status.Ok() {
		return status
	}
	var all []fuse.DirEntry
	for name, child := range folder.names {
		if child > input.Offset {
			all = append(all, fuse.DirEntry{Name: name, Ino: child, Mode: f.disk.inodes[child].mode, Off: child})
		}
	}
	slices.SortFunc(all, func(a, b fuse.DirEntry) int { return int(a.Ino) - int(b.Ino) })
	for _, e := range all {
		if !out.AddDirEntry(e) {
			break
		}
	}
	return fuse.OK
}

func (f *files) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	const blocks = 1 << 20
	*out = fuse.StatfsOut{Blocks: blocks, Bfree: blocks, Bavail: blocks, Files: blocks, Ffree: blocks, Bsize: blockSize, Frsize: blockSize, NameLen: 255}
	return fuse.OK
}
