package acs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

var _ provider.Connector = Provider{}

// The names of the settings of a connection.
const (
	settingAccessKey = "access_key"
	settingEndpoint  = "endpoint"
	settingStorage   = "storage_hosts"
)

// ConnectorInfo implements [provider.Connector].
func (Provider) ConnectorInfo() provider.ConnectorInfo {
	return provider.ConnectorInfo{
		Name: "acs", Title: "Azure Communication Services",
		Summary: "Calls of a Communication Services resource, each signed by an access key.",
		Links:   []string{"https://learn.microsoft.com/rest/api/communication/authentication"},
		Settings: []provider.Setting{
			{
				Name:     settingEndpoint,
				Title:    "Endpoint",
				Required: true,
				Example:  "https://contoso.communication.azure.com",
				Format:   "uri",
				Doc:      "The *Endpoint* of the resource. A stand-in's URL, for example.",
			},
			{Name: settingAccessKey, Title: "Access key", Required: true, Secret: true, Signs: true,
				Example: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
				Many:    true,
				Doc: "The *Primary key* or, while keys are being replaced, a list of both keys: the second is " +
					"used once the first is refused. In Base64, as the portal shows them. A key signs calls and " +
					"is never sent."},
			{Name: settingStorage, Title: "Storage hosts", Kind: provider.KindList,
				Example: `["storage.example.com:8443"]`,
				Doc: "Hosts of storage from which recordings are downloaded by signed calls, beside the endpoint " +
					"and those of Microsoft: `*.asm.skype.com`, `*.asyncgw.teams.microsoft.com` and " +
					"`*.ams.gov.teams.microsoft.us`, over https. A host without a port means the port of the " +
					"URL's scheme. Default: none."},
		},
		Addresses: []string{settingEndpoint},
		Setup: []string{
			"In the Azure portal, open the *Communication Services* resource, then *Keys*. Copy the *Endpoint* " +
				"and the *Primary key*; a connection string has both.",
		},
	}
}

// OpenConnection implements [provider.Connector].
func (Provider) OpenConnection(_ provider.Env, raw json.RawMessage) (provider.Connected, error) {
	var s struct {
		Endpoint     string           `json:"endpoint"`
		AccessKey    provider.Secrets `json:"access_key"`
		StorageHosts []string         `json:"storage_hosts"`
	}
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return provider.Connected{}, err
	}
	base, baseErr := provider.CheckBaseURL(settingEndpoint, s.Endpoint, "")
	storageErr := checkHosts(s.StorageHosts)
	keys, keysErr := provider.ReadSecrets(settingAccessKey, s.AccessKey, func(text string) ([]byte, error) {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) == 0 {
			return nil, errors.New("must be Base64, as the portal shows an access key")
		}
		return key, nil
	})
	if err := bellhop.Join("", baseErr, keysErr, storageErr); err != nil {
		return provider.Connected{}, err
	}
	endpoint, err := url.Parse(base)
	if err != nil {
		return provider.Connected{}, bellhop.Invalid(settingEndpoint, "cannot be read")
	}
	connected := provider.Connected{BaseURL: base, Test: testKey,
		Storage: func(u *url.URL) bool { return isStorage(u, s.StorageHosts) }}
	for _, key := range keys {
		connected.Signers = append(connected.Signers, signerOf(key, hostOf(endpoint)))
	}
	return connected, nil
}

// maxHosts bounds the setting storage_hosts.
const maxHosts = 20

// apiVersion is that of the paths of the resource, by default.
const apiVersion = "2021-04-15-preview1"

// checkHosts checks the setting storage_hosts.
func checkHosts(hosts []string) error {
	if len(hosts) > maxHosts {
		return bellhop.Invalid(settingStorage, fmt.Sprintf("has %d hosts; at most %d", len(hosts), maxHosts))
	}
	var errs []error
	for i, host := range hosts {
		u, err := url.Parse("https://" + host)
		if err != nil || u.Host != host || u.Hostname() == "" || strings.Contains(host, "*") {
			errs = append(errs, bellhop.Invalid(fmt.Sprintf("%s[%d]", settingStorage, i),
				"use a host such as storage.example.com, or one with a port"))
		}
	}
	return bellhop.Join("", errs...)
}

// storageSuffixes are the ends of the names of storage hosts, as Microsoft's own clients accept them.
var storageSuffixes = []string{".asm.skype.com", ".asyncgw.teams.microsoft.com", ".ams.gov.teams.microsoft.us"}

// isStorage reports whether u is a URL of storage: of Microsoft's over https and its default port, or of one of hosts.
func isStorage(u *url.URL, hosts []string) bool {
	if u.Scheme != "https" && u.Scheme != "http" {
		return false
	}
	name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if u.Scheme == "https" && (u.Port() == "" || u.Port() == "443") &&
		slices.ContainsFunc(storageSuffixes, func(end string) bool { return strings.HasSuffix(name, end) }) {
		return true
	}
	return slices.ContainsFunc(hosts, func(host string) bool {
		allowed, err := url.Parse(u.Scheme + "://" + host)
		return err == nil && provider.SameOrigin(u, allowed)
	})
}

// signerOf returns the Signer that uses key. A call to storage is signed as if it went to the host of the endpoint, by
// its path alone.
func signerOf(key []byte, endpoint string) provider.Signer {
	return func(r provider.SignedRequest, now time.Time) error {
		signed := Request{Method: r.Method, Target: r.URL.RequestURI(), Host: hostOf(r.URL), Header: r.Header,
			Body: r.Body}
		if r.Storage {
			signed.Target, signed.Host = r.URL.EscapedPath(), endpoint
			r.Header.Set(HostHeader, endpoint)
		}
		return Sign(signed, key, now)
	}
}

// testKey asks for the metadata of a recording that does not exist: the resource answers 404 to a good key, and 401
// to any other.
func testKey(ctx context.Context, api provider.API, _ provider.Granted) (provider.Tested, error) {
	answer, err := api.Do(ctx, provider.Call{Method: http.MethodGet,
		Path: "/recording/download/bellhop-test/metadata?api-version=" + apiVersion})
	switch {
	case err != nil:
		return provider.Tested{}, err
	case answer.Status == http.StatusUnauthorized:
		return provider.Tested{}, &provider.APIError{Kind: provider.APISignedOut, Status: answer.Status,
			Message: "the resource does not accept the access key",
			Remedy: "set access_key to a key that the portal shows under Keys, and check the clock of this " +
				"machine"}
	case answer.Status == http.StatusForbidden:
		return provider.Tested{}, &provider.APIError{Kind: provider.APIForbidden, Status: answer.Status,
			Message: "the access key is of another resource or may not read recordings",
			Remedy:  "check endpoint and access_key"}
	case answer.Status >= http.StatusInternalServerError, answer.Status == http.StatusTooManyRequests:
		return provider.Tested{}, &provider.APIError{Kind: provider.APITemporary, Status: answer.Status,
			Message: "the resource has a passing trouble"}
	case answer.Status >= 300 && answer.Status < 400:
		return provider.Tested{}, &provider.APIError{Kind: provider.APIForeign, Status: answer.Status,
			Message: "the answer is a redirect, which is not followed", Remedy: "check endpoint"}
	}
	return provider.Tested{}, nil
}
