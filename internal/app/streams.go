package app

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/api"
)

// This file bounds the requests of HTTP/2. A limiter gives places to connections, and one of HTTP/1 has one request
// under way. One of HTTP/2 has several, and each takes memory. So the first request of a connection goes with its
// place, and every further one takes from a number that all connections share. Nobody keeps another from its first.

// streams are the further requests of HTTP/2 that may be under way, of all connections together.
type streams struct{ free atomic.Int64 }

// connKey is the key of the connection in the context of a request.
type connKey struct{}

// withConn is the ConnContext of a server with TLS.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, below(c))
}

// bound returns a handler that answers 503 to a request of HTTP/2 for which there is no place. It takes note of each
// request, so that a connection on which requests end and begin is not taken for a slow one.
func (s *streams) bound(next http.Handler, now func() time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(connKey{}).(*limitedConn)
		if r.ProtoMajor != 2 || conn == nil {
			next.ServeHTTP(w, r)
			return
		}
		further := conn.requests.Add(1) > 1
		defer func() {
			if conn.requests.Add(-1) > 0 {
				conn.since.Store(now().UnixNano())
			}
		}()
		if further {
			defer s.free.Add(1)
			if s.free.Add(-1) < 0 {
				api.WriteStatus(w, http.StatusServiceUnavailable, "too many requests at a time")
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
