package slack_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/slack"
)

var secrets = [2]string{"8f742231b10e8888abcd99yyyzzz85a5", "1c7e0d2b9a8f4c3d5e6f708192a3b4c5"}

type values map[string]any

func testCase(t testing.TB) providertest.Case {
	return providertest.Case{
		Provider:     slack.Provider{},
		Settings:     func(secrets []string) string { return providertest.JSON(values{"signing_secret": secrets}) },
		Secrets:      secrets,
		Sign:         sign,
		Headers:      []string{slack.SignatureHeader, slack.TimestampHeader},
		Window:       5 * time.Minute,
		Recordings:   recordings(t),
		SendSettings: func(string) string { return providertest.JSON(values{"colour": "none"}) },
		SendURL:      "https://hooks.slack.example/services/T000/B000/x",
		Sent: func(t *testing.T, ev *bellhop.Event, req *provider.Request) {
			if req.Method != "POST" || req.Header.Get("Content-Type") != "application/json" || len(req.Header) != 1 {
				t.Errorf("%s %v", req.Method, req.Header)
			}
			if err := checkMessage(req.Body); err != nil {
				t.Errorf("%v\n%.2000s", err, req.Body)
			}
		},
	}
}

func TestProvider(t *testing.T) { providertest.Run(t, testCase(t)) }

func FuzzReceive(f *testing.F) { providertest.Fuzz(f, testCase(f)) }

func BenchmarkReceive(b *testing.B) {
	body := providertest.ReadFile(b, "testdata/samples/app_mention.json")
	body = strings.Replace(body, "everything", strings.Repeat("everything ", (1024-len(body))/11), 1)
	providertest.Benchmark(b, testCase(b), []byte(body))
}

// sign returns a call in the form of those of Slack.
func sign(secret string, at time.Time, body []byte) *provider.Request {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	value, err := slack.Sign(timestamp, body, []byte(secret))
	if err != nil {
		panic(err)
	}
	contentType := "application/json"
	if !json.Valid(body) {
		contentType = "application/x-www-form-urlencoded"
	}
	return &provider.Request{Method: "POST", Target: "/in/slack", Body: body, ReceivedAt: at, Header: http.Header{
		"Content-Type": {contentType}, slack.TimestampHeader: {timestamp}, slack.SignatureHeader: {value},
	}}
}

// The example that Slack publishes: https://docs.slack.dev/authentication/verifying-requests-from-slack
const (
	publishedBody = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V" +
		"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	publishedTime      = 1531420618
	publishedSignature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
)

func recordings(t testing.TB) []providertest.Recording {
	at := time.Unix(publishedTime, 0)
	published := sign(secrets[0], at, []byte(publishedBody))
	if got := published.Header.Get(slack.SignatureHeader); got != publishedSignature {
		t.Fatalf("signed as %s", got)
	}
	list := []providertest.Recording{{Name: "published", At: at.Add(4 * time.Minute), Request: published}}
	for name, body := range map[string]string{
		"url_verification": `{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl",` +
			`"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}`,
		"ssl_check":      "ssl_check=1&token=Jhj5dZrVaK7ZwHHjRyZWjbDl",
		"new_outer_type": `{"type":"event_reminder","team_id":"T1","event_id":"Ev1"}`,
		"odd_outer_type": `{"type":"two words","event_id":"Ev2","event_time":-1}`,
		"odd_inner_type": `{"type":"event_callback","event_id":"Ev3","event":{"type":"a b","user":{"id":"U1"},` +
			`"channel":7}}`,
		"no_inner_event": `{"type":"event_callback","event_id":"Ev4","team_id":"T1","event_time":99999999999}`,
		"channel_created": `{"type":"event_callback","event_id":"Ev5","event":{"type":"channel_created",` +
			`"channel":{"id":"C1","name":"fun"}}}`,
		"file_shared": `{"type":"event_callback","event_id":"Ev6","event":{"type":"file_shared","channel_id":"C2",` +
			`"user_id":"U2"}}`,
		"command_of_nobody":  "command=%2Fa+b",
		"command_of_someone": "command=%2Fa&user_id=U1",
		"view_closed":        `payload={"type":"view_closed","user":{"id":"U1"}}`,
	} {
		list = append(list,
			providertest.Recording{Name: name, Request: sign(secrets[0], providertest.Now, []byte(body))})
	}
	return list
}
