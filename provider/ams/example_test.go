package ams_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider/ams"
)

// A handler that accepts requests signed by Media Services, without Bellhop's server.
func ExampleVerify() {
	key, _ := base64.StdEncoding.DecodeString("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		if err := ams.Verify(r.Header, body, key); err != nil {
			http.Error(w, "not signed by Media Services", http.StatusUnauthorized)
			return
		}
		fmt.Println("signed:", string(body))
	})

	body := `{"MessageVersion":"1.1","EventType":1}`
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	sig, _ := ams.Sign([]byte(body), key)
	r.Header.Set("ms-signature", sig)
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: signed: {"MessageVersion":"1.1","EventType":1}
}
