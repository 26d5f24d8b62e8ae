package slack

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

type receiver struct {
	secrets   [][]byte
	tolerance time.Duration
	now       func() time.Time
}

// CheckHeader implements [provider.HeaderChecker].
func (r *receiver) CheckHeader(req *provider.Request) error {
	_, err := r.readHeader(req)
	return provider.Named("slack", err)
}

// readHeader returns the proof of req. It does not look at the body.
func (r *receiver) readHeader(req *provider.Request) (proof, error) {
	if req.Method != http.MethodPost {
		return proof{}, provider.ErrMethod
	}
	return readProof(req.Header, r.now(), r.tolerance)
}

// Receive verifies the signature, then answers a challenge or parses the call. Every accepted call is answered
// 200, because Slack shows any other status of a slash command as a failure.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	c, err := r.read(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("slack: %w", err)
	}
	if c.reply != nil {
		return provider.Receipt{Reply: c.reply}, nil
	}
	if c.id == "" { // a call that is captured and sent again has the same signature
		c.id = req.Header.Get(SignatureHeader)
	}
	if c.time.IsZero() {
		c.time, _ = parseTimestamp(req.Header.Get(TimestampHeader))
	}
	return provider.Receipt{Status: http.StatusOK, Events: []bellhop.Event{{
		Type:        c.kind,
		Subject:     provider.Subject(c.subject),
		ProviderID:  provider.RepeatKey(c.id),
		Time:        c.time,
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}}}, nil
}

func (r *receiver) read(req *provider.Request) (call, error) {
	p, err := r.readHeader(req)
	if err != nil {
		return call{}, err
	}
	if err := p.verify(req.Body, r.secrets); err != nil {
		return call{}, err
	}
	return parse(req.Content())
}

// A call holds the parts of a body that this package reads.
type call struct {
	reply   *provider.Reply // the answer to send at once; then there is no event
	kind    string          // "slack.app_mention"
	subject string          // the channel, or the user, or the workspace
	id      string          // identifies repeats
	time    time.Time       // zero if the body has none
	general bool            // the body has no type, as none of Slack's has
}

// typePrefix precedes Slack's type in the type of an event, because Slack's words are not globally unique.
const typePrefix = "slack."

// otherType is the type of an event without a type, or with one that cannot be used. It is accepted, because its body
// is signed.
const otherType = typePrefix + "event"

func eventType(name string) string {
	if kind := typePrefix + name; name != "" && provider.Word(kind) {
		return kind
	}
	return otherType
}

// parse parses a body: JSON if it begins with a brace, which no form does, otherwise a form. It ignores the
// Content-Type, which is not signed. Its errors wrap provider.ErrBody.
func parse(body []byte) (call, error) {
	if strictjson.IsObject(body) {
		return parseEvent(body)
	}
	return parseForm(body)
}

// parseEvent parses a call of the Events API: an event in its envelope, a challenge, or the notice that Slack
// limits the rate of events.
func parseEvent(body []byte) (call, error) {
	typeOf, challenge := strictjson.Member{Name: "type"}, strictjson.Member{Name: "challenge"}
	teamID, eventID := strictjson.Member{Name: "team_id"}, strictjson.Member{Name: "event_id"}
	event, eventTime := strictjson.Member{Name: "event"}, strictjson.Member{Name: "event_time"}
	minute := strictjson.Member{Name: "minute_rate_limited"}
	err := strictjson.FindAll(body, &typeOf, &challenge, &teamID, &eventID, &event, &eventTime, &minute)
	if err != nil {
		return call{}, err
	}
	kind, team := typeOf.Text(), teamID.Text()
	c := call{kind: eventType(kind), subject: team, id: eventID.Key(), time: unixTime(eventTime.Value),
		general: kind == ""}
	switch kind {
	case "url_verification":
		return answerChallenge(challenge.Text())
	case "event_callback":
		inner := parseInner(event.Value)
		c.kind, c.subject = eventType(inner.kind), cmp.Or(inner.subject(), team)
	case "app_rate_limited":
		if c.time = unixTime(minute.Value); !c.time.IsZero() {
			c.id = kind + "/" + team + "/" + string(minute.Value)
		}
	}
	return c, nil
}

// answerChallenge repeats the token of a URL verification as plain text, one of the forms that Slack accepts.
func answerChallenge(token string) (call, error) {
	if !provider.PlainToken(token) {
		return call{}, fmt.Errorf("%w: the challenge is empty, too long or not text", provider.ErrBody)
	}
	return call{reply: &provider.Reply{Status: http.StatusOK, Body: []byte(token)}}, nil
}

// An inner holds the members of the event within an envelope.
type inner struct{ kind, channel, itemChannel, user string }

func (e *inner) subject() string { return cmp.Or(e.channel, e.itemChannel, e.user) }

// parseInner parses an event. Its members depend on its type; a channel or user may be an object with an id.
func parseInner(object []byte) inner {
	kind, item := strictjson.Member{Name: "type"}, strictjson.Member{Name: "item"}
	channel, channelID := strictjson.Member{Name: "channel"}, strictjson.Member{Name: "channel_id"}
	user, userID := strictjson.Member{Name: "user"}, strictjson.Member{Name: "user_id"}
	if strictjson.FindAll(object, &kind, &channel, &channelID, &user, &userID, &item) != nil {
		return inner{}
	}
	return inner{
		kind:        kind.Text(),
		channel:     cmp.Or(idOf(channel.Value, "id"), channelID.Text()),
		itemChannel: idOf(item.Value, "channel"),
		user:        cmp.Or(idOf(user.Value, "id"), userID.Text()),
	}
}

// idOf returns value if it is a text, or its member name if it is an object.
func idOf(value []byte, name string) string {
	if text, ok := strictjson.Text(value); ok {
		return text
	}
	return strictjson.FindText(value, name)
}

// unixTime parses whole seconds. It returns the zero Time for any other value and for years out of range.
func unixTime(value []byte) time.Time {
	seconds, err := strconv.ParseInt(string(value), 10, 64)
	t := time.Unix(seconds, 0).UTC()
	if err != nil || seconds <= 0 || t.Year() > 2199 {
		return time.Time{}
	}
	return t
}

// commandType is the type of every slash command. The member command of the body names the command.
const commandType = typePrefix + "command"

// parseForm parses a slash command, an interaction, the check of a URL's certificate, or another form.
func parseForm(body []byte) (call, error) {
	var f form
	if err := f.read(body); err != nil {
		return call{}, err
	}
	switch {
	case f.payload != "":
		return parseInteraction([]byte(f.payload))
	case f.command != "":
		return call{kind: commandType, subject: cmp.Or(f.channelID, f.userID, f.teamID), id: f.triggerID}, nil
	case f.sslCheck == "1":
		return call{reply: &provider.Reply{Status: http.StatusOK}}, nil
	}
	return call{kind: otherType, subject: cmp.Or(f.channelID, f.userID, f.teamID), id: f.triggerID, general: true}, nil
}

// A form holds the fields that this package reads.
type form struct{ payload, command, channelID, userID, teamID, triggerID, sslCheck string }

func (f *form) field(name string) *string {
	switch name {
	case "payload":
		return &f.payload
	case "command":
		return &f.command
	case "channel_id":
		return &f.channelID
	case "user_id":
		return &f.userID
	case "team_id":
		return &f.teamID
	case "trigger_id":
		return &f.triggerID
	case "ssl_check":
		return &f.sslCheck
	}
	return nil
}

// read parses body as application/x-www-form-urlencoded. It refuses a repeated or wrongly encoded field that this
// package reads, and ignores other fields.
func (f *form) read(body []byte) error {
	seen := map[*string]bool{}
	for pair := range bytes.SplitSeq(body, []byte("&")) {
		name, value, _ := bytes.Cut(pair, []byte("="))
		field := f.field(string(name))
		if field == nil {
			continue
		}
		text, err := url.QueryUnescape(string(value))
		if err != nil || seen[field] {
			return fmt.Errorf("%w: a field of the form is repeated, or is not encoded as a form", provider.ErrBody)
		}
		*field, seen[field] = text, true
	}
	return nil
}

// parseInteraction parses an interaction of a person with a message, a shortcut or a dialogue of the app.
func parseInteraction(payload []byte) (call, error) {
	kind, trigger := strictjson.Member{Name: "type"}, strictjson.Member{Name: "trigger_id"}
	channel, user := strictjson.Member{Name: "channel"}, strictjson.Member{Name: "user"}
	team := strictjson.Member{Name: "team"}
	if err := strictjson.FindAll(payload, &kind, &trigger, &channel, &user, &team); err != nil {
		return call{}, fmt.Errorf("in payload: %w", err)
	}
	subject := cmp.Or(idOf(channel.Value, "id"), idOf(user.Value, "id"), idOf(team.Value, "id"))
	return call{kind: eventType(kind.Text()), subject: subject, id: trigger.Text(), general: kind.Text() == ""}, nil
}
