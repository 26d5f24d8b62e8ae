package eventgrid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A Validation is what Event Grid asks before it delivers in its own schema, each time a subscription is created or
// changed. Whoever wants its events answers with 200 and {"validationResponse":Code}, or with 200 and nothing, and then
// gets URL within ten minutes.
type Validation struct {
	Code string
	URL  string // may be "", and may lead anywhere: it is to be checked before it is followed
}

// ReadValidation returns the validation that items ask for, which [Items] returned of a body that came with h. ok is
// false if they are events to be kept.
//
// It is one where aeg-event-type says so, or is not there and the only item is of [ValidationType]; then that type is
// compared without regard to case. Where the header says so and the items do not agree, or they ask without a code, it
// is provider.ErrBody.
// Source: https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema
func ReadValidation(h http.Header, items [][]byte) (v Validation, ok bool, err error) {
	says := h.Values(EventTypeHeader)
	switch {
	case len(says) > 1:
		return v, false, fmt.Errorf("%w: aeg-event-type is there twice", provider.ErrBody)
	case len(says) == 1 && !strictjson.EqualFold(says[0], headerValidation), len(says) == 0 && len(items) != 1:
		return v, false, nil
	case len(items) != 1:
		return v, true, fmt.Errorf("%w: a validation of more or less than one event", provider.ErrBody)
	}
	f, err := readFields(items[0])
	switch {
	case err == nil && !f.cloudEvent && strictjson.EqualFold(f.kind, ValidationType):
		v, err = readValidationData(f.data)
		return v, true, err
	case len(says) == 0:
		return v, false, nil // what is wrong with it, if anything, is said when it is read as an event
	}
	return v, true, fmt.Errorf("%w: aeg-event-type says that it is a validation, and the event does not", provider.ErrBody)
}

func readValidationData(data []byte) (v Validation, err error) {
	err = strictjson.Object(data, func(name, value []byte) {
		switch string(name) {
		case "validationCode":
			v.Code, _ = strictjson.Text(value)
		case "validationUrl":
			v.URL, _ = strictjson.Text(value)
		}
	})
	switch {
	case err != nil:
		return v, fmt.Errorf("in data: %w", err)
	case !provider.PlainToken(v.Code):
		return v, fmt.Errorf("%w: no validationCode, or none that can be one", provider.ErrBody)
	}
	return v, nil
}

// validationResponse is the answer to a validation. The name of its member begins with a small letter, other than in
// some of Microsoft's samples.
type validationResponse struct {
	ValidationResponse string `json:"validationResponse"`
}

// validate answers v. What is to be called where that is done by hand is checked first, so that a request that would
// have us call anybody else is refused, and on record as such.
func (r *receiver) validate(v Validation) (*provider.Reply, error) {
	if r.manual {
		if err := r.cloud.checkValidationURL(v.URL); err != nil {
			return nil, err
		}
		return &provider.Reply{Status: http.StatusOK, Then: confirm(r.env.Client, v.URL)}, nil
	}
	body, err := json.Marshal(validationResponse{v.Code})
	if err != nil {
		return nil, fmt.Errorf("write the validation response: %w", err)
	}
	return &provider.Reply{Status: http.StatusOK, ContentType: contentType, Body: body}, nil
}

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
