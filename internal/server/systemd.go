package server

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// readyPause is the pause between looks at /readyz until the process is ready.
const readyPause = 200 * time.Millisecond

// Notify reports the process to systemd until ctx is done, if systemd has started it with
// Type=notify:
//
//  1. STATUS, what /readyz says, until that is 200; then READY=1;
//  2. WATCHDOG=1, twice within WatchdogSec, while /livez is 200;
//  3. STOPPING=1 when ctx is done.
//
// addr is the address of the admin port. Asking over the network also proves that
// listeners work.
func Notify(ctx context.Context, addr string, logger *slog.Logger) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		logger.Warn("the watchdog of systemd is not fed", "error", err)
	}
	n := notifier{url: "http://" + addr, logger: logger}
	n.client.Transport = &http.Transport{DisableKeepAlives: true} // and no proxy
	if !n.send("STATUS=starting") {
		return
	}
	defer n.send(daemon.SdNotifyStopping)
	for told := ""; ; {
		ready, detail := n.ask(ctx, "/readyz", checkTimeout+time.Second)
		if ready {
			break
		}
		if detail != told {
			told = detail
			n.send("STATUS=not ready: " + detail)
		}
		if !sleep(ctx, readyPause) {
			return
		}
	}
	n.send(daemon.SdNotifyReady + "\nSTATUS=ready")
	if interval == 0 {
		<-ctx.Done()
		return
	}
	for sleep(ctx, interval/3) {
		if live, detail := n.ask(ctx, "/livez", interval/3); live {
			n.send(daemon.SdNotifyWatchdog)
		} else if ctx.Err() == nil {
			logger.Warn("the process is not live; systemd restarts it if that lasts", "detail", detail)
		}
	}
}

type notifier struct {
	url    string
	client http.Client
	logger *slog.Logger
}

// send reports whether there is a systemd to send to.
func (n *notifier) send(state string) bool {
	sent, err := daemon.SdNotify(false, state)
	if err != nil {
		n.logger.Warn("systemd cannot be told", "state", state, "error", err)
	}
	return sent || err != nil
}

// ask reports whether a path answers 200 in time, and what it says.
func (n *notifier) ask(ctx context.Context, path string, patience time.Duration) (ok bool, detail string) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+path, nil)
	if err != nil {
		return false, err.Error()
	}
	response, err := n.client.Do(request)
	if err != nil {
		return false, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return false, err.Error()
	}
	detail = strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "; ")
	return response.StatusCode == http.StatusOK, cmp.Or(detail, fmt.Sprint(response.StatusCode))
}

// sleep reports whether the time passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
