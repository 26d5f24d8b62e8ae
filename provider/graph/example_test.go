package graph_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/graph"
	"github.com/bellhop-gateway/bellhop/signature"
)

// A handler that takes rich notifications of Graph's and decrypts them, without the rest of Bellhop. In earnest, Keys is
// a provider.KeySet at graph.KeysURL, and Now is time.Now().
func Example() {
	keys, _ := provider.ParseKeys(readTokens().JWKS)
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
			if !slices.Contains(tenants, item.TenantID) || !signature.EqualToken(item.ClientState, state) {
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

// What is sealed for a certificate, the certificate's key unseals.
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
