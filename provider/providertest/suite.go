package providertest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// suite is a case at work.
type suite struct {
	Case
	info    provider.Info
	samples []sample // testdata/samples, shortest first
}

type sample struct {
	name string
	body []byte
}

// canary stands for what a stranger sends. No error may repeat it.
const canary = "cAnArY7f3a"

func newSuite(t testing.TB, c Case) *suite {
	t.Helper()
	s := &suite{Case: c, info: c.Provider.Info()}
	if len(s.Methods) == 0 {
		s.Methods = []string{http.MethodPost}
	}
	if s.SendURL == "" {
		s.SendURL = "https://receiver.example/in/test"
	}
	if s.SendSource == nil {
		s.SendSource = func(secret string) string { return s.Settings([]string{secret}) }
	}
	files, err := filepath.Glob("testdata/samples/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples in testdata/samples")
	}
	names := map[string]bool{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		s.samples = append(s.samples, sample{name, body})
		names[name] = true
	}
	for _, rec := range c.Recordings {
		if names[rec.Name] {
			t.Fatalf("two samples or recordings are called %s", rec.Name)
		}
		names[rec.Name] = true
	}
	slices.SortStableFunc(s.samples, func(a, b sample) int { return len(a.body) - len(b.body) })
	return s
}

// good returns settings with the first secret.
func (s *suite) good() string { return s.Settings(s.Secrets[:1]) }

// signed returns an authentic request, made now.
func (s *suite) signed(body []byte) *provider.Request { return s.Sign(s.Secrets[0], Now, body) }

func (s *suite) open(t testing.TB, settings string, at time.Time) provider.Receiver {
	t.Helper()
	r, err := s.Provider.Open(s.env(t, at), []byte(settings))
	if err != nil {
		t.Fatalf("settings refused: %v", err)
	}
	return r
}

// receive hands req to r and checks what holds of every answer: no panic, req as it was, an error that the door
// knows and that gives nothing away, or a receipt that the store takes.
func (s *suite) receive(t testing.TB, r provider.Receiver, req *provider.Request) (receipt provider.Receipt, err error) {
	t.Helper()
	body, header := bytes.Clone(req.Body), req.Header.Clone()
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("panic: %v\n%s", p, describe(req))
		}
	}()
	receipt, err = r.Receive(context.Background(), req)
	if !bytes.Equal(body, req.Body) || !reflect.DeepEqual(header, req.Header) {
		t.Errorf("the request was changed\n%s", describe(req))
	}
	if err != nil {
		s.checkRefusal(t, req, err)
		return receipt, err
	}
	if err := checkReceipt(receipt); err != nil {
		t.Errorf("%v\n%s", err, describe(req))
	}
	for _, item := range receipt.Refused {
		s.checkRefusal(t, req, item.Err)
	}
	return receipt, nil
}

// accept is receive for what has to be accepted.
func (s *suite) accept(t testing.TB, r provider.Receiver, req *provider.Request) provider.Receipt {
	t.Helper()
	receipt, err := s.receive(t, r, req)
	if err != nil {
		t.Errorf("refused: %v\n%s", err, describe(req))
	}
	return receipt
}

// refuse is receive for what must not be accepted, for want of proof. also are statuses that it may be refused
// with beside 401 and 403.
func (s *suite) refuse(t testing.TB, r provider.Receiver, req *provider.Request, also ...int) {
	t.Helper()
	receipt, err := s.receive(t, r, req)
	if err != nil {
		_, status := refusal(err)
		if !slices.Contains(append(also, http.StatusUnauthorized, http.StatusForbidden), status) {
			t.Errorf("refused as %d, want 401 or 403: %v\n%s", status, err, describe(req))
		}
		return
	}
	if len(receipt.Events) > 0 || len(receipt.Refused) == 0 {
		t.Errorf("accepted\n%s", describe(req))
	}
}

// describe shows req, cut to what a person reads.
func describe(req *provider.Request) string {
	return fmt.Sprintf("%s %.200s\n%.500s\n%.200q", req.Method, req.Target, bellhop.NewHeader(req.Header, nil), req.Body)
}

// clone copies req, so that it can be changed.
func clone(req *provider.Request) *provider.Request {
	copied := *req
	copied.Header = req.Header.Clone()
	copied.Body = bytes.Clone(req.Body)
	return &copied
}
