package outlook_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/outlook"
)

// A handler that checks the client state of each request with Verify, without a Receiver.
func ExampleVerify() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("validationToken"); token != "" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			fmt.Fprint(w, token)
			return
		}
		if err := outlook.Verify(r.Header, "c75831bd"); err != nil {
			http.Error(w, "not from Outlook", http.StatusForbidden)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		fmt.Println(string(body), err)
	})

	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"value":[]}`))
	r.Header.Set("ClientState", "c75831bd")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: {"value":[]} <nil>
}

// A handler that answers handshakes and accepts requests with the right client state, without the rest of Bellhop.
func Example() {
	receiver, err := outlook.Provider{}.Open(provider.Env{}, json.RawMessage(`{"client_state":"c75831bd"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		receipt, err := receiver.Receive(r.Context(),
			&provider.Request{Method: r.Method, Target: r.RequestURI, Header: r.Header, Body: body})
		switch {
		case err != nil:
			http.Error(w, "refused", http.StatusForbidden)
		case receipt.Reply != nil:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Write(receipt.Reply.Body)
		}
		for _, ev := range receipt.Events {
			fmt.Println(ev.Type, ev.Subject)
		}
	})

	handshake := httptest.NewRecorder()
	handler.ServeHTTP(handshake, httptest.NewRequest("POST", "/?validationToken=may%20I%3F", nil))
	fmt.Println(handshake.Body)

	r := httptest.NewRequest("POST", "/",
		strings.NewReader(`{"value":[{"SubscriptionId":"Mjk3","SequenceNumber":1,"ChangeType":"Deleted",`+
			`"Resource":"Events('1')"}]}`))
	r.Header.Set("ClientState", "c75831bd")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// may I?
	// outlook.Deleted Events('1')
}
