// Command powercut is a disk whose power can be cut: a FUSE file system in memory that keeps
// apart what was synced. Tests of package tests run it.
//
//	powercut [--ignore-fsync] [--ignore-folder-fsync] FOLDER
//
// It mounts itself on FOLDER, prints ready, and then obeys its standard input, with a line
// of answer to each line:
//
//	sync           makes everything durable
//	arm N          cuts the power at the Nth change or sync from now
//	cut            cuts the power now
//	restart R S    forgets what was not synced, but for a part R of it, and mounts anew;
//	               S is the seed of what is kept
//
// When the power is cut, it prints off, and each operation fails until restart. The processes
// that use the disk must have ended by then. It ends with its input.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "powercut:", err)
		os.Exit(1)
	}
}

// plug is a disk that is mounted.
type plug struct {
	at     string
	files  *files
	server *fuse.Server
	print  sync.Mutex
}

func run() error {
	d := newDisk()
	flag.BoolVar(&d.ignoreFsync, "ignore-fsync", false, "sync nothing")
	flag.BoolVar(&d.ignoreFolderFsync, "ignore-folder-fsync", false, "sync no names")
	flag.Parse()
	p := &plug{at: flag.Arg(0), files: &files{RawFileSystem: fuse.NewDefaultRawFileSystem(), disk: d}}
	d.onCut = func() { p.say("off") }
	if err := p.mount(); err != nil {
		return err
	}
	p.say("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		answer, err := p.obey(lines.Text())
		if err != nil {
			return err
		}
		p.say(answer)
	}
	return p.unmount()
}

func (p *plug) say(line string) {
	p.print.Lock()
	defer p.print.Unlock()
	fmt.Println(line)
}

func (p *plug) mount() (err error) {
	p.server, err = p.files.mount(p.at)
	return err
}

// unmount waits a while for processes that are ending.
func (p *plug) unmount() (err error) {
	for range 500 {
		if err = syscall.Unmount(p.at, 0); !errors.Is(err, syscall.EBUSY) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

func (p *plug) obey(line string) (string, error) {
	var command string
	var number uint64
	var rate float64
	if n, _ := fmt.Sscanf(line, "restart %f %d", &rate, &number); n == 2 {
		return p.restart(rate, number)
	}
	p.files.mu.Lock()
	defer p.files.mu.Unlock()
	switch n, _ := fmt.Sscan(line, &command, &number); {
	case command == "sync" && n == 1:
		p.files.disk.syncAll()
	case command == "cut" && n == 1:
		p.files.disk.powerOff()
	case command == "arm" && n == 2:
		p.files.disk.countdown, p.files.disk.operation = int(number), 0
	default:
		return "", fmt.Errorf("unknown command %q", line)
	}
	return "done", nil
}

func (p *plug) restart(rate float64, seed uint64) (string, error) {
	if err := p.unmount(); err != nil { // or the kernel would remember
		return "", err
	}
	p.server.Wait()
	p.files.mu.Lock()
	left := p.files.disk.restart(rate, rand.New(rand.NewPCG(seed, 0)))
	p.files.mu.Unlock()
	return left.String(), p.mount()
}
