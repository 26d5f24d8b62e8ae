//go:build stress && linux

package journey

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

// This file makes sequences of requests for TestStressAPIFuzz, in which one answer says what the next one has to be.

// Keys of the run, by their place.
const (
	allAdmin = iota
	allOperate
	allRead
	allPublish
	ourAdmin
	ourRead
	theirAdmin
	theirOperate
)

type object = map[string]any

// call sends a request to the operation of a path, and wants one of those statuses. It returns an empty answer if
// there was none.
func (f *apiFuzz) call(key int, method, path string, body any, header http.Header, want ...int) *apiAnswer {
	f.t.Helper()
	f.requests++
	route, query, _ := strings.Cut(path, "?")
	r := &apiRequest{op: f.doc.route(method, route), method: method, path: route, header: http.Header{}, tree: body,
		key: f.keys[key], want: want}
	if r.op == nil {
		f.t.Fatalf("the document has no operation for %s %s", method, path)
	}
	if query != "" {
		r.query = strings.Split(query, "&")
	}
	maps.Copy(r.header, header)
	if body != nil {
		r.header.Set("Content-Type", "application/json")
		r.body = appendTree(nil, body)
	}
	a := f.send(r)
	if a == nil {
		return &apiAnswer{header: http.Header{}}
	}
	return a
}

// route returns the operation of a path; nil if there is none.
func (d *apiDocument) route(method, path string) *apiOperation {
	parts := strings.Split(path, "/")
	var found *apiOperation
	for _, o := range d.operations {
		form := strings.Split(o.path, "/")
		if o.method != method || len(form) != len(parts) {
			continue
		}
		fits := true
		for i, part := range form {
			fits = fits && (part == parts[i] || part == "{id}")
		}
		if fits && (found == nil || !strings.Contains(o.path, "{id}")) {
			found = o
		}
	}
	return found
}

// furnish makes nouns that the requests of a round are about: without them few requests would find one.
func (f *apiFuzz) furnish() {
	const below = "/api/v1/"
	f.begin()
	n := f.requests
	name := func(kind string) string { return fmt.Sprintf("%s-%d", kind, n) }
	own := func(o object) object { // of a tenant, or of none
		if n%3 == 0 {
			o["tenant"] = pick(f.apiMaker, f.tenants...)
		}
		return o
	}
	made := func(noun string, o object) { f.call(allAdmin, "POST", below+noun, o, nil, http.StatusCreated) }
	made("sources", own(object{"name": name("open"), "provider": "generic", "settings": object{"scheme": "none"}}))
	made("sources", object{"name": name("closed"), "provider": "github", "settings": object{"secret": f.secret("")}})
	made("sources", object{"name": name("mail"), "provider": "graph", "settings": object{"subscriptions_only": true}})
	made("connections", own(object{"name": name("api"), "provider": "oauth2", "settings": object{
		"client_id": "bellhop", "api_url": f.receiver, "token_url": f.receiver + "/200",
		"client_secret": f.secret("")}}))
	made("connections", object{"name": name("graph"), "provider": "graph", "settings": object{"client_id": "bellhop",
		"tenant": "t", "authority": f.receiver, "api_url": f.receiver, "client_secret": f.secret("")}})
	made("subscriptions", object{"name": name("calendar"), "source": name("mail"), "connection": name("graph"),
		"resource": "/users/ada/events", "change_types": []any{"created"}})
	types := object{"types": []any{"fuzz.*"}}
	made("destinations", own(object{"name": name("pull"), "type": "pull", "match": types}))
	made("destinations", object{"name": name("listen"), "type": "listen", "match": types})
	made("destinations", object{"name": name("good"), "url": f.receiver + "/200", "match": types,
		"settings": object{"format": "standard", "secret": f.secret("whsec_")}})
	made("destinations", own(object{"name": name("bad"), "url": f.receiver + "/500", "match": types,
		"settings": object{"format": "raw"}, "access": object{"token": f.secret("")}}))
	made("tenants", object{"name": name("tenant")})
	made("keys", object{"name": name("key"), "scope": "read"})
	for i := range 3 {
		f.call(allPublish, "POST", below+"events", own(object{"type": "fuzz.made", "subject": fmt.Sprint(i),
			"data": object{"n": n}}), nil, http.StatusAccepted)
	}
	for _, source := range []string{"open", "closed"} {
		res, err := http.Post(f.url+"/in/"+name(source), "application/json", strings.NewReader(`{"a":1}`))
		if err != nil {
			f.t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode >= 500 {
			f.t.Errorf("the door answered %d", res.StatusCode)
		}
	}
	for _, noun := range []string{"deliveries", "requests", "events"} {
		f.call(allAdmin, "GET", below+noun+"?limit=5", nil, nil, http.StatusOK)
	}
	f.call(allOperate, "POST", below+"destinations/"+name("pull")+"/pull", object{"max": 2}, nil, http.StatusOK)
}

// sequences runs the life of a noun of each kind that can be created, shown and deleted, and that of an event.
func (f *apiFuzz) sequences() {
	for _, create := range f.doc.operations {
		item := create.path + "/{id}"
		if create.method == "POST" && f.doc.operation("GET", item) != nil && f.doc.operation("DELETE", item) != nil {
			f.life(create, f.doc.operation("PATCH", item) != nil)
		}
	}
	f.event()
	f.repair()
	f.listen()
}

// sure returns the values of a noun of which random values are seldom right; nil if they often are.
func (f *apiFuzz) sure(noun string) object {
	name := fmt.Sprintf("sure-%d", f.requests)
	switch noun {
	case "connections":
		return object{"name": name, "provider": "oauth2", "settings": object{"client_id": "bellhop",
			"api_url": f.receiver, "token_url": f.receiver + "/200", "client_secret": f.secret("")}}
	case "subscriptions":
		f.call(allAdmin, "POST", "/api/v1/sources", object{"name": name, "provider": "graph",
			"settings": object{"subscriptions_only": true}}, nil, http.StatusCreated)
		f.call(allAdmin, "POST", "/api/v1/connections", object{"name": name, "provider": "graph",
			"settings": object{"client_id": "bellhop", "tenant": "t", "authority": f.receiver, "api_url": f.receiver,
				"client_secret": f.secret("")}}, nil, http.StatusCreated)
		return object{"name": name, "source": name, "connection": name,
			"resource": "/users/ada/messages", "change_types": []any{"created", "updated"}}
	}
	return nil
}

// changing are the members of nouns that change by themselves, or are in the answer to a change alone.
var changing = []string{"warnings", "followed", "key", "secret", "state", "state_reason", "reason", "held_back",
	"failing_since", "updated_at", "last_used_at", "account", "used_at", "expires_at", "renew_at", "lost_at", "gaps",
	"remote_id", "last_event_at", "expires_in"}

// life creates a noun, reads it back, changes it and deletes it.
func (f *apiFuzz) life(create *apiOperation, patches bool) {
	var r *apiRequest
	var a *apiAnswer
	for range 20 {
		r = f.request(create)
		r.header.Del("Idempotency-Key")
		a = f.send(r)
		if a != nil && a.status == http.StatusCreated {
			break
		}
	}
	if sure := f.sure(create.noun()); sure != nil && (a == nil || a.status != http.StatusCreated) {
		r = f.request(create)
		r.header.Del("Idempotency-Key")
		r.tree, r.body, r.want = sure, appendTree(nil, sure), []int{http.StatusCreated}
		a = f.send(r)
	}
	if a == nil || a.status != http.StatusCreated {
		return // furnish makes one that must be taken
	}
	made, _ := a.value.(object)
	id, _ := made["id"].(string)
	path := create.path + "/" + id
	if a.header.Get("Location") != path {
		f.report(r, a, "Location", "it is %q, and the id %q", a.header.Get("Location"), id)
	}
	shown := f.call(allRead, "GET", path, nil, nil, http.StatusOK, http.StatusForbidden)
	if shown.status == http.StatusForbidden { // keys are for admins
		shown = f.call(allAdmin, "GET", path, nil, nil, http.StatusOK)
	}
	now, _ := shown.value.(object)
	lasting := without(made)
	if create.noun() == "portal-links" { // they have the token, which is answered this once
		delete(lasting, "url")
		delete(lasting, "local_url")
	}
	if difference := differs(lasting, without(now), ""); difference != "" {
		f.report(r, shown, "read back", "it is not what was answered: %s", difference)
	}
	if difference := differs(r.tree, now, ""); difference != "" {
		f.report(r, shown, "read back", "it is not what was sent: %s", difference)
	}
	f.listed(r, create.path, id, true)
	tag := shown.header.Get("ETag")
	again := f.call(allAdmin, "GET", path, nil, http.Header{"If-None-Match": {tag}})
	if again.status != http.StatusNotModified && again.header.Get("ETag") == tag {
		f.report(r, again, "If-None-Match", "the answer is the same, and not 304")
	}
	if patches {
		f.patch(r, path, now)
	}
	tenant, _ := made["tenant"].(string)
	if create.noun() == "tenants" {
		tenant, _ = made["name"].(string)
	}
	if tenant != foreignTenant {
		f.call(theirAdmin, "GET", path, nil, nil, http.StatusNotFound)
		f.call(theirAdmin, "DELETE", path, nil, nil, http.StatusNotFound, http.StatusForbidden)
	}
	f.call(allAdmin, "DELETE", path, nil, http.Header{"If-Match": {`"0-0"`}}, http.StatusPreconditionFailed)
	f.call(allAdmin, "DELETE", path, nil, nil, http.StatusNoContent)
	f.call(allAdmin, "GET", path, nil, nil, http.StatusNotFound)
	f.call(allAdmin, "DELETE", path, nil, nil, http.StatusNotFound)
	f.listed(r, create.path, id, false)
}

// patch sends a noun back whole, which changes nothing, and then a random change with an old and with the new tag.
func (f *apiFuzz) patch(r *apiRequest, path string, shown object) {
	latest := f.call(allAdmin, "GET", path, nil, nil, http.StatusOK)
	tag := latest.header.Get("ETag")
	body, _ := latest.value.(object)
	whole := f.call(allAdmin, "PATCH", path, maps.Clone(body), http.Header{"If-Match": {tag}}, http.StatusOK,
		http.StatusPreconditionFailed)
	if whole.status == http.StatusOK {
		back, _ := whole.value.(object)
		if difference := differs(without(shown), without(back), ""); difference != "" {
			f.report(r, whole, "sent back whole", "it has changed: %s", difference)
		}
	}
	change := f.request(f.doc.route("PATCH", path))
	change.path, change.key = path, f.keys[allAdmin]
	change.header.Del("If-Match")
	a := f.send(change)
	if a == nil || a.status != http.StatusOK {
		return
	}
	now := f.call(allAdmin, "GET", path, nil, nil, http.StatusOK)
	if difference := differs(change.tree, now.value, ""); difference != "" {
		f.report(change, now, "change read back", "it is not what was sent: %s", difference)
	}
	before, _ := body["updated_at"].(string)
	after, _ := now.value.(object)["updated_at"].(string)
	if before != after {
		f.call(allAdmin, "PATCH", path, object{}, http.Header{"If-Match": {tag}}, http.StatusPreconditionFailed)
	}
}

// listed checks whether a list has a noun of that id.
func (f *apiFuzz) listed(r *apiRequest, path, id string, want bool) {
	cursor, found := "", false
	for range 100 {
		a := f.call(allAdmin, "GET", path+"?limit=250"+cursor, nil, nil, http.StatusOK)
		page, _ := a.value.(object)
		found = found || bytes.Contains(a.body, []byte(`"id":"`+id+`"`))
		next, _ := page["next"].(string)
		if next == "" {
			break
		}
		cursor = "&cursor=" + next
	}
	if found != want {
		f.report(r, nil, "listed", "%s is in the list: %v", id, found)
	}
}

// bodies are the data of events: they are stored as they are.
var bodies = []rawText{`{ "a" : 1.0 , "b":"\u00e4\/" }`, "{\n\t\"z\":1e2,\r\n \"a\":[ ]}", `"text"`,
	`[1,2.50,-0]`, `null`,
	`12345678901234567890123.5`, `{"deep":[[[[[[[[{}]]]]]]]]}`, `{"\u0000":"\ud83d\ude00"}`, `true`, `{"":"<&>"}`}

// event publishes an event, reads it back byte for byte, repeats it by its Idempotency-Key, and pulls and acks it.
func (f *apiFuzz) event() {
	f.begin()
	n := f.requests
	kind, data := fmt.Sprintf("life.%d", n), pick(f.apiMaker, bodies...)
	once := http.Header{"Idempotency-Key": {fmt.Sprint("life-", n)}}
	puller := fmt.Sprintf("puller-%d", n)
	f.call(allAdmin, "POST", "/api/v1/destinations", object{"name": puller, "type": "pull",
		"match": object{"types": []any{kind}}}, nil, http.StatusCreated)
	event := object{"type": kind, "subject": "a/b ä", "data": data}
	a := f.call(allPublish, "POST", "/api/v1/events", event, once, http.StatusAccepted)
	made, _ := a.value.(object)
	id, _ := made["id"].(string)
	path := "/api/v1/events/" + id
	r := &apiRequest{op: f.doc.route("POST", "/api/v1/events"), method: "POST", path: "/api/v1/events", tree: event,
		body: appendTree(nil, event), key: f.keys[allPublish]}
	if got := f.call(allRead, "GET", path+"/body", nil, nil, http.StatusOK); string(got.body) != string(data) {
		f.report(r, got, "read back", "the body is not %q", data)
	}
	again := f.call(allPublish, "POST", "/api/v1/events", event, once, http.StatusAccepted)
	if repeat, _ := again.value.(object); repeat["id"] != id || again.header.Get("Idempotent-Replayed") != "true" {
		f.report(r, again, "repeat", "it is another event, or does not say that it is a repeat")
	}
	f.call(allPublish, "POST", "/api/v1/events", object{"type": kind, "data": "other"}, once, http.StatusConflict)
	f.call(theirAdmin, "GET", path, nil, nil, http.StatusNotFound)
	f.call(theirOperate, "POST", path+"/replay", object{}, nil, http.StatusNotFound)
	if list := f.call(allRead, "GET", "/api/v1/events?provider_id="+once.Get("Idempotency-Key"), nil, nil,
		http.StatusOK); !bytes.Contains(list.body, []byte(id)) {
		f.report(r, list, "listed", "the list by its provider_id does not have it")
	}

	pulled := f.call(allOperate, "POST", "/api/v1/destinations/"+puller+"/pull", object{"wait": "20s"}, nil,
		http.StatusOK)
	var lease struct {
		Data []struct {
			Token      string
			DeliveryID string `json:"delivery_id"`
		}
	}
	if json.Unmarshal(pulled.body, &lease) != nil || len(lease.Data) != 1 {
		f.report(r, pulled, "pull", "the event is not handed out")
		return
	}
	delivery, token := "/api/v1/deliveries/"+lease.Data[0].DeliveryID, object{"token": lease.Data[0].Token}
	f.call(theirAdmin, "POST", delivery+"/ack", token, nil, http.StatusNotFound)
	f.call(allOperate, "POST", delivery+"/extend", token, nil, http.StatusOK)
	f.call(allOperate, "POST", delivery+"/ack", token, nil, http.StatusNoContent)
	f.call(allOperate, "POST", delivery+"/ack", token, nil, http.StatusConflict, http.StatusNoContent)
	f.call(allOperate, "POST", delivery+"/nack", token, nil, http.StatusConflict)
	after := f.call(allRead, "GET", delivery, nil, nil, http.StatusOK)
	if now, _ := after.value.(object); now["state"] != "delivered" {
		f.report(r, after, "ack", "the delivery is not delivered")
	}
	f.call(allAdmin, "DELETE", "/api/v1/destinations/"+puller, nil, nil, http.StatusNoContent)
}

// repair cancels the repairs that run, because only a few may at a time, begins a slow one, and cancels it.
func (f *apiFuzz) repair() {
	running := f.call(allAdmin, "GET", "/api/v1/repairs?state=running", nil, nil, http.StatusOK)
	page, _ := running.value.(object)
	list, _ := page["data"].([]any)
	for _, x := range list {
		one, _ := x.(object)
		path := fmt.Sprintf("/api/v1/repairs/%v/cancel", one["id"])
		f.call(allOperate, "POST", path, nil, nil, http.StatusOK, http.StatusConflict)
	}
	a := f.call(allOperate, "POST", "/api/v1/events/replay", object{"type": "fuzz.*", "rate": 0.01}, nil,
		http.StatusAccepted)
	made, _ := a.value.(object)
	path := fmt.Sprintf("/api/v1/repairs/%v", made["id"])
	f.call(theirAdmin, "POST", path+"/cancel", nil, nil, http.StatusNotFound)
	f.call(allOperate, "POST", path+"/cancel", nil, nil, http.StatusOK)
	f.call(allOperate, "POST", path+"/cancel", nil, nil, http.StatusConflict)
}

// listen takes a delivery of a destination of type listen, and answers it while the stream is open.
func (f *apiFuzz) listen() {
	f.begin()
	name, kind := fmt.Sprintf("listener-%d", f.requests), fmt.Sprintf("heard.%d", f.requests)
	f.call(allAdmin, "POST", "/api/v1/destinations", object{"name": name, "type": "listen",
		"match": object{"types": []any{kind}}}, nil, http.StatusCreated)
	f.call(allPublish, "POST", "/api/v1/events", object{"type": kind, "data": 1}, nil, http.StatusAccepted)
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", f.url+"/api/v1/destinations/"+name+"/listen", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+f.keys[allOperate].text)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		var item struct {
			Delivery struct {
				Token string
				ID    string `json:"delivery_id"`
			}
		}
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
		if !ok || json.Unmarshal(data, &item) != nil || item.Delivery.Token == "" {
			continue
		}
		path, answer := "/api/v1/deliveries/"+item.Delivery.ID, object{"token": item.Delivery.Token, "status": 200}
		f.call(theirAdmin, "POST", path+"/answer", answer, nil, http.StatusNotFound)
		f.call(allOperate, "POST", path+"/answer", answer, nil, http.StatusNoContent)
		f.call(allOperate, "POST", path+"/answer", answer, nil, http.StatusConflict)
		f.call(allAdmin, "DELETE", "/api/v1/destinations/"+name, nil, nil, http.StatusNoContent)
		return
	}
	f.t.Errorf("the listener %s got no delivery", name)
}

// without returns o without the members that change by themselves.
func without(o object) object {
	o = maps.Clone(o)
	for _, name := range changing {
		delete(o, name)
	}
	return o
}

// differs returns where a value that was sent differs from the one that is shown; "" if it does not. Members that are
// shown and were not sent do not count, nor do null, secrets, an id in place of a name, and another way to write a
// time.
func differs(sent, shown any, path string) string {
	switch sent := sent.(type) {
	case nil:
		return ""
	case map[string]any:
		now, ok := shown.(map[string]any)
		if !ok && shown != nil {
			break
		}
		for _, name := range slices.Sorted(maps.Keys(sent)) {
			id, _ := sent[name].(string)
			if slices.Contains(changing, name) || name == "keep_secrets" || now[name+"_id"] == id {
				continue
			}
			value := now[name]
			if name == "paused" { // an answer says so by its state
				value = now["state"] == "paused"
			}
			if d := differs(sent[name], value, path+"."+name); d != "" {
				return d
			}
		}
		return ""
	case []any:
		now, _ := shown.([]any)
		if len(now) != len(sent) {
			break
		}
		for i := range sent {
			if d := differs(sent[i], now[i], fmt.Sprintf("%s[%d]", path, i)); d != "" {
				return d
			}
		}
		return ""
	case string:
		if sent == "" || shown == "…" || // the default; a URL that is a secret
			hidden(shown) || strings.Contains(sent, canaryMark) || escapedCanary([]byte(sent)) != nil ||
			sameText(sent, shown) {
			return ""
		}
	}
	var a, b any
	if json.Unmarshal(appendTree(nil, sent), &a) != nil || json.Unmarshal(appendTree(nil, shown), &b) != nil {
		return path + " is no JSON"
	}
	if reflect.DeepEqual(a, b) || b == nil && reflect.ValueOf(a).IsZero() { // what is left out is zero
		return ""
	}
	return fmt.Sprintf("%s was %.200v and is %.200v", path, sent, shown)
}

// hidden reports whether a value is shown in place of a secret: that it is set, and since when.
func hidden(shown any) bool {
	o, ok := shown.(map[string]any)
	if !ok || o["set"] != true {
		return false
	}
	_, since := o["set_at"]
	return len(o) == 1 || len(o) == 2 && since
}

// sameText reports whether two texts mean the same: equal, or the same length of time, or the same time.
func sameText(sent string, shown any) bool {
	now, isText := shown.(string)
	if now == sent || !isText && sent == "" {
		return true
	}
	a, err := time.ParseDuration(sent)
	b, err2 := time.ParseDuration(now)
	if err == nil && err2 == nil {
		return a == b
	}
	x, err := time.Parse(time.RFC3339Nano, sent)
	y, err2 := time.Parse(time.RFC3339Nano, now)
	return err == nil && err2 == nil && x.Equal(y)
}
