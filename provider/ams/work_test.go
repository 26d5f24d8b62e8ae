package ams_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator"
	standin "github.com/bellhop-gateway/bellhop/emulator/ams"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/ams"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// A media is a stand-in of an account, and an API that calls it.
type media struct {
	*emulatortest.Rig
	*standin.System
	testing.TB
	api   provider.API
	calls []string // method and path of each call that was made
	dies  int      // after that call the caller is gone, and does not see the answer; 0 is never
	env   provider.Env
}

func newMedia(t testing.TB, opts standin.Options) *media {
	m := &media{TB: t}
	opts.Key, opts.AnyToken = emulatortest.Key(), true
	m.Rig = emulatortest.Start(t, func(host *emulator.Host) []emulator.System {
		tokens := entra.New(host, entra.Options{Key: emulatortest.Key()})
		m.System = standin.New(host, tokens, opts)
		return []emulator.System{tokens, m.System}
	})
	m.api = providertest.HTTPAPI{Base: m.URL + "/api", Header: http.Header{"X-Ms-Version": {"2.19"},
		"Dataserviceversion": {"3.0"}, "Maxdataserviceversion": {"3.0"}, "Accept": {"application/json"}}}
	m.env = provider.Env{Now: m.Now, Rand: rand.Reader}
	return m
}

// Do implements [provider.API].
func (m *media) Do(ctx context.Context, call provider.Call) (provider.Answer, error) {
	m.calls = append(m.calls, call.Method+" "+call.Path)
	answer, err := m.api.Do(ctx, call)
	if m.dies == len(m.calls) {
		return provider.Answer{}, &provider.APIError{Kind: provider.APITemporary, Message: "gone", MaybeDone: true}
	}
	return answer, err
}

// made returns how many entities of a set were created.
func (m *media) made(set string) (n int) {
	for _, call := range m.calls {
		if call == "POST /"+set {
			n++
		}
	}
	return n
}

// list returns the entities of a set.
func (m *media) list(path string) (list []map[string]any) {
	m.Helper()
	a := m.Call("GET", "/api/"+path, nil, "X-Ms-Version", "2.19", "Accept", "application/json")
	all, ok := a.JSON["value"].([]any)
	if !ok {
		m.Fatalf("%s: %d %s", path, a.Status, a.Text)
	}
	for _, e := range all {
		list = append(list, e.(map[string]any))
	}
	return list
}

// post creates an entity.
func (m *media) post(set string, body map[string]any) {
	m.Helper()
	a := m.Call("POST", "/api/"+set, body, "X-Ms-Version", "2.19", "Accept", "application/json")
	if a.Status != 201 {
		m.Fatalf("%s: %d %s", set, a.Status, a.Text)
	}
}

func (m *media) open(name, settings string) provider.Work {
	m.Helper()
	w, err := ams.Provider{}.OpenWork(m.env, name, []byte(settings))
	if err != nil {
		m.Fatal(err)
	}
	return w
}

func (m *media) task(ev *bellhop.Event, progress []byte) *provider.Task {
	return &provider.Task{Event: ev, DeliveryID: "dlv_1", API: m, BaseURL: m.URL + "/api", Progress: progress,
		Values: map[string]string{"asset": "harbour tour"},
		Source: func(_ context.Context, name string) (provider.ActionSource, error) {
			if name != "media" {
				return provider.ActionSource{}, &provider.APIError{Kind: provider.APIInvalid,
					Message: "there is no source"}
			}
			return provider.ActionSource{ID: "src_1", Name: name, Provider: "ams", URL: m.HookURL + "/in/media",
				Settings: []byte(`{"signing_key":"` + newKey(7) + `"}`)}, nil
		}}
}

// finished returns the notification that a job has finished, which the stand-in knows from then on.
func (m *media) finished(id string) *bellhop.Event {
	m.Helper()
	if _, err := m.Host.Happen(emulator.Event{Resource: "jobs/" + id, ChangeType: "Finished"}); err != nil {
		m.Fatal(err)
	}
	return notice("ams.JobStateChange", `{"JobId":"nb:jid:UUID:`+id+`","NewState":"Finished"}`)
}

func notice(eventType, properties string) *bellhop.Event {
	return &bellhop.Event{ID: "evt_1", Type: eventType, Body: []byte(`{"EventType":1,"Properties":` + properties +
		`}`)}
}

// A link is the body of an event ams.asset.published.
type link struct {
	Job, Asset, Name, Locator string
	Expires                   string            `json:"expires_at"`
	Usable                    string            `json:"usable_after"`
	URLs                      map[string]string `json:"urls"`
	HTTP                      map[string]string `json:"urls_http"`
}

// do makes an attempt that must succeed with one event, and reads its body into out.
func (m *media) do(w provider.Work, t *provider.Task, out any) provider.Made {
	m.Helper()
	done, err := w.Do(m.Context(), t)
	if err != nil || len(done.Events) != 1 || done.Wait != 0 {
		m.Fatalf("%+v, %v", done, err)
	}
	if err := json.Unmarshal(done.Events[0].Event.Body, out); err != nil {
		m.Fatal(err)
	}
	return done.Events[0]
}

// TestPublish shows a publication, that a repeat finds what is there, and what is reused or made anew as time passes.
func TestPublish(t *testing.T) {
	t.Parallel()
	m := newMedia(t, standin.Options{})
	w := m.open("ams.publish", `{"connection":"account"}`)
	ev := m.finished("7")
	var first, again link
	made := m.do(w, m.task(ev, nil), &first)
	output := m.list("Jobs('nb:jid:UUID:7')/OutputMediaAssets")[0]
	policy := m.list("AccessPolicies")[0]
	locator := m.list("Locators")[0]
	base := "contosoams.streaming.mediaservices.windows.net/" + first.Locator[len("nb:lid:UUID:"):] +
		"/harbour%20tour.ism/manifest"
	if first.Job != "nb:jid:UUID:7" || first.Asset != output["Id"] || first.Name != output["Name"] ||
		first.Locator != locator["Id"] || first.Expires != "2026-12-29T09:55:00Z" ||
		first.Usable != "2026-11-29T10:00:40Z" || made.Event.Type != "ams.asset.published" ||
		made.Event.Subject != first.Asset || made.Key != "published|nb:jid:UUID:7|"+first.Asset {
		t.Errorf("%+v %+v", made, first)
	}
	want := map[string]string{"smooth": "", "hls_v4": "(format=m3u8-aapl)", "hls_v3": "(format=m3u8-aapl-v3)",
		"dash": "(format=mpd-time-csf)"}
	for name, suffix := range want {
		if first.URLs[name] != "https://"+base+suffix || first.HTTP[name] != "http://"+base+suffix {
			t.Errorf("%s: %s, %s", name, first.URLs[name], first.HTTP[name])
		}
	}
	if policy["Name"] != "bellhop-read-30d" || policy["DurationInMinutes"] != 43200.0 ||
		policy["Permissions"] != 1.0 || locator["StartTime"] != "2026-11-29T09:55:00" || locator["Type"] != 2.0 ||
		len(first.URLs) != 4 {
		t.Errorf("policy %v, locator %v", policy, locator)
	}
	m.do(w, m.task(ev, nil), &again)
	if again.Locator != first.Locator || again.Usable != "2026-11-29T10:00:00Z" || m.made("Locators") != 1 ||
		m.made("AccessPolicies") != 1 {
		t.Errorf("again: %+v; %v", again, m.calls)
	}
	m.Pass(20 * 24 * time.Hour) // of the locator ten days are left: it is prolonged
	m.do(w, m.task(ev, nil), &again)
	if again.Locator != first.Locator || again.Expires != "2027-01-18T09:55:00Z" || len(m.list("Locators")) != 1 ||
		!slices.ContainsFunc(m.calls, func(call string) bool { return strings.HasPrefix(call, "MERGE /Locators(") }) {
		t.Errorf("after 20 days: %+v; %v", again, m.calls)
	}
	// Another job's asset has a locator of its own, under the same policy.
	m.do(w, m.task(m.finished("8"), nil), &again)
	if again.Locator == first.Locator || len(m.list("AccessPolicies")) != 1 {
		t.Errorf("another job: %+v", again)
	}
}

// TestPublishCrash shows that an attempt which ends after any of its calls is repeated without making anything twice.
func TestPublishCrash(t *testing.T) {
	t.Parallel()
	for dies := 1; ; dies++ {
		m := newMedia(t, standin.Options{})
		w, ev := m.open("ams.publish", `{"connection":"account"}`), m.finished("7")
		m.dies = dies
		var got link
		_, err := w.Do(t.Context(), m.task(ev, nil))
		if err == nil {
			if dies < 7 {
				t.Errorf("a publication makes %d calls", dies-1)
			}
			return
		}
		m.do(w, m.task(ev, nil), &got)
		if p, l := m.list("AccessPolicies"), m.list("Locators"); len(p) != 1 || len(l) != 1 ||
			l[0]["Id"] != got.Locator {
			t.Errorf("after call %d: %d policies, %d locators", dies, len(p), len(l))
		}
	}
}

// TestPublishLate shows that what the account shows later than it tells it is waited for, and what never comes is a
// clear failure.
func TestPublishLate(t *testing.T) {
	t.Parallel()
	m := newMedia(t, standin.Options{})
	w := m.open("ams.publish", `{"connection":"account"}`)
	fault := func(f emulator.Fault) {
		t.Helper()
		if err := m.Host.Fault(f); err != nil {
			t.Fatal(err)
		}
	}
	fault(emulator.Fault{Kind: emulator.FaultLag, Value: "6s"})
	ev := m.finished("1")
	var progress []byte
	for _, pause := range []time.Duration{1, 2, 4} {
		done, err := w.Do(t.Context(), m.task(ev, progress))
		if err != nil || done.Wait != pause*time.Second || len(done.Events) != 0 || !strings.Contains(done.Why,
			"not show") {
			t.Fatalf("%+v, %v", done, err)
		}
		progress = done.Progress
		m.Pass(done.Wait)
	}
	m.do(w, m.task(ev, progress), new(link))

	fault(emulator.Fault{Kind: emulator.FaultOutputs})
	ev, progress = m.finished("2"), nil
	var waited time.Duration
	for range 10 {
		done, err := w.Do(t.Context(), m.task(ev, progress))
		if err != nil || done.Wait <= 0 || done.Wait > time.Minute {
			t.Fatalf("%+v, %v", done, err)
		}
		waited, progress = waited+done.Wait, done.Progress
	}
	_, err := w.Do(t.Context(), m.task(ev, progress))
	checkError(t, err, provider.APIInvalid, "the job has no output asset")
	if waited != 63*time.Second+4*time.Minute {
		t.Errorf("it waited %v", waited)
	}

	fault(emulator.Fault{Kind: emulator.FaultManifest})
	_, err = w.Do(t.Context(), m.task(m.finished("3"), nil))
	checkError(t, err, provider.APIInvalid, "an asset without a manifest")
	if m.made("Locators") != 1 {
		t.Errorf("%v", m.calls)
	}
	ev = m.finished("4")
	if _, err := m.Host.Happen(emulator.Event{Resource: "jobs/4", ChangeType: "Error"}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Do(t.Context(), m.task(ev, nil))
	checkError(t, err, provider.APIInvalid, "has failed")
	_, err = w.Do(t.Context(), m.task(notice("ams.JobStateChange", `{"jobId":"nb:jid:UUID:9","newState":"finished"}`),
		nil))
	checkError(t, err, provider.APIInvalid, "deleted")
}

func checkError(t *testing.T, err error, kind provider.APIErrorKind, text string) {
	t.Helper()
	var e *provider.APIError
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(e.Error(), text) {
		t.Errorf("got %v, want %s %q", err, kind, text)
	}
}

// TestPublishLimits shows the limits of policies and locators, and what is foreign and left alone.
func TestPublishLimits(t *testing.T) {
	t.Parallel()
	m := newMedia(t, standin.Options{Policies: 1, Locators: 1})
	w := m.open("ams.publish", `{"connection":"account"}`)
	ev := m.finished("7")
	m.post("AccessPolicies", map[string]any{"Name": "bellhop-read-30d", "DurationInMinutes": 43200, "Permissions": 3})
	_, err := w.Do(t.Context(), m.task(ev, nil))
	checkError(t, err, provider.APITemporary, "reuse or delete access policies")
	foreign := m.list("AccessPolicies")[0]["Id"].(string)
	m.Call("DELETE", "/api/AccessPolicies('"+url.QueryEscape(foreign)+"')", nil, "X-Ms-Version", "2.19")
	m.do(w, m.task(ev, nil), new(link))

	ev = m.finished("8")
	output := m.list("Jobs('nb:jid:UUID:8')/OutputMediaAssets")[0]["Id"]
	m.post("Locators", map[string]any{"AccessPolicyId": m.list("AccessPolicies")[0]["Id"], "AssetId": output,
		"Type": 1})
	_, err = w.Do(t.Context(), m.task(ev, nil))
	checkError(t, err, provider.APITemporary, "delete a locator of the asset")

	// A streaming locator of somebody else is reused if it lives for as long.
	m = newMedia(t, standin.Options{})
	w, ev = m.open("ams.publish", `{"connection":"account","policy":"ours"}`), m.finished("7")
	output = m.list("Jobs('nb:jid:UUID:7')/OutputMediaAssets")[0]["Id"]
	m.post("AccessPolicies", map[string]any{"Name": "short", "DurationInMinutes": 60, "Permissions": 1})
	m.post("AccessPolicies", map[string]any{"Name": "long", "DurationInMinutes": 90000, "Permissions": 1})
	for _, p := range m.list("AccessPolicies") {
		m.post("Locators", map[string]any{"AccessPolicyId": p["Id"], "AssetId": output, "Type": 2})
	}
	var got link
	m.do(w, m.task(ev, nil), &got)
	if got.Locator != m.list("Locators")[1]["Id"] || m.made("Locators") != 0 || m.made("AccessPolicies") != 0 {
		t.Errorf("%+v; %v", got, m.calls)
	}
	m.Pass(60 * 24 * time.Hour)
	m.do(w, m.task(ev, nil), &got)
	if policies := m.list("AccessPolicies"); policies[2]["Name"] != "ours" || len(m.list("Locators")) != 3 {
		t.Errorf("after 60 days: %v", policies)
	}
}

// TestManifest shows which file is taken as the manifest, and how its name is written in URLs.
func TestManifest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ files, path, want string }{
		{`[{"Name":"a.mp4"},{"Name":"b.ISM"}]`, "http://h/1/", "https://h/1/b.ISM/manifest"},
		{`[{"Name":"a.ismc"},{"Name":"a.ismv"},{"Name":"z.ism"},{"Name":"b.ism"}]`, "http://h/1/",
			"https://h/1/b.ism/manifest"},
		{`[{"Name":"b.ism"},{"Name":"z.ism","IsPrimary":true}]`, "https://h/1", "https://h/1/z.ism/manifest"},
		{`[{"Name":"a/../b c?#%.ism"}]`, "http://h/1/", "https://h/1/a%2F..%2Fb%20c%3F%23%25.ism/manifest"},
		{`[{"Name":"b.ism"}]`, "javascript:x", ""}, {`[{"Name":"b.ism"}]`, "", ""}, {`[{"Name":"b.ism"}]`,
			"http:///x/", ""},
		{`[{"Name":"ism"},{"Name":"a.ismc"}]`, "http://h/1/", ""},
	} {
		api := (&providertest.RecordedAPI{}).Answer(200, `{"Id":"j","State":3}`).Answer(200, `{"value":[{"Id":"a"}]}`).
			Answer(200, `{"value":`+c.files+`}`).Answer(200, `{"value":[{"Id":"l","Type":2,"Path":"`+c.path+
			`","ExpirationDateTime":"2030-01-01T00:00:00"}]}`)
		now := func() time.Time { return providertest.Now }
		w, err := ams.Provider{}.OpenWork(provider.Env{Now: now, Rand: rand.Reader}, "ams.publish",
			[]byte(`{"connection":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		done, err := w.Do(t.Context(), &provider.Task{API: api, Event: notice("ams.JobStateChange",
			`{"JobId":"j","NewState":"Finished"}`)})
		var got link
		if err == nil {
			err = json.Unmarshal(done.Events[0].Event.Body, &got)
		}
		if got.URLs["smooth"] != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s at %q: %s, %v", c.files, c.path, got.URLs["smooth"], err)
		}
	}
}

// TestWorkSkips shows for which events there is nothing to do.
func TestWorkSkips(t *testing.T) {
	t.Parallel()
	m := &media{TB: t, env: provider.Env{}}
	publish := m.open("ams.publish", `{"connection":"account"}`)
	encode := m.open("ams.encode", `{"connection":"account","source":"media"}`)
	asked := notice("ams.submit", "{}")
	asked.Source = bellhop.SourceAPI
	for _, c := range []struct {
		ev                *bellhop.Event
		publishes, encode bool
	}{
		{notice("ams.JobStateChange", `{"JobId":"j","NewState":"Finished"}`), true, false},
		{notice("ams.JobStateChange", `{"jobId":"j","newState":"Finished"}`), true, false},
		{notice("ams.JobStateChange", `{"JobId":"j","NewState":"Processing"}`), false, false},
		{notice("ams.JobStateChange", `{"NewState":"Finished"}`), false, false},
		{notice("ams.JobStateChange", `{"JobId":"a\nb","NewState":"Finished"}`), false, false},
		{notice("ams.JobStateChange", `[]`), false, false},
		{notice("ams.TaskStateChange", `{"JobId":"j","TaskId":"t","NewState":"Finished"}`), false, false},
		{notice("ams.asset.published", `{}`), false, false},
		{notice("ams.job.submitted", `{}`), false, false},
		{notice("ams.submit", `{}`), false, false},
		{asked, false, true},
		{notice("asset.uploaded", `{}`), false, true},
		{&bellhop.Event{Type: "ams.JobStateChange", Body: []byte("x")}, false, false},
	} {
		if why := publish.Skip(c.ev); (why == "") != c.publishes {
			t.Errorf("publish %s %s: %q", c.ev.Type, c.ev.Body, why)
		}
		if why := encode.Skip(c.ev); (why == "") != c.encode {
			t.Errorf("encode %s %s: %q", c.ev.Type, c.ev.Body, why)
		}
	}
}

// A job is the body of an event ams.job.submitted.
type job struct {
	Job, Name, Asset, Output, Processor, Configuration, Endpoint string
	AssetName                                                    string `json:"asset_name"`
	Version                                                      string `json:"processor_version"`
}

// TestEncode shows a submission: the newest processor, the endpoint that is made for a source and found again, the
// subscriptions, and the notifications that the source's key signs.
func TestEncode(t *testing.T) {
	t.Parallel()
	m := newMedia(t, standin.Options{})
	w := m.open("ams.encode",
		`{"connection":"account","source":"media","task_states":"All","progress":true,"job_name":"nightly"}`)
	ev := &bellhop.Event{ID: "evt_1", Type: "asset.uploaded"}
	var got job
	made := m.do(w, m.task(ev, nil), &got)
	if got.Name != "nightly dlv_1" || got.Asset != standin.FirstAsset || got.AssetName != "harbour tour" ||
		got.Output != "harbour tour encoded" || got.Processor != "Media Encoder Standard" ||
		got.Version != "1.10.2.0" ||
		got.Configuration != "Adaptive Streaming" || made.Event.Type != "ams.job.submitted" ||
		made.Event.Subject != got.Job ||
		made.Key != "submitted|"+got.Job {
		t.Errorf("%+v %+v", made, got)
	}
	jobs := m.list("Jobs")
	told := jobs[0]["JobNotificationSubscriptions"].([]any)[0].(map[string]any)
	task := m.list("Tasks")[0]
	taskTold := task["TaskNotificationSubscriptions"].([]any)[0].(map[string]any)
	endpoint := m.list("NotificationEndPoints")[0]
	if jobs[0]["Id"] != got.Job || told["TargetJobState"] != 1.0 || told["NotificationEndPointId"] != endpoint["Id"] ||
		taskTold["TargetTaskState"] != 2.0 || taskTold["IncludeTaskProgress"] != true ||
		got.Endpoint != endpoint["Id"] ||
		endpoint["EndPointAddress"] != m.HookURL+"/in/media" || !strings.HasPrefix(endpoint["Name"].(string),
		"bellhop-media-") {
		t.Errorf("job %v, task %v, endpoint %v", jobs[0], task, endpoint)
	}
	n := m.Next() // the registration, signed by the bytes of the key
	for _, call := range m.Host.Calls() {
		if call.Direction == emulator.CallOut {
			if err := ams.Verify(n.Header, call.RequestBody, decodeKey(newKey(7))); err != nil {
				t.Error(err)
			}
		}
	}
	var again job
	m.do(w, m.task(ev, nil), &again)
	if again.Job != got.Job || len(m.list("Jobs")) != 1 {
		t.Errorf("again: %+v", again)
	}
	other := m.task(ev, nil)
	other.DeliveryID = "dlv_2"
	other.Values = map[string]string{"asset": standin.FirstAsset, "output": `a "b" <c>`}
	m.do(w, other, &again)
	if again.Job == got.Job || len(m.list("Jobs")) != 2 || len(m.list("NotificationEndPoints")) != 1 ||
		m.list("Jobs('" + url.QueryEscape(again.Job) + "')/OutputMediaAssets")[0]["Name"] != `a "b" <c>` {
		t.Errorf("another delivery: %+v", again)
	}
	m.Pass(time.Hour)
	if files := m.list("Assets('" + url.QueryEscape(m.list("Assets")[1]["Id"].(string)) + "')/Files"); len(
		files) != 5 {
		t.Errorf("files %v", files)
	}
}

// TestEncodeCrash shows that a submission which ends after any of its calls is repeated without a second job or
// endpoint.
func TestEncodeCrash(t *testing.T) {
	t.Parallel()
	for dies := 1; ; dies++ {
		m := newMedia(t, standin.Options{})
		w, ev := m.open("ams.encode", `{"connection":"account","source":"media"}`),
			&bellhop.Event{Type: "asset.uploaded"}
		m.dies = dies
		_, err := w.Do(t.Context(), m.task(ev, nil))
		if err == nil {
			if dies < 8 {
				t.Errorf("a submission makes %d calls", dies-1)
			}
			return
		}
		m.do(w, m.task(ev, nil), new(job))
		if jobs, ends := m.list("Jobs"), m.list("NotificationEndPoints"); len(jobs) != 1 || len(ends) != 1 {
			t.Errorf("after call %d: %d jobs, %d endpoints", dies, len(jobs), len(ends))
		}
	}
}

// TestEncodeByHand shows an event ams.submit, whose data win over the settings, and endpoints by name and by address.
func TestEncodeByHand(t *testing.T) {
	t.Parallel()
	m := newMedia(t, standin.Options{})
	m.post("NotificationEndPoints", map[string]any{"Name": "Bellhop", "EndPointType": 3,
		"EndPointAddress": "https://a.example/x"})
	w := m.open("ams.encode", `{"connection":"account","source":"media"}`)
	hand := func(data string) *provider.Task {
		task := m.task(&bellhop.Event{ID: "evt_1", Type: "ams.submit", Source: bellhop.SourceAPI, Body: []byte(data)},
			nil)
		sum := fmt.Sprintf("%x", data)
		task.DeliveryID = "dlv_" + sum[:min(len(sum), 60)] + fmt.Sprint(len(sum))
		return task
	}
	var got job
	m.do(w,
		hand(
			`{"connection":"con_1","asset":"harbour tour","source":"","endpoint":"Bellhop","processor":"Azure Media Encoder",`+
				`"configuration":"preset","job_states":"All","progress":true}`), &got)
	task := m.list("Tasks")[0]
	if got.Version != "4.7" || got.Configuration != "preset" || task["Configuration"] != "preset" ||
		got.Endpoint != m.list("NotificationEndPoints")[0]["Id"] || m.made("NotificationEndPoints") != 0 ||
		task["TaskNotificationSubscriptions"].([]any)[0].(map[string]any)["TargetTaskState"] != 1.0 {
		t.Errorf("%+v %v", got, task)
	}
	m.do(w, hand(`{"asset":"`+standin.FirstAsset+`","source":"","endpoint":"`+got.Endpoint+`"}`), &got)
	for data, text := range map[string]string{
		`{"asset":"nobody"}`:                                             "no asset of the name",
		`{"asset":"nb:cid:UUID:1"}`:                                      "no asset of the id",
		`{"asset":7}`:                                                    "wrong type",
		`{"asset":"` + strings.Repeat("x", 256) + `"}`:                   "255 bytes",
		`{"asset":"harbour tour","processor":"none"}`:                    "no media processor",
		`{"asset":"harbour tour","endpoint":"none","source":""}`:         "no notification endpoint",
		`{"asset":"harbour tour","endpoint":"Bellhop","source":"media"}`: "another address than source media",
		`{"asset":"harbour tour","source":"other"}`:                      "there is no source",
		`{"asset":"harbour tour","job_states":"None"}`:                   "job_states",
		`{"asset":"harbour tour","source":""}`:                           "source",
	} {
		_, err := w.Do(t.Context(), hand(data))
		checkError(t, err, provider.APIInvalid, text)
	}
	m.AddAsset("twice", "a.mp4")
	m.AddAsset("twice", "b.mp4")
	_, err := w.Do(t.Context(), hand(`{"asset":"twice"}`))
	checkError(t, err, provider.APIInvalid, "2 assets of the name")
	nameless := m.task(&bellhop.Event{Type: "asset.uploaded"}, nil)
	nameless.Values = map[string]string{"asset": ""}
	if done, err := w.Do(t.Context(), nameless); err != nil || !done.Skip {
		t.Errorf("without an asset: %+v, %v", done, err)
	}
	if jobs := m.list("Jobs"); len(jobs) != 2 {
		t.Errorf("%d jobs", len(jobs))
	}
}

// TestWorkSettings shows which settings are refused.
func TestWorkSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, settings, path string }{
		{"ams.publish", `{"policy":"a\nb"}`, "policy"},
		{"ams.publish", `{"colour":"red"}`, "colour"},
		{"ams.encode", `{}`, "source"},
		{"ams.encode", `{"source":"media","job_states":"all"}`, "job_states"},
		{"ams.encode", `{"source":"media","task_states":"x"}`, "task_states"},
		{"ams.encode", `{"source":"media","job_name":"` + strings.Repeat("x", 101) + `"}`, "job_name"},
		{"ams.encode", `{"endpoint":" x"}`, "endpoint"},
		{"ams.encode", `{"source":"media","processor":"` + strings.Repeat("x", 256) + `"}`, "processor"},
		{"ams.encode", `{"source":"media","configuration":"` + strings.Repeat("x", 65<<10) + `"}`, "configuration"},
		{"ams.encode", `{"source":"media","progress":"yes"}`, "progress"},
	} {
		_, err := ams.Provider{}.OpenWork(provider.Env{}, c.name, []byte(c.settings))
		providertest.CheckPath(t, c.settings[:min(len(c.settings), 60)], err, c.path)
	}
	if _, err := (ams.Provider{}).OpenWork(provider.Env{}, "ams.other", nil); err == nil {
		t.Error("there is a work ams.other")
	}
}

// FuzzWorks shows that whatever an account answers, an attempt ends with events that have web addresses, with a wait,
// or
// with a bounded error.
func FuzzWorks(f *testing.F) {
	for _, body := range []string{`{"Id":"a","State":3,"value":[{"Id":"a","Name":"b.ism","Type":2,"Path":"http://h/1/",
		"ExpirationDateTime":"2030-01-01T00:00:00","EndPointAddress":"x","Version":"1.2"}]}`, `{"value":[]}`,
		`{"Id":"a","State":0}`, `{"d":{"Id":"x"},"Id":"y","value":[{"Id":"z"}]}`,
		`{"odata.error":{"message":{"value":"limit"}}}`,
		`{"value":[{"Id":"a"}],"odata.nextLink":"x"}`, `[]`, ``} {
		for _, status := range []int{200, 201, 301, 403, 404, 409, 503} {
			f.Add(status, body, `{"waited":3}`)
		}
	}
	env := provider.Env{Now: func() time.Time { return providertest.Now }, Rand: rand.Reader}
	publish, err := ams.Provider{}.OpenWork(env, "ams.publish", []byte(`{"connection":"x"}`))
	if err != nil {
		f.Fatal(err)
	}
	encode, err := ams.Provider{}.OpenWork(env, "ams.encode", []byte(`{"connection":"x","endpoint":"e"}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, body, progress string) {
		for _, w := range []provider.Work{publish, encode} {
			api := &providertest.RecordedAPI{}
			for range 12 {
				api.Answer(status, body)
			}
			done, err := w.Do(t.Context(), &provider.Task{API: api, Progress: []byte(progress), DeliveryID: "dlv_1",
				Values: map[string]string{"asset": "a"},
				Event:  notice("ams.JobStateChange", `{"JobId":"j","NewState":"Finished"}`)})
			var e *provider.APIError
			if err != nil && (!errors.As(err, &e) || e.Kind == "" || len(e.Message) > provider.MaxAPIText) {
				t.Errorf("%T %v", err, err)
			}
			for _, made := range done.Events {
				var got link
				if json.Unmarshal(made.Event.Body, &got) != nil || got.URLs != nil &&
					!strings.HasPrefix(got.URLs["smooth"], "https://") {
					t.Errorf("%s", made.Event.Body)
				}
			}
		}
	})
}
