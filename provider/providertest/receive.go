package providertest

import (
	"errors"
	"net/http"
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

// testRepeats holds that a request that comes twice is known for one (R01), by any receiver of these settings.
func (s *suite) testRepeats(t *testing.T) {
	for _, sample := range s.samples {
		req := s.signed(sample.body)
		first := s.accept(t, s.open(t, s.good(), Now), req)
		again := s.accept(t, s.open(t, s.Settings(s.Secrets[:]), Now.Add(time.Second)), clone(req))
		if !reflect.DeepEqual(first, again) {
			t.Errorf("%s: a repeat makes %+v of what was %+v", sample.name, again, first)
		}
		for _, ev := range first.Events {
			if ev.ProviderID == "" && !s.NoRepeats {
				t.Errorf("%s: no ProviderID by which a repeat is known", sample.name)
			}
		}
	}
}

// testSecrets rotates: while two secrets are set, either will do, in any order; one that is not set never does.
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
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW", "post", ""} {
		req := s.signed(s.samples[0].body)
		req.Method = method
		_, err := s.receive(t, r, req)
		if taken := slices.Contains(s.Methods, method); taken && err != nil || !taken && !errors.Is(err, provider.ErrMethod) {
			t.Errorf("%q: %v", method, err)
		}
	}
}

// testWindow holds that a request is taken up to the edge of the window, either way, and not beyond.
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

// testConcurrent lets good and bad requests meet in one receiver. The race detector does the rest.
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
