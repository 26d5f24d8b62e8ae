package providertest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden is a receipt as its file shows it.
type golden struct {
	Reply   *goldenReply  `json:"reply,omitempty"`
	Status  int           `json:"status,omitempty"`
	Events  []goldenEvent `json:"events,omitempty"`
	Refused []goldenItem  `json:"refused,omitempty"`
}

type goldenReply struct {
	Status      int    `json:"status"`
	ContentType string `json:"content_type,omitempty"`
	Header      any    `json:"header,omitempty"`
	Body        string `json:"body"`
	Then        bool   `json:"then,omitempty"`
}

type goldenEvent struct {
	Type        string     `json:"type"`
	Subject     string     `json:"subject,omitempty"`
	ProviderID  string     `json:"provider_id,omitempty"`
	Time        *time.Time `json:"time,omitempty"`
	ContentType string     `json:"content_type,omitempty"`
	Body        *string    `json:"body,omitempty"` // absent where it is the request's
}

type goldenItem struct {
	Item int    `json:"item"`
	Code string `json:"code"`
}

func newGolden(req *provider.Request, r provider.Receipt) golden {
	g := golden{Status: r.Status}
	if r.Reply != nil {
		g.Reply = &goldenReply{Status: r.Reply.Status, ContentType: r.Reply.ContentType, Body: string(r.Reply.Body), Then: r.Reply.Then != nil}
		if len(r.Reply.Header) > 0 {
			g.Reply.Header = r.Reply.Header
		}
	}
	for _, ev := range r.Events {
		e := goldenEvent{Type: ev.Type, Subject: ev.Subject, ProviderID: ev.ProviderID, ContentType: ev.ContentType}
		if !ev.Time.IsZero() {
			e.Time = &ev.Time
		}
		if !bytes.Equal(ev.Body, req.Body) {
			body := string(ev.Body)
			e.Body = &body
		}
		g.Events = append(g.Events, e)
	}
	for _, item := range r.Refused {
		code, _ := refusal(item.Err)
		g.Refused = append(g.Refused, goldenItem{item.Index, code})
	}
	return g
}

// checkGolden compares a receipt with testdata/golden/<case>/<name>.json.
func (s *suite) checkGolden(t *testing.T, name string, req *provider.Request, r provider.Receipt) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(newGolden(req, r)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "golden", s.Name, name+".json")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with go test -update and read the diff", err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("differs from %s\ngot  %s\nwant %s", path, b.Bytes(), want)
	}
}
