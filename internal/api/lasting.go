package api

import (
	"context"
	"net/http"
)

// lasting returns a context that outlives a half-closed connection. Over HTTP/1, net/http
// cancels a request's context when the client closes its sending side, though it may still
// read. Such work is bounded by its own timeouts.
func lasting(r *http.Request) context.Context {
	if r.ProtoMajor == 1 {
		return context.WithoutCancel(r.Context())
	}
	return r.Context()
}
