package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// environment returns this process's environment plus more, without any MOVIES_ variables of
// its own.
func environment(more ...string) []string {
	var env []string
	for _, one := range os.Environ() {
		if !strings.HasPrefix(one, "MOVIES_") {
			env = append(env, one)
		}
	}
	env = append(env, "MOVIES_ADMIN_ADDR=127.0.0.1:0", "MOVIES_LOG_FORMAT=json", "MOVIES_LOG_LEVEL=warn")
	return append(env, more...)
}

// command runs the program to its end and returns how long that took, including the start of
// the process.
func (b *bench) command(ctx context.Context, s subject, what string, env []string, args ...string) (time.Duration, error) {
	c := exec.CommandContext(ctx, s.binary, args...) //nolint:gosec // the program under test
	c.Env = env
	var complaints bytes.Buffer
	c.Stderr = &complaints
	began := time.Now()
	err := c.Start()
	if err != nil {
		return 0, err
	}
	ended, peak := make(chan struct{}), make(chan float64, 1)
	go func() { peak <- watchPeak(c.Process.Pid, ended) }()
	err = c.Wait()
	took := time.Since(began)
	close(ended)
	if err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, complaints.String())
	}
	if what != "" {
		b.peaks.note(what, s, <-peak)
	}
	return took, nil
}

// worker drains the bucket that the environment names.
func (b *bench) worker(ctx context.Context, s subject, env []string) (time.Duration, error) {
	return b.command(ctx, s, "worker", env, "worker", "--once")
}

// server is a process that runs until it is stopped.
type server struct {
	command *exec.Cmd
	ended   chan error
	log     *os.File
}

// serve starts a process in the background and writes its log to a file.
func (b *bench) serve(binary string, env []string, args ...string) (*server, error) {
	logged, err := os.CreateTemp(b.dir, "log")
	if err != nil {
		return nil, err
	}
	c := exec.Command(binary, args...) //nolint:gosec // the program under test, or this one
	c.Env, c.Stderr = env, logged
	if err := c.Start(); err != nil {
		_ = logged.Close()
		return nil, err
	}
	s := &server{command: c, ended: make(chan error, 1), log: logged}
	go func() { s.ended <- c.Wait() }()
	return s, nil
}

// stop stops the process and waits for its end.
func (s *server) stop() error {
	defer func() { _ = s.log.Close() }() // only the process writes to it
	_ = s.command.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		return err
	case <-time.After(30 * time.Second):
		_ = s.command.Process.Kill()
		return fmt.Errorf("%s does not stop", s.command.Path)
	}
}

// complaints returns the end of the process's log.
func (s *server) complaints() string {
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// freeAddr returns an address that nothing listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
