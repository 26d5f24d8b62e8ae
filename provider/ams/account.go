package ams

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// This file makes the calls of an account's REST API that subscriptions and actions share.

// An account makes calls of the API of one account, in JSON light. It is safe for concurrent use.
type account struct {
	now    func() time.Time
	random io.Reader
	api    provider.API
}

// The entity sets, as paths below the base URL of the account.
const (
	endpoints  = "/NotificationEndPoints"
	assets     = "/Assets"
	jobs       = "/Jobs"
	processors = "/MediaProcessors"
	policies   = "/AccessPolicies"
	locators   = "/Locators"
)

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

// register makes a notification endpoint whose notifications are signed by key. The bytes of the key are encrypted for
// the certificate of the account.
func (a *account) register(ctx context.Context, name, address string, key []byte) (made endpoint, err error) {
	certificate, id, err := a.certificate(ctx)
	if err != nil {
		return made, err
	}
	sealed, err := rsa.EncryptOAEP(sha1.New(), a.random, certificate, key, nil)
	if err != nil {
		return made, &provider.APIError{Kind: provider.APIInvalid,
			Message: "the signing_key of the source is too long for the account's certificate",
			Remedy:  "use one of 64 bytes"}
	}
	err = a.do(ctx, http.MethodPost, endpoints, &endpoint{Name: name, EndPointType: typeWebHook,
		EndPointAddress: address, CredentialType: credentialSigningKey, ProtectionKeyID: id,
		Credential: base64.StdEncoding.EncodeToString(sealed)}, &made)
	if err == nil && made.ID == "" {
		err = noID(true)
	}
	return made, err
}

// noID is the error of an answer that is no entity. maybeDone is set after a call that creates one.
func noID(maybeDone bool) error {
	return &provider.APIError{Kind: provider.APIForeign, MaybeDone: maybeDone, Message: "the answer has no member Id"}
}

// certificate returns the public key of the account's certificate, for which keys are encrypted, and its id: the
// SHA-1 of the certificate.
func (a *account) certificate(ctx context.Context) (*rsa.PublicKey, string, error) {
	var id, text struct {
		Value string `json:"value"`
	}
	if err := a.do(ctx, http.MethodGet, "/GetProtectionKeyId?contentKeyType=2", nil, &id); err != nil {
		return nil, "", err
	}
	err := a.do(ctx, http.MethodGet, "/GetProtectionKey?protectionKeyId='"+url.QueryEscape(id.Value)+"'", nil, &text)
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

// listOf reads a list of entities, from path on, in pages.
func listOf[T any](ctx context.Context, a *account, path string) (all []T, err error) {
	err = microsoft.ListAll(path, func(path string) (string, error) {
		var page struct {
			Value []T    `json:"value"`
			Next  string `json:"odata.nextLink"`
		}
		err := a.do(ctx, http.MethodGet, path, nil, &page)
		if err == nil && page.Value == nil {
			err = &provider.APIError{Kind: provider.APIForeign, Message: "the answer has no member value"}
		}
		all = append(all, page.Value...)
		return page.Next, err
	})
	return all, err
}

// quoted returns a text as OData has it in a URL.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// where returns the query for the entities whose property equals a text.
func where(property, text string) string {
	return "?$filter=" + url.QueryEscape(property+" eq "+quoted(text))
}

// named returns the query for the entities of a name.
func named(name string) string { return where("Name", name) }

// pathOf returns the path of one entity. Ids have colons, which are escaped.
func pathOf(set, id string) string {
	text := quoted(id)
	return set + "('" + url.QueryEscape(text[1:len(text)-1]) + "')"
}

// do makes one call, with in as its body unless that is nil, and decodes the answer into out, unless that is nil.
func (a *account) do(ctx context.Context, method, path string, in, out any) error {
	call := provider.Call{Method: method, Path: path}
	if in != nil {
		call = microsoft.WithJSON(call, in)
	}
	return a.send(ctx, call, out)
}

// send makes one call and decodes the answer into out, unless that is nil.
func (a *account) send(ctx context.Context, call provider.Call, out any) error {
	answer, err := a.api.Do(ctx, call)
	switch {
	case err != nil:
	case answer.Status == http.StatusMovedPermanently:
		err = moved(answer)
	case out == nil:
		err = microsoft.Check(answer, a.now())
	default:
		err = microsoft.Decode(answer, a.now(), out)
	}
	return refine(err)
}

// moved is the error of a call at the shared host of old, which leads to the account. The call is not repeated there:
// a token goes to the origin of api_url alone, and a POST that follows such a redirect would become a GET.
func moved(answer provider.Answer) error {
	e := &provider.APIError{Kind: provider.APIForeign, Status: answer.Status,
		Message: "the API of the account is elsewhere",
		Remedy:  "set api_url of the connection to the REST API endpoint of the account"}
	to, err := url.Parse(answer.Header.Get("Location"))
	at := -1
	if err == nil {
		at = strings.Index(provider.LowerASCII(to.Path), "/api/")
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
