package graph

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// sendSettings are those of a destination.
type sendSettings struct {
	ClientState    provider.Secrets `json:"client_state"`
	SubscriptionID string           `json:"subscription_id"`
	TenantID       string           `json:"tenant_id"`

	Certificate    string `json:"encryption_certificate"`
	CertificateID  string `json:"encryption_certificate_id"`
	TokenKey       string `json:"token_key"`
	TokenKeyID     string `json:"token_key_id"`
	AppID          string `json:"app_id"`
	PublisherAppID string `json:"publisher_app_id"`
}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(env provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	errs := []error{microsoft.CheckOneClientState("client_state", s.ClientState)}
	r := &renderer{env: env, subscription: noID, tenant: noID}
	errs = append(errs, setID(&r.subscription, "subscription_id", s.SubscriptionID), setID(&r.tenant, "tenant_id", s.TenantID))
	rich, err := s.rich()
	if err := bellhop.Join("", append(errs, err)...); err != nil {
		return nil, err
	}
	r.rich = rich
	r.state, err = json.Marshal(s.ClientState[0])
	return r, err
}

// noID is the id of nothing in particular.
const noID = "00000000-0000-0000-0000-000000000000"

func setID(id *string, path, text string) error {
	if text == "" {
		return nil
	}
	*id = text
	return checkID(path, text)
}

// rich is what rich notifications are made with.
type rich struct {
	certificate   *x509.Certificate
	certificateID string
	key           *rsa.PrivateKey // signs tokens
	keyID         string
	audience      string
	publisher     string
}

// rich returns nil where no content is to be sent.
func (s *sendSettings) rich() (*rich, error) {
	required := []struct{ path, value string }{
		{"encryption_certificate", s.Certificate}, {"encryption_certificate_id", s.CertificateID},
		{"token_key", s.TokenKey}, {"token_key_id", s.TokenKeyID}, {"app_id", s.AppID},
	}
	var errs []error
	for _, r := range required {
		if r.value == "" {
			errs = append(errs, bellhop.Invalid(r.path, "required to send content: encryption_certificate, encryption_certificate_id, token_key, token_key_id and app_id belong together"))
		}
	}
	if len(errs) == len(required) && s.PublisherAppID == "" {
		return nil, nil
	}
	r := &rich{certificateID: s.CertificateID, keyID: s.TokenKeyID, publisher: PublisherAppID}
	var err error
	if s.Certificate != "" {
		if r.certificate, err = parseCertificate(s.Certificate); err != nil {
			errs = append(errs, bellhop.Invalid("encryption_certificate", err.Error()))
		}
	}
	if s.TokenKey != "" {
		if r.key, err = parsePrivateKey(s.TokenKey); err != nil {
			errs = append(errs, bellhop.Invalid("token_key", err.Error()))
		}
	}
	errs = append(errs, setID(&r.audience, "app_id", s.AppID), setID(&r.publisher, "publisher_app_id", s.PublisherAppID))
	return r, bellhop.Join("", errs...)
}
