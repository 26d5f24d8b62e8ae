package slack

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/url"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// commandType is the type of a slash command. Which one it is stands in the body, as command.
const commandType = typePrefix + "command"

// parseForm reads a slash command, an interaction, or the check of a URL's certificate.
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
	return call{}, fmt.Errorf("%w: neither JSON nor a form with a command or a payload", provider.ErrBody)
}

// A form has the fields that matter here.
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

// read reads body as application/x-www-form-urlencoded. A field of ours that is there twice or not encoded as it
// should be is refused; the others are not looked at.
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
			return fmt.Errorf("%w: a field of the form is there twice, or not encoded as in a form", provider.ErrBody)
		}
		*field, seen[field] = text, true
	}
	return nil
}

// parseInteraction reads what somebody did with a message, a shortcut or a dialogue of the app's.
func parseInteraction(payload []byte) (call, error) {
	var kind, trigger string
	var channel, user, team []byte
	err := strictjson.Object(payload, func(name, value []byte) {
		switch string(name) {
		case "type":
			kind, _ = strictjson.Text(value)
		case "trigger_id":
			trigger, _ = strictjson.Text(value)
		case "channel":
			channel = value
		case "user":
			user = value
		case "team":
			team = value
		}
	})
	if err != nil {
		return call{}, fmt.Errorf("in payload: %w", err)
	}
	if kind == "" {
		return call{}, fmt.Errorf("%w: no type in payload", provider.ErrBody)
	}
	return call{kind: eventType(kind), subject: cmp.Or(idOf(channel, "id"), idOf(user, "id"), idOf(team, "id")), id: trigger}, nil
}
