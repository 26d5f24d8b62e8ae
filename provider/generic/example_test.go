package generic_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/generic"
)

// A handler that accepts requests with the right token, without Bellhop's server.
func Example() {
	settings := json.RawMessage(`{"scheme":"token","header":"X-Gitlab-Token","secret":"s3cret"}`)
	receiver, err := generic.Provider{}.Open(provider.Env{Now: time.Now}, settings)
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
		if err != nil {
			http.Error(w, "refused", http.StatusUnauthorized)
			return
		}
		if reply := receipt.Reply; reply != nil { // a handshake, which some presets have
			w.WriteHeader(reply.Status)
			w.Write(reply.Body)
			return
		}
		for _, ev := range receipt.Events {
			fmt.Println(ev.Type)
		}
	})

	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"type":"push"}`))
	r.Header.Set("X-Gitlab-Token", "s3cret")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: push
}
