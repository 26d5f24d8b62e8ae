package sns_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider/sns"
)

// A handler that accepts messages that SNS signed for one topic, without the server. In a real handler, client has a
// timeout, and now is time.Now().
func ExampleVerify() {
	const topic = "arn:aws:sns:eu-central-1:123456789012:orders"
	client := &http.Client{Transport: transport(func(*http.Request) *http.Response {
		return answer(200, certificate)
	})}
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		key, err := sns.KeyFor(r.Context(), client, body, now, topic)
		if err == nil {
			err = sns.Verify(body, key)
		}
		if err != nil {
			http.Error(w, "not signed by SNS for our topic", http.StatusUnauthorized)
			return
		}
		fmt.Println("signed for", topic)
	})
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/",
		strings.NewReader(sample("notification"))))
	// Output: signed for arn:aws:sns:eu-central-1:123456789012:orders
}
