// Command compare is the client of scripts/compare, the same for every program. It sends requests as fast as answers
// come, and puts files into a bucket. It makes a request of each line of standard input: the line's fields replace @1,
// @2, ... in the path, or the line is a body. It prints answers per second, and the median and 99th percentile in ms.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("compare: ")
	connections := flag.Int("c", 1, "connections")
	lasts := flag.Duration("t", 3*time.Second, "how long")
	posts := flag.Bool("post", false, "the lines are bodies, posted to the path once each")
	bucket := flag.String("put", "", "create this bucket and put files into it")
	flag.Parse()
	var err error
	switch {
	case *bucket != "" && flag.NArg() > 1:
		err = put(context.Background(), flag.Arg(0), *bucket, flag.Args()[1:])
	case *bucket == "" && flag.NArg() == 2:
		err = load(flag.Arg(0), flag.Arg(1), *connections, *lasts, *posts)
	default:
		err = errors.New("usage: compare [-c N] [-t DURATION] [-post] HOST:PORT PATH <LINES, compare -put BUCKET URL FILES")
	}
	if err != nil {
		log.Fatal(err)
	}
}

// read makes a request of each line.
func read(in io.Reader, path string, posts bool) (requests []string, err error) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		const host = " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		if posts {
			body := lines.Text()
			requests = append(requests, "POST "+path+host+"Content-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
		} else {
			filled := path
			for i, field := range strings.Fields(lines.Text()) {
				filled = strings.ReplaceAll(filled, "@"+strconv.Itoa(i+1), field)
			}
			requests = append(requests, "GET "+filled+host+"\r\n")
		}
	}
	if len(requests) == 0 {
		err = errors.New("no lines")
	}
	return requests, errors.Join(err, lines.Err())
}

// load sends the requests of standard input in their order, from all connections together, until the time is over. With
// once it ends with the last request, else it begins again.
func load(addr, path string, connections int, lasts time.Duration, once bool) error {
	requests, err := read(os.Stdin, path, once)
	if err != nil {
		return err
	}
	var next atomic.Int64
	times := make([][]float64, connections)
	group, ctx := errgroup.WithContext(context.Background())
	began := time.Now()
	for i := range connections {
		group.Go(func() error {
			c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			if err != nil {
				return err
			}
			defer func() { _ = c.Close() }() // every answer was read
			in := bufio.NewReaderSize(c, 32<<10)
			for time.Since(began) < lasts && ctx.Err() == nil {
				n := int(next.Add(1) - 1)
				if once && n >= len(requests) {
					return nil
				}
				sent := time.Now()
				if err := ask(c, in, requests[n%len(requests)]); err != nil {
					return err
				}
				times[i] = append(times[i], time.Since(sent).Seconds()*1000)
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	all := slices.Sorted(slices.Values(slices.Concat(times...)))
	if len(all) == 0 {
		return errors.New("no answer")
	}
	fmt.Printf("%.0f %.2f %.2f\n", float64(len(all))/took, all[len(all)/2], all[len(all)*99/100])
	return nil
}

// ask sends one request and skips the answer, which must have a status of success.
func ask(c io.Writer, in *bufio.Reader, request string) error {
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	if r.StatusCode/100 != 2 {
		return fmt.Errorf("%.80q was answered by %s", request, r.Status)
	}
	_, err = io.Copy(io.Discard, r.Body)
	return errors.Join(err, r.Body.Close())
}
