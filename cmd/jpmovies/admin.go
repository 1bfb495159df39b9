package main

import (
	"context"
	"net/http"
	"runtime/metrics"
	"time"

	"jpmovies/internal/api"
	"jpmovies/internal/server"
	"jpmovies/internal/web"
)

// adminRoutes returns the operators' page and its data.
func adminRoutes(operations *api.Operations) map[string]http.Handler {
	routes := operations.Routes()
	routes["GET /{$}"] = web.Admin()
	routes["GET "+web.Path] = web.Files()
	return routes
}

// processSection returns the section of /overview that names the process.
func processSection(name string) server.Section {
	started := time.Now().UTC()
	return func(context.Context) (any, error) {
		// Memory that the Go runtime has from the system and has not given back.
		memory := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		metrics.Read(memory)
		return map[string]any{
			"name": name, "version": version(), "started": started, "memory_bytes": memory[0].Value.Uint64() - memory[1].Value.Uint64(),
		}, nil
	}
}
