// Package eventgrid receives webhooks of Azure Event Grid, and sends deliveries as Event Grid does.
//
// Event Grid posts events in its own schema or as CloudEvents, several in one request if the subscription says so.
// It signs nothing. A request is authenticated by data that the subscription adds to each request: a secret in the
// query of the URL, a secret in a header, or a token of Microsoft Entra. Before the first delivery, Event Grid
// makes a handshake: a validation event, answered with its code, or in the CloudEvents schema an OPTIONS request.
//
// The status of the answer decides about retries: after 400, 401, 403 and 413 Event Grid never sends an event
// again.
//
// Without the server: compare the secret of the query or of the header with signature.EqualToken, which takes
// constant time, and read the request with [Items], [ReadValidation] and [Parse]. Only a receiver of
// [Provider.Open] verifies Entra tokens. [SignSAS] and [VerifySAS] handle the tokens with which publishers post to
// a topic; the server does not use them.
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

// Provider receives and sends webhooks of Event Grid.
type Provider struct{}

var _ provider.Sender = Provider{}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	return OpenAs("eventgrid", env, raw)
}

// OpenAs is Open for the provider of that name, whose requests are those of Event Grid. The errors of the Receiver
// begin with the name.
func OpenAs(name string, env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	where, cloudErr := findCloud(s.Cloud)
	authenticators, authErr := s.authenticators(env, where)
	manual, manualErr := s.manual()
	err := bellhop.Join("", authErr, cloudErr, manualErr, checkNames("subscriptions", s.Subscriptions))
	if err != nil {
		return nil, err
	}
	return &receiver{
		name: name, env: env, cloud: where, authenticators: authenticators, manual: manual,
		subscriptions: s.Subscriptions,
	}, nil
}

// QueryProof implements [provider.QueryProver].
func (Provider) QueryProof(raw json.RawMessage) (parameter, setting string) {
	var s settings
	if provider.DecodeSettings(raw, &s) != nil || s.QuerySecret == nil {
		return "", ""
	}
	return "code", "query_secret"
}

// settings are the settings of a source.
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

// validations are the values of the setting validation.
var validations = []string{"automatic", "manual"}

// authenticators returns the checks that a request must pass, all of them.
func (s *settings) authenticators(env provider.Env, where cloud) ([]authenticator, error) {
	var list []authenticator
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
			errs = append(errs, bellhop.Invalid("header", "Authorization carries the Entra token; use another header"))
		}
	}
	switch {
	case s.Unauthenticated && len(list) > 0:
		errs = append(errs, bellhop.Invalid("unauthenticated", "other settings authenticate requests; remove "+
			"them, or remove this"))
	case !s.Unauthenticated && len(list) == 0:
		errs = append(errs, bellhop.Invalid("query_secret",
			"required, unless there is header with header_secret or audience with tenant_id; unauthenticated: true "+
				"accepts events from anyone"))
	}
	return list, bellhop.Join("", errs...)
}

// manual reports whether a validation event is answered by calling its URL.
func (s *settings) manual() (bool, error) {
	how, err := provider.OneOf("validation", s.Validation, "automatic", validations...)
	return how == "manual", err
}

// checkSecretHeader checks a header that holds a secret, of a source or of a destination.
func checkSecretHeader(name string, secrets provider.Secrets) error {
	errs := []error{checkHeaderName(name), secrets.Check("header_secret")}
	for i, text := range secrets {
		if !provider.Printable(text) || len(text) > maxHeaderValue {
			errs = append(errs, bellhop.Invalid(secrets.Path("header_secret", i),
				"cannot be the value of a header: use at most 4096 printable ASCII characters "+
					"without a blank at either end"))
		}
	}
	return bellhop.Join("", errs...)
}

// maxHeaderValue is Event Grid's limit for the value of a header, in bytes.
const maxHeaderValue = 4096

// reservedHeaders have another meaning in a delivery. So has every name that begins with "aeg-".
var reservedHeaders = []string{"Content-Type", "Origin"}

func checkHeaderName(name string) error {
	canonical := http.CanonicalHeaderKey(name)
	switch {
	case len(name) > 128 || !bellhop.HeaderName(name):
		return bellhop.Invalid("header", "use the name of a header, such as X-Contoso-Key")
	case strings.HasPrefix(canonical, "Aeg-"), slices.Contains(reservedHeaders, canonical),
		bellhop.ReservedHeader(name):
		return bellhop.Invalid("header", "this header has another meaning; use another, such as X-Contoso-Key")
	}
	return nil
}

// checkNames checks the names of event subscriptions.
func checkNames(path string, names []string) error {
	var errs []error
	if names != nil && len(names) == 0 {
		errs = append(errs, bellhop.Invalid(path, "name at least one, or remove the setting"))
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

// A cloud is one of the clouds of Azure. Each has its own names.
type cloud struct {
	domain string // of Event Grid: the origin of an OPTIONS request, and the domain of validation URLs
	login  string // the host of Microsoft Entra
	app    string // the id of Event Grid's application in Entra
}

// clouds are the supported clouds by name. The application ids come from Microsoft's own script:
// https://learn.microsoft.com/en-us/azure/event-grid/scripts/powershell-webhook-secure-delivery-microsoft-entra-app
// cloudNames are the names of clouds.
var cloudNames = []string{"public", "government"}

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
		return c, bellhop.Invalid("cloud", provider.NoChoice(name, cloudNames...))
	}
	return c, nil
}
