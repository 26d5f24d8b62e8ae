package ams

import (
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
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

const (
	endpointSet  = "NotificationEndPoints"
	endpointKind = "NotificationEndPoint"
	endpointID   = "nb:nepid:UUID:" // begins the ids of endpoints
)

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
	return &entity{set: endpointSet, kind: endpointKind, id: e.id, fields: map[string]any{"Id": e.id, "Name": e.name,
		"Created": e.created, "EndPointAddress": e.address, "EndPointType": e.kind, "CredentialType": e.credentialType,
		"EncryptedEndPointCredential": nil, "ProtectionKeyId": protection, "ProtectionKeyType": 0}}
}

// serveEndpoints answers a call about notification endpoints.
func (s *System) serveEndpoints(w http.ResponseWriter, r *http.Request, id string) error {
	method := r.Method
	if tunneled := r.Header.Get("X-Http-Method"); tunneled != "" && method == http.MethodPost {
		method = strings.ToUpper(tunneled)
	}
	switch {
	case id == "" && method == http.MethodGet:
		s.mu.Lock()
		var all []*entity
		for _, e := range s.endpoints {
			all = append(all, e.entity())
		}
		s.mu.Unlock()
		return s.writeList(w, r, endpointSet, all)
	case id == "" && method == http.MethodPost:
		return s.create(w, r)
	case id == "":
		return failed(http.StatusMethodNotAllowed, "The method %s is not allowed here.", method)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.endpoints, func(e *endpoint) bool { return strings.EqualFold(e.id, id) })
	if i < 0 {
		return errNotFound
	}
	e := s.endpoints[i]
	switch method {
	case http.MethodGet:
		writeOne(w, r, http.StatusOK, e.entity())
		return nil
	case "MERGE", http.MethodPatch:
		if err := e.rename(r); err != nil {
			return err
		}
	case http.MethodDelete:
		s.remove(e)
	default:
		return failed(http.StatusMethodNotAllowed, "The method %s is not allowed here.", method)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// remove deletes an endpoint and tells its address. The caller holds s.mu.
func (s *System) remove(gone *endpoint) {
	s.endpoints = slices.DeleteFunc(s.endpoints, func(e *endpoint) bool { return e == gone })
	s.tellRegistered(gone, false)
}

// spelling returns the name of a property as it is on the wire: the reference page writes two of them differently.
func spelling(name string) string {
	switch name {
	case "EndpointType":
		return "EndPointType"
	case "EndpointAddress":
		return "EndPointAddress"
	}
	return name
}

// create registers an endpoint.
func (s *System) create(w http.ResponseWriter, r *http.Request) error {
	in, err := readObject(r, endpointKind)
	if err != nil {
		return err
	}
	e := &endpoint{id: endpointID + emulator.NewID(), created: s.now()}
	credential, protectionType := "", 0
	texts := map[string]*string{"Name": &e.name, "EndPointAddress": &e.address,
		"EncryptedEndPointCredential": &credential, "ProtectionKeyId": &e.protectionKeyID}
	numbers := map[string]*int{"EndPointType": &e.kind, "CredentialType": &e.credentialType,
		"ProtectionKeyType": &protectionType}
	for given, raw := range in {
		name := spelling(given)
		ok := true
		switch {
		case texts[name] != nil:
			ok = string(raw) == "null" || json.Unmarshal(raw, texts[name]) == nil
		case numbers[name] != nil:
			*numbers[name], ok = readNumber(raw)
		case name == "Id" || name == "Created":
			ok = string(raw) == "null" // they are given by the service
		default:
			return noProperty(given, endpointKind)
		}
		if !ok {
			return failed(http.StatusBadRequest, "The value of the property '%s' is not valid.", given)
		}
	}
	if err := e.check(); err != nil {
		return err
	}
	if err := s.openCredential(e, credential, protectionType); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = append(s.endpoints, e)
	made := e.entity()
	w.Header().Set("Location", made.uri(r))
	writeOne(w, r, http.StatusCreated, made)
	s.tellRegistered(e, true)
	return nil
}

// check checks what the creator of an endpoint asks for.
func (e *endpoint) check() error {
	u, err := url.Parse(e.address)
	switch {
	case e.name == "":
		return failed(http.StatusBadRequest, "The property 'Name' of NotificationEndPoint must not be empty.")
	case e.kind < azureQueue || e.kind > webHook:
		return failed(http.StatusBadRequest, "The value of the property 'EndPointType' is not valid.")
	case e.address == "":
		return failed(http.StatusBadRequest, "The property 'EndPointAddress' of NotificationEndPoint must not be "+
			"empty.")
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
	case !strings.EqualFold(e.protectionKeyID, s.thumbprint):
		return failed(http.StatusBadRequest, "The property 'ProtectionKeyId' is not that of the account's "+
			"certificate.")
	}
	sealed, err := base64.StdEncoding.DecodeString(credential)
	if err == nil {
		e.key, err = rsa.DecryptOAEP(sha1.New(), nil, s.key, sealed, nil)
	}
	if err != nil || len(e.key) == 0 {
		return failed(http.StatusBadRequest, "The property 'EncryptedEndPointCredential' cannot be decrypted.")
	}
	return nil
}

// rename changes the name of an endpoint. Its other properties are written once. The caller holds s.mu.
func (e *endpoint) rename(r *http.Request) error {
	in, err := readObject(r, endpointKind)
	if err != nil {
		return err
	}
	name := e.name
	for given, raw := range in {
		switch spelling(given) {
		case "Name":
			if json.Unmarshal(raw, &name) != nil || name == "" {
				return failed(http.StatusBadRequest, "The property 'Name' of NotificationEndPoint must not be empty.")
			}
		case "Id", "Created", "EndPointType", "EndPointAddress", "CredentialType", "EncryptedEndPointCredential",
			"ProtectionKeyId", "ProtectionKeyType":
			return failed(http.StatusBadRequest, "The property '%s' can be set when the entity is created only.",
				given)
		default:
			return noProperty(given, endpointKind)
		}
	}
	e.name = name
	return nil
}
