package outbound

import (
	"bytes"
	"compress/gzip"
	"context"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

// gzipped returns ev as it is stored if its request came with Content-Encoding: gzip.
func gzipped(t *testing.T, ev bellhop.Event) bellhop.Event {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(ev.Body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ev.Body, ev.Header = b.Bytes(), append(bellhop.Header("Content-Encoding: gzip\n"), ev.Header...)
	return ev
}

// kinds are the settings of one destination of each type, and of each format of http.
var kinds = map[string][2]string{
	"raw":      {"http", `{"format":"raw"}`},
	"standard": {"http", `{"secret":"` + oldSecret + `"}`},
	"envelope": {"http", `{"format":"envelope"}`},
	"thin":     {"http", `{"format":"thin"}`},
	"template": {"http",
		`{"format":"template","template":"{type: type, subject: subject, size: len(body) > 0}"}`},
	"acs":              {"acs", `{}`},
	"ams":              {"ams", `{"signing_key":"` + amsKey + `","account_id":"acct"}`},
	"boro":             {"boro", `{"profile_id":"265","secret_key":"` + strings.Repeat("0a", 32) + `"}`},
	"cloudevents":      {"cloudevents", `{"mode":"structured"}`},
	"eventgrid":        {"eventgrid", `{}`},
	"eventgrid-cloud":  {"eventgrid", `{"schema":"cloudevents"}`},
	"generic":          {"generic", `{"scheme":"none"}`},
	"github":           {"github", `{"secret":"0123456789abcdef"}`},
	"graph":            {"graph", `{"client_state":"0123456789abcdef"}`},
	"outlook":          {"outlook", `{"client_state":"0123456789abcdef"}`},
	"sharepoint":       {"sharepoint", `{"client_state":"0123456789abcdef"}`},
	"slack":            {"slack", `{}`},
	"standardwebhooks": {"standardwebhooks", `{"secret":"` + oldSecret + `"}`},
	"stripe":           {"stripe", `{"secret":"whsec_0123456789abcdef"}`},
}

// openAll opens the destinations of kinds. Every provider that sends is among them.
func openAll(t *testing.T) map[string]*Target {
	t.Helper()
	o := opener(t, func(opts *Options) { opts.Providers = all.Providers() })
	targets, types := map[string]*Target{}, map[string]bool{}
	for name, k := range kinds {
		target, err := o.open(bellhop.Destination{Type: k[0], URL: "https://example.com/hooks",
			Settings: []byte(k[1])})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		targets[name], types[k[0]] = target, true
	}
	for _, p := range all.Providers() {
		if _, sends := p.(provider.Sender); sends && !types[p.Info().Name] {
			t.Errorf("there is no destination of type %s in kinds", p.Info().Name)
		}
	}
	return targets
}

// rendered returns the request for ev as text: its header lines, an empty line and its body.
func rendered(t *testing.T, name string, target *Target, events ...bellhop.Event) string {
	t.Helper()
	var batch []*bellhop.Delivery
	for i := range events {
		batch = append(batch, &bellhop.Delivery{Event: &events[i]})
	}
	m, err := target.renderSafely(batch, provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 1, Time: began,
		URL: "https://example.com/hooks"})
	if err != nil {
		return "error: " + err.Error()
	}
	var header bytes.Buffer
	if err := readHeader(m.header).Write(&header); err != nil { // sorted
		t.Fatalf("%s: %v", name, err)
	}
	return header.String() + "\r\n" + string(m.body)
}

// TestContentEncoding: each destination but raw sends the same request for an event that came compressed. Raw sends
// the bytes with their header.
func TestContentEncoding(t *testing.T) {
	t.Parallel()
	for name, target := range openAll(t) {
		plain, coded := stored(), gzipped(t, stored())
		body := bytes.Clone(coded.Body)
		want, got := rendered(t, name, target, plain), rendered(t, name, target, coded)
		if name == "raw" {
			head, _, _ := strings.Cut(want, "\r\n\r\n")
			want = strings.Replace(head, "Content-Type", "Content-Encoding: gzip\r\nContent-Type", 1) + "\r\n\r\n" +
				string(body)
		}
		if got != want {
			t.Errorf("%s: compressed it is sent as\n%s\nelse as\n%s", name, got, want)
		}
		if !bytes.Equal(coded.Body, body) || coded.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: the event was changed", name)
		}
	}
}

// TestContentEncodingOfBatch: a batch has the decoded bodies, as far as they go into one request together.
func TestContentEncodingOfBatch(t *testing.T) {
	t.Parallel()
	envelope := openAll(t)["envelope"]
	coded := gzipped(t, stored())
	if want, got := rendered(t, "batch", envelope, stored(), stored()), rendered(t, "batch", envelope, coded,
		stored()); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	large := stored()
	large.Body = []byte(`"` + strings.Repeat("x", bellhop.MaxBatchBytes) + `"`)
	if got := rendered(t, "large", envelope, gzipped(t, large), coded); !strings.Contains(got, "larger than the "+
		"limit") {
		t.Errorf("two that are too large together: %.200s", got)
	}
	if got := rendered(t, "large", envelope, gzipped(t, large)); strings.HasPrefix(got, "error") {
		t.Errorf("the large one alone: %.200s", got)
	}
}

// TestBrokenContentEncoding: a body that cannot be decoded fails the delivery in words; raw sends it.
func TestBrokenContentEncoding(t *testing.T) {
	t.Parallel()
	targets := openAll(t)
	broken := stored()
	broken.Header = bellhop.Header("Content-Encoding: gzip\n")
	for name, target := range targets {
		got := rendered(t, name, target, broken)
		if failed := strings.HasPrefix(got, "error: the body as received cannot be read"); failed == (name == "raw") {
			t.Errorf("%s: %.200s", name, got)
		}
	}
}

// A recorder is an action that keeps the last body.
type recorder struct {
	chore
	body string
}

func (r *recorder) OpenAction(provider.ActionEnv, bellhop.Destination) (provider.Performer, error) {
	return r, nil
}

func (r *recorder) Perform(_ context.Context, ev *bellhop.Event, _ provider.AttemptInfo) provider.ActionResult {
	r.body = string(ev.Body)
	return provider.ActionResult{}
}

// TestActionContentEncoding: an action gets the decoded body; one that is broken fails it for good.
func TestActionContentEncoding(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	target, err := opener(t, func(opts *Options) { opts.Actions = []provider.Action{r} }).open(
		bellhop.Destination{Type: "chore", Timeout: bellhop.DefaultTimeout})
	if err != nil {
		t.Fatal(err)
	}
	ev := gzipped(t, stored())
	got := target.Send(t.Context(), []*bellhop.Delivery{{Event: &ev}}, began)
	if got.Outcome != bellhop.OutcomeDelivered || r.body != string(stored().Body) {
		t.Errorf("%+v with %q", got, r.body)
	}
	ev.Body = []byte("hello")
	if got := target.Send(t.Context(), []*bellhop.Delivery{{Event: &ev}}, began); !got.Final ||
		got.Error != errorAction {
		t.Errorf("%+v", got)
	}
}
