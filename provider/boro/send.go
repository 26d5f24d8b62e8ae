package boro

import (
	"encoding/base64"
	"encoding/hex"
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
	"github.com/bellhop-gateway/bellhop/signature"
)

type sendSettings struct {
	ProfileID   string            `json:"profile_id"`
	SecretKey   provider.Secrets  `json:"secret_key"`
	KeyEncoding string            `json:"key_encoding"`
	Headers     map[string]string `json:"headers"`
	Levels      []string          `json:"levels"`
	Triggers    []string          `json:"triggers"`
}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(_ provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	key, keyErr := s.key()
	headers, headersErr := readHeaders(s.Headers)
	err := bellhop.Join("", keyErr, headersErr, checkFilter("levels", s.Levels), checkFilter("triggers", s.Triggers))
	if err != nil {
		return nil, err
	}
	return &renderer{profileID: s.ProfileID, key: key, headers: headers, levels: s.Levels, triggers: s.Triggers}, nil
}

// key returns the key to sign with, or nil if neither a key nor a profile is set; then requests are not signed.
func (s *sendSettings) key() ([]byte, error) {
	_, err := provider.OneOf("key_encoding", s.KeyEncoding, "hex", sendKeyEncodings...)
	if err != nil || s.ProfileID == "" && s.SecretKey == nil {
		return nil, err
	}
	err = s.SecretKey.CheckOne("secret_key")
	var keys [][]byte
	if err == nil {
		keys, err = decodeKeys(s.SecretKey, s.KeyEncoding)
	}
	if err := bellhop.Join("", checkProfileID(s.ProfileID), err); err != nil {
		return nil, err
	}
	return keys[0], nil
}

// maxFilter bounds a filter.
const maxFilter = 100

func checkFilter(path string, wanted []string) error {
	if len(wanted) > maxFilter {
		return bellhop.Invalid(path, fmt.Sprintf("has %d entries; at most %d", len(wanted), maxFilter))
	}
	if slices.ContainsFunc(wanted, func(text string) bool { return strings.TrimSpace(text) == "" }) {
		return bellhop.Invalid(path, "has an empty entry; leave the setting out to send all")
	}
	return nil
}

type renderer struct {
	profileID        string
	key              []byte      // nil: requests are not signed
	headers          http.Header // with Content-Type
	levels, triggers []string    // empty selects all
}

// Render renders an event that came from Boro with its own bytes, and any other event as a notification about it.
func (r *renderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	body, err := r.body(ev)
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("boro: %w", err)
	}
	m := Message{Method: http.MethodPost, Header: r.headers.Clone(), Body: body}
	if r.key != nil {
		u, err := url.Parse(at.URL)
		if err != nil {
			return provider.OutboundRequest{}, errors.New("boro: the URL cannot be read")
		}
		m.URI = u.RequestURI()
		m.Header.Set("Date", at.Time.UTC().Format(http.TimeFormat))
		if err := Sign(m, r.profileID, r.key); err != nil {
			return provider.OutboundRequest{}, fmt.Errorf("boro: %w", err)
		}
	}
	return provider.OutboundRequest{Header: m.Header, Body: body}, nil
}

// body returns the notification for ev, or an error that wraps provider.ErrSkip.
func (r *renderer) body(ev *bellhop.Event) ([]byte, error) {
	n, own := ownNotification(ev)
	switch {
	case !own:
		return newNotification(ev)
	case !wanted(r.levels, n.Level):
		return nil, fmt.Errorf("%w: its level is not among settings.levels", provider.ErrSkip)
	case !wanted(r.triggers, n.Trigger):
		return nil, fmt.Errorf("%w: its trigger is not among settings.triggers", provider.ErrSkip)
	}
	return ev.Body, nil
}

// ownNotification parses ev as an event that came from Boro: with a type of this package, and with the status of
// that type.
func ownNotification(ev *bellhop.Event) (Notification, bool) {
	if !strings.HasPrefix(ev.Type, typePrefix) {
		return Notification{}, false
	}
	n, err := Parse(ev.Body)
	return n, err == nil && (n.Status != "" || ev.Type == otherType)
}

func wanted(list []string, text string) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(entry string) bool {
		return strings.EqualFold(strings.TrimSpace(entry), strings.TrimSpace(text))
	})
}

// A Message holds the parts of a request that a signature covers.
type Message struct {
	Method string
	URI    string      // the target in the request line: path and query, "/" if empty
	Header http.Header // Content-Type, which may be absent, and Date
	Body   []byte
}

// signedParts holds the signed parts of a message except the hash of its body.
type signedParts struct {
	method, contentType, uri, dateText string
	date                               time.Time
}

// read returns the signed parts of m. They are separated by commas only, so it refuses a comma in the method or
// type, and accepts one form of date. Then each signed text belongs to one message.
func (m Message) read() (s signedParts, err error) {
	if s.dateText, err = signature.Single(m.Header, "Date"); err != nil {
		return s, err
	}
	if s.date, err = time.Parse(http.TimeFormat, s.dateText); err != nil ||
		s.date.Format(http.TimeFormat) != s.dateText {
		return s, fmt.Errorf("%w: Date must be like Sun, 22 Nov 2026 08:15:30 GMT", signature.ErrMalformed)
	}
	if s.contentType, err = signature.Optional(m.Header, "Content-Type"); err != nil {
		return s, err
	}
	s.method, s.uri = strings.ToUpper(m.Method), originForm(m.URI)
	if strings.Contains(s.method, ",") || strings.Contains(s.contentType, ",") {
		return s, fmt.Errorf("%w: a comma in the method or the Content-Type", signature.ErrMalformed)
	}
	return s, nil
}

func (s *signedParts) canonical(hash string) []byte {
	return []byte(s.method + "," + s.contentType + "," + hash + "," + s.uri + "," + s.dateText)
}

// originForm returns target without scheme and host, which a request to a proxy has (RFC 9112, section 3.2.2).
func originForm(target string) string {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(target) >= len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			target = target[len(scheme):]
			target = target[len(target)-len(strings.TrimLeftFunc(target, func(r rune) bool {
				return r != '/' && r != '?'
			})):]
			break
		}
	}
	if target == "" {
		return "/"
	}
	return target
}

func hashText(sum []byte, enc signature.Encoding) string {
	if enc == signature.Hex {
		return hex.EncodeToString(sum)
	}
	return base64.StdEncoding.EncodeToString(sum)
}
