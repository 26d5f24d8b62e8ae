package standardwebhooks_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/standardwebhooks"
	"github.com/bellhop-gateway/bellhop/signature"
)

var secrets = [2]string{"whsec_gS1Dv2TK7Z7axpVWJVQMTv1zsy4z0as1OL20N/pEd54=", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"}

func testCase(t testing.TB) providertest.Case {
	return providertest.Case{
		Provider:     standardwebhooks.Provider{},
		Settings:     func(secrets []string) string { return encode(map[string]any{"secret": secrets}) },
		Secrets:      secrets,
		Sign:         sign,
		Headers:      []string{"webhook-id", "webhook-timestamp", "webhook-signature"},
		Window:       5 * time.Minute,
		Recordings:   recordings(t),
		SendSettings: func(secret string) string { return encode(map[string]any{"secret": secret}) },
	}
}

func TestProvider(t *testing.T) { providertest.Run(t, testCase(t)) }

func FuzzReceive(f *testing.F) { providertest.Fuzz(f, testCase(f)) }

func BenchmarkReceive(b *testing.B) {
	body := strings.Replace(readFile(b, "testdata/samples/full-payload.json"), `"chunks"`, `"words": "`+strings.Repeat("nightly ", 95)+`", "chunks"`, 1)
	providertest.Benchmark(b, testCase(b), []byte(body))
}

// sign returns a request as a sender of Standard Webhooks makes it.
func sign(secret string, at time.Time, body []byte) *provider.Request {
	key, err := signature.ParseStandardKey(secret)
	if err != nil {
		panic(err)
	}
	const id = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
	sig, err := signature.SignStandard([]signature.StandardKey{key}, id, at, body)
	if err != nil {
		panic(err)
	}
	return request(map[string]string{"webhook-id": id, "webhook-timestamp": strconv.FormatInt(at.Unix(), 10), "webhook-signature": sig}, body)
}

func request(headers map[string]string, body []byte) *provider.Request {
	h := http.Header{"Content-Type": {"application/json"}}
	for name, value := range headers {
		h.Set(name, value)
	}
	return &provider.Request{Method: "POST", Target: "/in/billing", Header: h, Body: body, ReceivedAt: providertest.Now}
}

// recordings are the vectors, the good ones and the bad ones.
func recordings(t testing.TB) []providertest.Recording {
	type vector struct {
		Name    string
		Secrets []string
		Now     int64
		Body    string `json:"body_utf8"`
		Headers map[string]string
	}
	var file struct {
		Vectors, Negative []vector
	}
	if err := json.Unmarshal([]byte(readFile(t, "testdata/vectors.json")), &file); err != nil {
		t.Fatal(err)
	}
	refused := map[string]string{
		"too-old":           "signature_expired",
		"too-new":           "signature_expired",
		"tampered":          "signature_mismatch",
		"wrong-id":          "signature_mismatch",
		"v1a-offered-as-v1": "signature_mismatch",
	}
	var list []providertest.Recording
	for _, v := range append(file.Vectors, file.Negative...) {
		list = append(list, providertest.Recording{
			Name:     "vector-" + v.Name,
			Settings: encode(map[string]any{"secret": v.Secrets}),
			At:       time.Unix(v.Now, 0),
			Request:  request(v.Headers, []byte(v.Body)),
			Refused:  refused[v.Name],
		})
	}
	if len(list) != 13 || len(refused) != len(file.Negative) {
		t.Fatalf("%d vectors", len(list))
	}
	return list
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
