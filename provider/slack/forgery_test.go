package slack_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/slack"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Cases of section 3 of the forgery list, and those of section 10 about a challenge in the body; section 15 is in
// providertest. Decided differently, or tested elsewhere:
//
//	G07, G11  digits in another case   accepted; a prefix in another case is not
//	G29, G31  empty and tiny bodies    refused as malformed: Slack does not send such bodies
//	V11, V12  headers of a reply       set by the server
//	V13       challenge at any time    answered: it is signed
//	V32       signing oracle           impossible: a challenge is repeated, not signed
//	R04       replay after the window  refused
//	R05       at another source        accepted if both sources have the same secret: Slack does not sign the URL
var forgeries = []struct {
	name   string
	body   string                      // "" is the constant event
	at     time.Duration               // the time of signing, relative to now
	change func(req *provider.Request) // after signing
	want   error
}{
	{name: "G01 control"},
	{name: "G02 no signature", change: set(slack.SignatureHeader), want: signature.ErrMissing},
	{name: "G02 no timestamp", change: set(slack.TimestampHeader), want: signature.ErrMissing},
	{name: "G04 only the prefix", change: set(slack.SignatureHeader, "v0="), want: signature.ErrMalformed},
	{name: "G06 another version", change: edit(slack.SignatureHeader, "v0=", "v1="), want: signature.ErrMalformed},
	{name: "G06 no prefix", change: edit(slack.SignatureHeader, "v0=", ""), want: signature.ErrMalformed},
	{name: "G07 prefix in another case", change: edit(slack.SignatureHeader, "v0=", "V0="),
		want: signature.ErrMalformed},
	{name: "G08 text before the prefix", change: edit(slack.SignatureHeader, "v0=", "xxv0="),
		want: signature.ErrMalformed},
	{name: "G11 upper case", change: upperDigits},
	{name: "G12 63 digits", change: cutSignature(1), want: signature.ErrMalformed},
	{name: "G14 31 bytes", change: cutSignature(2), want: signature.ErrMalformed},
	{name: "G36 another secret", change: resign(secrets[1], "1795338000"), want: signature.ErrMismatch},
	{name: "G42 secret null", change: resign("null", "1795338000"), want: signature.ErrMismatch},
	{name: "G47 body alone", change: signPlain(event), want: signature.ErrMismatch},
	{name: "G47 without a version", change: signPlain("1795338000:" + event), want: signature.ErrMismatch},
	{name: "G47 another version signed", change: signPlain("v1:1795338000:" + event), want: signature.ErrMismatch},
	{name: "G58 signature twice", change: twice(slack.SignatureHeader), want: signature.ErrMalformed},
	{name: "G58 timestamp twice", change: twice(slack.TimestampHeader), want: signature.ErrMalformed},
	{name: "timestamp changed", change: set(slack.TimestampHeader, "1795338001"), want: signature.ErrMismatch},
	{name: "timestamp with a sign", change: resign(secrets[0], "+1795338000"), want: signature.ErrMalformed},
	{name: "timestamp with a leading zero", change: resign(secrets[0], "01795338000"), want: signature.ErrMalformed},
	{name: "timestamp with a fraction", change: resign(secrets[0], "1795338000.5"), want: signature.ErrMalformed},
	{name: "timestamp in milliseconds", change: resign(secrets[0], "1795338000000"), want: signature.ErrMalformed},
	{name: "timestamp in hex", change: resign(secrets[0], "0x6b02b7d0"), want: signature.ErrMalformed},
	{name: "timestamp with a leading space", change: resign(secrets[0], " 1795338000"), want: signature.ErrMalformed},
	{name: "timestamp of zero", change: resign(secrets[0], "0"), want: signature.ErrMalformed},
	{name: "timestamp in Devanagari digits", change: resign(secrets[0], "१७९५३३८०००"), want: signature.ErrMalformed},
	{name: "timestamp of 11 digits", change: resign(secrets[0], "99999999999"), want: signature.ErrExpired},
	{name: "bytes moved from body to timestamp", body: "1" + event, change: moveByte, want: signature.ErrExpired},
	{name: "R04 too old", at: -5*time.Minute - time.Second, want: signature.ErrExpired},
	{name: "R04 from the future", at: 5*time.Minute + time.Second, want: signature.ErrExpired},
	{name: "time before signature", at: -time.Hour, change: setBody("{}"), want: signature.ErrExpired},
	{name: "time before body", at: -time.Hour, body: "x", want: signature.ErrExpired},
	{name: "GET", change: func(req *provider.Request) { req.Method = "GET" }, want: provider.ErrMethod},

	{name: "V30 challenge, signed", body: challenge("abc")},
	{name: "V30 challenge, not signed", body: challenge("abc"), change: set(slack.SignatureHeader),
		want: signature.ErrMissing},
	{name: "V30 challenge, signed with another secret", body: challenge("abc"),
		change: resign(secrets[1], "1795338000"),
		want:   signature.ErrMismatch},
	{name: "V30 challenge, a day old", body: challenge("abc"), at: -24 * time.Hour, want: signature.ErrExpired},
	{name: "V05 challenge with CR LF", body: challenge(`a\r\nX: y`), want: provider.ErrBody},
	{name: "V06 challenge with NUL", body: challenge(`a\u0000`), want: provider.ErrBody},
	{name: "V06 challenge with C1", body: challenge(`a\u0085`), want: provider.ErrBody},
	{name: "V06 challenge with U+2028", body: challenge(`a\u2028`), want: provider.ErrBody},
	{name: "V07 challenge of 4 KiB", body: challenge(strings.Repeat("a", 4096))},
	{name: "V07 challenge of 4 KiB and one byte", body: challenge(strings.Repeat("a", 4097)), want: provider.ErrBody},
	{name: "V08 empty challenge", body: challenge(""), want: provider.ErrBody},
	{name: "V08 no challenge", body: `{"type":"url_verification"}`, want: provider.ErrBody},
	{name: "V20 challenge with markup", body: challenge("<script>")},
	{name: "V21 challenge is a number", body: `{"type":"url_verification","challenge":1}`, want: provider.ErrBody},
	{name: "N01 challenge twice", body: `{"type":"url_verification","challenge":"a","challenge":"b"}`,
		want: provider.ErrBody},

	{name: "N01 type twice", body: `{"type":"event_callback","type":"url_verification"}`, want: provider.ErrBody},
	{name: "N02 Type", body: `{"Type":"event_callback"}`},
	{name: "type is a number", body: `{"type":1}`},
	{name: "JSON after white space", body: " \n" + event},
	{name: "JSON array", body: "[" + event + "]"},
	{name: "JSON with the Content-Type of a form", change: set("Content-Type", "application/x-www-form-urlencoded")},
	{name: "form with the Content-Type of JSON", body: "command=/a", change: set("Content-Type", "application/json")},
	{name: "form without a Content-Type", body: "command=/a", change: set("Content-Type")},
	{name: "form without a command", body: "text=a"},
	{name: "form, empty command", body: "command="},
	{name: "form, command twice", body: "command=/a&command=/b", want: provider.ErrBody},
	{name: "form, trigger twice", body: "command=/a&trigger_id=1&trigger_id=", want: provider.ErrBody},
	{name: "form, malformed encoding of the command", body: "command=%zz", want: provider.ErrBody},
	{name: "form, malformed encoding of an ignored field", body: "command=/a&text=%zz"},
	{name: "form of 100001 fields", body: "command=/a" + strings.Repeat("&a=b", 100_000)},
	{name: "payload is not JSON", body: "payload=%7B", want: provider.ErrBody},
	{name: "payload is an array", body: "payload=[]", want: provider.ErrBody},
	{name: "payload without a type", body: "payload={}"},
	{name: "payload with type twice", body: `payload={"type":"a","type":"b"}`, want: provider.ErrBody},
	{name: "N04 payload with a deep member", body: `payload={"type":"a","b":` + strings.Repeat("[", 100) +
		strings.Repeat("]", 100) + `}`},
	{name: "N01 payload with another member twice", body: `payload={"type":"a","b":1,"b":{"c":1,"c":2}}`},
	{name: "N12 byte order mark", body: "\uFEFF" + event},
	{name: "ssl_check is 0", body: "ssl_check=0"},
	{name: "ssl_check not signed", body: "ssl_check=1", change: set(slack.SignatureHeader),
		want: signature.ErrMissing},
}

const event = `{"type":"event_callback","event_id":"Ev1","event":{"type":"message","channel":"C1"}}`

func challenge(token string) string {
	return `{"type":"url_verification","challenge":"` + token + `"}`
}

func TestMovedByte(t *testing.T) {
	req := sign(secrets[0], providertest.Now, []byte("1"+event))
	moveByte(req)
	err := slack.Verify(req.Header, req.Body, providertest.Now, math.MaxInt64, []byte(secrets[0]))
	if !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("with any tolerance: %v", err)
	}
}

func TestForgery(t *testing.T) {
	r := providertest.Open(t, slack.Provider{}, providertest.JSON(values{"signing_secret": secrets[0]}))
	for _, c := range forgeries {
		t.Run(c.name, func(t *testing.T) {
			if c.body == "" {
				c.body = event
			}
			req := sign(secrets[0], providertest.Now.Add(c.at), []byte(c.body))
			if c.change != nil {
				c.change(req)
			}
			receipt, err := r.Receive(context.Background(), req)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err == nil && strings.Contains(c.body, "url_verification") &&
				(receipt.Reply == nil || !strings.Contains(c.body, string(receipt.Reply.Body))) {
				t.Errorf("got %+v", receipt)
			}
		})
	}
}

// set gives a header these values; without values it removes the header.
func set(name string, values ...string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Header[name] = values }
}

func edit(name, old, new string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Header.Set(name, strings.Replace(req.Header.Get(name), old, new, 1)) }
}

func twice(name string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Header.Add(name, req.Header.Get(name)) }
}

func setBody(body string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Body = []byte(body) }
}

func cutSignature(n int) func(req *provider.Request) {
	return func(req *provider.Request) {
		value := req.Header.Get(slack.SignatureHeader)
		req.Header.Set(slack.SignatureHeader, value[:len(value)-n])
	}
}

func upperDigits(req *provider.Request) {
	digits := strings.TrimPrefix(req.Header.Get(slack.SignatureHeader), "v0=")
	req.Header.Set(slack.SignatureHeader, "v0="+strings.ToUpper(digits))
}

// resign signs the unchanged body again, with another secret or timestamp.
func resign(secret, timestamp string) func(req *provider.Request) {
	return func(req *provider.Request) {
		value, err := slack.Sign(timestamp, req.Body, []byte(secret))
		if err != nil {
			panic(err)
		}
		req.Header.Set(slack.TimestampHeader, timestamp)
		req.Header.Set(slack.SignatureHeader, value)
	}
}

// signPlain signs message instead of version, timestamp and body.
func signPlain(message string) func(req *provider.Request) {
	return func(req *provider.Request) {
		value, err := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex,
			Prefix: "v0="}.Sign([]byte(secrets[0]), []byte(message))
		if err != nil {
			panic(err)
		}
		req.Header.Set(slack.SignatureHeader, value)
	}
}

// moveByte moves the first byte of the body to the end of the timestamp.
func moveByte(req *provider.Request) {
	req.Header.Set(slack.TimestampHeader, req.Header.Get(slack.TimestampHeader)+string(req.Body[:1]))
	req.Body = req.Body[1:]
}

// Section 2 of the forgery list.
func TestKnownAnswer(t *testing.T) {
	const want = "v0=40181a6cc297790fb74d1ad2a26db5823dda3cd7d686bbab1ff91346bda9b1b0"
	got, err := slack.Sign("1531420618", []byte(`{"id":"evt_1","type":"test","data":{"n":1}}`), []byte(secrets[0]))
	if got != want || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := slack.Sign("1", nil, nil); !errors.Is(err, signature.ErrKey) {
		t.Errorf("an empty secret: %v", err)
	}
	h := http.Header{slack.SignatureHeader: {want}, slack.TimestampHeader: {"1531420618"}}
	if err := slack.Verify(h, nil, time.Unix(1531420618, 0), time.Minute); !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("no secrets: %v", err)
	}
}

// TestMutants changes the signature, the timestamp and the body of calls. No mutant may verify.
func TestMutants(t *testing.T) {
	made := func(i int) []string {
		timestamp := strconv.FormatInt(providertest.Now.Unix()+int64(i), 10)
		body := fmt.Sprintf(`%d:{"type":"event_callback","event_id":"Ev%d"}`, i, i*i)
		value, err := slack.Sign(timestamp, []byte(body), []byte(secrets[0]))
		if err != nil {
			t.Fatal(err)
		}
		return []string{value, timestamp, body}
	}
	same := func(a, b []string) bool { // ignores the case of the hex digits
		return slices.Equal(a[1:], b[1:]) && len(a[0]) == len(b[0]) && strings.HasPrefix(a[0], "v0=") &&
			strings.EqualFold(a[0], b[0])
	}
	providertest.Mutants(t, providertest.ManyMutants, made, same, func(p []string) bool {
		h := http.Header{slack.SignatureHeader: {p[0]}, slack.TimestampHeader: {p[1]}}
		return slack.Verify(h, []byte(p[2]), providertest.Now, 1<<63-1, []byte(secrets[0])) == nil
	})
}

// FuzzVerify: Verify does not panic, and accepts only the value that Sign returns for a timestamp in canonical form.
func FuzzVerify(f *testing.F) {
	f.Add("v0=40181a6cc297790fb74d1ad2a26db5823dda3cd7d686bbab1ff91346bda9b1b0", "1531420618", []byte(`{}`))
	f.Add("v0=", "01", []byte(nil))
	f.Add("", "-1", []byte("\x00"))
	f.Fuzz(func(t *testing.T, value, timestamp string, body []byte) {
		want, err := slack.Sign(timestamp, body, []byte(secrets[0]))
		if err != nil {
			t.Fatal(err)
		}
		verify := func(value string) error {
			h := http.Header{slack.SignatureHeader: {value}, slack.TimestampHeader: {timestamp}}
			return slack.Verify(h, body, providertest.Now, 1<<63-1, []byte(secrets[0]))
		}
		if verify(value) == nil && !strings.EqualFold(value, want) {
			t.Errorf("%q is accepted in place of %q", value, want)
		}
		seconds, err := strconv.ParseInt(timestamp, 10, 64)
		canonical := err == nil && seconds > 0 && seconds < 1e11 && strconv.FormatInt(seconds, 10) == timestamp
		if (verify(want) == nil) != canonical {
			t.Errorf("timestamp %q: %v", timestamp, verify(want))
		}
	})
}

// TestGeneralType: a signed call without a type that can be used is the event slack.event.
func TestGeneralType(t *testing.T) {
	r := providertest.Open(t, slack.Provider{}, providertest.JSON(values{"signing_secret": secrets[0]}))
	for body, subject := range map[string]string{
		`{"token":"t","team_id":"T1"}`: "T1", `{"type":7}`: "", `{"type":"two words"}`: "", "payload={}": "",
		"text=hello&channel_id=C1": "C1", "command=": "", "Hello": "", "": "",
	} {
		req := sign(secrets[0], providertest.Now, []byte(body))
		receipt, err := r.Receive(context.Background(), req)
		if err != nil || len(receipt.Events) != 1 || receipt.Events[0].Type != "slack.event" ||
			receipt.Events[0].Subject != subject ||
			receipt.Events[0].ProviderID != req.Header.Get(slack.SignatureHeader) {
			t.Errorf("%q: got %+v, %v", body, receipt, err)
		}
	}
}

// TestOtherSecrets: other texts of an app's pages are refused with the place of the secret.
func TestOtherSecrets(t *testing.T) {
	for _, text := range []string{"xoxb-1-2-abc", "xapp-1-A-2-abc", "xoxe.xoxp-1-abc", "v0=00",
		"https://hooks.slack.com/services/T/B/x"} {
		_, err := slack.Provider{}.Open(provider.Env{}, []byte(`{"signing_secret":["`+secrets[0]+`","`+text+`"]}`))
		if err == nil || !strings.HasPrefix(err.Error(), "signing_secret[1]: is a ") ||
			strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
