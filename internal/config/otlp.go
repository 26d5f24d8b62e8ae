package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// This file has the settings of traces.

// OTLPHeader returns the headers of --otlp-headers by name: NAME=VALUE, separated by commas, as the variable
// OTEL_EXPORTER_OTLP_HEADERS has them. Its errors do not repeat a value.
func (c *Config) OTLPHeader() (map[string]string, error) {
	headers := map[string]string{}
	for n, pair := range splitList(c.OTLPHeaders) {
		name, value, ok := strings.Cut(pair, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || value == "" || !bellhop.HeaderName(name) {
			return nil, fmt.Errorf("number %d is not of the form NAME=VALUE; separate several by commas", n+1)
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return nil, fmt.Errorf("number %d: the value of %s has a control or non-ASCII character", n+1, name)
		}
		headers[name] = value
	}
	return headers, nil
}

// checkOTLP is check for the settings of traces. No error quotes the endpoint or the headers, which may have secrets.
func (c *Config) checkOTLP() (name string, err error) {
	switch {
	case c.OTLPEndpoint != "" && !isWebURL(c.OTLPEndpoint):
		return "otlp-endpoint", errors.New("use the URL of a collector that takes OTLP over HTTP, such as " +
			"http://127.0.0.1:4318; a password belongs to --otlp-headers")
	case c.OTLPEndpoint == "" && c.OTLPHeaders != "":
		return "otlp-headers", errors.New("it needs --otlp-endpoint, the URL of the collector")
	case !(c.OTLPSample >= 0 && c.OTLPSample <= 1): // also of a NaN
		return "otlp-sample", errors.New("use a number from 0 to 1, such as 0.01")
	}
	if isReference(c.OTLPHeaders) {
		return "", nil // a file is checked without its secrets
	}
	_, err = c.OTLPHeader()
	return "otlp-headers", err
}
