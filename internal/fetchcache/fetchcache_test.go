package fetchcache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// An authority issues the values "key/1", "key/2" and so on, and counts fetches. Its fields change only between
// fetches.
type authority struct {
	err      error // of each fetch; nil if it succeeds
	lifetime func(now time.Time) (fresh, usable time.Time)
	duration time.Duration // of a fetch, unless its context ends earlier
	fetches  atomic.Int32
	panics   string
}

func (a *authority) fetch(ctx context.Context, key string) (Value[string], error) {
	n := a.fetches.Add(1)
	if a.panics != "" {
		panic(a.panics)
	}
	if a.duration > 0 {
		select {
		case <-time.After(a.duration):
		case <-ctx.Done():
			return Value[string]{}, fmt.Errorf("fetch: %w", ctx.Err())
		}
	}
	v := Value[string]{Value: fmt.Sprintf("%s/%d", key, n)}
	if a.lifetime != nil {
		v.FreshUntil, v.UsableUntil = a.lifetime(time.Now())
	}
	return v, a.err
}

// cache returns a cache of the values of a. It fetches again 10 s after a failure, and 5 min after a success.
func (a *authority) cache() *Cache[string] {
	return &Cache[string]{
		Fetch:            a.fetch,
		Now:              time.Now,
		RestAfterFailure: 10 * time.Second,
		RestAfterSuccess: 5 * time.Minute,
	}
}

func (a *authority) wantFetches(t *testing.T, want int32) {
	t.Helper()
	if got := a.fetches.Load(); got != want {
		t.Fatalf("%d fetches, want %d", got, want)
	}
}

// wantGet gets the value of "k"; want may be the text of an error.
func wantGet(t *testing.T, c *Cache[string], accepts func(string) bool, want string) {
	t.Helper()
	got, err := c.Get(t.Context(), "k", accepts)
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func is(want string) func(string) bool { return func(got string) bool { return got == want } }

var errDown = errors.New("down")

// TestKept: Get returns a value without a fetch while it is fresh. A value without an end stays fresh for ever.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{lifetime: func(now time.Time) (_, _ time.Time) { return now.Add(time.Hour), time.Time{} }}
		c := a.cache()
		wantGet(t, c, nil, "k/1")
		time.Sleep(time.Hour - 1)
		wantGet(t, c, nil, "k/1")
		a.lifetime = nil
		time.Sleep(time.Nanosecond)
		wantGet(t, c, nil, "k/2")
		time.Sleep(1e6 * time.Hour)
		wantGet(t, c, nil, "k/2")
		if got, err := c.Get(t.Context(), "other", nil); got != "other/3" || err != nil {
			t.Errorf("value of another key: %q, %v", got, err)
		}
	})
}

// TestFailure: after a failure there is no fetch for a while. Meanwhile Get returns a value until its UsableUntil.
func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{
			err:      errDown,
			lifetime: func(now time.Time) (_, _ time.Time) { return now.Add(time.Hour), now.Add(24 * time.Hour) },
		}
		c := a.cache()
		wantGet(t, c, nil, "down")
		time.Sleep(10*time.Second - 1)
		wantGet(t, c, nil, "down")
		a.wantFetches(t, 1)
		a.err = nil
		time.Sleep(time.Nanosecond)
		wantGet(t, c, nil, "k/2")
		a.err = errDown
		time.Sleep(time.Hour)
		wantGet(t, c, nil, "k/2")
		wantGet(t, c, is("k/2"), "k/2")
		wantGet(t, c, is("another"), "down") // the authority may have such a value now: that is unknown
		a.wantFetches(t, 3)
		time.Sleep(10 * time.Second)
		wantGet(t, c, is("another"), "down")
		a.wantFetches(t, 4)
		time.Sleep(23*time.Hour - 10*time.Second)
		wantGet(t, c, nil, "down")
		a.wantFetches(t, 5)
	})
}

// TestWanted: a value that a caller rejects is fetched again, unless it was fetched within RestAfterSuccess.
func TestWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(authority)
		c := a.cache()
		wantGet(t, c, is("k/2"), "k/1")
		time.Sleep(5*time.Minute - 1)
		wantGet(t, c, is("k/2"), "k/1")
		wantGet(t, c, is("k/1"), "k/1")
		a.wantFetches(t, 1)
		time.Sleep(time.Nanosecond)
		wantGet(t, c, is("k/1"), "k/1")
		wantGet(t, c, is("k/2"), "k/2")
		a.wantFetches(t, 2)
	})
}

// TestExpire: an expired value is fetched again. Expire has no effect on another value, or within RestAfterSuccess.
func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{lifetime: func(now time.Time) (_, _ time.Time) {
			return now.Add(time.Hour),
				now.Add(24 * time.Hour)
		}}
		c := a.cache()
		c.Expire("k", is("k/1"))
		wantGet(t, c, nil, "k/1")
		c.Expire("k", is("k/1"))
		wantGet(t, c, nil, "k/1")
		time.Sleep(5 * time.Minute)
		c.Expire("k", is("k/0"))
		wantGet(t, c, nil, "k/1")
		a.err = errDown
		c.Expire("k", is("k/1"))
		wantGet(t, c, nil, "down") // an expired value is not usable after a failure
		wantGet(t, c, nil, "down")
		a.wantFetches(t, 2)
		a.err = nil
		time.Sleep(10 * time.Second)
		wantGet(t, c, nil, "k/3")
	})
}

// TestClockSetBack: a clock that was set back delays no fetch.
func TestClockSetBack(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	a := &authority{err: errDown}
	c := a.cache()
	c.Now = func() time.Time { return now }
	wantGet(t, c, nil, "down")
	now = now.Add(-time.Hour)
	a.err = nil
	wantGet(t, c, nil, "k/2")
	now = now.Add(-time.Hour)
	wantGet(t, c, is("k/3"), "k/3")
}

// TestShared: one of many callers fetches, and waits for the end of the fetch. The others wait until their
// contexts end.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{duration: time.Minute}
		c := a.cache()
		c.Fetch = func(ctx context.Context, key string) (Value[string], error) {
			return a.fetch(context.WithoutCancel(ctx), key)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		var got, left atomic.Int32
		for range 50 {
			group.Go(func() {
				value, err := c.Get(ctx, "k", nil)
				switch {
				case value == "k/1" && err == nil:
					got.Add(1)
				case errors.Is(err, context.Canceled):
					left.Add(1)
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if left.Load() != 49 {
			t.Errorf("%d callers left with their contexts, want 49", left.Load())
		}
		wantGet(t, c, nil, "k/1")
		group.Wait()
		if got.Load() != 1 {
			t.Errorf("%d callers got the value, want 1, which fetched it", got.Load())
		}
		a.wantFetches(t, 1)
	})
}

// TestFailureShared: all callers that waited for a failed fetch get its error, even if no failure is kept.
func TestFailureShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{duration: time.Second, err: errDown}
		c := a.cache()
		c.RestAfterFailure = 0
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() { wantGet(t, c, nil, "down") })
		}
		group.Wait()
		a.wantFetches(t, 1)
		wantGet(t, c, nil, "down")
		a.wantFetches(t, 2)
	})
}

// TestUsableDuringFetch: while a fetch is running, Get returns a value that is still usable without waiting.
func TestUsableDuringFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{lifetime: func(now time.Time) (_, _ time.Time) {
			return now.Add(time.Hour),
				now.Add(24 * time.Hour)
		}}
		c := a.cache()
		wantGet(t, c, nil, "k/1")
		a.duration = time.Minute
		time.Sleep(2 * time.Hour)
		go c.Get(t.Context(), "k", nil)
		synctest.Wait()
		start := time.Now()
		wantGet(t, c, nil, "k/1")
		wantGet(t, c, is("k/1"), "k/1")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v", waited)
		}
		wantGet(t, c, is("k/2"), "k/2")
		if waited := time.Since(start); waited != time.Minute {
			t.Errorf("waited %v", waited)
		}
	})
}

// TestFetchCanceled: a fetch that ends with the context of its caller is not a failure; a waiting caller fetches.
func TestFetchCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{duration: time.Minute}
		c := a.cache()
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { _, err := c.Get(ctx, "k", nil); gone <- err }()
		synctest.Wait()
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() { wantGet(t, c, nil, "k/2") })
		}
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		group.Wait()
		a.wantFetches(t, 2)
		for i := range 1000 { // the flight of a caller may begin before or after the caller leaves
			if _, err := c.Get(ctx, fmt.Sprint("new", i), nil); !errors.Is(err, context.Canceled) {
				t.Errorf("context that has ended: %v", err)
			}
		}
		synctest.Wait()
		a.wantFetches(t, 2)
	})
}

// TestDeadline: a fetch that exceeds its deadline is a failure like any other.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{duration: time.Minute}
		c := a.cache()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Get(ctx, "k", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		wantGet(t, c, nil, "fetch: context deadline exceeded")
		a.wantFetches(t, 1)
	})
}

// TestMaxKeys: the number of values is bounded, and a failure that is not kept displaces no value.
func TestMaxKeys(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	a := new(authority)
	c := a.cache()
	c.Now, c.MaxKeys, c.RestAfterFailure = func() time.Time { return now }, 3, 0
	get := func(key string, fetched bool) {
		t.Helper()
		before := a.fetches.Load()
		_, err := c.Get(t.Context(), key, nil)
		if (a.fetches.Load() > before) != fetched || !errors.Is(err, a.err) {
			t.Errorf("%s: %v, fetched %t", key, err, !fetched)
		}
		now = now.Add(time.Second)
	}
	for _, key := range []string{"a", "b", "c"} {
		get(key, true)
	}
	a.err = errDown
	for i := range 10 {
		get(fmt.Sprint("bad", i), true)
	}
	a.err = nil
	get("a", false)
	get("d", true)
	get("b", false)
	get("a", true)
	if len(c.entries) != 3 {
		t.Errorf("%d entries", len(c.entries))
	}
}

// TestPanic: a panic in Fetch becomes a panic of the caller that began the fetch. The cache stays usable.
func TestPanic(t *testing.T) {
	a := &authority{panics: "oops"}
	c := a.cache()
	func() {
		defer func() {
			if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), "oops") ||
				!strings.Contains(err.Error(), "authority") {
				t.Errorf("recovered %v", err)
			}
		}()
		c.Get(t.Context(), "k", nil)
	}()
	a.panics = ""
	wantGet(t, c, nil, "k/2")
}

// TestRace: many callers get and expire values that are fresh for a short time.
func TestRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{
			duration: time.Millisecond,
			lifetime: func(now time.Time) (_, _ time.Time) { return now.Add(time.Second), time.Time{} },
		}
		c := a.cache()
		c.RestAfterSuccess = 500 * time.Millisecond
		var group sync.WaitGroup
		for i := range 64 {
			group.Go(func() {
				for range 20 {
					value, err := c.Get(t.Context(), "k", nil)
					if err != nil {
						t.Error(err)
					}
					if i%8 == 0 {
						c.Expire("k", is(value))
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		group.Wait()
		if n := a.fetches.Load(); n > 5 {
			t.Errorf("%d fetches in two seconds", n)
		}
	})
}
