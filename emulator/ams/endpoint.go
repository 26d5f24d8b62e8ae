package ams

import (
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// An endpoint is a notification endpoint.
type endpoint struct {
	id, name, address string
	kind              int
	created           time.Time
	credentialType    int
	protectionKeyID   string
	key               []byte // by which its notifications are signed; nil if there is none
}

// Kinds of endpoints and credentials.
const (
	azureQueue = 1
	webHook    = 3
	signingKey = 1
)

// entity returns the endpoint as it is shown: without its credential. The caller holds s.mu.
func (e *endpoint) entity() *entity {
	protection := any(nil)
	if e.protectionKeyID != "" {
		protection = e.protectionKeyID
	}
	return &entity{of: endpoints, id: e.id, fields: map[string]any{"Id": e.id, "Name": e.name,
		"Created": e.created, "EndPointAddress": e.address, "EndPointType": e.kind, "CredentialType": e.credentialType,
		"EncryptedEndPointCredential": nil, "ProtectionKeyId": protection, "ProtectionKeyType": 0}}
}

// allEndpoints returns the endpoints. The caller holds s.mu.
func (s *System) allEndpoints() (all []*entity) {
	for _, e := range s.endpoints {
		all = append(all, e.entity())
	}
	return all
}

// endpoint returns the endpoint of an id, or nil. The caller holds s.mu.
func (s *System) endpoint(id string) *endpoint {
	i := slices.IndexFunc(s.endpoints, func(e *endpoint) bool { return strings.EqualFold(e.id, id) })
	if i < 0 {
		return nil
	}
	return s.endpoints[i]
}

// removeEndpoint deletes an endpoint and tells its address. The caller holds s.mu.
func (s *System) removeEndpoint(id string) error {
	s.remove(s.endpoint(id))
	return nil
}

// remove deletes an endpoint and tells its address. The caller holds s.mu.
func (s *System) remove(gone *endpoint) {
	s.endpoints = slices.DeleteFunc(s.endpoints, func(e *endpoint) bool { return e == gone })
	s.tellRegistered(gone, false)
}

// respell gives the properties of in that the reference page writes differently their names on the wire.
func respell(in *input) {
	for other, name := range map[string]string{"EndpointType": "EndPointType", "EndpointAddress": "EndPointAddress"} {
		if raw, there := in.members[other]; there {
			delete(in.members, other)
			in.members[name] = raw
		}
	}
}

// createEndpoint registers an endpoint. The caller holds s.mu.
func (s *System) createEndpoint(in *input) (*entity, error) {
	respell(in)
	e := &endpoint{id: endpoints.prefix + emulator.NewID(), created: s.now()}
	credential, protectionType := "", 0
	in.text("Name", &e.name)
	in.text("EndPointAddress", &e.address)
	in.text("EncryptedEndPointCredential", &credential)
	in.text("ProtectionKeyId", &e.protectionKeyID)
	in.number("EndPointType", &e.kind)
	in.number("CredentialType", &e.credentialType)
	in.number("ProtectionKeyType", &protectionType)
	in.given("Id", "Created")
	err := in.end()
	if err == nil {
		err = e.check()
	}
	if err == nil {
		err = s.openCredential(e, credential, protectionType)
	}
	if err != nil {
		return nil, err
	}
	s.endpoints = append(s.endpoints, e)
	s.tellRegistered(e, true)
	return e.entity(), nil
}

// check checks what the creator of an endpoint asks for.
func (e *endpoint) check() error {
	u, err := url.Parse(e.address)
	switch {
	case e.name == "":
		return missing(endpoints.name, "Name")
	case e.kind < azureQueue || e.kind > webHook:
		return failed(http.StatusBadRequest, "The value of the property 'EndPointType' is not valid.")
	case e.address == "":
		return missing(endpoints.name, "EndPointAddress")
	case e.kind == webHook && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http"):
		return failed(http.StatusBadRequest, "The property 'EndPointAddress' is not a valid URL.")
	case e.credentialType < 0 || e.credentialType > signingKey:
		return failed(http.StatusBadRequest, "The value of the property 'CredentialType' is not valid.")
	case e.credentialType == signingKey && e.kind != webHook:
		return failed(http.StatusBadRequest, "A credential is supported for the type WebHook only.")
	}
	return nil
}

// openCredential decrypts the signing key of an endpoint: RSA-OAEP with SHA-1, for the account's certificate.
func (s *System) openCredential(e *endpoint, credential string, protectionType int) error {
	switch {
	case e.credentialType != signingKey && credential == "":
		return nil
	case e.credentialType != signingKey:
		return failed(http.StatusBadRequest, "The property 'EncryptedEndPointCredential' needs the CredentialType 1.")
	case protectionType != 0:
		return failed(http.StatusBadRequest, "The value of the property 'ProtectionKeyType' is not valid.")
	case !strings.EqualFold(e.protectionKeyID, s.protection().thumbprint):
		return failed(http.StatusBadRequest, "The property 'ProtectionKeyId' is not that of the account's "+
			"certificate.")
	}
	sealed, err := base64.StdEncoding.DecodeString(credential)
	if err == nil {
		e.key, err = rsa.DecryptOAEP(sha1.New(), nil, s.protection().key, sealed, nil)
	}
	if err != nil || len(e.key) == 0 {
		return failed(http.StatusBadRequest, "The property 'EncryptedEndPointCredential' cannot be decrypted.")
	}
	return nil
}

// renameEndpoint changes the name of an endpoint. Its other properties are written once. The caller holds s.mu.
func (s *System) renameEndpoint(id string, in *input) error {
	e := s.endpoint(id)
	respell(in)
	name := e.name
	in.text("Name", &name)
	in.once("Id", "Created", "EndPointType", "EndPointAddress", "CredentialType", "EncryptedEndPointCredential",
		"ProtectionKeyId", "ProtectionKeyType")
	err := in.end()
	switch {
	case err != nil:
		return err
	case name == "":
		return missing(endpoints.name, "Name")
	}
	e.name = name
	return nil
}
