package eventgrid

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
)

// topicAt is the topic of the tests.
const topicAt = "/subscriptions/5b4b650e-28b9-4790-b3ab-ddbd88d727c4/resourceGroups/media/providers/" +
	"Microsoft.EventGrid/topics/orders"

// newTopic makes a topic, and returns its endpoint and first key.
func (r *rig) newTopic(schema string) (endpoint, key string) {
	r.t.Helper()
	made := r.Call("PUT", topicAt+"?api-version=1", fields{"location": "westeurope",
		"properties": fields{"inputSchema": schema}})
	if made.Status != 201 || state(made) != "Succeeded" {
		r.t.Fatalf("the topic: %d %s", made.Status, made.Text)
	}
	keys := r.Call("POST", topicAt+"/listKeys?api-version=1", nil)
	endpoint, _ = made.JSON["properties"].(fields)["endpoint"].(string)
	key, _ = keys.JSON["key1"].(string)
	return endpoint, key
}

// ordersPath is the path of an event subscription of the topic.
func ordersPath(name string) string {
	return topicAt + "/providers/Microsoft.EventGrid/eventSubscriptions/" + name + "?api-version=1"
}

func order(id string, data any) fields {
	return fields{"id": id, "subject": "orders/" + id, "eventType": "Order.Made", "eventTime": "2026-11-29T10:00:00Z",
		"dataVersion": "2", "data": data}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	endpoint, key := r.newTopic(gridSchema)
	r.create(ordersPath("orders"),
		r.wanted(fields{"destination": fields{"endpointType": "WebHook", "properties": fields{
			"endpointUrl": r.at + "?code=s", "maxEventsPerBatch": 2, "deliveryAttributeMappings": []fields{
				{"name": "X-Key", "type": "Static", "properties": fields{"value": "hush", "isSecret": true}},
				{"name": "X-Subject", "type": "Dynamic", "properties": fields{"sourceField": "subject"}}}}}}))
	shown := r.Call("GET", ordersPath("orders"), nil)
	if strings.Contains(shown.Text, "hush") || !strings.Contains(shown.Text, `"isSecret":true`) {
		t.Errorf("the entity: %s", shown.Text)
	}
	if all := r.Call("POST", ordersPath("orders/getDeliveryAttributes"), nil); !strings.Contains(all.Text, "hush") {
		t.Errorf("getDeliveryAttributes: %s", all.Text)
	}

	r.Token = ""
	decoded, _ := base64.StdEncoding.DecodeString(key)
	token, err := eventgrid.SignSAS(endpoint, r.Now().Add(time.Hour), decoded)
	if err != nil {
		t.Fatal(err)
	}
	old, _ := eventgrid.SignSAS(endpoint, r.Now().Add(-time.Hour), decoded)
	posted := []fields{order("1", fields{"n": 1}), order("2", fields{"n": 2}), order("3", nil)}
	at := endpoint + "?api-version=2018-01-01"
	for _, tt := range []struct {
		name, at string
		status   int
		header   []string
	}{
		{"key", at, 200, []string{"aeg-sas-key", key}},
		{"key in the query", at + "&aeg-sas-key=" + url.QueryEscape(key), 200, nil},
		{"token", at, 200, []string{"aeg-sas-token", token}},
		{"authorization", at, 200, []string{"Authorization", "SharedAccessSignature " + token}},
		{"no key", at, 401, nil},
		{"another key", at, 401, []string{"aeg-sas-key", base64.StdEncoding.EncodeToString([]byte("another"))}},
		{"an old token", at, 401, []string{"aeg-sas-token", old}},
		{"no topic", strings.Replace(at, "/orders/", "/nothing/", 1), 404, []string{"aeg-sas-key", key}},
	} {
		got := r.Call("POST", tt.at, posted, tt.header...)
		if got.Status != tt.status || tt.status != 200 && !strings.Contains(got.Text, `"details":[{"code":`) {
			t.Errorf("%s: %d %s", tt.name, got.Status, got.Text)
		}
		if tt.status != 200 {
			continue
		}
		sizes := map[int]bool{}
		for range 2 {
			d := r.next()
			var list []fields
			if err := json.Unmarshal([]byte(d.body), &list); err != nil {
				t.Fatalf("%s: %v in %s", tt.name, err, d.body)
			}
			sizes[len(list)] = true
			first := list[0]
			if first["topic"] != topicOf(topicAt) || first["metadataVersion"] != "1" || first["dataVersion"] != "2" ||
				d.header.Get("X-Key") != "hush" || d.header.Get("X-Subject") != first["subject"] ||
				d.header.Get("aeg-subscription-name") != "ORDERS" ||
				d.header.Get("aeg-event-type") != "Notification" ||
				d.header.Get("aeg-data-version") != "2" || d.target != "/in/recordings?code=s" {
				t.Errorf("%s: the delivery is %+v", tt.name, d)
			}
		}
		if !sizes[1] || !sizes[2] {
			t.Errorf("%s: the batches have %v events", tt.name, sizes)
		}
	}
	for name, body := range map[string]any{"no array": fields{}, "no type": []fields{{"id": "1", "subject": "a"}}} {
		got := r.Call("POST", at, body, "aeg-sas-key", key)
		if got.Status != 400 || !strings.Contains(got.Text, "configured to receive event in 'EventGridEvent' schema") {
			t.Errorf("%s: %d %s", name, got.Status, got.Text)
		}
	}
	large := []fields{order("1", strings.Repeat("a", maxPublished))}
	if got := r.Call("POST", at, large, "aeg-sas-key", key); got.Status != 413 {
		t.Errorf("too large: %d %s", got.Status, got.Text)
	}
}

func TestPublishCloudEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{AnyToken: true})
	endpoint, _ := r.newTopic(cloudSchema)
	if got := r.Call("PUT", ordersPath("orders"), r.wanted(nil)); got.Status != 400 {
		t.Errorf("CloudEvents in Event Grid's schema: %d %s", got.Status, got.Text)
	}
	r.create(ordersPath("orders"), r.wanted(fields{"eventDeliverySchema": cloudSchema}))
	r.next() // OPTIONS
	ev := fields{"id": "1", "source": "/shop", "specversion": "1.0", "type": "order", "color": "red", "data": "x"}
	for _, tt := range []struct {
		body   any
		status int
		header []string
	}{
		{[]fields{ev}, 200, []string{"Content-Type", "application/cloudevents-batch+json; charset=utf-8"}},
		{ev, 200, []string{"Content-Type", "application/cloudevents+json"}},
		{"x", 200, []string{"Ce-Id", "1", "Ce-Source", "/shop", "Ce-Specversion", "1.0", "Ce-Type", "order",
			"Ce-Color", "red"}},
		{[]fields{{"id": "1"}}, 400, []string{"Content-Type", "application/cloudevents-batch+json"}},
		{[]fields{order("1", nil)}, 400, nil},
	} {
		got := r.Call("POST", endpoint, tt.body, tt.header...)
		if got.Status != tt.status {
			t.Errorf("%v: %d %s", tt.body, got.Status, got.Text)
		}
		if tt.status != 200 {
			continue
		}
		var seen fields
		json.Unmarshal([]byte(r.next().body), &seen)
		if seen["source"] != "/shop" || seen["color"] != "red" || seen["data"] != "x" || seen["id"] != "1" {
			t.Errorf("%v arrived as %v", tt.body, seen)
		}
	}
}

// TestKeys shows that a key that was replaced is refused, and the other one still taken.
func TestKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	endpoint, key := r.newTopic("")
	keys := r.Call("POST", topicAt+"/regenerateKey?api-version=1", fields{"keyName": "key1"})
	if keys.Status != 200 || keys.JSON["key1"] == key {
		t.Errorf("regenerateKey: %d %s", keys.Status, keys.Text)
	}
	second, _ := keys.JSON["key2"].(string)
	r.Token = ""
	for given, want := range map[string]int{key: 401, second: 200} {
		if got := r.Call("POST", endpoint, []fields{}, "aeg-sas-key", given); got.Status != want {
			t.Errorf("answered %d %s, want %d", got.Status, got.Text, want)
		}
	}
}

// TestRetries shows which answers are final, how often others are tried again, and what is kept of what was given up.
func TestRetries(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	dead := fields{"endpointType": "StorageBlob", "properties": fields{"resourceId": "/subscriptions/1/storage",
		"blobContainerName": "dead"}}
	r.create(path("recordings"), r.wanted(fields{"deadLetterDestination": dead,
		"retryPolicy": fields{"maxDeliveryAttempts": 3}}))
	r.create(path("short"), r.wanted(fields{"filter": fields{"includedEventTypes": []string{"Short"}},
		"deadLetterDestination": dead, "retryPolicy": fields{"eventTimeToLiveInMinutes": 2}}))
	r.create(path("cloud"), r.wanted(fields{"filter": fields{"includedEventTypes": []string{"Cloud.Event"}},
		"eventDeliverySchema": cloudSchema, "deadLetterDestination": dead}))
	r.next() // OPTIONS
	happen := func(kind string, statuses ...int) {
		t.Helper()
		r.endpoint.lock.Lock()
		r.statuses = statuses
		r.endpoint.lock.Unlock()
		n, err := r.Host.Happen(emulator.Event{Resource: account, ChangeType: kind, Data: fields{"a": 1}})
		if err != nil || n != 1 {
			t.Fatalf("%d notifications, %v", n, err)
		}
		for i := range statuses {
			if got := r.next().header.Get("aeg-delivery-count"); got != itoa(i) {
				t.Errorf("attempt %d counts %s", i+1, got)
			}
		}
	}
	letter := func(n int) string {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if list := r.DeadLetters(); len(list) >= n {
				if len(list) > n ||
					list[n-1].Store != "/subscriptions/1/storage/blobServices/default/containers/dead" {
					t.Errorf("there are %d dead letters: %+v", len(list), list)
				}
				return string(list[n-1].Body)
			}
		}
		t.Fatalf("there is no dead letter %d", n)
		return ""
	}
	happen("A.Other", 500, 205, 200)
	happen("A.Other", 503, 302, 404)
	if got := letter(1); !strings.Contains(got, `"deadLetterReason":"MaxDeliveryAttemptsExceeded"`) ||
		!strings.Contains(got,
			`"deliveryAttempts":3`) || !strings.Contains(got, `"lastDeliveryOutcome":"NotFound"`) {
		t.Errorf("the dead letter is %s", got)
	}
	for i, status := range []int{400, 401, 403, 413} {
		happen("A.Other", status)
		if got := letter(i + 2); !strings.Contains(got, "UndeliverableDueToHttp"+itoa(status)) {
			t.Errorf("after %d: %s", status, got)
		}
	}
	r.Host.Fault(emulator.Fault{Kind: emulator.FaultExpire, Value: "recordings"})
	r.endpoint.lock.Lock()
	r.statuses = []int{500, 500, 500, 500, 500}
	r.endpoint.lock.Unlock()
	r.flow(account, []event{{id: "1", kind: "Short", time: formatTime(r.Now())}})
	for range 4 { // at once, after 10 s, 40 s and 100 s; the next one would be at 400 s
		r.next()
	}
	if got := letter(6); !strings.Contains(got, `"deadLetterReason":"TimeToLiveExceeded"`) {
		t.Errorf("the dead letter is %s", got)
	}
	happen("Cloud.Event", 403)
	if got := letter(7); !strings.Contains(got, `"deadletterreason":"UndeliverableDueToHttp403"`) ||
		!strings.Contains(got, `"specversion":"1.0"`) {
		t.Errorf("the dead letter is %s", got)
	}
	var remote struct{ Data []emulator.DeadLetter }
	shown := r.Call("GET", "/_control/dead-letters", nil)
	if err := json.Unmarshal([]byte(shown.Text), &remote); err != nil || len(remote.Data) != 7 {
		t.Errorf("the control API: %v, %s", err, shown.Text)
	}
}

// TestSchedule shows the pauses between attempts.
func TestSchedule(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	thirty, day := 30, 1440
	pauses := func(status int) string {
		d := &delivery{system: r.System, retry: retryPolicy{&thirty, &day}, kind: "Notification"}
		var list []string
		for attempt := 1; ; attempt++ {
			pause, again := d.next(attempt, status, nil)
			if !again {
				return strings.Join(append(list, d.reason), " ")
			}
			list = append(list, pause.String())
		}
	}
	const rest = "5m0s 10m0s 30m0s 1h0m0s 3h0m0s 6h0m0s 12h0m0s TimeToLiveExceeded"
	for status, want := range map[int]string{
		500: "10s 30s 1m0s " + rest, 503: "30s 30s 1m0s " + rest, 408: "2m0s 2m0s 2m0s " + rest,
		404: "5m0s 5m0s 5m0s " + rest, 400: "UndeliverableDueToHttp400",
	} {
		if got := pauses(status); got != want {
			t.Errorf("after %d: %s, want %s", status, got, want)
		}
	}
}

// TestBearer shows a delivery with a token of Microsoft Entra.
func TestBearer(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.create(path("recordings"), r.wanted(fields{"destination": fields{"endpointType": "WebHook", "properties": fields{
		"endpointUrl": r.at, "azureActiveDirectoryTenantId": "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67",
		"azureActiveDirectoryApplicationIdOrUri": "api://endpoint"}}}))
	if n, err := r.Host.Happen(emulator.Event{Resource: account, ChangeType: "updated"}); n != 1 || err != nil {
		t.Fatalf("%d notifications, %v", n, err)
	}
	got := r.next().header.Get("Authorization")
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(got, ".")[1])
	if err != nil || !strings.Contains(string(payload), `"aud":"api://endpoint"`) ||
		!strings.Contains(string(payload), `"appid":"`+Application+`"`) {
		t.Errorf("the token is %s, %v", payload, err)
	}
}

// TestHappen shows what can happen in which resource.
func TestHappen(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	storage := "/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/blobs"
	r.create(path("recordings"), r.wanted(nil))
	r.create(storage+"/providers/Microsoft.EventGrid/eventSubscriptions/blobs?api-version=1", r.wanted(nil))
	for _, tt := range []struct {
		resource, kind string
		data           map[string]any
		want           []string
	}{
		{account, "created", fields{"recordingDurationMs": 7},
			[]string{`"recordingDurationMs":7`, `"documentId":"0-weu-d1-`,
				`"subject":"/recording/call/`, `"eventType":"Microsoft.Communication.RecordingFileStatusUpdated"`}},
		{strings.ToLower(account) + "/", "Microsoft.Communication.CallStarted", fields{"id": 1},
			[]string{`"data":{"id":1}`, `"eventType":"Microsoft.Communication.CallStarted"`}},
		{account, "x", fields{"eventType": "A.B", "subject": "mine", "id": "7"},
			[]string{`"subject":"mine"`, `"id":"7"`}},
		{account, "x", fields{"specversion": "1.0", "type": "A.B", "id": "7", "subject": "mine"},
			[]string{`"id":"7"`, `"A.B"`}},
		{storage, "deleted", nil, []string{"Microsoft.Storage.BlobDeleted"}},
	} {
		n, err := r.Host.Happen(emulator.Event{Resource: tt.resource, ChangeType: tt.kind, Data: tt.data})
		if err != nil || n != 1 {
			t.Fatalf("%s of %s: %d notifications, %v", tt.kind, tt.resource, n, err)
		}
		got := r.next()
		for _, want := range tt.want {
			if !strings.Contains(got.body, want) {
				t.Errorf("%s of %s: no %s in %s", tt.kind, tt.resource, want, got.body)
			}
		}
	}
	for _, e := range []emulator.Event{{Resource: "/me/events", ChangeType: "created"}, {Resource: account,
		ChangeType: "deleted"}, {Resource: topicAt, ChangeType: "A.B"}} {
		if _, err := r.Host.Happen(e); err == nil {
			t.Errorf("%+v happens", e)
		}
	}
	if n, err := r.Host.Happen(emulator.Event{Resource: storage + "2", ChangeType: "created"}); n != 0 || err != nil {
		t.Errorf("in a resource without subscriptions: %d, %v", n, err)
	}
}

var _ http.Handler = (*endpoint)(nil)
