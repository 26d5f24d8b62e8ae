package stripe_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider/stripe"
)

// A handler that accepts requests that Stripe signed within the last five minutes, without the rest of Bellhop.
func ExampleVerify() {
	secret := []byte("whsec_8dUq2kV0cXn5sYbLr3TzHfWe6GmJpA1o")
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		if err := stripe.Verify(r.Header, body, time.Now(), stripe.DefaultTolerance, secret); err != nil {
			http.Error(w, "not signed by Stripe, or too old", http.StatusUnauthorized)
			return
		}
		fmt.Println("signed:", string(body))
	})

	body := `{"id":"evt_1","type":"invoice.paid"}`
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	value, _ := stripe.Sign([]byte(body), time.Now(), secret)
	r.Header.Set("Stripe-Signature", value)
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: signed: {"id":"evt_1","type":"invoice.paid"}
}
