package jwks_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/jwks"
)

// jwk returns a JSON Web Key of that many bits, with more members. There is no private key for it.
func jwk(kid string, bits uint, more string) string {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	n.SetBit(n, 0, 1)
	modulus := base64.RawURLEncoding.EncodeToString(n.Bytes())
	return `{"kty":"RSA","kid":"` + kid + `","n":"` + modulus + `","e":"AQAB"` + more + `}`
}

func keySet(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// An authority answers requests for its keys and counts the requests.
type authority struct {
	mu       sync.Mutex
	status   int // 0: it does not answer
	header   http.Header
	body     string
	requests int
	hold     chan struct{} // if not nil, the authority answers only after it is closed
}

func (a *authority) answer(status int, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.body = status, body
}

func (a *authority) requestCount() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests
}

func (a *authority) RoundTrip(req *http.Request) (*http.Response, error) {
	if a.hold != nil {
		select {
		case <-a.hold:
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests++
	if a.status == 0 {
		return nil, errors.New("connection refused: " + req.URL.String())
	}
	return &http.Response{
		StatusCode: a.status,
		Header:     a.header,
		Body:       io.NopCloser(strings.NewReader(a.body)),
		Request:    req,
	}, nil
}

// newKeySet returns a key set of a. Its clock shows *at.
func newKeySet(a *authority, at *time.Time) *jwks.KeySet {
	return jwks.New(
		provider.Env{Client: &http.Client{Transport: a}, Now: func() time.Time { return *at }},
		"https://keys.example/secret-path",
	)
}

// checkKey looks up a key. want is "key", "none" or "unavailable".
func checkKey(t *testing.T, s *jwks.KeySet, id, want string) {
	t.Helper()
	key, err := s.Key(context.Background(), id)
	got := "none"
	switch {
	case errors.Is(err, provider.ErrUnavailable) && key == nil:
		got = "unavailable"
		if strings.Contains(err.Error(), "secret-path") || strings.Contains(err.Error(), "refused") {
			t.Errorf("the error reveals the URL or the cause: %v", err)
		}
	case err != nil:
		t.Fatal(err)
	case key != nil:
		got = "key"
	}
	if got != want {
		t.Errorf("%s: got %s (%v), want %s", id, got, err, want)
	}
}

// TestKeySetOverTime follows one key set through fetches, failures and withdrawn keys: cases J11, J31, J32 and J36 in
// section 12 of the forgery list.
func TestKeySetOverTime(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	a := &authority{}
	s := newKeySet(a, &now)
	for i, step := range []struct {
		after  time.Duration
		status int // of the authority from this step on; -1 leaves it unchanged
		body   string
		id     string
		want   string
		asked  int // number of requests so far
	}{
		{0, 0, "", "a", "unavailable", 1},
		{9 * time.Second, 0, "", "a", "unavailable", 1}, // too soon after the failure
		{time.Second, 200, keySet(jwk("a", 2048, "")), "a", "key", 2},
		{0, -1, "", "b", "none", 2}, // J11: too soon after the last fetch
		{time.Second, -1, "", "b", "none", 2},
		{5 * time.Minute, -1, "", "b", "none", 3},
		{0, -1, "", "b", "none", 3},
		{0, 200, keySet(jwk("a", 2048, ""), jwk("b", 4096, "")), "b", "none", 3},
		{5 * time.Minute, -1, "", "b", "key", 4}, // J36
		{0, -1, "", "a", "key", 4},
		{59 * time.Minute, -1, "", "a", "key", 4},
		{time.Minute, 200, keySet(jwk("b", 2048, "")), "a", "none", 5}, // after an hour, the key is withdrawn
		{time.Hour, 0, "", "b", "key", 6},                              // J31
		{time.Second, 0, "", "b", "key", 6},
		{0, -1, "", "c", "unavailable", 6}, // unknown: the authority may have it now
		{10 * time.Second, -1, "", "c", "unavailable", 7},
		{22 * time.Hour, -1, "", "b", "key", 8},
		{time.Hour, -1, "", "b", "unavailable", 9}, // J32
		{10 * time.Second, 500, "", "b", "unavailable", 10},
		{10 * time.Second, 200, keySet(jwk("b", 2048, "")), "b", "key", 11},
		{-time.Hour, 0, "", "b", "key", 11}, // R10: the clock was put back
		{0, 0, "", "c", "unavailable", 12},
	} {
		now = now.Add(step.after)
		if step.status >= 0 {
			a.answer(step.status, step.body)
		}
		checkKey(t, s, step.id, step.want)
		if a.requestCount() != step.asked {
			t.Fatalf("step %d: %d requests, want %d", i, a.requestCount(), step.asked)
		}
	}
}

func TestKeySetAnswers(t *testing.T) {
	good := keySet(jwk("a", 2048, ""))
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"good":                       {200, good, "key"},
		"256 KiB":                    {200, good + strings.Repeat(" ", 256<<10-len(good)), "key"},
		"J34 more than 256 KiB":      {200, good + strings.Repeat(" ", 256<<10-len(good)+1), "unavailable"},
		"J33 redirect":               {302, good, "unavailable"},
		"not found":                  {404, good, "unavailable"},
		"accepted":                   {202, good, "unavailable"},
		"no keys":                    {200, keySet(), "unavailable"},
		"not JSON":                   {200, "<html>", "unavailable"},
		"keys is an object":          {200, `{"keys":{}}`, "unavailable"},
		"keys missing":               {200, `{}`, "unavailable"},
		"keys twice":                 {200, `{"keys":[],` + good[1:], "unavailable"},
		"duplicate name in a key":    {200, keySet(jwk("a", 2048, `,"use":"sig","use":"sig"`)), "unavailable"},
		"only a short key":           {200, keySet(jwk("a", 2047, "")), "unavailable"},
		"only a key with another id": {200, keySet(jwk("b", 2048, "")), "none"},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
			a := &authority{status: c.status, body: c.body,
				header: http.Header{"Location": {"https://elsewhere.example/"}}}
			checkKey(t, newKeySet(a, &now), "a", c.want)
			if a.requestCount() != 1 {
				t.Errorf("%d requests, want 1", a.requestCount())
			}
		})
	}
}

// TestKeySetShared: callers that need the same keys wait for one fetch. It continues when the context of the caller
// that began it ends.
func TestKeySetShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{status: 200, body: keySet(jwk("a", 2048, "")), hold: make(chan struct{})}
		s := jwks.New(provider.Env{Client: &http.Client{Transport: a}, Now: time.Now}, "https://keys.example/")
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		var found, gone atomic.Int32
		for range 50 {
			wg.Go(func() {
				key, err := s.Key(ctx, "a")
				switch {
				case key != nil && err == nil:
					found.Add(1)
				case errors.Is(err, provider.ErrUnavailable) && errors.Is(err, context.Canceled):
					gone.Add(1)
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if gone.Load() != 49 {
			t.Errorf("%d callers returned when their context ended, want 49: all but the one that fetches",
				gone.Load())
		}
		wg.Go(func() {
			if key, err := s.Key(context.Background(), "a"); key == nil {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		close(a.hold)
		wg.Wait()
		if found.Load() != 1 || a.requestCount() != 1 {
			t.Errorf("%d callers found the key in %d fetches, want 1 in 1", found.Load(), a.requestCount())
		}
	})
}

// TestKeySetTimeout: a fetch without an answer ends after three seconds. Meanwhile, other callers use the kept keys.
func TestKeySetTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &authority{status: 200, body: keySet(jwk("a", 2048, ""))}
		s := jwks.New(provider.Env{Client: &http.Client{Transport: a}, Now: time.Now}, "https://keys.example/")
		checkKey(t, s, "a", "key")
		time.Sleep(2 * time.Hour)
		a.hold = make(chan struct{})
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { checkKey(t, s, "a", "key") })
		synctest.Wait()
		checkKey(t, s, "a", "key")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v for kept keys", waited)
		}
		wg.Wait()
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestKeySetWithoutNetwork(t *testing.T) {
	now := time.Now()
	var log bytes.Buffer
	env := provider.Env{Now: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	checkKey(t, jwks.New(env, "https://keys.example/secret-path"), "a", "unavailable")
	env.Client = &http.Client{Transport: &authority{}}
	checkKey(t, jwks.New(env, "https://keys.example/\x00secret-path"), "a", "unavailable")
	if strings.Count(log.String(), "keyset.failed") != 2 || strings.Contains(log.String(), "secret-path") {
		t.Errorf("logged %s", log.String())
	}
}

func TestParse(t *testing.T) {
	n := strings.Split(jwk("", 2048, ""), `"`)[11]
	for jwk, want := range map[string]bool{
		jwk("a", 2048, ""): true,
		jwk("a", 3072, `,"use":"sig","alg":"RS256","x5c":["AA=="]`): true,
		jwk("a", 4096, ""):                                       true,
		jwk("a", 4097, ""):                                       false,
		jwk("a", 1024, ""):                                       false,
		jwk("a", 2048, `,"use":"enc"`):                           false,
		jwk("a", 2048, `,"alg":"RS512"`):                         false,
		jwk("a", 2048, `,"alg":"HS256"`):                         false,
		jwk("", 2048, ""):                                        false,
		`{"kty":"oct","kid":"a","k":"AAAA"}`:                     false,
		`{"kty":"EC","kid":"a","crv":"P-256","x":"AA","y":"AA"}`: false,
		`{"kty":"RSA","kid":"a","e":"AQAB"}`:                     false,
		`{"kty":"RSA","kid":"a","n":"` + n + `"}`:                false,
		`{"kty":"RSA","kid":"a","n":"` + n + `","e":"AQ"}`:       false, // 1
		`{"kty":"RSA","kid":"a","n":"` + n + `","e":"Aw"}`:       true,  // 3
		`{"kty":"RSA","kid":"a","n":"` + n + `","e":"BA"}`:       false, // 4
		`{"kty":"RSA","kid":"a","n":"` + n + `","e":"AQAAAAE"}`:  false, // 2^32 + 1
		`{"kty":"RSA","kid":"a","n":"` + n + `=","e":"AQAB"}`:    false,
		// The last character of a modulus of 256 bytes has four unused bits, that of the exponent 3 has four.
		`{"kty":"RSA","kid":"a","n":"` + n[:len(n)-1] + `R","e":"AQAB"}`: false,
		`{"kty":"RSA","kid":"a","n":"` + n + `","e":"Ax"}`:               false,
		`{"kty":"RSA","kid":"a","n":1,"e":"AQAB"}`:                       false,
		`{"kty":"RSA","kid":"a","n":"` + n + `","e":65537}`:              false,
		jwk("a", 2048, `,"use":1`):                                       false,
		jwk("a", 2048, `,"use":["sig"]`):                                 false,
		jwk("a", 2048, `,"alg":256`):                                     false,
		jwk("a", 2048, `,"alg":{}`):                                      false,
		`{"kty":"RSA","kid":1,"n":"` + n + `","e":"AQAB"}`:               false,
		`null`: false, `[]`: false, `1`: false,
	} {
		keys, err := jwks.Parse([]byte(keySet(jwk)))
		if (err == nil) != want || (keys["a"] != nil) != want {
			t.Errorf("%s: got %v, %v", jwk, keys, err)
		}
		keys, err = jwks.Parse([]byte(keySet(jwk, jwkB)))
		if err != nil || keys["b"] == nil {
			t.Errorf("%s: the other key of the set is missing: %v", jwk, err)
		}
	}
	keys, _ := jwks.Parse([]byte(keySet(jwk("a", 2048, ""), jwk("a", 4096, ""))))
	if key, err := keys.Key(context.Background(), "a"); err != nil || key.N.BitLen() != 2048 {
		t.Errorf("two keys with one kid: want the first: %v", err)
	}
	if key, err := keys.Key(context.Background(), "b"); err != nil || key != nil {
		t.Errorf("got %v, %v", key, err)
	}
}

var jwkB = jwk("b", 2048, "")

func TestURL(t *testing.T) {
	for text, good := range map[string]bool{
		"": true, "https://keys.example/a?b": true, "http://127.0.0.1:8080/keys": true, "http://localhost/keys": true,
		"http://[::1]:1/":      true,
		"http://keys.example/": false, "ftp://keys.example/": false, "keys": false, "https://": false,
		"https://u:p@keys.example/": false, "https://a b/": false,
		"http://localhost.example/": false, "file:///etc/keys": false,
	} {
		got, err := jwks.URL("keys_url", text, "standard")
		if text == "" {
			text = "standard"
		}
		if (err == nil) != good || good && got != text {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(keySet(jwk("a", 2048, ""))))
	f.Add([]byte(keySet(jwk("a", 2047, ""), `{}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := jwks.Parse(body)
		if err == nil == (len(keys) == 0) {
			t.Errorf("%d keys and %v", len(keys), err)
		}
		for id, key := range keys {
			if id == "" || key.N.BitLen() < 2048 || key.N.BitLen() > 4096 || key.E < 3 {
				t.Errorf("key %s of %d bits, E %s", strconv.Quote(id), key.N.BitLen(), strconv.Itoa(key.E))
			}
		}
	})
}
