package github

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

type sendSettings struct {
	Secret      provider.Secrets `json:"secret"`
	ContentType string           `json:"content_type"`
	AddSHA1     bool             `json:"add_sha1"`
}

// The values of the setting content_type, in GitHub's words.
const (
	contentJSON = "json"
	contentForm = "form"
)

var contents = []string{contentJSON, contentForm}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(_ provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	err := bellhop.Join("", s.Secret.CheckOne("secret"), checkSecrets(s.Secret))
	content, contentErr := provider.OneOf("content_type", s.ContentType, "", contents...)
	if err := bellhop.Join("", err, contentErr); err != nil {
		return nil, err
	}
	return &renderer{secret: []byte(s.Secret[0]), content: content, sha1: s.AddSHA1}, nil
}

type renderer struct {
	secret  []byte
	content string // "" sends an event in the form in which it came
	sha1    bool
}

// Render sends an event that came from GitHub unchanged, and any other event as a repository_dispatch.
func (r *renderer) Render(ev *bellhop.Event, _ provider.AttemptInfo) (provider.OutboundRequest, error) {
	name, p, err := eventPayload(ev)
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("github: %w", err)
	}
	form := p.form
	if r.content != "" {
		form = r.content == contentForm
	}
	h := http.Header{
		"Accept":       {"*/*"},
		"Content-Type": {"application/json"},
		"User-Agent":   {"GitHub-Hookshot/bellhop"},
		EventHeader:    {name},
		DeliveryHeader: {deliveryID(ev)},
	}
	body := p.json
	switch {
	case form && p.form:
		body = ev.Body
	case form:
		body = []byte(formStart + url.QueryEscape(string(p.json)))
	}
	if form {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	addHookHeaders(h, ev)
	if err := r.sign(h, body); err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("github: %w", err)
	}
	return provider.OutboundRequest{Header: h, Body: body}, nil
}

func (r *renderer) sign(h http.Header, body []byte) error {
	sum, err := Sign(body, r.secret)
	h.Set(SignatureHeader, sum)
	if r.sha1 {
		old, oldErr := SignSHA1(body, r.secret)
		h.Set(SHA1SignatureHeader, old)
		err = errors.Join(err, oldErr)
	}
	return err
}

// eventPayload returns the event's name at GitHub and its payload.
func eventPayload(ev *bellhop.Event) (name string, p payload, err error) {
	if name, ok := strings.CutPrefix(ev.Type, typePrefix); ok && eventType(name) == ev.Type {
		if p, err := readPayload(ev.Body); err == nil {
			return name, p, nil
		}
	}
	object, err := newDispatch(ev)
	return dispatchName, payload{json: object}, err
}

// hookHeaders identify the hook of a delivery. They are copied from an event that came from GitHub.
var hookHeaders = []string{"X-Github-Hook-Id", "X-Github-Hook-Installation-Target-Id",
	"X-Github-Hook-Installation-Target-Type"}

func addHookHeaders(h http.Header, ev *bellhop.Event) {
	for _, name := range hookHeaders {
		if value := ev.Header.Get(name); strings.HasPrefix(ev.Type, typePrefix) && provider.Word(value) {
			h.Set(name, value)
		}
	}
}

// deliveryID returns the id of the delivery, which is the same for each attempt: the id with which the event came
// from GitHub, or else a GUID derived from the event's id.
func deliveryID(ev *bellhop.Event) string {
	if id := ev.Header.Get(DeliveryHeader); strings.HasPrefix(ev.Type, typePrefix) && provider.Word(id) {
		return id
	}
	sum := sha256.Sum256([]byte(ev.ID))
	return provider.NewGUID([16]byte(sum[:16]), 8)
}

// dispatchName is the GitHub event that reports activity outside GitHub.
// Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads#repository_dispatch
const dispatchName = "repository_dispatch"

// A dispatch is the payload of a repository_dispatch. GitHub's own payloads also have repository, branch, sender
// and installation, which an event of another system does not have.
type dispatch struct {
	Action        string        `json:"action"`
	ClientPayload clientPayload `json:"client_payload"`
}

// A clientPayload carries an event in the members of Bellhop's envelope format: the body is data if it is JSON, and
// data_base64 otherwise.
type clientPayload struct {
	ID         string          `json:"id"`
	Type       string          `json:"type"`
	Source     string          `json:"source,omitempty"`
	Subject    string          `json:"subject,omitempty"`
	Time       time.Time       `json:"time"`
	Data       json.RawMessage `json:"data,omitempty"`
	DataBase64 string          `json:"data_base64,omitempty"`
}

// newDispatch returns ev as a repository_dispatch, with the same bytes on each attempt.
func newDispatch(ev *bellhop.Event) ([]byte, error) {
	d := dispatch{Action: ev.Type, ClientPayload: clientPayload{
		ID: ev.ID, Type: ev.Type, Source: ev.Source, Subject: ev.Subject, Time: ev.HappenedAt().UTC(),
	}}
	if data, ok := strictjson.Embed(ev.Body); ok {
		d.ClientPayload.Data = data
	} else {
		d.ClientPayload.DataBase64 = base64.StdEncoding.EncodeToString(ev.Body)
	}
	return json.Marshal(d)
}
