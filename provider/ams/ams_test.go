package ams_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/ams"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

// account is the account of the samples.
const account = "0f8fad5b-d9cb-469f-a165-70867728950e"

func testCase(t testing.TB) providertest.Case {
	return providertest.Case{
		Provider: ams.Provider{},
		Settings: func(secrets []string) string { return providertest.JSON(map[string]any{"signing_key": secrets}) },
		Secrets:  [2]string{newKey(0x00), newKey(0x40)},
		Sign: func(secret string, _ time.Time, body []byte) *provider.Request {
			return sign(secret, account, body)
		},
		Headers: []string{"ms-signature", "ms-mediaservices-accountid"},
		MAC: &providertest.MAC{
			Header: "ms-signature",
			Scheme: signature.HMAC{Hash: signature.SHA256, Encoding: signature.UpperHex, Prefix: "sha256="},
			Key:    decodeKey,
		},
		Recordings: recordings(t),
		SendSettings: func(secret string) string {
			return providertest.JSON(map[string]any{"signing_key": secret, "account_id": account})
		},
	}
}

func TestProvider(t *testing.T) { providertest.Run(t, testCase(t)) }

func FuzzReceive(f *testing.F) { providertest.Fuzz(f, testCase(f)) }

func BenchmarkReceive(b *testing.B) {
	name := strings.Repeat("Nightly encode ", 38)
	body := strings.Replace(providertest.ReadFile(b, "testdata/samples/job-state-change.json"), "Nightly encode", name,
		1)
	providertest.Benchmark(b, testCase(b), []byte(body))
}

// newKey returns the Base64 text of a key of 64 bytes that count up from first.
func newKey(first byte) string {
	key := make([]byte, 64)
	for i := range key {
		key[i] = first + byte(i)
	}
	return base64.StdEncoding.EncodeToString(key)
}

func decodeKey(text string) []byte {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return key
}

// sign returns a request as Media Services makes it.
func sign(key, account string, body []byte) *provider.Request {
	sig, err := ams.Sign(body, decodeKey(key))
	if err != nil {
		panic(err)
	}
	return request(map[string]string{"ms-signature": sig, "ms-mediaservices-accountid": account}, body)
}

func request(headers map[string]string, body []byte) *provider.Request {
	return providertest.Request("/in/media?code=3f9c", body,
		map[string]string{"Content-Type": "application/json; charset=utf-8"}, headers)
}

// recordings are the vectors, valid and invalid, and a message as it would come through a queue.
func recordings(t testing.TB) []providertest.Recording {
	type vector struct {
		Name    string            `json:"name"`
		Key     string            `json:"signing_key_base64"`
		Body    []byte            `json:"body_base64"`
		Headers map[string]string `json:"headers"`
	}
	var file struct {
		Vectors, Negative []vector
	}
	providertest.ReadJSON(t, "testdata/vectors.json", &file)
	refused := map[string]string{
		"lower-case-hex":         "signature_malformed",
		"key-not-base64-decoded": "signature_mismatch",
		"body-reserialised":      "signature_mismatch",
		"account-id-mismatch":    "forbidden",
	}
	var list []providertest.Recording
	for _, v := range append(file.Vectors, file.Negative...) {
		list = append(list, providertest.Recording{
			Name:     "vector-" + v.Name,
			Settings: providertest.JSON(map[string]any{"signing_key": v.Key}),
			Request:  request(v.Headers, v.Body),
			Refused:  refused[v.Name],
		})
	}
	if len(list) != 7 || len(refused) != len(file.Negative) {
		t.Fatalf("%d vectors", len(list))
	}
	queued := []byte(providertest.ReadFile(t, "testdata/queue-style-string-event-type.json"))
	withAccount := strings.Replace(string(queued), `"AccountName"`, `"AccountId": "`+account+`", "AccountName"`, 1)
	return append(list,
		providertest.Recording{Name: "queue-style", Request: sign(newKey(0), account, queued), Refused: "forbidden"},
		providertest.Recording{Name: "queue-style-with-account",
			Request: sign(newKey(0), account, []byte(withAccount))},
	)
}
