package provider

import (
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// EchoHandshake is the other side of [Echo]: the handshake that a [Handshaker] of Microsoft Graph, SharePoint or Outlook makes.
// It is an empty POST to at.URL with a token of env.Rand in the query parameter, beside what the query has already.
// The receiver agrees with status 200, no other, and the decoded token as its whole body. Its Content-Type, which should be
// text/plain, decides nothing. The errors of Read say what a receiver did wrong, and repeat nothing of its answer.
//
// Headers of the request are the caller's to add.
func EchoHandshake(env Env, at AttemptInfo, parameter string) (HandshakeRequest, error) {
	to, err := url.Parse(at.URL)
	if err != nil {
		return HandshakeRequest{}, errors.New("the URL to ask at cannot be read")
	}
	token, err := newToken(env.Rand)
	if err != nil {
		return HandshakeRequest{}, fmt.Errorf("make the token of a handshake: %w", err)
	}
	if to.RawQuery != "" {
		to.RawQuery += "&"
	}
	to.RawQuery += parameter + "=" + escapeToken(token)
	to.Fragment, to.RawFragment = "", ""
	read := func(status int, h http.Header, body []byte) (HandshakeResult, error) {
		if status != http.StatusOK {
			return HandshakeResult{}, fmt.Errorf("answered the handshake with status %d; it must be 200", status)
		}
		if fault := echoFault(string(body), token); fault != "" {
			return HandshakeResult{}, fmt.Errorf("answered the handshake with %s; it must be the decoded value of %s and nothing else", fault, parameter)
		}
		return HandshakeResult{}, nil
	}
	return HandshakeRequest{URL: to.String(), Request: OutboundRequest{Method: http.MethodPost, Header: http.Header{}}, Read: read}, nil
}

// newToken returns a sentence, as Graph's tokens are: one that comes back only from who decodes it, and does so once.
func newToken(random io.Reader) (string, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", err
	}
	return "Validation: Bellhop asks before it calls + Request-Id: " + hex.EncodeToString(b), nil
}

// escapeToken writes a blank as "%20", which means a blank to every decoder; a "+" does to those of forms alone.
func escapeToken(token string) string { return strings.ReplaceAll(url.QueryEscape(token), "+", "%20") }

// echoFault says what body is where it is not token; "" where it is.
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
