package provider

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxTokenBytes bounds the token of a handshake.
const MaxTokenBytes = 4 << 10

// Echo answers the handshake of Microsoft Graph, SharePoint and Outlook: a POST whose query has a parameter, named
// without regard to case, with a token that is to come back as text. ok is false if the parameter is not there; then
// req is no handshake.
//
// The token is decoded once, as form data is: a "+" is a blank. One that is empty, given twice, over
// [MaxTokenBytes], not UTF-8 or has characters that no text has (controls, line and paragraph separators) is
// ErrBody. Markup stays as it is, for an escaped token is not the one that was asked for; that it is plain text,
// and that nobody shall guess otherwise, is said in the headers of the reply.
func Echo(req *Request, parameter string) (reply *Reply, ok bool, err error) {
	tokens := queryFold(req.Target, parameter)
	switch {
	case len(tokens) == 0:
		return nil, false, nil
	case req.Method != http.MethodPost:
		return nil, true, ErrMethod
	case len(tokens) > 1:
		return nil, true, fmt.Errorf("%w: %s is there twice", ErrBody, parameter)
	}
	token := tokens[0]
	switch {
	case token == "":
		return nil, true, fmt.Errorf("%w: %s is empty", ErrBody, parameter)
	case len(token) > MaxTokenBytes:
		return nil, true, fmt.Errorf("%w: %s is longer than 4 KiB", ErrBody, parameter)
	case !PlainToken(token):
		return nil, true, fmt.Errorf("%w: %s has characters that no token has", ErrBody, parameter)
	}
	return &Reply{Status: http.StatusOK, Body: []byte(token)}, true, nil
}

// PlainToken reports whether token can be echoed: 1 to [MaxTokenBytes] bytes of UTF-8 without control characters and
// separators of lines or paragraphs.
func PlainToken(token string) bool {
	return token != "" && len(token) <= MaxTokenBytes && utf8.ValidString(token) && !strings.ContainsFunc(token, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}
