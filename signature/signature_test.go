package signature_test

import (
	"bufio"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/signature"
)

// What the tests share: one scheme for each encoding, keys, and the body of the known answers.
var (
	github = signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex, Prefix: "sha256="}
	ams    = signature.HMAC{Hash: signature.SHA256, Encoding: signature.UpperHex, Prefix: "sha256="}
	boro   = signature.HMAC{Hash: signature.SHA256, Encoding: signature.Base64}
	urls   = signature.HMAC{Hash: signature.SHA512, Encoding: signature.Base64URL, Prefix: "v1="}
)

const body = `{"id":"evt_1","type":"test","data":{"n":1}}`

const (
	secretText  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	privateText = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	publicText  = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
)

var key32 = sequence(32)

// sequence is the bytes 0, 1, … n-1.
func sequence(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func standardKeys(texts ...string) []signature.StandardKey {
	keys := make([]signature.StandardKey, len(texts))
	for i, text := range texts {
		keys[i] = must(signature.ParseStandardKey(text))
	}
	return keys
}

func fromBase64(text string) []byte { return must(base64.StdEncoding.DecodeString(text)) }

// headers reads header lines as a server does.
func headers(t *testing.T, lines ...string) http.Header {
	t.Helper()
	raw := "POST / HTTP/1.1\r\nHost: h\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return req.Header
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
