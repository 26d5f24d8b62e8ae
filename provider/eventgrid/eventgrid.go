// Package eventgrid understands what Azure Event Grid delivers to webhooks, and delivers as Event Grid does.
//
// Event Grid posts events, several at a time if its subscription says so, in its own schema or as CloudEvents. It signs
// nothing. What a request proves is what the subscription adds to each of them: a secret in the query of the URL, a
// secret in a header, or a token of Microsoft Entra. Before it delivers anything it asks whether the URL wants it: by a
// validation event that is to be answered with a code, or in CloudEvents' schema by an OPTIONS request.
//
// What it is answered decides over what becomes of an event: after 400, 401, 403 and 413 it is never sent again.
//
// Without the server: compare the code of the query, or the header's secret, with signature.EqualToken, which takes
// constant time, and read with [Items], [ReadValidation] and [Parse]. Tokens of Entra are verified by [Provider.Open] only.
// [SignSAS] and [VerifySAS], the tokens with which publishers post to a topic, are for code of yours: nothing here uses them.
//
// Sources:
//   - https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema
//   - https://learn.microsoft.com/en-us/azure/event-grid/event-schema
//   - https://learn.microsoft.com/en-us/azure/event-grid/cloud-event-schema
//   - https://learn.microsoft.com/en-us/azure/event-grid/delivery-and-retry
//   - https://learn.microsoft.com/en-us/azure/event-grid/security-authentication
package eventgrid

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Provider receives and sends Event Grid's deliveries.
type Provider struct{}

var _ provider.Sender = Provider{}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	where, cloudErr := findCloud(s.Cloud)
	proofs, proofErr := s.proofs(env, where)
	manual, manualErr := s.manual()
	if err := bellhop.Join("", proofErr, cloudErr, manualErr, checkNames("subscriptions", s.Subscriptions)); err != nil {
		return nil, err
	}
	return &receiver{env: env, cloud: where, proofs: proofs, manual: manual, subscriptions: s.Subscriptions}, nil
}

// settings are those of a source.
type settings struct {
	QuerySecret  provider.Secrets `json:"query_secret"`
	Header       string           `json:"header"`
	HeaderSecret provider.Secrets `json:"header_secret"`

	Audience string `json:"audience"`
	TenantID string `json:"tenant_id"`
	AppID    string `json:"app_id"`
	KeysURL  string `json:"keys_url"`

	Unauthenticated bool `json:"unauthenticated"`

	Validation    string   `json:"validation"`
	Subscriptions []string `json:"subscriptions"`
	Cloud         string   `json:"cloud"`
}

// proofs returns what a request must prove, all of it.
func (s *settings) proofs(env provider.Env, where cloud) ([]proof, error) {
	var list []proof
	var errs []error
	if s.QuerySecret != nil {
		list = append(list, querySecret(s.QuerySecret))
		errs = append(errs, s.QuerySecret.Check("query_secret"))
	}
	if s.Header != "" || s.HeaderSecret != nil {
		list = append(list, &headerSecret{http.CanonicalHeaderKey(s.Header), s.HeaderSecret})
		errs = append(errs, checkSecretHeader(s.Header, s.HeaderSecret))
	}
	if s.Audience != "" || s.TenantID != "" || s.AppID != "" || s.KeysURL != "" {
		b, err := s.bearer(env, where)
		list, errs = append(list, b), append(errs, err)
		if strictjson.EqualFold(s.Header, authorization) {
			errs = append(errs, bellhop.Invalid("header", "the token is in Authorization; use another header"))
		}
	}
	switch {
	case s.Unauthenticated && len(list) > 0:
		errs = append(errs, bellhop.Invalid("unauthenticated", "other settings say what proves a request; remove them, or this"))
	case !s.Unauthenticated && len(list) == 0:
		errs = append(errs, bellhop.Invalid("query_secret",
			"required, or header with header_secret, or audience with tenant_id; unauthenticated: true takes events from anyone"))
	}
	return list, bellhop.Join("", errs...)
}

// manual reports whether a validation event is answered by a call to its URL.
func (s *settings) manual() (bool, error) {
	how, err := provider.OneOf("validation", s.Validation, "automatic", "automatic", "manual")
	return how == "manual", err
}

// checkSecretHeader checks a header that holds a secret, at either end.
func checkSecretHeader(name string, secrets provider.Secrets) error {
	errs := []error{checkHeaderName(name), secrets.Check("header_secret")}
	for i, text := range secrets {
		if !provider.Printable(text) || len(text) > maxHeaderValue {
			errs = append(errs, bellhop.Invalid(secrets.Path("header_secret", i),
				"cannot stand in a header: use at most 4096 printable ASCII characters without a blank at either end"))
		}
	}
	return bellhop.Join("", errs...)
}

// maxHeaderValue is how long Event Grid lets the value of a header be, in bytes.
const maxHeaderValue = 4096

// ownHeaders are those that mean something else already. Names that begin with "aeg-" are Event Grid's.
var ownHeaders = []string{"Content-Type", "Origin"}

func checkHeaderName(name string) error {
	canonical := http.CanonicalHeaderKey(name)
	switch {
	case len(name) > 128 || !bellhop.HeaderName(name):
		return bellhop.Invalid("header", "use the name of a header, such as X-Contoso-Key")
	case strings.HasPrefix(canonical, "Aeg-") || slices.Contains(ownHeaders, canonical) || bellhop.ReservedHeader(name):
		return bellhop.Invalid("header", "this header has a meaning of its own; use another, such as X-Contoso-Key")
	}
	return nil
}

// checkNames checks the names of event subscriptions.
func checkNames(path string, names []string) error {
	var errs []error
	if names != nil && len(names) == 0 {
		errs = append(errs, bellhop.Invalid(path, "name at least one, or leave it out"))
	}
	for i, name := range names {
		errs = append(errs, checkName(fmt.Sprintf("%s[%d]", path, i), name))
	}
	return bellhop.Join("", errs...)
}

func checkName(path, name string) error {
	if name == "" || len(name) > 64 || !provider.Alphanumeric(name, "-") {
		return bellhop.Invalid(path, "use the name of an event subscription: 3 to 64 letters, digits and dashes")
	}
	return nil
}

// A cloud is one of those that Azure consists of, with names of its own for everything.
type cloud struct {
	domain string // of Event Grid: the origin of an OPTIONS request, and where validation URLs lead
	login  string // the host of Microsoft Entra
	app    string // the application that Event Grid is to Entra
}

// The clouds. The ids are those of Microsoft's own script:
// https://learn.microsoft.com/en-us/azure/event-grid/scripts/powershell-webhook-secure-delivery-microsoft-entra-app
var clouds = map[string]cloud{
	"public":     {"eventgrid.azure.net", "login.microsoftonline.com", "4962773b-9cdb-44cf-a8bf-237846a00ab7"},
	"government": {"eventgrid.azure.us", "login.microsoftonline.us", "54316b56-3481-47f9-8f30-0300f5542a7b"},
}

func findCloud(name string) (cloud, error) {
	if name == "" {
		name = "public"
	}
	c, ok := clouds[name]
	if !ok {
		return c, bellhop.Invalid("cloud", "use public or government")
	}
	return c, nil
}
