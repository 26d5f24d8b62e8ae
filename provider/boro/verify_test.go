package boro_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider/boro"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

// TestVectors verifies the canonical texts of all vectors, also of the one whose body is unknown, and signs the first
// three again.
func TestVectors(t *testing.T) {
	good, bad := readVectors(t)
	for _, v := range append(good, bad...) {
		scheme := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Encoding(v.Encoding)}
		value, err := scheme.Sign(decodeKey(v.KeyHex), []byte(v.Canonical))
		if want := "APIAuth-HMAC-SHA256 " + v.ProfileID + ":" + value; err != nil ||
			v.Headers["Authorization"] != want {
			t.Errorf("%s: %s, %v", v.Name, want, err)
		}
	}
	for _, v := range good[:3] {
		m := boro.Message{Method: "POST", URI: v.URI, Body: []byte(v.Body),
			Header: http.Header{"Content-Type": {v.ContentType}, "Date": {v.Date}}}
		if err := boro.Sign(m, v.ProfileID, decodeKey(v.KeyHex)); err != nil {
			t.Fatal(err)
		}
		for name, value := range v.Headers {
			if got := m.Header.Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", v.Name, name, got, value)
			}
		}
		if err := boro.Verify(m, v.ProfileID, [][]byte{decodeKey(v.KeyHex)}, v.at(t), time.Second); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}

// Section 2 of the forgery list.
func TestKnownAnswer(t *testing.T) {
	h := http.Header{"Content-Type": {"application/json"}, "Date": {"Sun, 22 Nov 2026 00:00:00 GMT"}}
	m := boro.Message{Method: "POST", URI: "/in/boro?x=1", Header: h,
		Body: []byte(`{"id":"evt_1","type":"test","data":{"n":1}}`)}
	if err := boro.Sign(m, "5", decodeKey(newKey(0))); err != nil {
		t.Fatal(err)
	}
	const want = "APIAuth-HMAC-SHA256 5:C7awc5TxZnpEnKsg1AbHKi4hJOd7OxG3v6ljnpC2EiY="
	if got := h.Get("Authorization"); got != want {
		t.Errorf("got %s", got)
	}
	// The same message, signed with the hash of its body in hex.
	h.Set("Authorization", "APIAuth-HMAC-SHA256 5:Ht3qJ2qrApoD003UFJacmbOVmP1K0mtkqTLI5rBjCnQ=")
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	if err := boro.Verify(m, "5", [][]byte{decodeKey(newKey(0))}, at, time.Minute); !errors.Is(err,
		signature.ErrMismatch) {
		t.Errorf("hash in hex: %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	date := http.Header{"Date": {"Sun, 22 Nov 2026 00:00:00 GMT"}}
	for name, c := range map[string]struct {
		header http.Header
		key    []byte
		want   error
	}{
		"control":   {date, []byte("k"), nil},
		"empty key": {date, nil, signature.ErrKey},
		"no date":   {http.Header{}, []byte("k"), signature.ErrMissing},
		"bad date":  {http.Header{"Date": {"today"}}, []byte("k"), signature.ErrMalformed},
		"comma":     {http.Header{"Date": date["Date"], "Content-Type": {"a,b"}}, []byte("k"), signature.ErrMalformed},
		"two types": {http.Header{"Date": date["Date"], "Content-Type": {"a", "a"}}, []byte("k"),
			signature.ErrMalformed},
		"two dates": {http.Header{"Date": {date.Get("Date"), date.Get("Date")}}, []byte("k"), signature.ErrMalformed},
	} {
		m := boro.Message{Method: "POST", URI: "/", Header: c.header.Clone()}
		if err := boro.Sign(m, "1", c.key); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The parts of a signed request.
const (
	partAuthorization = iota
	partType
	partURI
	partDate
	partBody
	partHash
	parts
)

func verifyParts(p []string) error {
	h := http.Header{}
	for i, name := range map[int]string{partAuthorization: "Authorization", partType: "Content-Type",
		partDate: "Date", partHash: boro.HashHeader} {
		h.Set(name, p[i])
	}
	return boro.Verify(boro.Message{Method: "POST", URI: p[partURI], Header: h, Body: []byte(p[partBody])}, profile,
		[][]byte{decodeKey(newKey(0))}, providertest.Now, 1<<62)
}

// sameRequest reports whether a mutant is equivalent to the request that it was made of.
func sameRequest(a, b []string) bool {
	for i := range a {
		if i != partURI && a[i] != b[i] {
			return false
		}
	}
	return origin(a[partURI]) == origin(b[partURI])
}

var schemeAndHost = regexp.MustCompile(`^(?i:https?)://[^/?]*`)

// origin returns a target without scheme and host.
func origin(target string) string { return cmp.Or(schemeAndHost.ReplaceAllString(target, ""), "/") }

// TestMutants changes requests. No mutant may verify, except those that are equivalent to a request.
func TestMutants(t *testing.T) {
	sign := func(i int) []string {
		p := make([]string, parts)
		p[partType], p[partURI] = "application/json", fmt.Sprintf("/in/boro-%d?a=%d,%d", i, i, i)
		p[partDate] = providertest.Now.Add(time.Duration(i) * time.Second).Format(http.TimeFormat)
		p[partBody] = fmt.Sprintf(`{"sequenceId":%d,"status":"Active","time":"2026-11-22, 08:15"}`, i)
		h := http.Header{"Content-Type": {p[partType]}, "Date": {p[partDate]}}
		if err := boro.Sign(boro.Message{Method: "POST", URI: p[partURI], Header: h, Body: []byte(p[partBody])},
			profile, decodeKey(newKey(0))); err != nil {
			t.Fatal(err)
		}
		p[partAuthorization], p[partHash] = h.Get("Authorization"), h.Get(boro.HashHeader)
		return p
	}
	providertest.Mutants(t, providertest.ManyMutants, sign, sameRequest, func(p []string) bool {
		return verifyParts(p) == nil
	})
}

// FuzzVerify: Verify accepts every message that Sign signs, and no other message with that signature.
func FuzzVerify(f *testing.F) {
	f.Add("application/json", "/in/boro?x=1", "Sun, 22 Nov 2026 08:15:30 GMT", "{}", "APIAuth-HMAC-SHA256 265:", "/")
	f.Add("", "", "Sun, 22 Nov 2026 08:15:30 GMT", "", "", "http://h")
	f.Add("a,b", "*", "x", "\xff", ":", "https://")
	f.Fuzz(func(t *testing.T, contentType, uri, date, body, authorization, otherURI string) {
		h := http.Header{"Content-Type": {contentType}, "Date": {date}}
		m := boro.Message{Method: "POST", URI: uri, Header: h, Body: []byte(body)}
		keys := [][]byte{decodeKey(newKey(0))}
		if err := boro.Sign(m, profile, keys[0]); err != nil {
			if boro.Verify(m, profile, keys, providertest.Now, 1<<62) == nil {
				t.Fatalf("a message that Sign refuses verifies: %v", err)
			}
			return
		}
		if err := boro.Verify(m, profile, keys, providertest.Now, 1<<63-1); err != nil {
			t.Fatalf("%q: %v", m, err)
		}
		good := maps.Clone(h)
		for name, value := range map[string]string{"Authorization": authorization, "Date": date + " ",
			"Content-Type": contentType + ","} {
			m.Header = maps.Clone(good)
			m.Header.Set(name, value)
			if value != good.Get(name) && boro.Verify(m, profile, keys, providertest.Now, 1<<63-1) == nil {
				t.Errorf("%s: %q is accepted", name, value)
			}
		}
		m.Header, m.URI = good, otherURI
		if boro.Verify(m, profile, keys, providertest.Now, 1<<63-1) == nil && origin(uri) != origin(otherURI) {
			t.Errorf("signed for %q, accepted for %q", uri, otherURI)
		}
	})
}
