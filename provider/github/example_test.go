package github_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider/github"
)

// A handler that accepts requests signed by GitHub, without Bellhop's server.
func ExampleVerify() {
	secret := []byte("It's a Secret to Everybody")
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 25<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		if err := github.Verify(r.Header, body, secret); err != nil {
			http.Error(w, "not signed by GitHub", http.StatusUnauthorized)
			return
		}
		fmt.Println(r.Header.Get("X-GitHub-Event"), string(body))
	})

	body := `{"action":"opened"}`
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("X-GitHub-Event", "issues")
	sig, _ := github.Sign([]byte(body), secret)
	r.Header.Set("X-Hub-Signature-256", sig)
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: issues {"action":"opened"}
}
