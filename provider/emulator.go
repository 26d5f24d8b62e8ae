package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// An Emulator is a provider that says how to play its system, where the defaults of [EmulationOf] are not enough.
type Emulator interface {
	Provider
	// Emulation returns what differs from the defaults. It is constant.
	Emulation() Emulation
}

// An Emulation is a provider's system, played towards a receiver: the requests that the system makes, its own
// bodies, samples of them, and the message by which it tries a receiver. 'bellhop send', the sample of a source, the
// test message of a destination and the suite in providertest all go through it.
type Emulation struct {
	// Open returns a Renderer of the system's own requests, which the provider's Receiver accepts. It is nil if only
	// the system itself can make authentic requests. Default: OpenSender of a [Sender]. [EmulationOf] makes it report
	// all faults, as [OpenSender] does.
	Open func(env Env, settings json.RawMessage) (Renderer, error)
	// OfSource says that Open takes the settings of the source that is called, since the Sender's requests are not
	// those of the system: Slack signs the events that it posts, and takes messages that are not signed. By default,
	// Open takes the settings of a destination.
	OfSource bool
	// TestBody returns the body of the message by which the system tries a receiver, often behind a button, sent at
	// that time. Nil if the system has no such message.
	TestBody func(at time.Time) []byte
	// OwnEvents returns the events that a source makes of body if body is one that the system sends; none otherwise.
	// It checks no proof. It is an error if body is the system's but cannot be sent as events. Default: what a source
	// makes of it that is "unauthenticated", for providers that have this setting.
	OwnEvents func(ctx context.Context, contentType string, body []byte) ([]bellhop.Event, error)
	// Samples are events by which a source is tried. Default: one test event.
	Samples []Sample
	// Handshake is the body, as that of a [Sample], of a handshake that the system makes as it sends events. "" is the
	// handshake of a [Handshaker], if Open returns one.
	Handshake string
	// ToSource returns the settings that Open takes to play the system towards a source with these settings, and the
	// URL that the system calls, where to is that of the source. Its error says in words why that cannot be.
	// Default: the settings of the source if OfSource is set, and else what the function ToSource returns.
	ToSource func(source json.RawMessage, to string) (settings json.RawMessage, url string, err error)
}

// EmulationOf returns the emulation of p, with defaults for the fields that p does not set.
func EmulationOf(p Provider) Emulation {
	var e Emulation
	if emulator, ok := p.(Emulator); ok {
		e = emulator.Emulation()
	}
	if sender, ok := p.(Sender); ok && e.Open == nil {
		e.Open = sender.OpenSender
	}
	if open := e.Open; open != nil {
		e.Open = func(env Env, settings json.RawMessage) (Renderer, error) {
			return openWhole(open, env, settings)
		}
	}
	if e.ToSource == nil {
		e.ToSource = func(source json.RawMessage, to string) (json.RawMessage, string, error) {
			if e.OfSource {
				return source, to, nil
			}
			return ToSource(p, source, to)
		}
	}
	if e.OwnEvents == nil {
		e.OwnEvents = func(ctx context.Context, contentType string, body []byte) ([]bellhop.Event, error) {
			return unprovenEvents(ctx, p, contentType, body)
		}
	}
	return e
}

// unprovenEvents is the default of Emulation.OwnEvents. It tries the given content type first, and then those of Info.
func unprovenEvents(ctx context.Context, p Provider, contentType string, body []byte) ([]bellhop.Event, error) {
	info := p.Info()
	receiver, err := p.Open(Env{Now: time.Now, Logger: slog.New(slog.DiscardHandler)},
		[]byte(`{"unauthenticated":true}`))
	if err != nil {
		return nil, nil
	}
	for _, contentType := range append([]string{contentType}, info.MediaTypes...) {
		receipt, err := receiver.Receive(ctx, &Request{Method: http.MethodPost, Target: "/",
			Header: http.Header{"Content-Type": {contentType}}, Body: body})
		switch {
		case errors.Is(err, ErrUnavailable):
			return nil, fmt.Errorf(
				"the body is one of %s's own, and cannot be read without its secrets, so that it cannot be sent: %w",
				info.Title, err)
		case receipt.Reply != nil:
			return nil, fmt.Errorf("the body is a handshake of %s; make one with --handshake", info.Title)
		case len(receipt.Events) > 0 && len(receipt.Refused) > 0:
			return nil, fmt.Errorf("the body is one of %s's own, but for item %d: %w", info.Title,
				receipt.Refused[0].Index, receipt.Refused[0].Err)
		case len(receipt.Events) > 0:
			return receipt.Events, nil
		}
	}
	return nil, nil
}
