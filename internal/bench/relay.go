package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Paths of a gateway that the bench uses.
const (
	doorPath  = "/in/" // of a source, before its name
	readyPath = "/readyz"
)

// RelayOptions configure a relay.
type RelayOptions struct {
	Dir    string // folder for server.json, where the bench finds the URL
	To     string // loopback URL that ends in "/"; bodies go to To+"0", To+"1", …
	Fanout int    // destinations
	Queue  int    // the most bodies held in memory; beyond that, requests wait
}

// Relay runs the relay until ctx ends. It answers each POST at once and forwards the body from memory, with the
// server and client of the standard library. It neither checks, signs, stores, retries nor records anything: it is
// the yardstick.
func Relay(ctx context.Context, o RelayOptions) error {
	if _, err := loopbackHost(o.To); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	r := newRelay(o)
	var workers sync.WaitGroup
	for range o.Fanout * attemptsAtOnce {
		workers.Go(func() { r.work(ctx) })
	}
	server := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := writeServerFile(o.Dir, "http://"+listener.Addr().String()); err != nil {
		return errors.Join(err, listener.Close())
	}
	err = server.Serve(listener)
	workers.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("relay: %w", err)
}

// A relay is the state of Relay.
type relay struct {
	destinations []string // URLs
	client       *http.Client
	queue        chan parcel
}

// A parcel is one body on its way to one destination.
type parcel struct {
	to   string
	body []byte
}

func newRelay(o RelayOptions) *relay {
	workers := o.Fanout * attemptsAtOnce
	r := &relay{
		client: &http.Client{Timeout: 5 * time.Second, Transport: newTransport(workers)},
		queue:  make(chan parcel, o.Queue),
	}
	for i := range o.Fanout {
		r.destinations = append(r.destinations, o.To+strconv.Itoa(i))
	}
	return r
}

func (r *relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == readyPath {
		return
	}
	if req.ContentLength < 0 || req.ContentLength > MaxSize {
		http.Error(w, "the length must be known and at most 1 MiB", http.StatusRequestEntityTooLarge)
		return
	}
	body := make([]byte, req.ContentLength)
	if _, err := io.ReadFull(req.Body, body); err != nil {
		http.Error(w, "the body did not arrive whole", http.StatusBadRequest)
		return
	}
	for _, to := range r.destinations {
		select {
		case r.queue <- parcel{to, body}:
		case <-req.Context().Done():
			return
		}
	}
	w.WriteHeader(http.StatusAccepted)
}

// work delivers parcels until ctx ends.
func (r *relay) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-r.queue:
			r.deliver(ctx, p)
		}
	}
}

// deliver sends p once. If that fails the body is lost, and the ledger of the receiver shows it.
func (r *relay) deliver(ctx context.Context, p parcel) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.to, bytes.NewReader(p.body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := r.client.Do(req)
	if err != nil {
		return
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
}
