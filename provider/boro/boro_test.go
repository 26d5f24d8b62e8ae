package boro_test

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/boro"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

const profile = "265"

type values map[string]any

// signed returns a case whose profile signs.
func signed(t testing.TB) providertest.Case {
	return providertest.Case{
		Provider: boro.Provider{},
		Settings: func(secrets []string) string {
			return providertest.JSON(values{"profile_id": profile, "secret_key": secrets})
		},
		Secrets:    [2]string{newKey(0x00), newKey(0x40)},
		Sign:       sign,
		Headers:    []string{"Authorization", "Date", "Content-Type"},
		Hashes:     []string{"X-Authorization-Content-Sha256"},
		Window:     15 * time.Minute,
		Recordings: recordings(t),
		SendSettings: func(secret string) string {
			return providertest.JSON(values{"profile_id": profile, "secret_key": secret,
				"headers": values{"Content-Type": "application/json; charset=utf-8", "x-site": "north"}})
		},
		SendURL: "https://receiver.example/in/te%2Fst?site=1&a=b",
	}
}

// unsigned returns a case whose profile does not sign.
func unsigned() providertest.Case {
	return providertest.Case{
		Provider: boro.Provider{},
		Name:     "unauthenticated",
		Settings: func([]string) string { return `{"unauthenticated":true}` },
		Secrets:  [2]string{newKey(0x00), newKey(0x40)},
		Sign: func(_ string, at time.Time, body []byte) *provider.Request {
			return request(at, body, http.Header{"Content-Type": {"application/json"}})
		},
		Proves:       providertest.ProvesNothing,
		SendSettings: func(string) string { return `{}` },
	}
}

func TestProvider(t *testing.T)     { providertest.Run(t, signed(t)) }
func TestUnsigned(t *testing.T)     { providertest.Run(t, unsigned()) }
func FuzzReceive(f *testing.F)      { providertest.Fuzz(f, signed(f)) }
func FuzzUnsigned(f *testing.F)     { providertest.Fuzz(f, unsigned()) }
func BenchmarkReceive(b *testing.B) { providertest.Benchmark(b, signed(b), kilobyte(b)) }

// kilobyte returns the body of an alarm, of about 1 KiB.
func kilobyte(t testing.TB) []byte {
	body := compact(t, providertest.ReadFile(t, "testdata/samples/active.json"))
	return []byte(strings.Replace(body, "Contoso", strings.Repeat("Contoso ", (1024-len(body))/8), 1))
}

// newKey returns the hex digits of a key whose 32 bytes count up from first.
func newKey(first byte) string {
	key := make([]byte, 32)
	for i := range key {
		key[i] = first + byte(i)
	}
	return hex.EncodeToString(key)
}

func decodeKey(text string) []byte {
	key, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return key
}

// sign returns a request in the form of those of Boro.
func sign(key string, at time.Time, body []byte) *provider.Request {
	req := request(at, body, http.Header{"Content-Type": {"application/json"},
		"Date": {at.UTC().Format(http.TimeFormat)}})
	resign(req, profile, key)
	return req
}

// resign signs req in its present state.
func resign(req *provider.Request, profile, key string) {
	m := boro.Message{Method: req.Method, URI: req.Target, Header: req.Header, Body: req.Body}
	if err := boro.Sign(m, profile, decodeKey(key)); err != nil {
		panic(err)
	}
}

func request(at time.Time, body []byte, h http.Header) *provider.Request {
	return &provider.Request{Method: "POST", Target: "/in/boro?x=1", Header: h, Body: body, ReceivedAt: at}
}

type vector struct {
	Name        string
	Note        string
	SecretKey   string `json:"secret_key"`
	KeyMode     string `json:"key_mode"`
	KeyHex      string `json:"key_hex"`
	Encoding    string `json:"signature_encoding"`
	ProfileID   string `json:"profile_id"`
	Method      string
	ContentType string `json:"content_type"`
	Hash        string `json:"content_sha256"`
	URI         string `json:"request_uri"`
	Date        string
	Body        string `json:"body_utf8"`
	Canonical   string `json:"canonical_string"`
	Headers     map[string]string
	BodyKnown   *bool `json:"body_known"`
}

func (v *vector) request(t testing.TB) *provider.Request {
	req := providertest.Request(v.URI, []byte(v.Body), v.Headers)
	req.Method, req.ReceivedAt = v.Method, v.at(t)
	return req
}

func (v *vector) at(t testing.TB) time.Time {
	at, err := http.ParseTime(v.Date)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func readVectors(t testing.TB) (good, bad []vector) {
	var file struct{ Vectors, Negative []vector }
	providertest.ReadJSON(t, "testdata/vectors.json", &file)
	if len(file.Vectors) != 5 || len(file.Negative) != 1 {
		t.Fatalf("%d and %d vectors", len(file.Vectors), len(file.Negative))
	}
	return file.Vectors, file.Negative
}

// recordings returns the vectors, and messages that a probe does not send.
func recordings(t testing.TB) []providertest.Recording {
	good, bad := readVectors(t)
	settings := map[string]values{"raw-text-key": {"key_encoding": "raw"},
		"hex-key-hex-signature": {"signature_encoding": "hex"}}
	refused := map[string]string{
		"published-elsewhere": "signature_mismatch", // its body is unknown; TestVectors verifies its canonical text
		"tampered-body":       "signature_mismatch",
	}
	var list []providertest.Recording
	for _, v := range append(good, bad...) {
		list = append(list, providertest.Recording{
			Name: "vector-" + v.Name,
			Settings: providertest.Settings(values{"profile_id": v.ProfileID, "secret_key": v.SecretKey},
				settings[v.Name]),
			At:      v.at(t).Add(5 * time.Minute),
			Request: v.request(t),
			Refused: refused[v.Name],
		})
	}
	for name, body := range map[string]string{
		"test-message": string(boro.TestMessage(providertest.Now)),
		"no-status":    `{"message":"Test message","sequenceId":1}`,
		"unknown-status": `{"status":"Acknowledged","sequenceId":9007199254740993,"referenceNumber":18446744073709551615,` +
			`"profile_name":"p"}`,
		"odd-status": `{"status":"not one word","sequenceId":"7","time":"2026-11-22T08:00:00Z"}`,
	} {
		list = append(list,
			providertest.Recording{Name: name, Request: sign(newKey(0), providertest.Now, []byte(body))})
	}
	return append(list, providertest.Recording{Name: "empty-body", Request: sign(newKey(0), providertest.Now, nil),
		Refused: "malformed_body"})
}

func compact(t testing.TB, text string) string {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return providertest.JSON(v)
}
