package providertest

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
)

// checkHeader returns the result of r's CheckHeader for req without its body; nil if r is no [provider.HeaderChecker].
func checkHeader(r provider.Receiver, req *provider.Request) error {
	checker, ok := r.(provider.HeaderChecker)
	if !ok {
		return nil
	}
	head := *req
	head.Body = nil
	return checker.CheckHeader(&head)
}

// compareHeader checks refused, the result of checkHeader, against err, the result of Receive for the same request.
func (s *suite) compareHeader(t testing.TB, req *provider.Request, refused, err error) {
	t.Helper()
	if refused == nil {
		return
	}
	s.checkRefusal(t, req, refused)
	byHeader, _ := refusal(refused)
	whole := "accepted"
	if err != nil {
		whole, _ = refusal(err)
	}
	if byHeader != whole {
		t.Errorf("by its header the request is refused as %s (%v), with its body: %s (%v)\n%s", byHeader,
			refused, whole, err, describe(req))
	}
}

// testHeader checks that a request without any of the headers and parameters of its proof is refused by its header, so
// that the server need not read its body. A provider of a case with such parts must be a [provider.HeaderChecker].
func (s *suite) testHeader(t *testing.T) {
	if len(s.Headers)+len(s.Parameters) == 0 || s.Proves == ProvesNothing {
		t.Skip("the proof is not in the header")
	}
	r := s.open(t, s.good(), Now)
	good := s.signed(s.samples[0].body)
	if err := checkHeader(r, good); err != nil {
		t.Errorf("an authentic request is refused: %v", err)
	}
	refuse := func(name string, change func(req *provider.Request)) {
		req := clone(good)
		change(req)
		if err := checkHeader(r, req); err == nil {
			t.Errorf("%s: not refused by its header\n%s", name, describe(req))
		}
		s.refuse(t, r, req, http.StatusMethodNotAllowed)
	}
	refuse("another method", func(req *provider.Request) { req.Method = "BREW" })
	refuse("no header and no parameter", func(req *provider.Request) {
		req.Header, req.Target = http.Header{},
			"/in/test"
	})
	for _, name := range s.Headers {
		if s.Proves == ProvesSender { // no body makes up for it
			refuse("a wrong "+name, func(req *provider.Request) { req.Header.Set(name, canary) })
		}
	}
	for _, name := range s.Parameters {
		refuse("no parameter "+name, func(req *provider.Request) { parameter{name}.set(req) })
		refuse("a wrong parameter "+name, func(req *provider.Request) { parameter{name}.set(req, canary) })
	}
	if s.MAC != nil {
		prefix, name := s.MAC.Scheme.Prefix, s.MAC.Header
		for _, value := range []string{"00", prefix + "00", good.Header.Get(name) + "0"} {
			refuse("a malformed "+name, func(req *provider.Request) { req.Header.Set(name, value) })
		}
	}
	late := s.Sign(s.Secrets[0], Now.Add(-2*s.Window-time.Hour), s.samples[0].body)
	if s.Window > 0 && bytes.Equal(late.Body, s.samples[0].body) { // the time is not in the body
		if err := checkHeader(r, late); err == nil {
			t.Errorf("too old: not refused by its header\n%s", describe(late))
		}
	}
}
