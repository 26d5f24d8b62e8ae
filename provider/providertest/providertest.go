// Package providertest holds the tests that every provider passes.
//
// A provider's test file describes the provider once, as a [Case], and hands it to [Run], [Fuzz] and [Benchmark].
// The suite knows nothing about a particular system: the Sign of a case makes authentic requests. From these the
// suite makes requests that must be refused: tampered, truncated, stale, with a repeated proof, without proof, and
// with the proof of another request.
//
// A provider that passes accepts the requests of its system, refuses requests that are forged in these ways, and
// does not panic for any bytes. Its errors are errors that the server can answer, and contain neither secrets nor
// input.
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

// A Case describes a provider to the suite.
type Case struct {
	Provider provider.Provider

	// Name tells several cases of one provider apart: it is the folder of their golden files within testdata/golden.
	Name string

	// Settings returns the settings of a source as JSON, with these secrets. They are valid if the secrets are.
	Settings func(secrets []string) string
	// Secrets are two secrets, valid each by itself and both together.
	Secrets [2]string
	// Sign returns a request that carries body, as the system with that secret makes it at that time. It does
	// not use the provider's Emulation, so that the two implementations are checked against each other.
	Sign func(secret string, at time.Time, body []byte) *provider.Request

	// Proves says what an authentic request proves. The zero value is the strongest proof: every byte of the body.
	Proves Proof
	// MAC describes the signature, if it is an HMAC of the body, so that the suite can forge signatures. Otherwise it
	// is nil.
	MAC *MAC
	// Headers, and Parameters of the query, are parts of the proof: a request without one, or with two, is refused.
	Headers, Parameters []string
	// Hashes are further headers, with a hash of the bytes. A request without them is accepted.
	Hashes []string
	// Window is how old or how early a request may be; 0 if requests carry no time.
	Window time.Duration
	// Methods are the accepted methods, of events and of probes. None means POST only.
	Methods []string
	// NoRepeats says that events may lack a ProviderID, because the system does not identify them.
	NoRepeats bool

	// Recordings are whole requests, in addition to the samples: vectors, handshakes, batches, refusals.
	Recordings []Recording

	// SendSettings returns the settings of a destination that signs with secret. Required of a [provider.Sender].
	SendSettings func(secret string) string
	// SendURL is the URL of that destination; "" is a URL without a query.
	SendURL string
	// SendSource returns the settings of the source at SendURL, which accepts any body; nil is Settings.
	SendSource func(secret string) string
	// Sent checks the request that was rendered for ev, if the provider's Receiver cannot accept it: Slack accepts
	// messages that it never sends. Nil: the Receiver must accept the request.
	Sent func(t *testing.T, ev *bellhop.Event, req *provider.Request)
	// HandshakeSource returns the settings of a source that agrees to the handshake of a [provider.Handshaker]; nil
	// is SendSource.
	HandshakeSource func(secret string) string

	// Transport answers the provider's own requests, such as those for a key set. Nil: a request fails the test.
	Transport http.RoundTripper
}

// Proof is what an authentic request proves.
type Proof int

// The proofs.
const (
	ProvesBody    Proof = iota // the sender knows the secret, and sent this body, byte for byte
	ProvesSender               // the sender knows the secret; the body may be any
	ProvesNothing              // nothing: anybody can make such a request
)

// A Recording is one request as it was received, and its expected result.
type Recording struct {
	Name     string    // of its golden file, testdata/golden/<case>/<name>.json
	Settings string    // of the source; "" is the case's with its first secret
	At       time.Time // on the source's clock; zero is [Now]
	Request  *provider.Request
	Refused  string // the code of the refusal, such as "signature_mismatch"; "" if it is accepted or a handshake
}

// Now is the time of the suite's clocks, unless a case has another.
var Now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// Run runs the suite.
//
// Each file in testdata/samples is a body. Signed, it is received, and the receipt compared with
// testdata/golden/<case>/<name>.json; so is that of each recording. "go test -update" writes the golden files anew.
func Run(t *testing.T, c Case) {
	s := newSuite(t, c)
	t.Run("Info", s.testInfo)
	t.Run("Settings", s.testSettings)
	t.Run("Samples", s.testSamples)
	t.Run("Recordings", s.testRecordings)
	t.Run("Coded", s.testCoded)
	t.Run("Repeats", s.testRepeats)
	t.Run("Secrets", s.testSecrets)
	t.Run("Methods", s.testMethods)
	t.Run("Window", s.testWindow)
	t.Run("Proof", s.testProof)
	t.Run("Header", s.testHeader)
	t.Run("Body", s.testBody)
	t.Run("MAC", s.testMAC)
	t.Run("Mutants", s.testMutants)
	t.Run("OddBodies", s.testOddBodies)
	t.Run("Members", s.testMembers)
	t.Run("Lenient", s.testLenient)
	t.Run("Concurrent", s.testConcurrent)
	t.Run("Send", s.testSend)
	t.Run("SendBatch", s.testSendBatch)
	t.Run("Handshake", s.testHandshake)
	t.Run("Emulation", s.testEmulation)
	t.Run("Play", s.testPlay)
}

// A suite runs the tests of one case.
type suite struct {
	Case
	info    provider.Info
	samples []sample // testdata/samples, shortest first
}

type sample struct {
	name string
	body []byte
}

// canary is the input of a stranger. No error may repeat it.
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

// receive passes req to r and checks what every result must satisfy: no panic, req unchanged, and either an error that
// the server knows and that reveals nothing, or a receipt that the store accepts. A [provider.HeaderChecker] must
// refuse req by its header only if it refuses it whole, for the same reason.
func (s *suite) receive(
	t testing.TB,
	r provider.Receiver,
	req *provider.Request,
) (receipt provider.Receipt, err error) {
	t.Helper()
	body, header := bytes.Clone(req.Body), req.Header.Clone()
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("panic: %v\n%s", p, describe(req))
		}
	}()
	refused := checkHeader(r, req)
	receipt, err = r.Receive(context.Background(), req)
	s.compareHeader(t, req, refused, err)
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

// accept is receive for a request that must be accepted.
func (s *suite) accept(t testing.TB, r provider.Receiver, req *provider.Request) provider.Receipt {
	t.Helper()
	receipt, err := s.receive(t, r, req)
	if err != nil {
		t.Errorf("refused: %v\n%s", err, describe(req))
	}
	return receipt
}

// refuse is receive for a request that must be refused, because its proof is not valid: with status 401, 403 or one of
// also.
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

// describe returns req as text, cut to a readable length.
func describe(req *provider.Request) string {
	return fmt.Sprintf("%s %.200s\n%.500s\n%.200q", req.Method, req.Target, bellhop.NewHeader(req.Header, nil),
		req.Body)
}

// clone returns a copy of req that can be changed.
func clone(req *provider.Request) *provider.Request {
	copied := *req
	copied.Header = req.Header.Clone()
	copied.Body = bytes.Clone(req.Body)
	return &copied
}
