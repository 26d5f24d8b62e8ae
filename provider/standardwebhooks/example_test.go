package standardwebhooks_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// A handler that accepts signed Standard Webhooks, without the rest of Bellhop.
func Example() {
	key, _ := signature.ParseStandardKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	keys := []signature.StandardKey{key}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		id, err := signature.VerifyStandardHeader(r.Header, body, keys, time.Now(), signature.StandardTolerance)
		if err != nil {
			http.Error(w, "not signed, or too old", http.StatusUnauthorized)
			return
		}
		fmt.Println(id, string(body))
	})

	body, now := `{"type":"invoice.paid"}`, time.Now()
	sig, _ := signature.SignStandard(keys, "msg_1", now, []byte(body))
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("webhook-id", "msg_1")
	r.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("webhook-signature", sig)
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: msg_1 {"type":"invoice.paid"}
}
