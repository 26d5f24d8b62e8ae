package providertest

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// testPlay checks that a source accepts the samples of its provider, made with its own settings, and that the provider
// would be content with its answer to the handshake. Of a source that cannot be played, the reason has no secret in
// it.
func (s *suite) testPlay(t *testing.T) {
	samples := provider.SamplesOf(s.Provider)
	if len(samples) == 0 {
		t.Skip("only the system itself can make authentic requests")
	}
	settings := s.good()
	play := provider.Play{Provider: s.Provider, Source: "src", Settings: []byte(settings),
		URL: "https://hooks.example.com/in/src", Env: s.env(t, Now)}
	for _, sample := range samples {
		played, err := play.Request(t.Context(), sample.Type)
		var refused *bellhop.Error
		if errors.As(err, &refused) && refused.Code == bellhop.CodeConflict {
			checkText(t, "error", err.Error(), s.Secrets[:])
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		receipt := s.accept(t, s.open(t, settings, Now), atDoor(t, played))
		if len(receipt.Events) != 1 {
			t.Fatalf("%s: %d events", sample.Type, len(receipt.Events))
		}
		if got := receipt.Events[0].Type; sample.Body != "" && got != sample.Type && s.info.Name != "generic" {
			t.Errorf("the sample %s is an event %s", sample.Type, got)
		}
	}
	if _, err := play.Request(t.Context(), "no.such.sample"); err == nil {
		t.Error("a sample that is none is sent")
	}
	if !provider.MakesHandshake(s.Provider) {
		return
	}
	source := settings
	if s.HandshakeSource != nil {
		source = s.HandshakeSource(s.Secrets[0])
	}
	play.Settings = []byte(source)
	played, err := play.Request(t.Context(), provider.SampleHandshake)
	if err != nil {
		t.Fatal(err)
	}
	receipt := s.accept(t, s.open(t, source, Now), atDoor(t, played))
	if receipt.Reply == nil {
		t.Fatalf("the handshake is not answered as one: %+v", receipt)
	}
	header := receipt.Reply.Header
	if header == nil {
		header = http.Header{}
	}
	if played.Read == nil {
		return
	}
	if agreed, err := played.Read(receipt.Reply.Status, header, receipt.Reply.Body); err != nil || agreed.Pending {
		t.Errorf("the provider is not content: %+v, %v", agreed, err)
	}
}

// atDoor returns a played request as the source gets it: at its own path, whatever path the system calls.
func atDoor(t *testing.T, played provider.PlayedRequest) *provider.Request {
	t.Helper()
	req := sent(t, played.OutboundRequest, played.URL, Now)
	_, query, hasQuery := strings.Cut(played.URL, "?")
	req.Target = "/in/src"
	if hasQuery {
		req.Target += "?" + query
	}
	return req
}
