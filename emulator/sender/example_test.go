package sender_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/sender"
	"github.com/bellhop-gateway/bellhop/provider/github"
)

// A receiver verifies the webhooks of GitHub, whose first one is a ping.
func ExampleNew() {
	got := make(chan string, 2)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- fmt.Sprintln(r.Header.Get("X-GitHub-Event"), github.Verify(r.Header, body, []byte("a secret")))
	}))
	defer hook.Close()

	host := emulator.New(emulator.Options{})
	defer host.Close()
	s, err := sender.New(host, "github", sender.Options{URL: hook.URL, Settings: []byte(`{"secret":"a secret"}`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	host.Add(s)
	fmt.Print(<-got)
	host.Happen(emulator.Event{Resource: "octocat/hello-world", ChangeType: "push"})
	fmt.Print(<-got)
	// Output:
	// ping <nil>
	// push <nil>
}
