package eventgrid_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/eventgrid"
)

// An endpoint is registered for the events of a Communication Services resource, repeats the code of the validation
// event, and is told of a recording.
func Example() {
	host := emulator.New(emulator.Options{})
	defer host.Close()
	tokens := entra.New(host, entra.Options{})
	host.Add(tokens, eventgrid.New(host, tokens, eventgrid.Options{AnyToken: true}))
	api := httptest.NewServer(host)
	defer api.Close()

	posted := make(chan string, 2)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var events []struct {
			EventType string
			Data      struct{ ValidationCode string }
		}
		json.NewDecoder(r.Body).Decode(&events)
		if code := events[0].Data.ValidationCode; code != "" {
			fmt.Fprintf(w, `{"validationResponse":%q}`, code)
		}
		posted <- events[0].EventType
	}))
	defer endpoint.Close()

	const resource = "/subscriptions/1/resourceGroups/media/providers/Microsoft.Communication/communicationServices/calls"
	at := api.URL + resource + "/providers/Microsoft.EventGrid/eventSubscriptions/recordings?api-version=2022-06-15"
	req, err := http.NewRequest(http.MethodPut, at, strings.NewReader(fmt.Sprintf(
		`{"properties": {"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": %q}}}}`,
		endpoint.URL)))
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	res.Body.Close()
	fmt.Println(res.Status)
	fmt.Println(<-posted)

	for n := 0; n == 0; { // until the service has read the answer to its handshake
		if n, err = host.Happen(emulator.Event{Resource: resource, ChangeType: "created"}); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(<-posted)
	// Output:
	// 201 Created
	// Microsoft.EventGrid.SubscriptionValidationEvent
	// Microsoft.Communication.RecordingFileStatusUpdated
}

// A topic is made, its keys are read, and a publisher posts an event with one of them.
func Example_topic() {
	host := emulator.New(emulator.Options{})
	defer host.Close()
	tokens := entra.New(host, entra.Options{})
	host.Add(tokens, eventgrid.New(host, tokens, eventgrid.Options{AnyToken: true}))
	api := httptest.NewServer(host)
	defer api.Close()

	call := func(method, at, key, body string) (answer map[string]any) {
		req, err := http.NewRequest(method, at, strings.NewReader(body))
		if err == nil {
			req.Header.Set("Aeg-Sas-Key", key)
			var res *http.Response
			if res, err = http.DefaultClient.Do(req); err == nil {
				defer res.Body.Close()
				fmt.Println(method, res.Status)
				json.NewDecoder(res.Body).Decode(&answer) // what is published has no answer
			}
		}
		if err != nil {
			fmt.Println(err)
		}
		return answer
	}
	topic := api.URL + "/subscriptions/1/resourceGroups/shop/providers/Microsoft.EventGrid/topics/orders"
	made := call("PUT", topic+"?api-version=2022-06-15", "", `{"location": "westeurope"}`)
	endpoint := made["properties"].(map[string]any)["endpoint"].(string)
	keys := call("POST", topic+"/listKeys?api-version=2022-06-15", "", "")
	call("POST", endpoint+"?api-version=2018-01-01", keys["key1"].(string), `[{"id": "1", "subject": "orders/1",
		"eventType": "Order.Made", "eventTime": "2026-11-29T10:00:00Z", "dataVersion": "1", "data": {}}]`)
	// Output:
	// PUT 201 Created
	// POST 200 OK
	// POST 200 OK
}
