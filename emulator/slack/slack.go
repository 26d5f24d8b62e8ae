// Package slack is a stand-in for Slack's incoming webhooks. It checks a message as Slack does, answers with Slack's
// words, and shows the messages that it has accepted.
//
// A webhook has the path of hooks.slack.com, /services/T…/B…/SECRET: see [WebhookPath]. Beside those, GET /messages
// lists the latest messages as JSON, and GET / shows them as a page. Slack answers a wrong message with a short code
// alone; /messages says what is wrong. Sources:
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
// https://docs.slack.dev/reference/block-kit
package slack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// Options change the stand-in.
type Options struct {
	// Channels are the channels of the workspace, each of which has one webhook. Nil is DefaultChannel alone.
	Channels []string
	// Rate is how many messages a second one webhook takes, after a burst of ten; further ones are answered 429. 0 is
	// one a second, as Slack has it. Less than 0 sets no limit.
	Rate float64
}

// DefaultChannel is the channel of a stand-in that names none.
const DefaultChannel = "alarms"

// The parts of a webhook's path that all webhooks of the stand-in share.
const (
	servicesPrefix = "/services/"
	team           = "T0BELLHOP"
	secret         = "bellhopStandInSecret0001"
)

// WebhookPath returns the path of the webhook of a channel: "/services/T0BELLHOP/B0ALARMS/bellhopStandInSecret0001".
func WebhookPath(channel string) string {
	return servicesPrefix + team + "/" + configOf(channel) + "/" + secret
}

// configOf returns the id of the webhook of a channel, which has letters and digits alone.
func configOf(channel string) string {
	return "B0" + strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToUpper(channel))
}

// A Message is one that was posted to a webhook.
type Message struct {
	Number  int             `json:"number"` // from 1
	At      time.Time       `json:"at"`
	Channel string          `json:"channel"`
	TS      string          `json:"ts"`                // Slack's id of a message in a channel; "" if it was refused
	Text    string          `json:"text"`              // the top-level text
	Shown   string          `json:"shown"`             // as a reader sees it, as plain text; "" if it was refused
	Refused string          `json:"refused,omitempty"` // the code of the answer: "invalid_blocks"
	Problem string          `json:"problem,omitempty"` // what is wrong with a refused message
	Body    json.RawMessage `json:"message,omitempty"` // as it was posted; nil if it is no JSON

	parsed *message // nil if it was refused
}

// maxMessages bounds the messages that are kept.
const maxMessages = 1000

// A webhook is the incoming webhook of one channel. System.mu guards it.
type webhook struct {
	channel string
	refusal string    // the code by which all messages are refused; "" for a webhook that works
	places  float64   // messages that it takes at once
	at      time.Time // of places
}

// burst is how many messages a webhook takes at once after a pause.
const burst = 10

// A System is the stand-in. It is safe for concurrent use.
type System struct {
	host *emulator.Host
	opts Options

	mu       sync.Mutex          // guards the fields below, and all webhooks
	webhooks map[string]*webhook // by id
	messages []Message           // oldest first
	number   int
}

// New returns a stand-in on host.
func New(host *emulator.Host, opts Options) *System {
	if opts.Channels == nil {
		opts.Channels = []string{DefaultChannel}
	}
	if opts.Rate == 0 {
		opts.Rate = 1
	}
	s := &System{host: host, opts: opts}
	s.Reset()
	return s
}

// Name returns "slack".
func (s *System) Name() string { return "slack" }

// Channels returns the names of the channels.
func (s *System) Channels() []string { return slices.Clone(s.opts.Channels) }

// Reset forgets all messages, and has each webhook work.
func (s *System) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhooks, s.messages, s.number = map[string]*webhook{}, nil, 0
	for _, channel := range s.opts.Channels {
		s.webhooks[configOf(channel)] = &webhook{channel: channel, places: burst}
	}
}

// Owns reports whether path is that of a webhook, of the list of messages, or of the page.
func (s *System) Owns(path string) bool {
	return path == "/" || path == "/messages" || strings.HasPrefix(path, servicesPrefix)
}

// statuses are those of the codes by which Slack refuses a message.
// Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
var statuses = map[string]int{
	"invalid_payload": http.StatusBadRequest, "invalid_blocks": http.StatusBadRequest,
	"no_text":              http.StatusBadRequest,
	"too_many_attachments": http.StatusBadRequest, "user_not_found": http.StatusBadRequest,
	"action_prohibited": http.StatusForbidden, "posting_to_general_channel_denied": http.StatusForbidden,
	"team_disabled": http.StatusForbidden, "invalid_token": http.StatusForbidden,
	"channel_not_found": http.StatusNotFound, "no_service": http.StatusNotFound, "no_service_id": http.StatusNotFound,
	"no_team": http.StatusNotFound, "no_active_hooks": http.StatusNotFound,
	"channel_is_archived": http.StatusGone,
	"rate_limited":        http.StatusTooManyRequests,
	"rollup_error":        http.StatusInternalServerError,
}

// usual are the codes of statuses that are asked for by Fail.
var usual = map[int]string{http.StatusBadRequest: "invalid_payload", http.StatusForbidden: "action_prohibited",
	http.StatusNotFound: "no_service", http.StatusGone: "channel_is_archived",
	http.StatusTooManyRequests: "rate_limited", http.StatusInternalServerError: "rollup_error"}

// Fail answers with a status, and the code that Slack uses with it.
func (s *System) Fail(w http.ResponseWriter, _ *http.Request, status int) {
	code := usual[status]
	if code == "" {
		code = strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
	}
	answer(w, status, code)
}

// ErrorCodes implements [emulator.Coder].
func (s *System) ErrorCodes() []string {
	var codes []string
	for code := range statuses {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}

// FailWith implements [emulator.Coder].
func (s *System) FailWith(w http.ResponseWriter, _ *http.Request, code string) {
	answer(w, statuses[code], code)
}

// answer answers with a text. Slack declares it as HTML.
func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	io.WriteString(w, text)
}

// A refusal is why a message is not accepted.
type refusal struct {
	code    string // Slack's
	problem string // in words, with the place in the message
}

func (e *refusal) Error() string { return e.code + ": " + e.problem }

func refused(code, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// ServeHTTP answers a call.
func (s *System) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, servicesPrefix):
		s.post(w, r)
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	case r.URL.Path == "/messages":
		after, _ := strconv.Atoi(r.URL.Query().Get("after"))
		emulator.WriteJSON(w, http.StatusOK, map[string]any{"data": s.Messages(after)})
	default:
		writePage(w, s.Messages(0))
	}
}

// Messages returns the latest messages with a number above after, oldest first, refused ones among them.
func (s *System) Messages(after int) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Message{}
	for _, m := range s.messages {
		if m.Number > after {
			list = append(list, m)
		}
	}
	return list
}

// post takes a message for a webhook.
func (s *System) post(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.host.NowOf(s.Name())
	hook, err := s.find(r.URL.Path)
	if err != nil {
		answer(w, statuses[err.code], err.code)
		return
	}
	if wait := s.wait(hook, now); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(wait))
		answer(w, http.StatusTooManyRequests, "rate_limited")
		return
	}
	s.number++
	m := Message{Number: s.number, At: now.UTC(), Channel: "#" + hook.channel}
	body, err := payload(r)
	if json.Valid(body) {
		m.Body = body
	}
	if err == nil {
		m.parsed, err = parse(body)
	}
	status, text := http.StatusOK, "ok"
	if err != nil {
		m.Refused, m.Problem, m.parsed = err.code, err.problem, nil
		status, text = statuses[err.code], err.code
	} else {
		m.TS = fmt.Sprintf("%d.%06d", now.Unix(), s.number)
		m.Text, m.Shown = m.parsed.text, m.parsed.plain()
	}
	if len(s.messages) >= maxMessages {
		s.messages = slices.Delete(s.messages, 0, maxMessages/10)
	}
	s.messages = append(s.messages, m)
	answer(w, status, text)
}

// find returns the webhook that a path names. The caller holds s.mu.
func (s *System) find(path string) (*webhook, *refusal) {
	parts := strings.Split(strings.TrimPrefix(path, servicesPrefix), "/")
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	hook := s.webhooks[parts[1]]
	switch {
	case parts[0] != team:
		return nil, refused("no_team", "there is no workspace with this id")
	case parts[1] == "":
		return nil, refused("no_service_id", "the path has no id of a webhook")
	case hook == nil:
		return nil, refused("no_service", "there is no webhook with this id")
	case len(parts) != 3 || parts[2] != secret:
		return nil, refused("invalid_token", "the secret is not that of the webhook")
	case hook.refusal != "":
		return nil, refused(hook.refusal, "it was asked for")
	}
	return hook, nil
}

// wait takes a place for a message. It returns 0, or after how many seconds there is one. The caller holds s.mu.
func (s *System) wait(hook *webhook, now time.Time) int {
	if s.opts.Rate < 0 {
		return 0
	}
	if !hook.at.IsZero() {
		hook.places = min(burst, hook.places+max(0, now.Sub(hook.at).Seconds())*s.opts.Rate)
	}
	hook.at = now
	if hook.places < 1 {
		return max(1, int(math.Ceil((1-hook.places)/s.opts.Rate)))
	}
	hook.places--
	return 0
}

// Happen lets something happen to a channel, whose name is the resource: with the change type "archived" its messages
// are answered channel_is_archived, with "deleted" no_service, and with "updated" its webhook works again. Nobody is
// notified.
func (s *System) Happen(e emulator.Event) (int, error) {
	codes := map[string]string{"archived": "channel_is_archived", "deleted": "no_service", "updated": ""}
	code, ok := codes[e.ChangeType]
	if !ok {
		return 0, fmt.Errorf("change type %q of a channel %w; there are archived, deleted and updated", e.ChangeType,
			emulator.ErrUnknown)
	}
	return 0, s.refuse(e.Resource, code)
}

// Fault takes revoke (webhooks are removed: no_service) and expire (they are switched off: no_active_hooks). The value
// is the name of a channel; "" is all.
func (s *System) Fault(f emulator.Fault) error {
	switch f.Kind {
	case emulator.FaultRevoke:
		return s.refuse(f.Value, "no_service")
	case emulator.FaultExpire:
		return s.refuse(f.Value, "no_active_hooks")
	}
	return fmt.Errorf("fault %s %w", f.Kind, emulator.ErrUnknown)
}

// refuse has the webhook of a channel, or of all for "", answer with a code; "" has it work.
func (s *System) refuse(channel, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := channel == ""
	for _, hook := range s.webhooks {
		if channel == "" || hook.channel == strings.TrimPrefix(channel, "#") {
			hook.refusal, found = code, true
		}
	}
	if !found {
		return fmt.Errorf("channel %q %w", channel, emulator.ErrUnknown)
	}
	return nil
}

// Show implements [emulator.Shower]: it returns the message of a call as a reader sees it, or what is wrong with it.
func (s *System) Show(c emulator.Call) string {
	if c.Direction != emulator.CallIn || !strings.HasPrefix(c.URL, servicesPrefix) ||
		c.Status != http.StatusOK && c.Status != http.StatusBadRequest || c.Fault != "" {
		return ""
	}
	body, err := payload(&http.Request{Method: c.Method, Header: c.RequestHeader,
		Body: io.NopCloser(bytes.NewReader(c.RequestBody))})
	var m *message
	if err == nil {
		m, err = parse(body)
	}
	switch {
	case len(c.RequestBody) > emulator.MaxLoggedBody-utf8.UTFMax && err != nil: // it is not whole
		return ""
	case err != nil:
		return "refused: " + err.problem
	}
	return m.plain()
}

var (
	_ emulator.Coder  = (*System)(nil)
	_ emulator.Shower = (*System)(nil)
	_ error           = (*refusal)(nil)
)

// errNoObject is why a body is no JSON object.
var errNoObject = errors.New("it is no JSON object")
