// Package providertest holds the tests that every provider passes.
//
// A provider's test file describes the provider once, as a [Case], and hands it to [Run], [Fuzz] and [Benchmark].
// The suite knows nothing of any system; what makes a request authentic is the case's Sign. From that it makes the
// requests that nobody should get away with: tampered, truncated, stale, doubled, without proof, with another's.
//
// Its promise: a provider that passes takes what its system sends, takes nothing that is forged in these ways,
// survives any bytes, says why in an error that the door can answer, and keeps secrets and input out of it.
package providertest

import (
	"net/http"
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

	// Settings returns a source's settings as JSON, good in every way but perhaps its secrets: a list of them.
	Settings func(secrets []string) string
	// Secrets are two of them, each good by itself and both together.
	Secrets [2]string
	// Sign returns a request that carries body, as the system that knows secret makes it at that time.
	Sign func(secret string, at time.Time, body []byte) *provider.Request

	// Proves says what a good request proves. The zero value is the most that can be asked: every byte of its body.
	Proves Proof
	// MAC, where it is set, lets the suite forge the signature itself.
	MAC *MAC
	// Headers and Parameters are those (of the query) without which, or with two of which, a request is refused.
	Headers, Parameters []string
	// Window is how old or how early a request may be; 0 where requests carry no time.
	Window time.Duration
	// Methods are those that carry events. None is POST only.
	Methods []string
	// NoRepeats says that events need have no ProviderID, because the system gives them none.
	NoRepeats bool

	// Recordings are whole requests, beside the samples: vectors, handshakes, batches, refusals.
	Recordings []Recording

	// SendSettings returns the settings of a destination that signs with secret. Required of a [provider.Sender].
	SendSettings func(secret string) string
	// SendURL is where it sends to; "" is a URL without a query.
	SendURL string
	// SendSource returns the settings of the source there, which takes any body; nil is Settings.
	SendSource func(secret string) string
	// Sent checks what was rendered of ev where the provider's own Receiver is not what it is for: Slack takes messages
	// that it never sends. nil is to have the Receiver accept it.
	Sent func(t *testing.T, ev *bellhop.Event, req *provider.Request)
	// HandshakeSource returns the settings of a source that agrees to the handshake of a [provider.Handshaker]; nil is SendSource.
	HandshakeSource func(secret string) string

	// Transport answers what the provider asks of the world, such as a key set; nil fails the test if it asks.
	Transport http.RoundTripper
}

// Proof is what an authentic request proves.
type Proof int

// What a request can prove.
const (
	ProvesBody    Proof = iota // its body came from who knows the secret, byte for byte
	ProvesSender               // it came from who knows the secret; the body may be anything
	ProvesNothing              // anyone may have made it
)

// A Recording is one request as it came, and what is to become of it.
type Recording struct {
	Name     string    // of its golden file, testdata/golden/<case>/<name>.json
	Settings string    // of the source; "" is the case's with its first secret
	At       time.Time // on the source's clock; zero is [Now]
	Request  *provider.Request
	Refused  string // the code of the refusal, such as "signature_mismatch"; "" if it is accepted or a handshake
}

// Now is what the clocks of the suite say where a case does not say otherwise.
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
	t.Run("Repeats", s.testRepeats)
	t.Run("Secrets", s.testSecrets)
	t.Run("Methods", s.testMethods)
	t.Run("Window", s.testWindow)
	t.Run("Proof", s.testProof)
	t.Run("Body", s.testBody)
	t.Run("MAC", s.testMAC)
	t.Run("Mutants", s.testMutants)
	t.Run("OddBodies", s.testOddBodies)
	t.Run("Members", s.testMembers)
	t.Run("Concurrent", s.testConcurrent)
	t.Run("Send", s.testSend)
	t.Run("SendBatch", s.testSendBatch)
	t.Run("Handshake", s.testHandshake)
	t.Run("Emulation", s.testEmulation)
}
