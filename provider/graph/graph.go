// Package graph receives and sends the change notifications of Microsoft Graph.
//
// When a subscription is created, Graph calls the source once with a token that the answer must repeat. Then Graph
// posts batches of items: something was created, updated or deleted, or something happened to the subscription
// itself. Items are not signed; each repeats the clientState that was chosen with its subscription. Rich items also
// carry the changed resource, encrypted for a certificate of ours. Anyone can encrypt for a certificate, so a batch
// with rich items also has validation tokens: JSON Web Tokens in which Microsoft Entra states that the sender is
// Graph.
//
// Without the server: for a plain notification, verify each item with [VerifyState]. For a rich notification, also
// verify the batch with [VerifyTokens], with keys that [jwks.New] fetches from [KeysURL], and decrypt
// with [Unseal]. The caller answers the handshake; the example shows how. A receiver of [Provider.Open] does all of
// this.
//
// Sources:
//   - https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
//   - https://learn.microsoft.com/en-us/graph/change-notifications-with-resource-data
//   - https://learn.microsoft.com/en-us/graph/change-notifications-lifecycle-events
//   - https://learn.microsoft.com/en-us/graph/api/resources/changenotification
package graph

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/jwks"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Provider receives and sends change notifications of Graph.
type Provider struct{}

var _ provider.Sender = Provider{}

// parameter is the query parameter that holds the token of a handshake.
const parameter = "validationToken"

// The names of members that are read or written in more than one place.
const (
	memberState     = "clientState"
	memberEncrypted = "encryptedContent" // the encrypted resource, as Graph sends it
	memberContent   = "content"          // the decrypted resource, which replaces encryptedContent in an event
)

// settings are the settings of a source.
type settings struct {
	ClientState     provider.Secrets `json:"client_state"`
	Unauthenticated bool             `json:"unauthenticated"`
	Subscriptions   bool             `json:"subscriptions_only"`
	TenantIDs       []string         `json:"tenant_ids"`

	AppID          ids               `json:"app_id"`
	Certificates   map[string]string `json:"certificates"`
	PublisherAppID string            `json:"publisher_app_id"`
	KeysURL        string            `json:"keys_url"`
	Keys           json.RawMessage   `json:"keys"`
}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	tokens, tokensErr := s.tokenCheck(env)
	certificates, certificatesErr := openCertificates("certificates", s.Certificates)
	err := bellhop.Join("", microsoft.CheckSourceState(s.ClientState, s.Unauthenticated, s.Subscriptions),
		checkIDs("tenant_ids", s.TenantIDs), tokensErr, certificatesErr)
	if err != nil {
		return nil, err
	}
	return &receiver{
		now: env.Now, states: s.ClientState, unchecked: s.Unauthenticated, subscribed: env.Subscribed,
		tenants: s.TenantIDs, tokens: tokens, certificates: certificates,
	}, nil
}

// tokenCheck returns nil if app_id is not set: then tokens are not verified and rich notifications are refused.
func (s *settings) tokenCheck(env provider.Env) (*TokenCheck, error) {
	if s.AppID == nil {
		if s.Certificates != nil || s.PublisherAppID != "" || s.KeysURL != "" || s.Keys != nil {
			return nil, bellhop.Invalid("app_id", "required with certificates, keys, keys_url and "+
				"publisher_app_id: the application that created the subscriptions")
		}
		return nil, nil
	}
	keys, err := s.keyFinder(env)
	var errs []error
	if s.PublisherAppID != "" {
		errs = append(errs, checkID("publisher_app_id", s.PublisherAppID))
	}
	errs = append(errs, checkIDs("app_id", s.AppID), err)
	return &TokenCheck{Keys: keys, AppIDs: s.AppID, Publisher: s.PublisherAppID}, bellhop.Join("", errs...)
}

func (s *settings) keyFinder(env provider.Env) (signature.KeyFinder, error) {
	if s.Keys == nil {
		url, err := jwks.URL("keys_url", s.KeysURL, KeysURL)
		return jwks.New(env, url), err
	}
	if s.KeysURL != "" {
		return nil, bellhop.Invalid("keys_url", "remove it: keys is set")
	}
	keys, err := parseKeys(s.Keys)
	if err != nil {
		return nil, bellhop.Invalid("keys", "use a JSON Web Key Set, or an object of PEM public keys by id: "+
			err.Error())
	}
	return keys, nil
}

// parseKeys reads a JSON Web Key Set, or an object of PEM public keys by their ids. Either may be inside a JSON
// string.
func parseKeys(value []byte) (jwks.Keys, error) {
	if text := ""; json.Unmarshal(value, &text) == nil {
		value = []byte(bellhop.Pasted(text))
	}
	var list map[string]string
	if json.Unmarshal(value, &list) != nil || len(list) == 0 {
		return jwks.Parse(value)
	}
	keys := jwks.Keys{}
	for id, text := range list {
		key, err := parsePublicKey(text)
		switch {
		case err != nil:
			return nil, err
		case id == "":
			return nil, errors.New("a key without an id")
		}
		keys[id] = key
	}
	return keys, nil
}

// maxCertificates is the largest number of certificates of a source.
const maxCertificates = 16

func openCertificates(path string, list map[string]string) (map[string]*rsa.PrivateKey, error) {
	if list != nil && (len(list) == 0 || len(list) > maxCertificates) {
		return nil, bellhop.Invalid(path, fmt.Sprintf("name 1 to %d, or remove the setting", maxCertificates))
	}
	keys := map[string]*rsa.PrivateKey{}
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(list)) {
		key, err := parsePrivateKey(list[id])
		switch {
		case id == "":
			errs = append(errs, bellhop.Invalid(path, "a certificate needs a name: the encryptionCertificateId "+
				"of the subscription"))
		case err != nil:
			errs = append(errs, bellhop.Invalid(path+"."+id, err.Error()))
		}
		keys[id] = key
	}
	return keys, bellhop.Join("", errs...)
}

// An ids is one id or a list of them.
type ids []string

// UnmarshalJSON reads either form. Its error does not contain the value.
func (l *ids) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		b = slices.Concat([]byte("["), b, []byte("]"))
	}
	if json.Unmarshal(b, (*[]string)(l)) != nil {
		return &json.UnmarshalTypeError{Value: "value of another kind", Type: reflect.TypeFor[string]()}
	}
	return nil
}

// checkID accepts GUIDs, the ids of Entra and Graph. They become parts of URLs.
func checkID(path, id string) error {
	if !provider.IsGUID(id) {
		return bellhop.Invalid(path, "use an id such as 24d3b144-21ae-4080-943f-7067b395b913")
	}
	return nil
}

func checkIDs(path string, list []string) error {
	if list != nil && len(list) == 0 {
		return bellhop.Invalid(path, "name at least one, or remove the setting")
	}
	var errs []error
	for i, id := range list {
		errs = append(errs, checkID(provider.Secrets(list).Path(path, i), id))
	}
	return bellhop.Join("", errs...)
}
