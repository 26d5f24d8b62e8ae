// Package fetchcache keeps values that an authority elsewhere publishes or issues: key sets, certificates, tokens.
//
// A value is fetched when a caller needs it, never in the background. Of the callers that need the same value at the
// same time one fetches, and the others wait for its result, each no longer than its own context allows. Values are
// kept for the time that their fetch decides. After a failure the authority rests, and a value that may still be used
// serves meanwhile.
package fetchcache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// A Cache keeps one value under each key. The exported fields are set before the first call and do not change.
// A Cache is safe for concurrent use.
type Cache[T any] struct {
	// Fetch fetches the value of key. Fetches of one key do not overlap.
	//
	// ctx is the context of the caller that began the fetch. A fetch that must not end with the request that happened
	// to need it first derives a context of its own (context.WithoutCancel and a timeout). That caller waits until
	// Fetch returns, so Fetch must return soon after its context ends.
	//
	// An error that wraps context.Canceled says nothing about the authority: it is not kept, and one of the callers
	// that wait fetches again.
	Fetch func(ctx context.Context, key string) (Value[T], error)
	// Now is the clock. A clock that was set back never delays a fetch.
	Now func() time.Time
	// RestAfterFailure is how long after a failed fetch there is no other fetch of that key.
	RestAfterFailure time.Duration
	// RestAfterSuccess is how long after a successful fetch neither a rejected value nor Expire causes another fetch:
	// see Get and Expire.
	RestAfterSuccess time.Duration
	// MaxKeys bounds how many keys are remembered. Beyond it, the key that was fetched longest ago is forgotten. 0 is
	// no bound; use it only if strangers cannot choose keys.
	MaxKeys int

	flight singleflight.Group

	mu      sync.Mutex
	entries map[string]*entry[T] // guarded by mu, and so are the fields of each entry
}

// A Value is the result of a fetch.
type Value[T any] struct {
	Value T
	// FreshUntil is when the value has to be fetched again. Zero is never.
	FreshUntil time.Time
	// UsableUntil is the end of the time in which the value may be used while fetching it again fails. If it is not
	// after FreshUntil, the value is used only while it is fresh.
	UsableUntil time.Time
}

// An entry holds the value of one key and the result of its last fetch.
type entry[T any] struct {
	value     Value[T]
	has       bool      // there was a fetch that succeeded, whose result is value
	expired   bool      // by Expire
	fetchedAt time.Time // of value
	triedAt   time.Time // of the last fetch, successful or not; zero before the first
	failure   error     // of the last fetch; nil if it succeeded
	fetching  bool      // a fetch is running
}

// Get returns the value of key. It fetches the value if there is none, if it is no longer fresh, or if want is not nil
// and rejects it. A value that is fresh and rejected is not fetched again within RestAfterSuccess; Get then returns it
// although want rejects it, because the authority has no other value now. So callers with a want check the result.
//
// While a fetch is running, or resting after a failure, Get returns a value that is still usable and that want
// accepts.
//
// The error is that of the last fetch, or ctx.Err() if ctx ended while the caller waited for another caller's fetch.
func (c *Cache[T]) Get(ctx context.Context, key string, want func(T) bool) (T, error) {
	for {
		if value, err, ok := c.known(key, want); ok {
			return value, err
		}
		if value, err, ok := c.share(ctx, key, want); ok {
			return value, err
		}
	}
}

// Fresh returns the value of key if it is fresh. It never waits. A caller that needs a context only for waiting tries
// Fresh before it makes one.
func (c *Cache[T]) Fresh(key string) (value T, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil || !e.fresh(c.Now()) {
		return value, false
	}
	return e.value.Value, true
}

// Expire makes the next Get fetch the value of key, if match reports true for the value that is kept and that value is
// older than RestAfterSuccess. It is for a value whose user has learnt that it is invalid, such as a token that was
// answered with status 401. match compares it with the value that failed, so that a newer one stays.
func (c *Cache[T]) Expire(key string, match func(T) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e != nil && e.has && !within(c.RestAfterSuccess, e.fetchedAt, c.Now()) && match(e.value.Value) {
		e.expired = true
	}
}

// known returns the result of Get if this needs neither a fetch nor waiting; otherwise ok is false.
func (c *Cache[T]) known(key string, want func(T) bool) (value T, err error, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	now := c.Now()
	if e == nil || !c.settled(e, now, want) {
		return value, nil, false
	}
	value, err = e.answer(now, want)
	return value, err, true
}

// settled reports whether e answers a Get as it is, without a fetch.
func (c *Cache[T]) settled(e *entry[T], now time.Time, want func(T) bool) bool {
	wanted := e.usable(now) && (want == nil || want(e.value.Value))
	switch {
	case wanted && (e.fetching || e.fresh(now)):
		return true
	case e.fetching || e.triedAt.IsZero():
		return false
	case e.failure != nil:
		return within(c.RestAfterFailure, e.triedAt, now)
	}
	return e.fresh(now) && within(c.RestAfterSuccess, e.triedAt, now)
}

// within reports whether less than d has passed since at. If the clock was set back to a time before at, it
// returns false.
func within(d time.Duration, at, now time.Time) bool {
	passed := now.Sub(at)
	return passed >= 0 && passed < d
}

// fresh reports whether the value can be used and need not be fetched again.
func (e *entry[T]) fresh(now time.Time) bool {
	return e.has && !e.expired && (e.value.FreshUntil.IsZero() || now.Before(e.value.FreshUntil))
}

// usable reports whether the value can be used, fresh or not.
func (e *entry[T]) usable(now time.Time) bool {
	return e.fresh(now) || e.has && !e.expired && now.Before(e.value.UsableUntil)
}

// answer returns the value or the failure, as the last fetch left them.
func (e *entry[T]) answer(now time.Time, want func(T) bool) (value T, err error) {
	switch {
	case e.usable(now) && (e.failure == nil || want == nil || want(e.value.Value)):
		return e.value.Value, nil
	case e.failure != nil:
		return value, e.failure
	}
	return value, errTooOld
}

// errTooOld is the error if a fetch returned a value that is not usable.
var errTooOld = errors.New("too old")

// A flight is the result of one singleflight call of fetch, for all callers that share it.
type flight[T any] struct {
	fetched bool     // Fetch was called and its result is in entry
	entry   entry[T] // a copy, since the entry itself may be forgotten by now
}

// share fetches the value of key, or waits for the fetch that is running. ok is false if the caller waited for
// a flight without a result for it, such as a canceled fetch; then Get tries again.
func (c *Cache[T]) share(ctx context.Context, key string, want func(T) bool) (value T, err error, ok bool) {
	begun := make(chan struct{}) // closed if the flight is this caller's
	done := c.flight.DoChan(key, func() (any, error) {
		close(begun)
		return c.fetch(ctx, key, want)
	})
	var result singleflight.Result
	select {
	case result = <-done:
	case <-ctx.Done():
		select {
		case <-begun: // the caller that began the fetch waits for its end
			result = <-done
		default:
			return value, ctx.Err(), true
		}
	}
	mine := false
	select {
	case <-begun:
		mine = true
	default:
	}
	var failed *panicError
	switch f := result.Val.(flight[T]); {
	case mine && errors.As(result.Err, &failed):
		panic(failed)
	case mine && result.Err != nil:
		return value, result.Err, true
	case mine || f.fetched:
		value, err = f.entry.answer(c.Now(), want)
		return value, err, true
	case ctx.Err() != nil:
		return value, ctx.Err(), true
	}
	return value, nil, false
}

// fetch calls Fetch for key and keeps the result. Its error means that there is no result to keep.
func (c *Cache[T]) fetch(ctx context.Context, key string, want func(T) bool) (f flight[T], err error) {
	if err := ctx.Err(); err != nil {
		return f, err // the caller has left before its flight began, and nobody would wait for Fetch
	}
	c.mu.Lock()
	e := c.entries[key]
	if e != nil && c.settled(e, c.Now(), want) { // by a flight that ended after this caller called known
		f.entry = *e
		c.mu.Unlock()
		return f, nil
	}
	if e == nil {
		e = new(entry[T])
		if c.entries == nil {
			c.entries = make(map[string]*entry[T])
		}
		c.entries[key] = e
	}
	e.fetching = true
	c.mu.Unlock()

	value, err := c.call(ctx, key)

	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.forget(key, e)
	e.fetching = false
	var failed *panicError
	if errors.Is(err, context.Canceled) || errors.As(err, &failed) {
		return f, err
	}
	e.triedAt, e.failure = c.Now(), err
	if err == nil {
		e.value, e.has, e.expired, e.fetchedAt = value, true, false, e.triedAt
	}
	return flight[T]{fetched: true, entry: *e}, nil
}

// forget drops e, the entry of key after a fetch, if it holds neither a value nor a failure to keep. Otherwise
// it drops another entry if there are more than MaxKeys. c.mu is locked.
func (c *Cache[T]) forget(key string, e *entry[T]) {
	if !e.has && (e.failure == nil || c.RestAfterFailure == 0) {
		delete(c.entries, key)
		return
	}
	if c.MaxKeys == 0 || len(c.entries) <= c.MaxKeys {
		return
	}
	var oldest *entry[T]
	for k, other := range c.entries {
		if other != e && !other.fetching && (oldest == nil || other.triedAt.Before(oldest.triedAt)) {
			key, oldest = k, other
		}
	}
	if oldest != nil {
		delete(c.entries, key)
	}
}

// A panicError is a panic in Fetch. The goroutine of the flight returns it as an error, because no caller could
// recover the panic there. share panics with it again, in the goroutine of the caller that began the fetch.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("fetch: panic: %v\n\n%s", p.value, p.stack) }

// call calls Fetch and turns a panic into a panicError.
func (c *Cache[T]) call(ctx context.Context, key string) (value Value[T], err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p, debug.Stack()}
		}
	}()
	return c.Fetch(ctx, key)
}
