// Package microsoft holds what the change notifications of Microsoft Graph, SharePoint and Outlook have in common: the
// validation-token handshake, the client state, the batch around their items, and the form of a time.
package microsoft

import (
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
)

// Echo answers a validation-token handshake: a POST whose query has a parameter, named without regard to case, with a
// token that the answer repeats as text. ok is false if the query has no such parameter; then req is not a handshake.
//
// The token is decoded once, as form data is: "+" is a blank. A token that is empty, occurs twice or is not a
// [provider.PlainToken] is ErrBody. Markup in it stays as it is, since an escaped token is not the one that was sent.
// The headers of the reply say that it is plain text, and that no client may guess otherwise.
func Echo(req *provider.Request, parameter string) (reply *provider.Reply, ok bool, err error) {
	tokens := provider.QueryFold(req.Target, parameter)
	switch {
	case len(tokens) == 0:
		return nil, false, nil
	case req.Method != http.MethodPost:
		return nil, true, provider.ErrMethod
	case len(tokens) > 1:
		return nil, true, fmt.Errorf("%w: %s occurs twice", provider.ErrBody, parameter)
	}
	token := tokens[0]
	switch {
	case token == "":
		return nil, true, fmt.Errorf("%w: %s is empty", provider.ErrBody, parameter)
	case len(token) > provider.MaxTokenBytes:
		return nil, true, fmt.Errorf("%w: %s is longer than 4 KiB", provider.ErrBody, parameter)
	case !provider.PlainToken(token):
		return nil, true, fmt.Errorf("%w: %s has characters that no token has", provider.ErrBody, parameter)
	}
	return &provider.Reply{Status: http.StatusOK, Body: []byte(token)}, true, nil
}

// IsEcho reports whether req asks for a validation token to be echoed, be it right or wrong: its query has the
// parameter.
func IsEcho(req *provider.Request, parameter string) bool {
	return len(provider.QueryFold(req.Target, parameter)) > 0
}

// EchoHandshake is the other side of [Echo]: the handshake that a [provider.Handshaker] makes. It is an empty POST to
// at.URL with a token of env.Rand in the query parameter, after the parameters that the query has already. The
// receiver agrees with status 200 and the decoded token as its whole body; no other status will do. The
// Content-Type of the reply should be text/plain, but decides nothing. The errors of Read say what the receiver
// did wrong, and repeat nothing of its reply.
//
// The caller may add headers to the request.
func EchoHandshake(env provider.Env, at provider.AttemptInfo, parameter string) (provider.HandshakeRequest, error) {
	to, err := url.Parse(at.URL)
	if err != nil {
		return provider.HandshakeRequest{}, errors.New("the URL of the handshake cannot be read")
	}
	token, err := newToken(env.Rand)
	if err != nil {
		return provider.HandshakeRequest{}, fmt.Errorf("make the token of a handshake: %w", err)
	}
	if to.RawQuery != "" {
		to.RawQuery += "&"
	}
	to.RawQuery += parameter + "=" + escapeToken(token)
	to.Fragment, to.RawFragment = "", ""
	read := func(status int, h http.Header, body []byte) (provider.HandshakeResult, error) {
		if status != http.StatusOK {
			return provider.HandshakeResult{}, fmt.Errorf("answered the handshake with status %d; it must be 200",
				status)
		}
		if fault := echoFault(string(body), token); fault != "" {
			return provider.HandshakeResult{}, fmt.Errorf(
				"answered the handshake with %s; it must be the decoded value of %s and nothing else", fault,
				parameter)
		}
		return provider.HandshakeResult{}, nil
	}
	return provider.HandshakeRequest{
		URL:     to.String(),
		Request: provider.OutboundRequest{Method: http.MethodPost, Header: http.Header{}},
		Read:    read,
	}, nil
}

// newToken returns a sentence, as Graph's tokens are. Its blanks and its plus sign come back unchanged only if the
// receiver decodes it, and decodes it once.
func newToken(random io.Reader) (string, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", err
	}
	return "Validation: Bellhop asks before it calls + Request-Id: " + hex.EncodeToString(b), nil
}

// escapeToken writes a blank as "%20", which every decoder reads as a blank; only decoders of forms read "+" as one.
func escapeToken(token string) string { return strings.ReplaceAll(url.QueryEscape(token), "+", "%20") }

// echoFault describes how body differs from token; "" if it does not.
func echoFault(body, token string) string {
	unescaped, _ := url.QueryUnescape(body)
	twice, _ := url.QueryUnescape(token)
	trimmed := strings.TrimSpace(strings.TrimPrefix(body, "\uFEFF"))
	switch {
	case body == token:
		return ""
	case trimmed == "":
		return "no body"
	case trimmed == token:
		return "blanks, a line end or a byte order mark around the token"
	case strings.Trim(trimmed, `"'`) == token:
		return "the token in quotes"
	case unescaped == token:
		return "the token still escaped, as it stands in the URL"
	case body == twice:
		return "the token decoded twice"
	case html.UnescapeString(body) == token:
		return "the token escaped for HTML"
	case strings.EqualFold(body, token):
		return "the token in other letter case"
	case strings.Contains(body, token):
		return "more than the token"
	case strings.Contains(token, trimmed):
		return "a part of the token"
	}
	return "another text than the token"
}
