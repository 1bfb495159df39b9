package api

import (
	"context"
	"net/http"
)

// lasting is the context of work whose answer goes to a client that may have closed its
// sending side: over HTTP/1, net/http takes that for a client that has left, and ends
// the request's own context. The work is bounded by times of its own.
func lasting(r *http.Request) context.Context {
	if r.ProtoMajor == 1 {
		return context.WithoutCancel(r.Context())
	}
	return r.Context()
}
