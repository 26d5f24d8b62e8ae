package slack

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

type receiver struct {
	secrets   [][]byte
	tolerance time.Duration
	now       func() time.Time
}

// Receive verifies the signature, then answers a challenge or reads the call. All that Slack sends is answered 200:
// it takes any other status of a slash command for a failure.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	c, err := r.read(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("slack: %w", err)
	}
	if c.reply != nil {
		return provider.Receipt{Reply: c.reply}, nil
	}
	if c.id == "" { // a call that is caught and sent again has the same signature
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
	if req.Method != http.MethodPost {
		return call{}, provider.ErrMethod
	}
	if err := Verify(req.Header, req.Body, r.now(), r.tolerance, r.secrets...); err != nil {
		return call{}, err
	}
	return parse(req.Body)
}

// A call is what this package reads of a body.
type call struct {
	reply   *provider.Reply // to answer at once; there is no event then
	kind    string          // "slack.app_mention"
	subject string          // the channel, else the user, else the workspace
	id      string          // by which repeats are known
	time    time.Time       // zero if the body does not say
}

// typePrefix is in front of an event's type, since the names are not unique in the world.
const typePrefix = "slack."

// otherType is the type of what has one that cannot be an event's.
const otherType = typePrefix + "event"

func eventType(name string) string {
	if kind := typePrefix + name; name != "" && provider.Word(kind) {
		return kind
	}
	return otherType
}

// parse reads a body: JSON if it begins with a brace, which no form does, and else a form. Its Content-Type is not
// signed and does not count. Errors wrap provider.ErrBody.
func parse(body []byte) (call, error) {
	if isJSON(body) {
		return parseEvent(body)
	}
	return parseForm(body)
}

func isJSON(body []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) }
