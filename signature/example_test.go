package signature_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// A handler that verifies Standard Webhooks, and a sender that signs them.
func ExampleVerifyStandardHeader() {
	secret := signature.NewStandardSecret(rand.Reader) // what sender and receiver share
	key, err := signature.ParseStandardKey(secret)
	if err != nil {
		panic(err)
	}
	keys := []signature.StandardKey{key}

	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			return
		}
		id, err := signature.VerifyStandardHeader(r.Header, body, keys, time.Now(), signature.StandardTolerance)
		if err != nil {
			http.Error(w, "not authentic", http.StatusUnauthorized)
			return
		}
		fmt.Printf("%s: %s\n", id, body)
	})

	const id, body = "msg_1", `{"type":"invoice.paid"}`
	at := time.Now()
	value, err := signature.SignStandard(keys, id, at, []byte(body))
	if err != nil {
		panic(err)
	}
	for _, sent := range []string{body, `{"type":"invoice.void"}`} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(sent))
		r.Header.Set("webhook-id", id)
		r.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
		r.Header.Set("webhook-signature", value)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// msg_1: {"type":"invoice.paid"}
	// 200
	// 401
}

// GitHub signs the body alone. Each other system of the family is another HMAC, or another message.
func ExampleHMAC() {
	github := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex, Prefix: "sha256="}
	key := []byte("It's a Secret to Everybody")

	value, err := github.Sign(key, []byte("Hello, World!"))
	fmt.Println(value, err)
	fmt.Println(github.Verify(value, [][]byte{key}, []byte("Hello, World!")))
	fmt.Println(github.Verify(value, [][]byte{key}, []byte("Hello, World?")))
	// Output:
	// sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17 <nil>
	// <nil>
	// signature does not match
}
