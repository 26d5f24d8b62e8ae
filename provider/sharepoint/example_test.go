package sharepoint_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/sharepoint"
)

// A handler that checks the client state of each item with VerifyHeader and VerifyItem, without a Receiver.
func ExampleVerifyItem() {
	const state = "a0a354ec"
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("validationtoken"); token != "" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			fmt.Fprint(w, token)
			return
		}
		inHeader := r.Header.Get("ClientState") != ""
		if inHeader && sharepoint.VerifyHeader(r.Header, state) != nil {
			http.Error(w, "not from SharePoint", http.StatusForbidden)
			return
		}
		var batch struct {
			Value []struct{ ClientState, Resource string }
		}
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&batch) != nil {
			http.Error(w, "not a notification", http.StatusBadRequest)
			return
		}
		for _, item := range batch.Value {
			if item.ClientState == "" && inHeader || sharepoint.VerifyItem(item.ClientState, state) == nil {
				fmt.Println("changed:", item.Resource)
			}
		}
	})

	body := `{"value":[{"clientState":"a0a354ec","resource":"5c77031a"},{"clientState":"guessed","resource":"9621"}]}`
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(body)))
	// Output: changed: 5c77031a
}

// A handler that answers handshakes and accepts items with the right client state, without the rest of Bellhop.
func Example() {
	receiver, err := sharepoint.Provider{}.Open(provider.Env{}, json.RawMessage(`{"client_state":"a0a354ec"}`))
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
	handler.ServeHTTP(handshake, httptest.NewRequest("POST", "/?validationtoken=may%20I%3F", nil))
	fmt.Println(handshake.Body)

	r := httptest.NewRequest("POST", "/",
		strings.NewReader(`{"value":[{"subscriptionId":"a8e6d5e6","clientState":"a0a354ec","resource":"5c77031a"}]}`))
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// may I?
	// sharepoint.changed 5c77031a
}
