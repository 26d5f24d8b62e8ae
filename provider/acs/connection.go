package acs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

var _ provider.Connector = Provider{}

// The names of the settings of a connection.
const (
	settingAccessKeys = "access_keys"
	settingAPIURL     = "api_url"
)

// ConnectorInfo implements [provider.Connector].
func (Provider) ConnectorInfo() provider.ConnectorInfo {
	return provider.ConnectorInfo{
		Name: "acs", Title: "Azure Communication Services",
		Summary: "Calls of a Communication Services resource, each signed by an access key.",
		Links:   []string{"https://learn.microsoft.com/rest/api/communication/authentication"},
		Settings: []provider.Setting{
			{
				Name:     settingAPIURL,
				Title:    "API URL",
				Required: true,
				Example:  "https://contoso.communication.azure.com",
				Doc:      "The *Endpoint* of the resource. A stand-in's URL, for example.",
			},
			{Name: settingAccessKeys, Title: "Access keys", Required: true, Secret: true, Signs: true,
				Example: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
				Doc: "The *Primary key* or, while keys are being replaced, a list of both keys: the second is " +
					"used once the first is refused. In Base64, as the portal shows them. A key signs calls and " +
					"is never sent."},
		},
		Addresses: []string{settingAPIURL},
		Setup: []string{
			"In the Azure portal, open the *Communication Services* resource, then *Keys*. Copy the *Endpoint* " +
				"and the *Primary key*; a connection string has both.",
		},
	}
}

// OpenConnection implements [provider.Connector].
func (Provider) OpenConnection(_ provider.Env, raw json.RawMessage) (provider.Connected, error) {
	var s struct {
		APIURL     string           `json:"api_url"`
		AccessKeys provider.Secrets `json:"access_keys"`
	}
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return provider.Connected{}, err
	}
	base, baseErr := provider.CheckBaseURL(settingAPIURL, s.APIURL, "")
	keys, keysErr := provider.ReadSecrets(settingAccessKeys, s.AccessKeys, func(text string) ([]byte, error) {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) == 0 {
			return nil, errors.New("must be Base64, as the portal shows an access key")
		}
		return key, nil
	})
	if err := bellhop.Join("", baseErr, keysErr); err != nil {
		return provider.Connected{}, err
	}
	connected := provider.Connected{BaseURL: base, Test: testKey}
	for _, key := range keys {
		connected.Signers = append(connected.Signers, signerOf(key))
	}
	return connected, nil
}

// signerOf returns the Signer that uses key.
func signerOf(key []byte) provider.Signer {
	return func(r provider.SignedRequest, now time.Time) error {
		return Sign(Request{Method: r.Method, Target: r.URL.RequestURI(), Host: hostOf(r.URL), Header: r.Header,
			Body: r.Body}, key, now)
	}
}

// testKey asks for the metadata of a recording that does not exist: the resource answers 404 to a good key, and 401
// to any other.
func testKey(ctx context.Context, api provider.API, _ provider.Granted) (provider.Tested, error) {
	answer, err := api.Do(ctx, provider.Call{Method: http.MethodGet,
		Path: "/recording/download/bellhop-test/metadata?api-version=2021-04-15-preview1"})
	switch {
	case err != nil:
		return provider.Tested{}, err
	case answer.Status == http.StatusUnauthorized:
		return provider.Tested{}, &provider.APIError{Kind: provider.APISignedOut, Status: answer.Status,
			Message: "the resource does not accept the access key",
			Remedy: "set access_keys to a key that the portal shows under Keys, and check the clock of this " +
				"machine"}
	case answer.Status == http.StatusForbidden:
		return provider.Tested{}, &provider.APIError{Kind: provider.APIForbidden, Status: answer.Status,
			Message: "the access key is of another resource or may not read recordings",
			Remedy:  "check api_url and access_keys"}
	case answer.Status >= http.StatusInternalServerError, answer.Status == http.StatusTooManyRequests:
		return provider.Tested{}, &provider.APIError{Kind: provider.APITemporary, Status: answer.Status,
			Message: "the resource has a passing trouble"}
	case answer.Status >= 300 && answer.Status < 400:
		return provider.Tested{}, &provider.APIError{Kind: provider.APIForeign, Status: answer.Status,
			Message: "the answer is a redirect, which is not followed", Remedy: "check api_url"}
	}
	return provider.Tested{}, nil
}
