package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// connections is the number of kept connections to an API under load.
const connections = 32

// hammer sends requests as fast as answers come, and returns answers per second. A client of
// net/http would need more CPU than the server. This one writes a ready-made request and skips
// the answer.
func (b *bench) hammer(ctx context.Context, addr string, request func() string, status int) (float64, error) {
	var answers atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for range connections {
		group.Go(func() error {
			c, err := dial(ctx, addr)
			if err != nil {
				return err
			}
			defer func() { _ = c.Close() }() // every answer was read
			for n := int64(0); ; n++ {
				if time.Since(began) >= b.turn || ctx.Err() != nil {
					answers.Add(n)
					return ctx.Err()
				}
				if err := c.ask(request(), status); err != nil {
					return err
				}
			}
		})
	}
	err := group.Wait()
	return float64(answers.Load()) / time.Since(began).Seconds(), err
}

// client is one connection.
type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(ctx context.Context, addr string) (*client, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{c, bufio.NewReaderSize(c, 32<<10)}, c.SetDeadline(time.Now().Add(5 * time.Minute))
}

// get returns a request as text.
func get(path string, headers ...string) string {
	text := "GET " + path + " HTTP/1.1\r\nHost: bench\r\n"
	for _, h := range headers {
		text += h + "\r\n"
	}
	return text + "\r\n"
}

// ask sends one request and skips its answer. It fails unless the answer has the status.
func (c *client) ask(request string, status int) error {
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if got := bytes.Fields(line); len(got) < 2 || string(got[1]) != strconv.Itoa(status) {
		return fmt.Errorf("%.60q was answered by %q", request, line)
	}
	length, err := c.header()
	if err != nil {
		return err
	}
	if status == http.StatusNotModified {
		return nil
	}
	if length < 0 {
		return errors.New("an answer has no Content-Length")
	}
	_, err = c.in.Discard(length)
	return err
}

// header reads up to the empty line, and returns the length of the body.
func (c *client) header() (int, error) {
	length := -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			return length, nil
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		}
	}
}

// listen serves a handler on a free port, in this process.
func listen(handler http.Handler) (address string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }() // until stop
	return "http://" + l.Addr().String(), func() { _ = s.Close() }, nil
}
