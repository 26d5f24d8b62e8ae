package eventgrid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
)

// A Validation is the handshake by a validation event, in Event Grid's own schema, as a CloudEvent, or in a custom
// schema, made whenever a subscription is created or changed. The
// receiver accepts by answering 200 with {"validationResponse":Code}, or by answering 200 with an empty body and
// then requesting URL (GET) within ten minutes.
type Validation struct {
	Code string
	URL  string // may be ""; may lead to any host, so check it before you request it
}

// ReadValidation returns the validation in items, which are the result of [Items] for a body received with header
// h. ok is false if items are ordinary events.
//
// A request is a validation if aeg-event-type says so, or if it has no such header and its only item is of
// [ValidationType], in either schema. The type is compared without regard to case. The error is provider.ErrBody if
// the header says that it is a validation and the items do not, or if there is no valid code.
// Source: https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema
func ReadValidation(h http.Header, items [][]byte) (v Validation, ok bool, err error) {
	says := h.Values(EventTypeHeader)
	switch {
	case len(says) > 1:
		return v, false, fmt.Errorf("%w: aeg-event-type occurs twice", provider.ErrBody)
	case len(says) == 1 && !strictjson.EqualFold(says[0], headerValidation), len(says) == 0 && len(items) != 1:
		return v, false, nil
	case len(items) != 1:
		return v, true, fmt.Errorf("%w: a validation must have one event", provider.ErrBody)
	}
	f, err := readFields(items[0])
	switch {
	case err == nil && strictjson.EqualFold(f.kind, ValidationType):
		v, err = readValidationData(f.data)
		return v, true, err
	case err == nil && f.kind == "" && len(says) == 1: // in a custom schema, whose names only its subscription knows
		if f.data == nil {
			f.data = items[0]
		}
		v, err = readValidationData(f.data)
		return v, true, err
	case len(says) == 0:
		return v, false, nil // if the item is invalid, reading it as an event reports that
	}
	return v, true, fmt.Errorf("%w: aeg-event-type is SubscriptionValidation, but the event has another "+
		"type", provider.ErrBody)
}

// IsHandshake implements [provider.HandshakeTeller]. Of the handshake in Event Grid's own schema it knows the header
// that Event Grid adds, and of that in the CloudEvents schema the method with the header of its origin.
func (Provider) IsHandshake(req *provider.Request) bool {
	if req.Method == http.MethodOptions {
		return len(req.Header.Values(cloudevents.RequestOriginHeader)) > 0
	}
	return slices.ContainsFunc(req.Header.Values(EventTypeHeader), func(kind string) bool {
		return strictjson.EqualFold(kind, headerValidation)
	})
}

// readValidationData reads the data of a validation event, which may be a JSON text (encoded twice), as the events of
// some topics have it. The names may be in any letter case.
func readValidationData(data []byte) (v Validation, err error) {
	code, to := strictjson.Member{Name: "validationCode"}, strictjson.Member{Name: "validationUrl"}
	err = strictjson.FindFold(strictjson.Unwrap(data), &code, &to)
	v.Code, v.URL = code.Text(), to.Text()
	switch {
	case err != nil:
		return v, fmt.Errorf("in data: %w", err)
	case !provider.PlainToken(v.Code):
		return v, fmt.Errorf("%w: validationCode is missing or invalid", provider.ErrBody)
	}
	return v, nil
}

// A validationResponse is the answer to a validation. Its member begins with a lower-case letter, unlike in some of
// Microsoft's samples.
type validationResponse struct {
	ValidationResponse string `json:"validationResponse"`
}

// validate answers v. With manual validation it checks the URL before it answers, so that a request that names
// another host is refused and recorded as such.
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

// maxURL is the longest validation URL that is accepted, in bytes.
const maxURL = 2048

// checkValidationURL returns nil if text leads to Event Grid, else provider.ErrBody. Whoever knows the source's
// secret chooses this URL, and must not be able to make this server call other hosts.
func (c cloud) checkValidationURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return fmt.Errorf("%w: no validationUrl; old API versions send none and need the setting validation: "+
			"automatic", provider.ErrBody)
	case err != nil || len(text) > maxURL || !provider.Visible(text) || strings.ContainsAny(text, `\#`):
		return fmt.Errorf("%w: validationUrl is not a plain URL", provider.ErrBody)
	case u.Scheme != "https" || u.User != nil || u.Opaque != "":
		return fmt.Errorf("%w: validationUrl is not an https URL, or contains a user name", provider.ErrBody)
	case !isBelow(u.Hostname(), c.domain):
		return fmt.Errorf("%w: validationUrl does not lead to Event Grid", provider.ErrBody)
	case !validationPort(u):
		return fmt.Errorf("%w: validationUrl has a port that Event Grid does not use", provider.ErrBody)
	}
	return nil
}

// isBelow reports whether host is a subdomain of domain.
func isBelow(host, domain string) bool {
	labels, ok := strings.CutSuffix(strings.ToLower(host), "."+domain)
	return ok && provider.Alphanumeric(labels, "-.") && !strings.Contains("."+labels+".", "..")
}

// validationPort reports whether u leads to port 443 or 553, the ports of Event Grid's validation URLs.
func validationPort(u *url.URL) bool {
	switch strings.TrimPrefix(u.Host, u.Hostname()) {
	case "", ":443", ":553":
		return true
	}
	return false
}

// confirm returns a function that accepts a validation by requesting to, which was checked. It follows no redirect.
func confirm(guarded *http.Client, to string) func(context.Context) error {
	return func(ctx context.Context) error {
		if guarded == nil {
			return errors.New("validationUrl: no HTTP client available")
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
		if err != nil {
			return errors.New("validationUrl: cannot be requested")
		}
		reply, err := provider.NoRedirects(guarded).Do(req)
		if err != nil {
			return fmt.Errorf("validationUrl: %w", provider.WithoutURL(err))
		}
		reply.Body.Close()
		if reply.StatusCode < 200 || reply.StatusCode > 299 {
			return fmt.Errorf("validationUrl: Event Grid answered %d; a URL is valid once, for ten minutes",
				reply.StatusCode)
		}
		return nil
	}
}
