package graph_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider/graph"
	"github.com/bellhop-gateway/bellhop/provider/jwks"
)

// A handler that accepts plain notifications of Graph, without Bellhop's server.
func ExampleVerifyState() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("validationToken"); token != "" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			fmt.Fprint(w, token)
			return
		}
		var batch struct {
			Value []struct{ ClientState, ChangeType, Resource string }
		}
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&batch) != nil {
			http.Error(w, "not a notification", http.StatusBadRequest)
			return
		}
		for _, item := range batch.Value {
			if err := graph.VerifyState(item.ClientState, "5b0c7e9e"); err != nil {
				fmt.Println(err)
				continue
			}
			fmt.Println(item.ChangeType, item.Resource)
		}
		w.WriteHeader(http.StatusAccepted)
	})

	handshake := httptest.NewRecorder()
	handler.ServeHTTP(handshake, httptest.NewRequest("POST", "/?validationToken=may%20I%3F", nil))
	fmt.Println(handshake.Body)

	body :=
		`{"value":[{"clientState":"5b0c7e9e","changeType":"created","resource":"me/messages/1"},{"clientState":"guessed","changeType":"deleted"}]}`
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(body)))
	// Output:
	// may I?
	// created me/messages/1
	// not the expected account or state: another clientState
}

// A handler that accepts rich notifications of Graph and decrypts them, without Bellhop's server. In real use, Keys
// is a key set fetched from graph.KeysURL, and Now is time.Now().
func Example() {
	keys, _ := jwks.Parse(readTokens().JWKS)
	check := graph.TokenCheck{Keys: keys, AppIDs: []string{app}, Now: time.Date(2026, 11, 22, 8, 15, 0, 0, time.UTC)}
	certificateKey := parseKey(readContents()[0].Key)

	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("validationToken"); token != "" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			fmt.Fprint(w, token)
			return
		}
		var batch struct {
			Value []struct {
				ClientState, TenantID string
				EncryptedContent      graph.EncryptedContent
			}
			ValidationTokens []string
		}
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&batch) != nil {
			http.Error(w, "not a notification", http.StatusBadRequest)
			return
		}
		tenants, err := graph.VerifyTokens(r.Context(), batch.ValidationTokens, check)
		if err != nil {
			http.Error(w, "not from Graph", http.StatusUnauthorized)
			return
		}
		for _, item := range batch.Value {
			if !slices.Contains(tenants, item.TenantID) || graph.VerifyState(item.ClientState, state) != nil {
				continue
			}
			if resource, err := graph.Unseal(item.EncryptedContent, certificateKey); err == nil {
				fmt.Printf("%.57s...\n", resource)
			}
		}
		w.WriteHeader(http.StatusAccepted)
	})

	r := httptest.NewRequest("POST", "/", bytes.NewReader(readFile("testdata/samples/rich-notification.json")))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output:
	// {"@odata.context":"https://graph.microsoft.com/$metadata#...
	// 202
}

// The certificate's private key decrypts content that was encrypted for the certificate.
func ExampleSeal() {
	key, certificate := readContents()[0].parse()
	content, err := graph.Seal(rand.Reader, []byte(`{"id":"1565293727947"}`), certificate, "my-certificate")
	if err != nil {
		fmt.Println(err)
		return
	}
	resource, err := graph.Unseal(content, key)
	fmt.Println(string(resource), err)
	// Output: {"id":"1565293727947"} <nil>
}
