package eventgrid

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
)

// account is the resource of most tests.
const account = "/subscriptions/5b4b650e-28b9-4790-b3ab-ddbd88d727c4/resourceGroups/media/providers/" +
	"Microsoft.Communication/communicationServices/fabrikam-calls"

type fields = map[string]any

// A rig is a stand-in with entra beside it, and an endpoint.
type rig struct {
	*emulatortest.Rig
	*System
	*endpoint
	t *testing.T
}

// An endpoint takes handshakes and deliveries.
type endpoint struct {
	at  string // its URL
	got chan delivered

	lock     sync.Mutex
	answer   func(code, url string) (status int, body string) // to a validation; lock guards it, and the two below
	consent  http.Header                                      // to OPTIONS
	statuses []int                                            // of the next deliveries; then 200
}

// A delivered is a request at the endpoint.
type delivered struct {
	header http.Header
	target string
	body   string
}

func newRig(t *testing.T, opts Options) *rig {
	t.Helper()
	r := &rig{t: t, endpoint: newEndpoint(t)}
	r.Rig = emulatortest.Start(t, func(host *emulator.Host) []emulator.System {
		tokens := entra.New(host, entra.Options{Key: emulatortest.Key()})
		r.System = New(host, tokens, opts)
		return []emulator.System{tokens, r.System}
	})
	r.Token = r.AppToken(entra.DefaultClient, entra.DefaultSecret, "https://management.azure.com/.default")
	return r
}

func newEndpoint(t *testing.T) *endpoint {
	e := &endpoint{got: make(chan delivered, 1000),
		consent: http.Header{"Webhook-Allowed-Origin": {"eventgrid.azure.net"}},
		answer:  func(code, _ string) (int, string) { return 200, `{"validationResponse":"` + code + `"}` }}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	e.at = server.URL + "/in/recordings"
	return e
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	e.lock.Lock()
	defer e.lock.Unlock()
	if r.Method == http.MethodOptions {
		for name, values := range e.consent {
			w.Header()[name] = values
		}
		e.got <- delivered{r.Header, r.URL.RequestURI(), "OPTIONS"}
		return
	}
	if r.Header.Get("aeg-event-type") == "SubscriptionValidation" {
		var list []struct {
			Data struct{ ValidationCode, ValidationURL string }
		}
		json.Unmarshal(body, &list)
		status, answer := e.answer(list[0].Data.ValidationCode, list[0].Data.ValidationURL)
		w.WriteHeader(status)
		io.WriteString(w, answer)
		return
	}
	status := http.StatusOK
	if len(e.statuses) > 0 {
		status, e.statuses = e.statuses[0], e.statuses[1:]
	}
	w.WriteHeader(status)
	e.got <- delivered{r.Header, r.URL.RequestURI(), string(body)}
}

// answering sets how validations are answered.
func (e *endpoint) answering(answer func(code, url string) (status int, body string)) {
	e.lock.Lock()
	defer e.lock.Unlock()
	e.answer = answer
}

// next returns the next request at the endpoint.
func (r *rig) next() delivered {
	r.t.Helper()
	select {
	case d := <-r.got:
		return d
	case <-time.After(time.Minute):
		r.t.Fatal("nothing came")
		return delivered{}
	}
}

// path returns the path of an event subscription of account.
func path(name string) string {
	return account + "/providers/Microsoft.EventGrid/eventSubscriptions/" + name + "?api-version=2022-06-15"
}

// wanted is the body of a PUT, with other properties.
func (r *rig) wanted(change fields) fields {
	p := fields{"destination": fields{"endpointType": "WebHook",
		"properties": fields{"endpointUrl": r.at + "?code=s3cret"}}}
	for name, value := range change {
		p[name] = value
	}
	return fields{"properties": p}
}

// create makes a subscription and waits until its handshake has ended. It returns the status of the operation.
func (r *rig) create(path string, body fields) fields {
	r.t.Helper()
	made := r.Call("PUT", path, body)
	if made.Status != 201 {
		r.t.Fatalf("PUT %s: %d %s", path, made.Status, made.Text)
	}
	return r.settled(made)
}

// settled waits for the end of an operation, or for a manual action, and returns its status.
func (r *rig) settled(answer emulatortest.Answer) fields {
	r.t.Helper()
	at := answer.Header.Get("Azure-AsyncOperation")
	if at == "" || answer.Header.Get("Retry-After") != "1" ||
		!strings.HasPrefix(answer.Header.Get("Location"), r.URL) {
		r.t.Fatalf("the headers are %v", answer.Header)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		status := r.Call("GET", at, nil)
		if status.Status != 200 {
			r.t.Fatalf("the status of the operation: %d %s", status.Status, status.Text)
		}
		id, _ := answer.JSON["id"].(string)
		now := r.Call("GET", id+"?api-version=2022-06-15", nil)
		if status.JSON["status"] != "InProgress" || state(now) == "AwaitingManualAction" {
			return status.JSON
		}
	}
	r.t.Fatal("the operation does not end")
	return nil
}

// state returns the provisioning state of an entity.
func state(a emulatortest.Answer) string {
	p, _ := a.JSON["properties"].(fields)
	text, _ := p["provisioningState"].(string)
	return text
}

// code returns the code of an error.
func code(a emulatortest.Answer) string {
	e, _ := a.JSON["error"].(fields)
	text, _ := e["code"].(string)
	return text
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	made := r.Call("PUT", path("recordings"), r.wanted(fields{"labels": []string{"bellhop:recordings"}}))
	if made.Status != 201 || state(made) != "Creating" || made.Header.Get("X-Ms-Request-Id") == "" {
		t.Fatalf("PUT: %d %s", made.Status, made.Text)
	}
	if op := r.settled(made); op["status"] != "Succeeded" {
		t.Fatalf("the operation is %v", op)
	}
	got := r.Call("GET", strings.ToUpper(strings.Split(path("Recordings"), "?")[0])+"?api-version=2031-01-01", nil)
	if got.Status != 200 || state(got) != "Succeeded" || strings.Contains(got.Text, "s3cret") ||
		!strings.Contains(got.Text, `"endpointBaseUrl":"`+r.at+`"`) || strings.Contains(got.Text, "endpointUrl") ||
		!strings.Contains(got.Text, "providers/microsoft.communication/communicationServices/fabrikam-calls") ||
		!strings.Contains(got.Text, `"maxEventsPerBatch":1,"preferredBatchSizeInKilobytes":64`) ||
		!strings.Contains(got.Text, `"maxDeliveryAttempts":30,"eventTimeToLiveInMinutes":1440`) {
		t.Errorf("GET in upper case: %d %s", got.Status, got.Text)
	}
	doubled := strings.Replace(path("recordings/getFullUrl"), "/providers/Microsoft.EventGrid",
		"//providers/Microsoft.EventGrid", 1)
	if full := r.Call("POST", "/"+doubled, nil); full.JSON["endpointUrl"] != r.at+"?code=s3cret" {
		t.Errorf("getFullUrl: %d %s", full.Status, full.Text)
	}

	wrapped := r.Call("PATCH", path("recordings"), r.wanted(nil))
	if wrapped.Status != 400 || code(wrapped) != "InvalidRequest" {
		t.Errorf("a wrapped PATCH: %d %s", wrapped.Status, wrapped.Text)
	}
	until := formatTime(r.Now().Add(time.Hour))
	r.answering(func(string, string) (int, string) { t.Error("labels were validated"); return 200, "" })
	changed := r.Call("PATCH", path("recordings"), fields{"labels": []string{"a"}, "expirationTimeUtc": until})
	if op := r.settled(changed); changed.Status != 201 || op["status"] != "Succeeded" {
		t.Errorf("PATCH: %d %s, %v", changed.Status, changed.Text, op)
	}
	if after := r.Call("GET", changed.Header.Get("Location"), nil); after.Status != 200 ||
		!strings.Contains(after.Text, until) || state(after) != "Succeeded" {
		t.Errorf("the result of the PATCH: %d %s", after.Status, after.Text)
	}
	r.Pass(2 * time.Hour)
	r.Token = r.AppToken(entra.DefaultClient, entra.DefaultSecret, "https://management.azure.com/.default")
	if gone := r.Call("GET", path("recordings"), nil); gone.Status != 404 || code(gone) != "ResourceNotFound" {
		t.Errorf("after its expiry: %d %s", gone.Status, gone.Text)
	}
	if none := r.Call("DELETE", path("recordings"), nil); none.Status != 204 {
		t.Errorf("the deletion of nothing: %d", none.Status)
	}
}

// TestDelete shows that an endpoint is told of the end of its subscription.
func TestDelete(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.create(path("recordings"), r.wanted(nil))
	gone := r.Call("DELETE", path("recordings"), nil)
	if gone.Status != 202 {
		t.Fatalf("DELETE: %d %s", gone.Status, gone.Text)
	}
	if end := r.Call("GET", gone.Header.Get("Location"), nil); end.Status != 204 {
		t.Errorf("the result of the deletion: %d %s", end.Status, end.Text)
	}
	told := r.next()
	if told.header.Get("aeg-event-type") != "SubscriptionDeletion" || told.header.Get("aeg-subscription-name") !=
		"RECORDINGS" || !strings.Contains(told.body, `"eventSubscriptionId":"`+account) {
		t.Errorf("the endpoint was told %+v", told)
	}
}

func TestValidationFails(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	tries := 0
	r.answering(func(string, string) (int, string) { tries++; return 404, "" })
	op := r.create(path("recordings"), r.wanted(nil))
	text, _ := json.Marshal(op)
	if op["status"] != "Failed" || tries != 3 || strings.Contains(string(text), "s3cret") ||
		!strings.Contains(string(text),
			"Webhook validation handshake failed for "+r.at+
				". Http POST request failed with response code NotFound.") {
		t.Errorf("after %d tries: %s", tries, text)
	}
	if got := r.Call("GET", path("recordings"), nil); state(got) != "Failed" {
		t.Errorf("the entity: %s", got.Text)
	}
	if n, err := r.Host.Happen(emulator.Event{Resource: account, ChangeType: "created"}); n != 0 || err != nil {
		t.Errorf("%d deliveries to an endpoint that is not validated, %v", n, err)
	}
	r.answering(func(code, _ string) (int, string) { return 202, `{"validationResponse":"` + code + `"}` })
	if op := r.create(path("recordings"), r.wanted(nil)); op["status"] != "Failed" { // 202 is no consent
		t.Errorf("answered 202: %v", op)
	}
	r.answering(func(code, _ string) (int, string) { return 200, `{"validationResponse":"` + code + `"}` })
	if op := r.create(path("recordings"), r.wanted(nil)); op["status"] != "Succeeded" {
		t.Errorf("PUT over the failed one: %v", op)
	}
}

func TestManualAction(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	var at string
	r.answering(func(_, url string) (int, string) { at = url; return 200, "hello" })
	if op := r.create(path("recordings"), r.wanted(nil)); op["status"] != "InProgress" {
		t.Fatalf("the operation is %v", op)
	}
	if got := r.Call("GET", path("recordings"), nil); state(got) != "AwaitingManualAction" {
		t.Fatalf("the entity: %s", got.Text)
	}
	if done := r.Call("GET", at, nil); done.Status != 200 {
		t.Errorf("the validation URL: %d %s", done.Status, done.Text)
	}
	if got := r.Call("GET", path("recordings"), nil); state(got) != "Succeeded" {
		t.Errorf("afterwards: %s", got.Text)
	}
	if again := r.Call("GET", at, nil); again.Status != 404 {
		t.Errorf("the validation URL again: %d", again.Status)
	}

	made := r.Call("PUT", path("late"), r.wanted(nil))
	r.settled(made)
	r.Pass(9 * time.Minute)
	if got := r.Call("GET", path("late"), nil); state(got) != "AwaitingManualAction" {
		t.Errorf("after 9 minutes: %s", got.Text)
	}
	r.Pass(time.Minute)
	if got := r.Call("GET", path("late"), nil); state(got) != "Failed" {
		t.Errorf("after 10 minutes: %s", got.Text)
	}
	if op := r.settled(made); op["status"] != "Failed" || !strings.Contains(fmt.Sprint(op), "retuned 2XX response "+
		"with response body hello") {
		t.Errorf("the operation: %v", op)
	}
	if late := r.Call("GET", at, nil); late.Status != 404 {
		t.Errorf("the validation URL after 10 minutes: %d", late.Status)
	}
}

func TestCloudEventsHandshake(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	cloud := r.wanted(fields{"eventDeliverySchema": "CloudEventSchemaV1_0"})
	if op := r.create(path("recordings"), cloud); op["status"] != "Succeeded" {
		t.Fatalf("the operation is %v", op)
	}
	asked := r.next()
	if asked.body != "OPTIONS" || asked.header.Get("WebHook-Request-Origin") != "eventgrid.azure.net" ||
		asked.target != "/in/recordings?code=s3cret" {
		t.Errorf("the endpoint was asked %+v", asked)
	}
	if n, err := r.Host.Happen(emulator.Event{Resource: account, ChangeType: "created"}); n != 1 || err != nil {
		t.Fatalf("%d deliveries, %v", n, err)
	}
	got := r.next()
	if got.header.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" ||
		got.header.Get("Origin") != "eventgrid.azure.net" || !strings.HasPrefix(got.body, "{") ||
		!strings.Contains(got.body, `"type":"Microsoft.Communication.RecordingFileStatusUpdated"`) ||
		!strings.Contains(got.body, `"specversion":"1.0"`) ||
		!strings.Contains(got.body, `"source":"/subscriptions/`) {
		t.Errorf("the delivery is %+v", got)
	}
	if other := r.Call("PUT", path("recordings"), r.wanted(nil)); other.Status != 400 {
		t.Errorf("another schema: %d %s", other.Status, other.Text)
	}
	r.endpoint.lock.Lock()
	r.consent = http.Header{"Webhook-Allowed-Origin": {"eventgrid.azure.net.example"}}
	r.endpoint.lock.Unlock()
	r.create(path("refused"), cloud)
	asked = r.next()
	if got := r.Call("GET", path("refused"), nil); state(got) != "AwaitingManualAction" {
		t.Errorf("without consent: %s", got.Text)
	}
	if done := r.Call("GET", asked.header.Get("WebHook-Request-Callback"), nil); done.Status != 200 {
		t.Errorf("the callback: %d %s", done.Status, done.Text)
	}
	if got := r.Call("GET", path("refused"), nil); state(got) != "Succeeded" {
		t.Errorf("after the callback: %s", got.Text)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{HTTPSOnly: true, Quota: 2})
	other := newRig(t, Options{})
	for name, tt := range map[string]struct {
		r      *rig
		path   string
		change fields
		status int
		code   string
	}{
		"http":       {r, path("recordings"), nil, 400, "InvalidRequest"},
		"short name": {other, path("ab"), nil, 400, "InvalidRequest"},
		"odd name":   {other, path("a_b"), nil, 400, "InvalidRequest"},
		"no topic": {other,
			"/subscriptions/1/resourceGroups/g/providers/Microsoft.EventGrid/topics/none/providers/Microsoft.EventGrid/eventSubscriptions/abc?api-version=1", nil, 404, "ResourceNotFound"},
		"past": {other, path("abc"), fields{"expirationTimeUtc": "2020-01-01T00:00:00Z"}, 400,
			"InvalidRequest"},
		"schema": {other, path("abc"), fields{"eventDeliverySchema": "CustomInputSchema"}, 400, "InvalidRequest"},
		"attempts": {other, path("abc"), fields{"retryPolicy": fields{"maxDeliveryAttempts": 31}}, 400,
			"InvalidRequest"},
		"operator": {other, path("abc"),
			fields{
				"filter": fields{"advancedFilters": []fields{{"operatorType": "StringNear", "key": "subject",
					"values": []string{"a"}}}}}, 400, "InvalidRequest"},
		"values": {other, path("abc"),
			fields{
				"filter": fields{"advancedFilters": []fields{{"operatorType": "NumberIn", "key": "data.a",
					"values": []string{"a"}}}}}, 400, "InvalidRequest"},
		"destination": {other, path("abc"), fields{"destination": nil}, 400, "InvalidRequest"},
		"version":     {other, strings.Split(path("abc"), "?")[0], nil, 400, "MissingApiVersionParameter"},
	} {
		got := tt.r.Call("PUT", tt.path, tt.r.wanted(tt.change))
		if got.Status != tt.status || code(got) != tt.code {
			t.Errorf("%s: %d %s", name, got.Status, got.Text)
		}
	}
	limited := newRig(t, Options{Quota: 1})
	limited.create(path("first"), limited.wanted(nil))
	if got := limited.Call("PUT", path("second"), limited.wanted(nil)); got.Status != 409 ||
		!strings.Contains(got.Text, "Quota limit reached.") {
		t.Errorf("over the quota: %d %s", got.Status, got.Text)
	}
}

func TestTokensAndFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	token := r.Token
	for name, tt := range map[string]struct{ token, code string }{
		"none":    {"", "AuthenticationFailed"},
		"garbage": {"x", "InvalidAuthenticationToken"},
		"audience": {r.AppToken("bellhop", "secret", "https://graph.microsoft.com/.default"),
			"InvalidAuthenticationTokenAudience"},
	} {
		r.Token = tt.token
		got := r.Call("GET", path("abc"), nil)
		if got.Status != 401 || code(got) != tt.code ||
			!strings.HasPrefix(got.Header.Get("Www-Authenticate"), "Bearer ") {
			t.Errorf("%s: %d %s", name, got.Status, got.Text)
		}
	}
	r.Token = token
	for _, name := range r.ErrorCodes() {
		if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultError, Value: name}); err != nil {
			t.Fatal(err)
		}
		got := r.Call("PUT", path("abc"), r.wanted(nil))
		if code(got) != name || got.Status < 400 {
			t.Errorf("%s: %d %s", name, got.Status, got.Text)
		}
		if name == "AuthorizationFailed" && !strings.Contains(got.Text, "perform action "+
			"'Microsoft.EventGrid/eventSubscriptions/write' over scope '"+account+"/providers/Microsoft.EventGrid/") {
			t.Errorf("the error names neither action nor scope: %s", got.Text)
		}
	}
	for _, status := range []int{400, 401, 401, 401, 401, 403, 404, 409, 429, 500, 503} {
		r.Host.Fault(emulator.Fault{Kind: emulator.FaultError, Value: itoa(status)})
		if got := r.Call("GET", path("abc"), nil); got.Status != status || code(got) == "" {
			t.Errorf("%d: %d %s", status, got.Status, got.Text)
		}
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultMissed}); err == nil {
		t.Error("missed happens here")
	}
	r.create(path("gone"), r.wanted(nil))
	r.Host.Fault(emulator.Fault{Kind: emulator.FaultRevoke, Value: "GONE"})
	if told := r.next(); told.header.Get("aeg-event-type") != "SubscriptionDeletion" {
		t.Errorf("the endpoint was told %+v", told)
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultExpire, Value: "nobody"}); err == nil {
		t.Error("a subscription that is not there expires")
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{PageSize: 2})
	group := "/subscriptions/5b4b650e-28b9-4790-b3ab-ddbd88d727c4/resourceGroups/media"
	for _, name := range []string{"one", "two", "three"} {
		r.create(path(name), r.wanted(nil))
	}
	storage := group + "/providers/Microsoft.Storage/storageAccounts/blobs"
	r.create(storage+"/providers/Microsoft.EventGrid/eventSubscriptions/blobs?api-version=1", r.wanted(nil))
	names := func(at, query string) string {
		t.Helper()
		var list []string
		for at += "?api-version=1" + query; at != ""; {
			got := r.Call("GET", at, nil)
			if got.Status != 200 {
				t.Fatalf("%s: %d %s", at, got.Status, got.Text)
			}
			for _, e := range got.JSON["value"].([]any) {
				list = append(list, e.(fields)["name"].(string))
			}
			at, _ = got.JSON["nextLink"].(string)
		}
		return strings.Join(list, " ")
	}
	const of = "/providers/Microsoft.EventGrid/"
	for _, tt := range []struct{ at, query, want string }{
		{account + of + "eventSubscriptions", "", "one two three"},
		{strings.ToUpper(account) + "/" + of + "EVENTSUBSCRIPTIONS/", "", "one two three"},
		{account + of + "eventSubscriptions", "&$top=100&$filter=contains(name,'t')", "two three"},
		{account + of + "eventSubscriptions", "&$filter=not%20(name%20eq%20'ONE')", "two three"},
		{storage + of + "eventSubscriptions", "", "blobs"},
		{group + of + "eventSubscriptions", "", "one two three blobs"},
		{"/subscriptions/5b4b650e-28b9-4790-b3ab-ddbd88d727c4" + of + "eventSubscriptions", "", "one two three blobs"},
		{"/subscriptions/other" + of + "eventSubscriptions", "", ""},
		{group + of + "locations/westeurope/eventSubscriptions", "", "one two three blobs"},
		{group + of + "locations/eastus/eventSubscriptions", "", ""},
		{group + of + "topicTypes/Microsoft.Storage.StorageAccounts/eventSubscriptions", "", "blobs"},
		{group + of + "locations/westeurope/topicTypes/Microsoft.Storage.StorageAccounts/eventSubscriptions", "",
			"blobs"},
	} {
		if got := names(tt.at, tt.query); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.at, tt.query, got, tt.want)
		}
	}
	if got := r.Call("GET", account+of+"eventSubscriptions?api-version=1&$filter=label%20eq%20'a'",
		nil); got.Status != 400 {
		t.Errorf("a filter of another member: %d %s", got.Status, got.Text)
	}
	if got := r.Call("GET", "/subscriptions?api-version=2022-12-01", nil); got.Status != 200 ||
		!strings.Contains(got.Text, DefaultSubscription) {
		t.Errorf("the Azure subscriptions: %d %s", got.Status, got.Text)
	}
	if got := r.Call("POST", "/subscriptions/1/providers/Microsoft.EventGrid/register?api-version=1",
		nil); got.Status !=
		200 || !strings.Contains(got.Text, `"registrationState":"Registered"`) {
		t.Errorf("registering the provider: %d %s", got.Status, got.Text)
	}
}
