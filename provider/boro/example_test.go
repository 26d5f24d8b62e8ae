package boro_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider/boro"
)

// A handler that accepts requests that a notification profile signed, without the rest of Bellhop.
func ExampleVerify() {
	key, _ := hex.DecodeString("b4c5d2f0a1e89376245b8c7d6e9f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b")
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		m := boro.Message{Method: r.Method, URI: r.RequestURI, Header: r.Header, Body: body}
		if err := boro.Verify(m, "265", [][]byte{key}, time.Now(), boro.DefaultTolerance); err != nil {
			http.Error(w, "not signed by Boro", http.StatusUnauthorized)
			return
		}
		n, _ := boro.Parse(body)
		fmt.Printf("%s: %s on %s\n", n.Status, n.Trigger, n.Task)
	})

	body := `{"status":"Active","trigger":"Timestamp Discontinuity","task_name":"News DASH"}`
	r := httptest.NewRequest("POST", "/alarms", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	_ = boro.Sign(boro.Message{Method: "POST", URI: "/alarms", Header: r.Header, Body: []byte(body)}, "265", key)
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: Active: Timestamp Discontinuity on News DASH
}
