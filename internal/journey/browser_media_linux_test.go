//go:build browser

package journey

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider/boro"
)

// TestChromiumMediaJob is story S0 in the page: a signing key is made and shown once, a notification endpoint is
// registered with it, the states of a job are seen as they come, and the published URL can be clicked.
func TestChromiumMediaJob(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	s := newFarEnd(t, "ams", "--contributor", "bellhop", "--pace", "100ms")
	p := newPerson(t, g)
	p.signIn(g)

	p.open("/ui/sources/new?provider=ams")
	p.fills("name", "media")
	p.fills("make:settings.signing_key", "")
	p.fills("settings.account_id", "0f8fad5b-d9cb-469f-a165-70867728950e")
	p.follow("Create")
	p.sees("Signing key, made just now.")
	key := find[string](p, `document.querySelector('.made pre').textContent`)
	if len(key) < 32 {
		t.Errorf("the key is %q", key)
	}
	p.open("/ui/sources")
	p.follow("media")
	if strings.Contains(find[string](p, `document.documentElement.outerHTML`), key) {
		t.Error("the key is shown a second time")
	}
	p.connects("account", "ams", s.url, s.url+"/api", nil)
	p.registers("encoder", "ams", "media", "account", "Bellhop", "")
	p.sees("✓ active")
	p.sees("nb:nepid:UUID:")

	p.open("/ui/destinations/new?type=ams.encode")
	p.fills("name", "encode")
	p.fills("settings.connection", "account")
	p.fills("settings.source", "media")
	p.fills("settings.asset", "data.asset")
	p.fills("settings.job_states", "All")
	p.fills("match.types", "asset.uploaded")
	p.follow("Create")
	p.sees("It is created.")
	p.open("/ui/destinations/new?type=ams.publish")
	p.fills("name", "publish")
	p.fills("settings.connection", "account")
	p.fills("match.sources", "media")
	p.follow("Create")
	p.sees("It is created.")

	p.open("/ui/events?type=ams.*")
	p.sees("ams.NotificationEndPointRegistration")
	_, _, err := g.client().Publish(t.Context(), client.NewEvent{Type: "asset.uploaded",
		Data: json.RawMessage(`{"asset":"harbour tour"}`)}, "")
	p.must(err)
	p.sees("ams.job.submitted")
	p.sees("ams.JobStateChange")
	p.sees("ams.asset.published")
	states := find[int](p, `[...document.querySelectorAll('td a')].filter((e) => e.textContent ===
		'ams.JobStateChange').length`)
	if states < 3 {
		t.Errorf("%d states of the job are to be seen", states)
	}
	p.follow("ams.asset.published")
	p.sees("Published")
	to := find[string](p, `document.querySelector('[aria-labelledby=published] a').href`)
	if !publishedAt.MatchString(to) {
		t.Errorf("the published URL is %q", to)
	}
}

// publishedAt is a URL under which the stand-in's account streams.
var publishedAt = regexp.MustCompile(`^https://contosoams\.streaming\.mediaservices\.windows\.net/\S+/manifest`)

// TestChromiumRecording is story S1 in the page: the handshake of Event Grid is seen while somebody waits at the
// source, a recording is seen downloading, and then it is downloaded from the list of files.
func TestChromiumRecording(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	s := newFarEnd(t, "acs")
	p := newPerson(t, g)
	p.signIn(g)

	p.open("/ui/connections/new?provider=acs")
	p.fills("name", "calls")
	p.fills("settings.endpoint", s.url)
	p.fills("settings.access_key", "c2VjcmV0")
	p.follow("Create")
	p.follow("Test it")
	p.sees("The test call")
	p.open("/ui/destinations/new?type=acs.download")
	p.fills("name", "keep")
	p.fills("settings.connection", "calls")
	p.fills("match.types", "Microsoft.Communication.RecordingFileStatusUpdated")
	p.follow("Create")
	p.sees("It is created.")
	p.open("/ui/sources/new?provider=acs")
	p.fills("name", "recordings")
	p.fills("settings.query_secret", "a-secret-of-recordings")
	p.follow("Create")
	p.sees("/in/recordings")

	// Of 40 MB, 18 come slowly, because the connection is cut again and again.
	for _, fault := range []map[string]any{{"fault": "cut", "times": 60, "value": "300000"},
		{"fault": "slow", "times": 120, "value": "100ms"}} {
		s.control("fault", fault)
	}
	s.control("event", map[string]any{"to": g.in("recordings") + "?code=a-secret-of-recordings",
		"data": map[string]any{"bytes": 40_000_000, "seed": 7}})
	p.awaits("handshake")
	p.awaits("Microsoft.Communication.RecordingFileStatusUpdated")
	p.open("/ui/files")
	p.awaits("in part")
	p.sees(" of ")
	p.follow(find[string](p, `document.querySelector('td a[href^="/ui/files/"]').textContent`))
	seen := map[string]bool{}
	eventually(t, patience, "the progress is seen without loading the page again", func() bool {
		lead := find[string](p, `document.querySelector('#progress .lead').innerText`)
		seen[lead] = true
		return strings.Contains(lead, "whole")
	})
	if len(seen) < 3 {
		t.Errorf("the progress that was seen: %v", seen)
	}
	p.open("/ui/files")
	p.sees("whole")
	l, err := g.client().Files(t.Context(), client.FileFilter{}, client.Page{})
	p.must(err)
	if len(l.Data) != 1 || l.Data[0].Size != 40_000_000 {
		t.Fatalf("%+v", l.Data)
	}
	p.open("/ui/files/" + l.Data[0].ID)
	sum := sha256.Sum256(p.downloads("Download"))
	if hex.EncodeToString(sum[:]) != l.Data[0].SHA256 {
		t.Error("the bytes that the browser saves are not those of the recording")
	}
}

// TestChromiumProfile is story S4 in the page: a profile is made with a secret key that the page makes, and with
// custom headers; its test message is sent before it is saved; then an alarm goes to it, signed, and to Slack in
// Slack's form.
func TestChromiumProfile(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	alarms, slack := newFarEnd(t, "boro", "--to", g.in("video")), newFarEnd(t, "slack")
	hook := newInbox(t)
	p := newPerson(t, g)
	p.signIn(g)

	p.open("/ui/sources/new?provider=boro")
	p.fills("name", "video")
	p.fills("settings.unauthenticated", "true")
	p.follow("Create")
	p.open("/ui/profiles")
	p.follow("New profile for a URL")
	p.fills("name", "night-shift")
	p.fills("url", hook.url+"/alarms")
	p.fills("make:settings.secret_key", "")
	p.fills("settings.profile_id", "7")
	p.fills("header-name-1", "X-Site")
	p.fills("header-value-1", "north")
	p.follow("Send test message")
	p.sees("The test message")
	p.sees("Answered 200")
	key := find[string](p, `document.querySelector('.made pre').textContent`)
	l, err := g.client().Destinations(t.Context(), client.DestinationFilter{}, client.Page{})
	p.must(err)
	if len(l.Data) != 0 {
		t.Errorf("a test message stores something: %+v", l.Data)
	}
	p.follow("Save")
	p.open("/ui/profiles")
	p.follow("New profile for Slack")
	p.fills("name", "alarms-in-slack")
	p.fills("url", slack.url+"/services/T0BELLHOP/B0ALARMS/bellhopStandInSecret0001")
	p.follow("Send test message")
	p.sees("Answered 200")
	p.follow("Save")

	p.open("/ui/profiles")
	for _, text := range []string{"night-shift", "alarms-in-slack", "X-Site", "enabled"} {
		p.sees(text)
	}
	p.open("/ui/deliveries")
	alarms.happens("tasks/News DASH", "Active", map[string]any{"trigger": "HTTP error", "level": "critical"})
	p.sees("night-shift")
	p.sees("alarms-in-slack")
	g.deliveredTo("night-shift", "boro.Active")
	g.deliveredTo("alarms-in-slack", "boro.Active")
	if shown := slack.said(); !strings.Contains(shown, "HTTP error") || !strings.Contains(shown, "News DASH") {
		t.Errorf("Slack shows no alarm:\n%s", shown)
	}
	came, bodies := hook.requests()
	if len(came) != 2 {
		t.Fatalf("%d requests have come: a test message and an alarm are wanted", len(came))
	}
	secret, err := hex.DecodeString(key)
	p.must(err)
	for i, r := range came {
		message := boro.Message{Method: r.Method, URI: r.RequestURI, Header: r.Header, Body: bodies[i]}
		err := boro.Verify(message, "7", [][]byte{secret}, time.Now(), boro.DefaultTolerance)
		if err != nil || r.Header.Get("X-Site") != "north" {
			t.Errorf("request %d: %v, with X-Site %q", i+1, err, r.Header.Get("X-Site"))
		}
	}
}
