package graph_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/graph"
)

// A receiver subscribes to the calendar, proves that it is there, and is notified of an event.
func Example() {
	host := emulator.New(emulator.Options{})
	defer host.Close()
	tokens := entra.New(host, entra.Options{})
	host.Add(tokens, graph.New(host, tokens, graph.Options{AnyToken: true}))
	api := httptest.NewServer(host)
	defer api.Close()

	notified := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("validationToken"); token != "" {
			fmt.Println("handshake")
			io.WriteString(w, token)
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		notified <- string(body)
	}))
	defer receiver.Close()

	res, err := http.Post(api.URL+"/v1.0/subscriptions", "application/json", strings.NewReader(fmt.Sprintf(
		`{"changeType": "created", "resource": "me/events", "notificationUrl": %q, "clientState": "ours",
		  "expirationDateTime": %q}`, receiver.URL, time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339))))
	if err != nil {
		fmt.Println(err)
		return
	}
	res.Body.Close()
	fmt.Println(res.Status)

	host.Happen(emulator.Event{Resource: "/me/events", ChangeType: "created",
		Data: map[string]any{"subject": "Lens review"}})
	fmt.Println(strings.Contains(<-notified, `"clientState":"ours"`))
	// Output:
	// handshake
	// 201 Created
	// true
}
