package ams

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

var _ provider.Subscriber = Provider{}

// SubscribeInfo implements [provider.Subscriber]. A subscription is a notification endpoint of the account, which does
// not expire. Microsoft has not published whether, and for how long, notifications are repeated.
func (Provider) SubscribeInfo() provider.SubscribeInfo {
	return provider.SubscribeInfo{
		Settings: []provider.Setting{{Name: "replace", Title: "Replace", Example: "true", Kind: provider.KindFlag,
			Doc: "Deletes an endpoint of this name that the subscription did not make, and makes it anew: its key " +
				"cannot be read, and its address cannot be changed. Default: such an endpoint is left alone, and the " +
				"subscription fails."}},
		Resource: "the name of the notification endpoint, such as `Bellhop`. Jobs and tasks are submitted with its " +
			"id, the subscription's *remote id*",
		Lists: true,
	}
}

type registrationSettings struct {
	Replace bool `json:"replace"`
}

// Bounds of a registration.
const (
	maxName = 255 // bytes of an endpoint's name
	maxKey  = 214 // bytes of a signing key: RSA-OAEP with SHA-1 and 2048 bits encrypts no more
)

// CheckRegistration implements [provider.Subscriber]. The terms depend on the source's key.
func (Provider) CheckRegistration(r provider.Registration, source json.RawMessage) (provider.Terms, error) {
	var own registrationSettings
	var resource, changes error
	switch {
	case r.Resource == "" || len(r.Resource) > maxName || !provider.Printable(r.Resource):
		resource = bellhop.Invalid("resource", "required: a name for the notification endpoint, such as Bellhop")
	case strings.Contains(r.Resource, "://"):
		resource = bellhop.Invalid("resource", "use a name for the notification endpoint; its address is that of "+
			"the source")
	}
	if len(r.ChangeTypes) > 0 {
		changes = bellhop.Invalid("change_types", "leave it out: which states are told is chosen with each job")
	}
	key, keyErr := sourceKey(source)
	var terms provider.Terms
	if len(key) > 0 {
		sum := sha256.Sum256(key)
		terms.Depends = hex.EncodeToString(sum[:16])
	}
	return terms, bellhop.Join("", resource, changes,
		bellhop.Join("settings", provider.DecodeSettings(r.Settings, &own)), keyErr)
}

// sourceKey returns the signing key of a source: the first of several, which is the newest. Without a source it
// returns nil. Its error has the path "source".
func sourceKey(source json.RawMessage) ([]byte, error) {
	if len(source) == 0 {
		return nil, nil
	}
	var s settings
	err := provider.DecodeSettings(source, &s)
	var keys [][]byte
	if err == nil {
		keys, err = decodeKeys(s.SigningKey)
	}
	switch {
	case err != nil || len(keys) == 0:
		return nil, bellhop.Invalid("source", "has no signing_key by which Media Services could sign")
	case len(keys[0]) > maxKey:
		return nil, bellhop.Invalid("source", fmt.Sprintf("has a signing_key of more than %d bytes, which Media "+
			"Services "+
			"does not take; use one of 64", maxKey))
	}
	return keys[0], nil
}

// OpenSubscriptions implements [provider.Subscriber].
func (Provider) OpenSubscriptions(env provider.Env, api provider.API) provider.Subscriptions {
	return &subscriptions{now: env.Now, random: env.Rand, api: api}
}

type subscriptions struct {
	now    func() time.Time
	random io.Reader
	api    provider.API
}

// endpoints is the path of the notification endpoints, below the base URL of the account.
const endpoints = "/NotificationEndPoints"

// Values of an endpoint's properties.
const (
	typeWebHook          = 3
	credentialSigningKey = 1
)

// An endpoint is a notification endpoint in JSON light.
type endpoint struct {
	ID                string `json:"Id,omitempty"`
	Name              string
	EndPointType      int
	EndPointAddress   string
	CredentialType    int
	Credential        string `json:"EncryptedEndPointCredential,omitempty"`
	ProtectionKeyType int    // 0 is an X.509 certificate
	ProtectionKeyID   string `json:"ProtectionKeyId,omitempty"`
}

func (e *endpoint) remote() provider.Remote {
	return provider.Remote{ID: e.ID, Resource: e.Name, URL: e.EndPointAddress}
}

// Create registers r, unless the account has an endpoint of that name: its address and its key cannot be changed, and
// the key cannot be read back.
func (s *subscriptions) Create(ctx context.Context, r provider.Registration) (provider.Remote, error) {
	var own registrationSettings
	json.Unmarshal(r.Settings, &own) // checked before
	key, err := sourceKey(r.Source)
	if err != nil || key == nil {
		return provider.Remote{}, &provider.APIError{Kind: provider.APIInvalid,
			Message: "the source has no signing_key"}
	}
	named, err := s.list(ctx, endpoints+"?$filter="+url.QueryEscape("Name eq '"+strings.ReplaceAll(r.Resource, "'",
		"''")+"'"))
	if err != nil {
		return provider.Remote{}, err
	}
	for _, e := range named {
		if !own.Replace {
			return provider.Remote{}, exists(e, r)
		}
		if err := s.Delete(ctx, e.ID, r); err != nil {
			return provider.Remote{}, err
		}
	}
	certificate, id, err := s.certificate(ctx)
	if err != nil {
		return provider.Remote{}, err
	}
	sealed, err := rsa.EncryptOAEP(sha1.New(), s.random, certificate, key, nil)
	if err != nil {
		return provider.Remote{}, &provider.APIError{Kind: provider.APIInvalid,
			Message: "the signing_key of the source is too long for the account's certificate",
			Remedy:  "use one of 64 bytes"}
	}
	var made endpoint
	err = s.do(ctx, http.MethodPost, endpoints, &endpoint{Name: r.Resource, EndPointType: typeWebHook,
		EndPointAddress: r.URL, CredentialType: credentialSigningKey, ProtectionKeyID: id,
		Credential: base64.StdEncoding.EncodeToString(sealed)}, &made)
	if err == nil && made.ID == "" {
		err = &provider.APIError{Kind: provider.APIForeign, MaybeDone: true, Message: "the answer has no member Id"}
	}
	return made.remote(), err
}

// exists is the error of a creation that finds an endpoint of its name.
func exists(e endpoint, r provider.Registration) error {
	where := "with another address"
	if e.EndPointAddress == r.URL {
		where = "with the address of this source, and with a key that cannot be read"
	}
	return &provider.APIError{Kind: provider.APIExists, ExistingID: e.ID,
		Message: fmt.Sprintf("the account has a notification endpoint %q already, %s", e.Name, where),
		Remedy: "give the subscription another name as its resource, or have the endpoint replaced: bellhop " +
			"subscriptions update NAME --set replace=true"}
}

// certificate returns the public key of the account's certificate, for which keys are encrypted, and its id: the
// SHA-1 of the certificate.
func (s *subscriptions) certificate(ctx context.Context) (*rsa.PublicKey, string, error) {
	var id, text struct {
		Value string `json:"value"`
	}
	if err := s.do(ctx, http.MethodGet, "/GetProtectionKeyId?contentKeyType=2", nil, &id); err != nil {
		return nil, "", err
	}
	err := s.do(ctx, http.MethodGet, "/GetProtectionKey?protectionKeyId='"+url.QueryEscape(id.Value)+"'", nil, &text)
	if err != nil {
		return nil, "", err
	}
	var key *rsa.PublicKey
	der, err := base64.StdEncoding.DecodeString(text.Value)
	if err == nil {
		var certificate *x509.Certificate
		certificate, err = x509.ParseCertificate(der)
		if err == nil {
			key, _ = certificate.PublicKey.(*rsa.PublicKey)
		}
	}
	sum := sha1.Sum(der)
	if err != nil || key == nil || !strings.EqualFold(hex.EncodeToString(sum[:]), id.Value) {
		return nil, "", &provider.APIError{Kind: provider.APIForeign,
			Message: "the answer to GetProtectionKey is not the certificate with an RSA key that the account named"}
	}
	return key, id.Value, nil
}

// Renew looks at the endpoint, which does not expire. It is one of APIExists if it has another address.
func (s *subscriptions) Renew(ctx context.Context, id string, r provider.Registration) (provider.Remote, error) {
	e, err := s.one(ctx, id)
	if err == nil && e.EndPointAddress != r.URL {
		err = exists(e, r)
	}
	return e.remote(), err
}

// Reauthorize does nothing: Media Services never asks for it.
func (s *subscriptions) Reauthorize(context.Context, string, provider.Registration) error { return nil }

// Get returns one endpoint.
func (s *subscriptions) Get(ctx context.Context, id string, _ provider.Registration) (provider.Remote, error) {
	e, err := s.one(ctx, id)
	return e.remote(), err
}

func (s *subscriptions) one(ctx context.Context, id string) (e endpoint, err error) {
	err = s.do(ctx, http.MethodGet, pathOf(id), nil, &e)
	if err == nil && e.ID == "" {
		err = &provider.APIError{Kind: provider.APIForeign, Message: "the answer has no member Id"}
	}
	return e, err
}

// Delete deletes an endpoint. Media Services then tells its address that it was unregistered.
func (s *subscriptions) Delete(ctx context.Context, id string, _ provider.Registration) error {
	return microsoft.GoneIsDone(s.do(ctx, http.MethodDelete, pathOf(id), nil, nil))
}

// ListScope returns "": an account has one list.
func (s *subscriptions) ListScope(provider.Registration) string { return "" }

// List returns all endpoints of the account, those of queues too.
func (s *subscriptions) List(ctx context.Context, _ provider.Registration) ([]provider.Remote, error) {
	found, err := s.list(ctx, endpoints)
	var all []provider.Remote
	for i := range found {
		all = append(all, found[i].remote())
	}
	return all, err
}

func (s *subscriptions) list(ctx context.Context, path string) (all []endpoint, err error) {
	err = microsoft.ListAll(path, func(path string) (string, error) {
		var page struct {
			Value []endpoint `json:"value"`
			Next  string     `json:"odata.nextLink"`
		}
		err := s.do(ctx, http.MethodGet, path, nil, &page)
		if err == nil && page.Value == nil {
			err = &provider.APIError{Kind: provider.APIForeign, Message: "the answer has no member value"}
		}
		all = append(all, page.Value...)
		return page.Next, err
	})
	return all, err
}

// pathOf returns the path of one endpoint. Ids have colons, which are escaped.
func pathOf(id string) string {
	return endpoints + "('" + url.QueryEscape(strings.ReplaceAll(id, "'", "''")) + "')"
}

// do makes one call and decodes the answer into out, unless that is nil.
func (s *subscriptions) do(ctx context.Context, method, path string, in *endpoint, out any) error {
	call := provider.Call{Method: method, Path: path}
	if in != nil {
		call = microsoft.WithJSON(call, in)
	}
	answer, err := s.api.Do(ctx, call)
	switch {
	case err != nil:
	case answer.Status == http.StatusMovedPermanently:
		err = moved(answer)
	case out == nil:
		err = microsoft.Check(answer, s.now())
	default:
		err = microsoft.Decode(answer, s.now(), out)
	}
	return refine(err)
}

// moved is the error of a call at the shared host of old, which leads to the account.
func moved(answer provider.Answer) error {
	e := &provider.APIError{Kind: provider.APIForeign, Status: answer.Status,
		Message: "the API of the account is elsewhere",
		Remedy:  "set api_url of the connection to the REST API endpoint of the account"}
	to, err := url.Parse(answer.Header.Get("Location"))
	at := -1
	if err == nil {
		at = strings.Index(strings.ToLower(to.Path), "/api/")
	}
	if at >= 0 && to.Host != "" {
		e.Remedy += ": " + to.Scheme + "://" + to.Host + to.Path[:at+len("/api")]
	}
	return e
}

// contributor is the role that every call needs.
const contributor = "Contributor"

// refine makes a failure of Media Services more precise. Media Services leaves the codes of its errors empty.
func refine(err error) error {
	var e *provider.APIError
	if !errors.As(err, &e) {
		return err
	}
	text := strings.ToLower(e.Message)
	switch {
	case e.Status == http.StatusForbidden && (strings.Contains(text, "limit") || strings.Contains(text, "quota")):
		e.Kind, e.Remedy = provider.APIInvalid, "the account allows no more of them: delete some"
	case e.Status == http.StatusForbidden && strings.Contains(text, "disabled"):
		e.Remedy = "enable the account in the Azure portal"
	case e.Status == http.StatusForbidden:
		e.Permission = contributor
		e.Remedy = "give the application the role Contributor on the Media Services account: Access control (IAM) " +
			"in the Azure portal"
	case e.Status == http.StatusUnauthorized:
		e.Remedy = cmp.Or(e.Remedy, "sign in again") + "; Media Services answers 401 too if the application has not " +
			"the role Contributor on the account, or if the token is for another resource"
	}
	return e
}
