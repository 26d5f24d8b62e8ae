package slack

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// parseEvent reads a call of the Events API: an event within its envelope, a challenge, or the notice that events are
// held back.
func parseEvent(body []byte) (call, error) {
	var kind, challenge, team, eventID string
	var event, eventTime, minute []byte
	err := strictjson.Object(body, func(name, value []byte) {
		switch string(name) {
		case "type":
			kind, _ = strictjson.Text(value)
		case "challenge":
			challenge, _ = strictjson.Text(value)
		case "team_id":
			team, _ = strictjson.Text(value)
		case "event_id":
			eventID, _ = strictjson.Key(value)
		case "event":
			event = value
		case "event_time":
			eventTime = value
		case "minute_rate_limited":
			minute = value
		}
	})
	if err != nil {
		return call{}, err
	}
	c := call{kind: eventType(kind), subject: team, id: eventID, time: unixTime(eventTime)}
	switch kind {
	case "":
		return call{}, fmt.Errorf("%w: no type", provider.ErrBody)
	case "url_verification":
		return answerChallenge(challenge)
	case "event_callback":
		inner := parseInner(event)
		c.kind, c.subject = eventType(inner.kind), cmp.Or(inner.subject(), team)
	case "app_rate_limited":
		if c.time = unixTime(minute); !c.time.IsZero() {
			c.id = kind + "/" + team + "/" + string(minute)
		}
	}
	return c, nil
}

// answerChallenge repeats the token of a URL's verification as plain text, one of the forms that Slack takes.
func answerChallenge(token string) (call, error) {
	if !provider.PlainToken(token) {
		return call{}, fmt.Errorf("%w: the challenge is empty, too long or not text", provider.ErrBody)
	}
	return call{reply: &provider.Reply{Status: http.StatusOK, Body: []byte(token)}}, nil
}

// An inner is what an event tells of itself and of what it is about.
type inner struct{ kind, channel, itemChannel, user string }

func (e *inner) subject() string { return cmp.Or(e.channel, e.itemChannel, e.user) }

// parseInner reads an event. Which members there are depends on its type; a channel or user may be an object with an id.
func parseInner(object []byte) (e inner) {
	var channel, user, item []byte
	err := strictjson.Object(object, func(name, value []byte) {
		switch string(name) {
		case "type":
			e.kind, _ = strictjson.Text(value)
		case "channel", "channel_id":
			channel = value
		case "user", "user_id":
			user = value
		case "item":
			item = value
		}
	})
	if err != nil {
		return inner{}
	}
	e.channel, e.itemChannel, e.user = idOf(channel, "id"), idOf(item, "channel"), idOf(user, "id")
	return e
}

// idOf returns value, a text, or the text that is its member called name.
func idOf(value []byte, name string) string {
	if text, ok := strictjson.Text(value); ok {
		return text
	}
	return strictjson.FindText(value, name)
}

// unixTime reads whole seconds. It returns the zero Time for anything else and for what no clock says.
func unixTime(value []byte) time.Time {
	seconds, err := strconv.ParseInt(string(value), 10, 64)
	t := time.Unix(seconds, 0).UTC()
	if err != nil || seconds <= 0 || t.Year() > 2199 {
		return time.Time{}
	}
	return t
}
