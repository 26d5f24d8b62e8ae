package cloudevents_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Cases of the forgery list for bearer tokens (section 13), for handshakes by OPTIONS (section 10) and for JSON
// (section 15), by their numbers; the handshakes are in handshake_test.go. Decided differently, or tested
// elsewhere:
//
//	K08      an empty token          a source with an empty token cannot be saved: TestSettings
//	R05      the same token twice    a request does not say for which source it is: each source needs its own token
//	L01      a compressed body       is decoded by the server; no provider sees the coding: Coded in package providertest
//	N02, N03 keys in another case    are extensions here, and kept as such
//	N08, N09 text that is not UTF-8  is replaced in the fields of an event, and kept in its body
var forgeries = []struct {
	name   string
	change func(req *provider.Request)
	body   string // "" is a valid event
	want   error
}{
	{name: "control"},
	{name: "K04 scheme in another case", change: set("Authorization", "bEaReR "+tokens[0])},
	{name: "K05 Basic", change: set("Authorization", "Basic "+tokens[0]), want: signature.ErrMalformed},
	{name: "no scheme", change: set("Authorization", tokens[0]), want: signature.ErrMalformed},
	{name: "scheme alone", change: set("Authorization", "Bearer"), want: signature.ErrMalformed},
	{name: "scheme and a blank", change: set("Authorization", "Bearer "), want: signature.ErrMalformed},
	{name: "two blanks", change: set("Authorization", "Bearer  "+tokens[0]), want: signature.ErrMismatch},
	{name: "a tab", change: set("Authorization", "Bearer\t"+tokens[0]), want: signature.ErrMalformed},
	{name: "a letter that folds to one of the scheme", change: set("Authorization", "Bearer\u212A"+tokens[0]),
		want: signature.ErrMalformed},
	{name: "token in another case", change: set("Authorization", "Bearer "+strings.ToLower(tokens[0])),
		want: signature.ErrMismatch},
	{name: "K06 two Authorization headers", change: set("Authorization", "Bearer "+tokens[0], "Bearer "+tokens[0]),
		want: signature.ErrMalformed},
	{name: "no token", change: set("Authorization"), want: signature.ErrMissing},
	{name: "G63 under another name in the query", change: query("token="+tokens[0], false),
		want: signature.ErrMissing},
	{name: "in the query", change: query("access_token="+tokens[0], false)},
	{name: "in the query, beside others", change: query("a=1&access_token="+tokens[0]+"&b=2", false)},
	{name: "in the query, name in another case", change: query("Access_Token="+tokens[0], false),
		want: signature.ErrMissing},
	{name: "in the query, empty", change: query("access_token=", false), want: signature.ErrMissing},
	{name: "in the query, wrong", change: query("access_token=x", false), want: signature.ErrMismatch},
	{name: "in the query twice", change: query("access_token="+tokens[0]+"&access_token="+tokens[0], false),
		want: signature.ErrMalformed},
	{name: "K09 in the query and in the header, different", change: query("access_token=x", true),
		want: signature.ErrMalformed},
	{name: "in the query and in the header, the same", change: query("access_token="+tokens[0], true),
		want: signature.ErrMalformed},
	{name: "token in the body", change: set("Authorization"), body: `{"access_token":"` + tokens[0] + `"}`,
		want: signature.ErrMissing},
	{name: "token before body", change: set("Authorization", "Bearer x"), body: "{", want: signature.ErrMismatch},
	{name: "token before content type",
		change: both(set("Authorization", "Bearer x"), set("Content-Type", "text/plain")),
		want:   signature.ErrMismatch},
	{name: "token before origin", change: both(set("Authorization", "Bearer x"),
		set("WebHook-Request-Origin", "evil.example.net")), want: signature.ErrMismatch},
	{name: "origin before body", change: set("WebHook-Request-Origin", "evil.example.net"), body: "{",
		want: provider.ErrForbidden},
	{name: "origin twice", change: set("WebHook-Request-Origin", emitter, emitter), want: provider.ErrForbidden},
	{name: "V03 OPTIONS with an event", change: func(req *provider.Request) { req.Method = "OPTIONS" }},
	{name: "L19 another method in a header",
		change: both(set("X-HTTP-Method-Override", "POST"),
			func(req *provider.Request) { req.Method = "PUT" }), want: provider.ErrMethod},
	{name: "N01 type twice", body: string(event(`,"type":"evil"`)), want: provider.ErrBody},
	{name: "N01 twice within data", body: string(event(`,"data":{"a":1,"a":2}`))},
	{name: "N01 data twice", body: string(event(`,"data":{},"data":{}`)), want: provider.ErrBody},
	{name: "N01 data twice, one null", body: string(event(`,"data":null,"data":{}`)), want: provider.ErrBody},
	{name: "N02 Type beside type", body: string(event(`,"Type":"evil"`)), want: provider.ErrBody},
	{name: "N02 Type instead", body: strings.Replace(string(event("")), `"type"`, `"Type"`, 1),
		want: provider.ErrBody},
	{name: "N12 byte order mark", body: "\uFEFF" + string(event(""))},
	{name: "two events", body: string(event("")) + string(event("")), want: provider.ErrBody},
	{name: "E14 array in structured mode", body: "[" + string(event("")) + "]", want: provider.ErrBody},
	{name: "structured mode ignores ce- headers", change: set("ce-type", "evil")},
}

func TestForgery(t *testing.T) {
	r := open(t, map[string]any{"allowed_origins": []string{emitter}})
	for _, c := range forgeries {
		t.Run(c.name, func(t *testing.T) {
			if c.body == "" {
				c.body = string(event(""))
			}
			req := request(tokens[0], cloudevents.MediaType, []byte(c.body))
			if c.change != nil {
				c.change(req)
			}
			receipt, err := r.Receive(context.Background(), req)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			for _, ev := range receipt.Events {
				if ev.Type != "com.example.a" {
					t.Errorf("got %s", ev.Type)
				}
			}
		})
	}
}

func set(name string, values ...string) func(req *provider.Request) {
	return func(req *provider.Request) { with(req, name, values...) }
}

func query(text string, withHeader bool) func(req *provider.Request) {
	return func(req *provider.Request) {
		req.Target += "?" + text
		if !withHeader {
			req.Header.Del("Authorization")
		}
	}
}

func both(a, b func(req *provider.Request)) func(req *provider.Request) {
	return func(req *provider.Request) { a(req); b(req) }
}

// Requests have no MAC that providertest could forge; the token authenticates them.
func TestMutants(t *testing.T) {
	t.Run("header", func(t *testing.T) {
		sign := func(i int) []string { return []string{"Bearer " + tokens[i%2]} }
		same := func(m, v []string) bool {
			return len(m[0]) > 7 && strings.EqualFold(m[0][:7], "bearer ") && m[0][7:] == v[0][7:]
		}
		providertest.Mutants(t, providertest.ManyMutants, sign, same, func(parts []string) bool {
			return cloudevents.Verify(map[string][]string{"Authorization": {parts[0]}}, "/in/x", tokens[:]...) == nil
		})
	})
	t.Run("query", func(t *testing.T) {
		sign := func(i int) []string { return []string{"access_token=" + tokens[i%2]} }
		same := func(m, v []string) bool { // other escapes of the same token, and other parameters, are accepted
			values := provider.Query("/?"+m[0], "access_token")
			return len(values) == 1 && values[0] == strings.TrimPrefix(v[0], "access_token=")
		}
		providertest.Mutants(t, providertest.ManyMutants, sign, same, func(parts []string) bool {
			return cloudevents.Verify(nil, "/in/x?"+parts[0], tokens[:]...) == nil
		})
	})
}
