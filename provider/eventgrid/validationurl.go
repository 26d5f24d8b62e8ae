package eventgrid

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
)

// maxURL bounds a validation URL, in bytes.
const maxURL = 2048

// checkValidationURL returns nil if text leads to Event Grid, else provider.ErrBody. The body it stands in came from
// whoever knows the source's secret, which is not to say that this server should call where it points.
func (c cloud) checkValidationURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return fmt.Errorf("%w: no validationUrl; subscriptions of an old API version have none, and need validation: automatic", provider.ErrBody)
	case err != nil || len(text) > maxURL || !provider.Visible(text) || strings.ContainsAny(text, `\#`):
		return fmt.Errorf("%w: validationUrl is no plain URL", provider.ErrBody)
	case u.Scheme != "https" || u.User != nil || u.Opaque != "":
		return fmt.Errorf("%w: validationUrl is no https URL, or has a user in it", provider.ErrBody)
	case !isBelow(u.Hostname(), c.domain):
		return fmt.Errorf("%w: validationUrl leads elsewhere than to Event Grid", provider.ErrBody)
	case !ownPort(u):
		return fmt.Errorf("%w: validationUrl leads to a port that is not Event Grid's", provider.ErrBody)
	}
	return nil
}

// isBelow reports whether host is a plain name below domain.
func isBelow(host, domain string) bool {
	labels, ok := strings.CutSuffix(strings.ToLower(host), "."+domain)
	return ok && provider.Alphanumeric(labels, "-.") && !strings.Contains("."+labels+".", "..")
}

// ownPort reports whether u leads to 443 or 553, where Event Grid's validation URLs are.
func ownPort(u *url.URL) bool {
	switch strings.TrimPrefix(u.Host, u.Hostname()) {
	case "", ":443", ":553":
		return true
	}
	return false
}

// confirm returns what agrees by calling to, which was checked. It follows no redirect.
func confirm(guarded *http.Client, to string) func(context.Context) error {
	return func(ctx context.Context) error {
		if guarded == nil {
			return errors.New("validationUrl: there is no network here")
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
		if err != nil {
			return errors.New("validationUrl: cannot be called")
		}
		reply, err := provider.NoRedirects(guarded).Do(req)
		if err != nil {
			return fmt.Errorf("validationUrl: %w", provider.WithoutURL(err))
		}
		reply.Body.Close()
		if reply.StatusCode < 200 || reply.StatusCode > 299 {
			return fmt.Errorf("validationUrl: Event Grid answered %d; its URLs are good once, for ten minutes", reply.StatusCode)
		}
		return nil
	}
}
