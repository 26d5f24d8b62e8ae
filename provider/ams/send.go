package ams

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

type sendSettings struct {
	SigningKey provider.Secrets `json:"signing_key"`
	AccountID  string           `json:"account_id"`
}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(_ provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	err := s.SigningKey.CheckOne("signing_key")
	var keys [][]byte
	if err == nil {
		keys, err = decodeKeys(s.SigningKey)
	}
	if err := bellhop.Join("", err, checkAccountID(s.AccountID)); err != nil {
		return nil, err
	}
	return &renderer{key: keys[0], account: s.AccountID}, nil
}

type renderer struct {
	key     []byte
	account string // "" sends the account of each event
}

// Render sends an event that came from Media Services unchanged, and any other event as a new document.
func (r *renderer) Render(ev *bellhop.Event, _ provider.AttemptInfo) (provider.OutboundRequest, error) {
	body, account, err := r.document(ev)
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("ams: %w", err)
	}
	sig, err := Sign(body, r.key)
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("ams: %w", err)
	}
	return provider.OutboundRequest{Body: body, Header: http.Header{
		"Content-Type":  {"application/json; charset=utf-8"},
		SignatureHeader: {sig},
		AccountHeader:   {account},
	}}, nil
}

// document returns the body that carries ev, and the account that the body names.
func (r *renderer) document(ev *bellhop.Event) (body []byte, account string, err error) {
	if n, err := parse(ev.Body); err == nil && n.account != "" && strings.HasPrefix(ev.Type, typePrefix) {
		if r.account != "" && !strictjson.EqualFold(n.account, r.account) {
			return nil, "", errors.New("settings.account_id: the event belongs to another account; remove the " +
				"setting, or match only events of that account")
		}
		if err := checkAccountID(n.account); err != nil {
			return nil, "", errors.New("the event's AccountId cannot be sent in a header")
		}
		return ev.Body, n.account, nil
	}
	if r.account == "" {
		return nil, "", errors.New("settings.account_id: required to send events that did not " +
			"come from Media Services")
	}
	body, err = newDocument(ev, r.account)
	return body, r.account, err
}

// A document is a notification in the form of Media Services.
type document struct {
	MessageVersion string
	ETag           string
	EventType      int
	TimeStamp      string
	Properties     map[string]string
}

// newDocument returns ev in the form of Media Services, with the same bytes on each attempt. The ETag is derived
// from the event's id, so the receiver recognizes repeats.
func newDocument(ev *bellhop.Event, account string) ([]byte, error) {
	sum := sha256.Sum256([]byte(ev.ID))
	return json.Marshal(document{
		MessageVersion: "1.1",
		ETag:           hex.EncodeToString(sum[:]),
		EventType:      max(0, slices.Index(eventTypes[:], ev.Type)),
		TimeStamp:      microsoft.FormatTime(ev.HappenedAt()),
		Properties:     newProperties(ev, account),
	})
}

// Bounds of the properties made from another system's event. Properties beyond them are left out.
const (
	maxProperties     = 64
	maxPropertyLength = 1024 // bytes of a name or a value
)

// newProperties returns the members of ev's body that are within the bounds, each value as text, and the members
// that identify ev.
func newProperties(ev *bellhop.Event, account string) map[string]string {
	properties := map[string]string{}
	set := func(name, value string) {
		fits := len(name) <= maxPropertyLength && len(value) <= maxPropertyLength
		if len(properties) < maxProperties && fits && !strictjson.EqualFold(name, "AccountId") {
			properties[name] = value
		}
	}
	err := strictjson.Object(ev.Body, func(name, value []byte) { set(string(name), textOf(value)) })
	if err != nil {
		clear(properties)
		if utf8.Valid(ev.Body) {
			set("Body", string(ev.Body))
		}
	}
	properties["EventName"] = ev.Type
	properties["EventId"] = ev.ID
	if ev.Subject != "" {
		properties["Subject"] = ev.Subject
	}
	properties["AccountId"] = account
	return properties
}

// textOf returns a JSON value as text: the content of a string, "" for null, and any other value as it is written.
func textOf(value []byte) string {
	if text, ok := strictjson.Text(value); ok {
		return text
	}
	if string(value) == "null" {
		return ""
	}
	return string(value)
}
