package auth

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
)

// A watch is a Guard in front of testKey, with a clock and a log.
type watch struct {
	*Guard
	now     time.Time
	log     bytes.Buffer
	metrics *prometheus.Registry
}

func newWatch() *watch {
	w := &watch{now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), metrics: prometheus.NewRegistry()}
	w.Guard = NewGuard(GuardOptions{Next: NewAdminKey(testKey), Now: func() time.Time { return w.now },
		Logger: slog.New(slog.NewTextHandler(&w.log, nil)), Metrics: w.metrics})
	return w
}

// try sends a key from an address, or no key if key is "", and returns the code of the answer and when to try again.
func (w *watch) try(address, key string) (bellhop.Code, time.Duration) {
	r := &http.Request{Method: "GET", Header: http.Header{}, RemoteAddr: address}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	principal, err := w.Authenticate(r)
	var e *bellhop.Error
	if err == nil {
		return bellhop.Code(principal.Scope), 0
	}
	errors.As(err, &e)
	return e.Code, e.RetryAfter
}

// counted returns the metric of a reason.
func (w *watch) counted(reason string) float64 {
	families, err := w.metrics.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "bellhop_api_unauthorized_total" {
		return -1
	}
	for _, m := range families[0].GetMetric() {
		if m.GetLabel()[0].GetValue() == reason {
			return m.GetCounter().GetValue()
		}
	}
	return -1
}

// TestGuardLimits: after too many wrong keys from an address, further ones are answered 429 until the window ends. A
// right key from that address is accepted at once, and no other address notices.
func TestGuardLimits(t *testing.T) {
	t.Parallel()
	w := newWatch()
	for i := range MaxWrongKeys {
		if code, _ := w.try(fmt.Sprintf("192.0.2.1:%d", 1000+i), "wrong"); code != bellhop.CodeUnauthorized {
			t.Fatalf("wrong key %d: %s", i, code)
		}
	}
	w.now = w.now.Add(20 * time.Second)
	if code, wait := w.try("192.0.2.1:9", "wrong"); code != bellhop.CodeLimited || wait != 40*time.Second {
		t.Errorf("one more: %s, again after %v", code, wait)
	}
	if code, _ := w.try("192.0.2.1:9", testKey); code != bellhop.Code(bellhop.ScopeAdmin) {
		t.Errorf("the right key: %s", code)
	}
	if code, _ := w.try("192.0.2.1:9", ""); code != bellhop.CodeUnauthorized {
		t.Errorf("no key: %s", code)
	}
	if code, _ := w.try("192.0.2.2:9", "wrong"); code != bellhop.CodeUnauthorized {
		t.Errorf("another address: %s", code)
	}
	w.now = w.now.Add(40 * time.Second)
	if code, _ := w.try("192.0.2.1:9", "wrong"); code != bellhop.CodeUnauthorized {
		t.Errorf("in the next window: %s", code)
	}
	w.now = w.now.Add(-time.Hour)
	if code, wait := w.try("192.0.2.1:9", "wrong"); code != bellhop.CodeUnauthorized || wait > Window {
		t.Errorf("after the clock was put back: %s %v", code, wait)
	}
	for reason, want := range map[string]float64{"no_key": 1, "wrong_key": MaxWrongKeys + 3, "limited": 1} {
		if got := w.counted(reason); got != want {
			t.Errorf("%s: counted %v, want %v", reason, got, want)
		}
	}
}

// TestGuardCountsNoKeys: requests without any key are not limited, because nothing is guessed.
func TestGuardCountsNoKeys(t *testing.T) {
	t.Parallel()
	w := newWatch()
	for range 3 * MaxWrongKeys {
		if code, _ := w.try("192.0.2.1:9", ""); code != bellhop.CodeUnauthorized {
			t.Fatal(code)
		}
	}
	if got := w.counted("no_key"); got != 3*MaxWrongKeys {
		t.Errorf("counted %v", got)
	}
}

// TestGuardLogs: one refusal a second is logged, with the number of those that were not, and nothing of the key.
func TestGuardLogs(t *testing.T) {
	t.Parallel()
	w := newWatch()
	for range 3000 {
		w.try("192.0.2.1:9", "s3cret")
		w.now = w.now.Add(time.Millisecond)
	}
	lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	first := "reason=wrong_key remote_addr=192.0.2.1:9 method=GET unlogged=0"
	if len(lines) != 3 || !strings.Contains(lines[0], first) ||
		!strings.Contains(lines[1], "reason=limited") || !strings.Contains(lines[1], "unlogged=999") {
		t.Errorf("%d lines: %q", len(lines), lines[:min(len(lines), 4)])
	}
	if strings.Contains(w.log.String(), "s3cret") {
		t.Error("a key is in the log")
	}
}

// TestGuardIsBounded: the table of addresses does not grow without end. Those beyond it share one count.
func TestGuardIsBounded(t *testing.T) {
	t.Parallel()
	w := newWatch()
	for i := range 2 * maxAddresses {
		w.try(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 9).String(), "wrong")
	}
	if n := len(w.wrong); n != maxAddresses+1 {
		t.Errorf("%d addresses are kept, want %d", n, maxAddresses+1)
	}
	if code, _ := w.try("198.51.100.1:9", "wrong"); code != bellhop.CodeLimited {
		t.Errorf("one more address: %s", code)
	}
	if code, _ := w.try("198.51.100.1:9", testKey); code != bellhop.Code(bellhop.ScopeAdmin) {
		t.Errorf("one more address with the key: %s", code)
	}
	if code, _ := w.try("10.0.0.0:9", "wrong"); code != bellhop.CodeUnauthorized {
		t.Errorf("an address in the table: %s", code)
	}
}

// TestGuardConcurrent: a Guard is safe for concurrent use, and loses no count.
func TestGuardConcurrent(t *testing.T) {
	t.Parallel()
	w := newWatch()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				w.try("192.0.2.1:9", "wrong")
			}
		})
	}
	group.Wait()
	if wrong, limited := w.counted("wrong_key"), w.counted("limited"); wrong != MaxWrongKeys || wrong+limited != 800 {
		t.Errorf("%v wrong, %v limited", wrong, limited)
	}
}
