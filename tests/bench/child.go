package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// childFlag makes this program a bare server, the limit of the API. It runs as a process of
// its own, as the API does.
const childFlag = "-child"

// child serves the answers of a file at an address.
func child(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: bench -child ADDR FILE")
	}
	handler, err := staticHandler(args[1])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &http.Server{Addr: args[0], Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// recorded is a saved answer of the API.
type recorded struct {
	Header http.Header
	Body   []byte
}

// staticHandler serves the recorded answers, by path and query, and 304 if the entity tag
// matches.
func staticHandler(file string) (http.Handler, error) {
	text, err := os.ReadFile(file) //nolint:gosec // written by our parent
	if err != nil {
		return nil, err
	}
	var answers map[string]recorded
	if err := json.Unmarshal(text, &answers); err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, known := answers[r.URL.RequestURI()]
		if !known {
			http.NotFound(w, r)
			return
		}
		header := w.Header()
		for name, values := range answer.Header {
			header[name] = values
		}
		if tag := r.Header.Get("If-None-Match"); tag != "" && tag == answer.Header.Get("ETag") {
			header.Del("Content-Length")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(answer.Body)
	}), nil
}

// spawn starts a bare server and waits until it accepts connections.
func (b *bench) spawn(file string) (*server, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	s, err := b.serve(self, os.Environ(), childFlag, addr, file)
	if err != nil {
		return nil, "", err
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return s, addr, c.Close()
		}
		if time.Now().After(end) {
			return nil, "", errors.Join(err, s.stop())
		}
	}
}
