package generic

import (
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A scheme proves who sent a request, and verifies that proof.
type scheme interface {
	// verify returns nil if req is authentic. Its errors are those of package signature, and provider.ErrBody.
	verify(req *provider.Request) (proof, error)
	// sign adds to h what verify asks for. id is that of the event.
	sign(h http.Header, body []byte, id string, at provider.AttemptInfo) error
}

// A proof is what an authentic request was found to have.
type proof struct {
	repeat string // a text that is the same for a repeat of it; "" if the scheme has none
	key    []byte // that signed it; nil if none did
}

// newScheme checks the settings that are about the scheme.
func newScheme(s settings, now func() time.Time) (scheme, error) {
	if s.Scheme == schemeNone {
		return none{}, nil
	}
	if err := bellhop.Join("", s.Secret.Check("secret"), checkHeader("header", s.Header)); err != nil {
		return nil, err
	}
	switch s.Scheme {
	case schemeHMAC:
		return newMAC(s, now)
	case schemeToken:
		return newToken(s)
	case schemeBasic:
		return newBasic(s)
	default:
		return newQuery(s)
	}
}

// none takes every request.
type none struct{}

func (none) verify(*provider.Request) (proof, error)                      { return proof{}, nil }
func (none) sign(http.Header, []byte, string, provider.AttemptInfo) error { return nil }
