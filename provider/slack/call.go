package slack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Emulation implements [provider.Emulator].
func (Provider) Emulation() provider.Emulation {
	return provider.Emulation{
		Open: OpenCaller, OfSource: true,
		Handshake: `{"token":"sample","challenge":"{{id}}","type":"url_verification"}`,
		Samples: []provider.Sample{
			{Type: typePrefix + "app_mention", Title: "Somebody has mentioned the app", Body: `{"team_id":"TSAMPLE",` +
				`"api_app_id":"ASAMPLE","event":{"type":"app_mention","user":"USAMPLE",` +
				`"text":"<@ABELLHOP> a sample of Bellhop","ts":"{{seconds}}.000016","channel":"CSAMPLE",` +
				`"event_ts":"{{seconds}}.000016"},"type":"event_callback","event_id":"EvSAMPLE{{id}}",` +
				`"event_time":{{seconds}}}`},
			{Type: commandType, Title: "A slash command", Body: "token=sample&team_id=TSAMPLE&team_domain=sample&" +
				"channel_id=CSAMPLE&channel_name=sample&user_id=USAMPLE&user_name=bellhop&command=%2Fsample&" +
				"text=hello&api_app_id=ASAMPLE&trigger_id={{id}}"},
		},
	}
}

// OpenCaller returns a Renderer of Slack's own calls to a source with these settings.
func OpenCaller(_ provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	s, _, err := readSettings(raw)
	if err != nil {
		return nil, err
	}
	return &caller{secret: s.SigningSecret.Bytes()[0]}, nil
}

type caller struct{ secret []byte }

// Render renders an event that came from Slack with its own bytes, and any other event in the envelope of the
// Events API.
func (c *caller) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	body, err := callBody(ev)
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("slack: %w", err)
	}
	timestamp := strconv.FormatInt(at.Time.Unix(), 10)
	value, err := Sign(timestamp, body, c.secret)
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("slack: %w", err)
	}
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, TimestampHeader: {timestamp},
		SignatureHeader: {value}}
	if strictjson.IsObject(body) {
		h.Set("Content-Type", "application/json")
	}
	if at.Attempt > 1 {
		h.Set("X-Slack-Retry-Num", strconv.Itoa(at.Attempt-1))
		h.Set("X-Slack-Retry-Reason", "http_error")
	}
	return provider.OutboundRequest{Header: h, Body: body}, nil
}

func callBody(ev *bellhop.Event) ([]byte, error) {
	if c, err := parse(ev.Body); err == nil && !c.general && strings.HasPrefix(ev.Type, typePrefix) {
		return ev.Body, nil
	}
	return newCallback(ev)
}

// A callback is the envelope of an event in the Events API.
type callback struct {
	TeamID    string        `json:"team_id"`
	AppID     string        `json:"api_app_id"`
	Event     callbackEvent `json:"event"`
	Type      string        `json:"type"`
	EventID   string        `json:"event_id"`
	EventTime int64         `json:"event_time"`
}

type callbackEvent struct {
	Type       string          `json:"type"`
	Channel    string          `json:"channel,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`        // the body, if it is a JSON object or array
	DataBase64 []byte          `json:"data_base64,omitempty"` // otherwise the body in Base64
}

// maxData bounds the body of another system's event in a call, in bytes; a longer body is left out.
const maxData = 700 << 10

// newCallback encodes ev in the form of the Events API, with the same bytes on each attempt.
func newCallback(ev *bellhop.Event) ([]byte, error) {
	sum := sha256.Sum256([]byte(ev.ID))
	c := callback{
		TeamID: "TBELLHOP", AppID: "ABELLHOP", Type: "event_callback",
		EventID: "Ev" + strings.ToUpper(hex.EncodeToString(sum[:8])), EventTime: ev.HappenedAt().Unix(),
		Event: callbackEvent{Type: strings.TrimPrefix(ev.Type, typePrefix), Channel: ev.Subject},
	}
	if len(ev.Body) > maxData {
		return strictjson.Encode(c)
	}
	if data, ok := strictjson.Embed(ev.Body); ok && (data[0] == '{' || data[0] == '[') {
		c.Event.Data = data
	} else {
		c.Event.DataBase64 = ev.Body
	}
	return strictjson.Encode(c)
}
