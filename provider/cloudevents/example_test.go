package cloudevents_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
)

// A handler that accepts CloudEvents in every mode from senders with the token, without Bellhop's server.
func ExampleReadRequest() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || cloudevents.Verify(r.Header, r.URL.RequestURI(), "x4Kp0mZt7sVq2LrY9bNc") != nil {
			http.Error(w, "not authentic", http.StatusUnauthorized)
			return
		}
		receipt, err := cloudevents.ReadRequest(r.Header, body)
		if err != nil {
			http.Error(w, "no CloudEvent", http.StatusUnsupportedMediaType)
			return
		}
		for _, ev := range receipt.Events {
			fmt.Println(ev.Type, "from", ev.ProviderID, "about", ev.Subject)
		}
		w.WriteHeader(http.StatusAccepted)
	})

	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"n":1}`))
	r.Header.Set("Authorization", "Bearer x4Kp0mZt7sVq2LrY9bNc")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("ce-specversion", "1.0")
	r.Header.Set("ce-id", "42")
	r.Header.Set("ce-source", "/shop")
	r.Header.Set("ce-type", "com.example.paid")
	r.Header.Set("ce-subject", "20%20%E2%82%AC")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: com.example.paid from /shop 42 about 20 €
}
