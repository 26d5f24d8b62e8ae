package cloudevents

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
)

type receiver struct {
	origins   []string // that may deliver; "*" is any
	tokens    []string // none: nobody has to prove anything
	rate      int      // requests a minute granted at most; 0 is any
	callbacks callbacks
	versions  []string
}

var _ provider.SecretHeaders = (*receiver)(nil)

// SecretHeaders implements [provider.SecretHeaders]: who has the URL of a callback can agree in our name.
func (r *receiver) SecretHeaders() []string { return []string{RequestCallbackHeader} }

// Receive answers the handshake, which carries no token; of anything else it verifies the token, then looks at the
// name of the sender, then reads.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	reply, ok, err := r.consent(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("cloudevents: %w", err)
	}
	if ok {
		return provider.Receipt{Reply: reply}, nil
	}
	receipt, err := r.read(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("cloudevents: %w", err)
	}
	return receipt, nil
}

func (r *receiver) consent(req *provider.Request) (*provider.Reply, bool, error) {
	reply, ok, err := Consent(req, r.origins, r.rate)
	if ok && err == nil {
		reply = r.callbacks.instead(reply, req.Header)
	}
	return reply, ok, err
}

func (r *receiver) read(req *provider.Request) (provider.Receipt, error) {
	if req.Method != http.MethodPost {
		return provider.Receipt{}, provider.ErrMethod
	}
	if len(r.tokens) > 0 {
		if err := Verify(req.Header, req.Target, r.tokens...); err != nil {
			return provider.Receipt{}, err
		}
	}
	if err := r.checkOrigin(req.Header); err != nil {
		return provider.Receipt{}, err
	}
	return readRequest(req.Header, req.Body, r.versions...)
}

// checkOrigin compares the name under which a request is delivered with those that the source knows, if it knows any.
// Senders that make no handshake have no name.
func (r *receiver) checkOrigin(h http.Header) error {
	name := origin(h)
	if len(r.origins) > 0 && name != "" && !originAllowed(name, r.origins) {
		return fmt.Errorf("%w: delivered under a name that is not among settings.allowed_origins", provider.ErrForbidden)
	}
	return nil
}

// origin returns the name of the sender. Version 1.0 of the specification had it in Origin, which Event Grid still
// has; what a browser writes there is another thing and no name.
func origin(h http.Header) string {
	if values := h[RequestOriginHeader]; len(values) > 0 {
		return strings.Join(values, ",")
	}
	if name := strings.Join(h["Origin"], ","); dnsName(name) && name != "null" {
		return name
	}
	return ""
}
