package outlook_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/outlook"
)

// A receiver that loses notifications is told so: the sequence has a gap, and the last one says Missed.
func Example() {
	host := emulator.New(emulator.Options{})
	defer host.Close()
	tokens := entra.New(host, entra.Options{})
	host.Add(tokens, outlook.New(host, tokens, outlook.Options{AnyToken: true}))
	api := httptest.NewServer(host)
	defer api.Close()

	notified := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := r.URL.Query().Get("validationToken"); token != "" {
			io.WriteString(w, token)
			return
		}
		body, _ := io.ReadAll(r.Body)
		notified <- string(body)
	}))
	defer receiver.Close()

	res, err := http.Post(api.URL+"/api/v2.0/me/subscriptions", "application/json", strings.NewReader(
		`{"@odata.type": "#Microsoft.OutlookServices.PushSubscription", "Resource": "`+api.URL+`/api/v2.0/me/events",
		  "NotificationURL": "`+receiver.URL+`", "ChangeType": "Created", "ClientState": "ours"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	res.Body.Close()

	host.Happen(emulator.Event{Resource: "/me/events", ChangeType: "created"})
	fmt.Println(strings.Contains(<-notified, `"SequenceNumber":1,"ChangeType":"Created"`))
	host.Fault(emulator.Fault{Kind: emulator.FaultMissed, System: "outlook"})
	fmt.Println(strings.Contains(<-notified, `"SequenceNumber":3,"ChangeType":"Missed"`))
	// Output:
	// true
	// true
}
