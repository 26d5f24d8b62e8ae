package acs_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider/acs"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
	"github.com/bellhop-gateway/bellhop/signature"
)

// A handler that reads recordings, without Bellhop's server. It must also answer Event Grid's validation, as the
// example of package eventgrid does.
func ExampleParseRecording() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2<<20))
		if err != nil || !signature.EqualToken(r.URL.Query().Get("code"), "3f9c") {
			http.Error(w, "not from Event Grid", http.StatusUnauthorized)
			return
		}
		items, _ := eventgrid.Items(body)
		for _, item := range items {
			if recording, err := acs.ParseRecording(item); err == nil {
				fmt.Println("call", recording.CallID, "lasted", recording.Duration, "and has", len(recording.Chunks),
					"files")
			}
		}
	})

	body :=
		`[{"id":"1","eventType":"Microsoft.Communication.RecordingFileStatusUpdated","subject":"/recording/call/36cf910b",
		"data":{"recordingStorageInfo":{"recordingChunks":[{"documentId":"0-eus-d12-801b","index":0}]},"recordingDurationMs":6620}}]`
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/?code=3f9c", strings.NewReader(body)))
	// Output: call 36cf910b lasted 6.62s and has 1 files
}

// A request for a file, signed with the resource's access key.
func ExampleSign() {
	key, _ := base64.StdEncoding.DecodeString(
		"YWNzLXRlc3QtYWNjZXNzLWtleS0wMTIzNDU2Nzg5YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXotQUJDREVGRw==")
	req, _ := http.NewRequest("GET",
		"https://contoso.communication.azure.com/recording/download/0-eus-d12-801b/metadata?api-version=2021-04-15-preview1",
		nil)
	at := time.Date(2026, 11, 22, 8, 15, 30, 0, time.UTC)
	err := acs.Sign(acs.Request{Method: req.Method, Target: req.URL.RequestURI(), Host: req.URL.Host,
		Header: req.Header}, key, at)
	fmt.Println(req.Header.Get("x-ms-date"), err)
	// Output: Sun, 22 Nov 2026 08:15:30 GMT <nil>
}
