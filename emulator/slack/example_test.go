package slack_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/slack"
)

// A program posts a message to an incoming webhook, and then a wrong one.
func ExampleNew() {
	host := emulator.New(emulator.Options{})
	defer host.Close()
	workspace := slack.New(host, slack.Options{})
	host.Add(workspace)
	server := httptest.NewServer(host)
	defer server.Close()

	for _, message := range []string{`{"text":"*Active*: CC error on <https://example.com/news|News>"}`,
		`{"text":"","blocks":[]}`} {
		res, err := http.Post(server.URL+slack.WebhookPath(slack.DefaultChannel), "application/json",
			strings.NewReader(message))
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(res.StatusCode, string(body))
	}
	for _, m := range workspace.Messages(0) {
		fmt.Println(m.Channel, m.Shown+m.Problem)
	}
	// Output:
	// 200 ok
	// 400 no_text
	// #alarms Active: CC error on News (https://example.com/news)
	// #alarms there is neither a text, nor blocks, nor attachments
}
