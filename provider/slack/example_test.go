package slack_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider/slack"
)

// A handler that accepts requests that Slack signed, without the rest of Bellhop.
func ExampleVerify() {
	secret := []byte("0a1b2c3d4e5f60718293a4b5c6d7e8f9")
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		if err := slack.Verify(r.Header, body, time.Now(), slack.DefaultTolerance, secret); err != nil {
			http.Error(w, "not signed by Slack", http.StatusUnauthorized)
			return
		}
		fmt.Println("signed:", string(body))
	})

	body, timestamp := "command=%2Fweather&text=94070", strconv.FormatInt(time.Now().Unix(), 10)
	value, _ := slack.Sign(timestamp, []byte(body), secret)
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("X-Slack-Request-Timestamp", timestamp)
	r.Header.Set("X-Slack-Signature", value)
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: signed: command=%2Fweather&text=94070
}
