package providertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

func (s *suite) testSamples(t *testing.T) {
	r := s.open(t, s.good(), Now)
	for _, sample := range s.samples {
		t.Run(sample.name, func(t *testing.T) {
			req := s.signed(sample.body)
			if receipt := s.accept(t, r, req); !t.Failed() {
				s.checkGolden(t, sample.name, req, receipt)
			}
		})
	}
}

func (s *suite) testRecordings(t *testing.T) {
	for _, rec := range s.Recordings {
		t.Run(rec.Name, func(t *testing.T) {
			if rec.Settings == "" {
				rec.Settings = s.good()
			}
			if rec.At.IsZero() {
				rec.At = Now
			}
			receipt, err := s.receive(t, s.open(t, rec.Settings, rec.At), rec.Request)
			code := ""
			if err != nil {
				code, _ = refusal(err)
			}
			if code != rec.Refused {
				t.Fatalf("refused as %q (%v), want %q", code, err, rec.Refused)
			}
			if err == nil {
				s.checkGolden(t, rec.Name, rec.Request, receipt)
			}
		})
	}
}

// testRepeats checks that a request that is received twice gives the same receipt (R01), even by another receiver that
// has a second secret.
func (s *suite) testRepeats(t *testing.T) {
	for _, sample := range s.samples {
		req := s.signed(sample.body)
		first := s.accept(t, s.open(t, s.good(), Now), req)
		again := s.accept(t, s.open(t, s.Settings(s.Secrets[:]), Now.Add(time.Second)), clone(req))
		if !reflect.DeepEqual(first, again) {
			t.Errorf("%s: the second receipt is %+v, the first was %+v", sample.name, again, first)
		}
		for _, ev := range first.Events {
			if ev.ProviderID == "" && !s.NoRepeats {
				t.Errorf("%s: an event has no ProviderID, so a repeat cannot be recognized", sample.name)
			}
		}
	}
}

// testSecrets rotates secrets. While two secrets are set, in any order, a request signed with either is accepted. A
// request signed with a secret that is not set is refused.
func (s *suite) testSecrets(t *testing.T) {
	body := s.samples[0].body
	old, new := s.Secrets[0], s.Secrets[1]
	for _, list := range [][]string{{old, new}, {new, old}} {
		r := s.open(t, s.Settings(list), Now)
		s.accept(t, r, s.Sign(old, Now, body))
		s.accept(t, r, s.Sign(new, Now, body))
	}
	if s.Proves == ProvesNothing {
		return
	}
	s.refuse(t, s.open(t, s.Settings([]string{old}), Now), s.Sign(new, Now, body))
	s.refuse(t, s.open(t, s.Settings([]string{new}), Now), s.Sign(old, Now, body))
}

func (s *suite) testMethods(t *testing.T) {
	r := s.open(t, s.good(), Now)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT",
		"BREW", "post", ""} {
		req := s.signed(s.samples[0].body)
		req.Method = method
		_, err := s.receive(t, r, req)
		if taken := slices.Contains(s.Methods, method); taken && err != nil ||
			!taken && !errors.Is(err, provider.ErrMethod) {
			t.Errorf("%q: %v", method, err)
		}
	}
}

// testWindow checks that a request is accepted up to both ends of the window, and refused beyond.
func (s *suite) testWindow(t *testing.T) {
	if s.Window == 0 {
		t.Skip("requests carry no time")
	}
	for _, sign := range []time.Duration{-1, 1} {
		edge := s.Sign(s.Secrets[0], Now.Add(sign*s.Window), s.samples[0].body)
		s.accept(t, s.open(t, s.good(), Now), edge)
		for _, beyond := range []time.Duration{time.Second, time.Hour, 8 * 24 * time.Hour} {
			req := s.Sign(s.Secrets[0], Now.Add(sign*(s.Window+beyond)), s.samples[0].body)
			_, err := s.receive(t, s.open(t, s.good(), Now), req)
			if !errors.Is(err, signature.ErrExpired) {
				t.Errorf("%v beyond: %v", sign*beyond, err)
			}
		}
	}
}

// testConcurrent passes good and bad requests to one receiver at the same time. The race detector finds data races.
func (s *suite) testConcurrent(t *testing.T) {
	r := s.open(t, s.good(), Now)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for _, sample := range s.samples {
				good := s.signed(sample.body)
				s.accept(t, r, good)
				bad := clone(good)
				bad.Header = http.Header{}
				bad.Target = "/in/test"
				_, _ = s.receive(t, r, bad)
			}
		})
	}
	group.Wait()
}

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
	Body        *string    `json:"body,omitempty"` // absent if it is the body of the request
}

type goldenItem struct {
	Item int    `json:"item"`
	Code string `json:"code"`
}

func newGolden(req *provider.Request, r provider.Receipt) golden {
	g := golden{Status: r.Status}
	if r.Reply != nil {
		g.Reply = &goldenReply{
			Status:      r.Reply.Status,
			ContentType: r.Reply.ContentType,
			Body:        string(r.Reply.Body),
			Then:        r.Reply.Then != nil,
		}
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
