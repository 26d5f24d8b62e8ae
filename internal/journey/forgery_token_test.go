package journey

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// TestForgeriesOfTokens runs section 13 against a token, Basic authentication and a secret in the URL.
func TestForgeriesOfTokens(t *testing.T) {
	const secret = "s3cret/with+signs="
	g, l := forgeable(t)
	g.source("token", "generic", map[string]any{"scheme": "token", "secret": secret})
	g.source("header", "generic", map[string]any{"scheme": "token", "header": "X-Token", "secret": secret})
	g.source("basic", "generic", map[string]any{"scheme": "basic", "username": "bell", "secret": secret})
	g.source("query", "generic", map[string]any{"scheme": "query", "secret": secret})
	encoded := "s3cret%2Fwith%2Bsigns%3D"
	basic := func(pair string) string { return base64.StdEncoding.EncodeToString([]byte(pair)) }
	auth := func(values ...string) http.Header { return http.Header{"Authorization": values} }

	body := []byte("a body of whoever it was")
	at := func(id, source, target string, h http.Header, want int) forgery {
		return forgery{id: id, source: source, target: target, header: h, body: body, want: want, fresh: want == 202}
	}
	refuse(t, g, l, []forgery{
		at("control", "token", "", auth("Bearer "+secret), 202),
		at("K04 case of the scheme", "token", "", auth("bEaReR "+secret), 202),
		at("none", "token", "", http.Header{}, 401),
		at("empty", "token", "", auth(""), 401),
		at("scheme alone", "token", "", auth("Bearer "), 401),
		at("scheme missing", "token", "", auth(secret), 401),
		at("a prefix of it", "token", "", auth("Bearer "+secret[:5]), 401),
		at("in other case", "token", "", auth("Bearer "+strings.ToUpper(secret)), 401),
		at("K05 Basic", "token", "", auth("Basic "+basic("bell:"+secret)), 401),
		at("K06 twice", "token", "", auth("Bearer "+secret, "Bearer "+secret), 401),
		at("K09 in the query", "token", "?token="+encoded, http.Header{}, 401),
		at("K13 from a trusted address, it says", "token", "", http.Header{"X-Forwarded-For": {"127.0.0.1"}}, 401),

		at("control", "header", "", http.Header{"X-Token": {secret}}, 202),
		at("twice", "header", "", http.Header{"X-Token": {secret, secret}}, 401),
		at("none", "header", "", auth("Bearer "+secret), 401),

		at("control", "basic", "", auth("Basic "+basic("bell:"+secret)), 202),
		at("K04 case of the scheme", "basic", "", auth("bAsIc "+basic("bell:"+secret)), 202),
		at("K01 a prefix of the password", "basic", "", auth("Basic "+basic("bell:"+secret[:5])), 401),
		at("another user", "basic", "", auth("Basic "+basic("ball:"+secret)), 401),
		at("no colon", "basic", "", auth("Basic "+basic("bell")), 401),
		at("K03 not Base64", "basic", "", auth("Basic !!!"), 401),
		at("K05 Bearer", "basic", "", auth("Bearer "+basic("bell:"+secret)), 401),
		at("K06 twice", "basic", "", auth("Basic "+basic("bell:"+secret), "Basic "+basic("bell:"+secret)), 401),

		at("control", "query", "?code="+encoded, http.Header{}, 202),
		at("none", "query", "", http.Header{}, 401),
		at("empty", "query", "?code=", http.Header{}, 401),
		at("E03 twice", "query", "?code="+encoded+"&code="+encoded, http.Header{}, 401),
		at("good, then bad", "query", "?code="+encoded+"&code=x", http.Header{}, 401),
		at("in other case", "query", "?Code="+encoded, http.Header{}, 401),
		at("a blank for the plus", "query", "?code=s3cret/with+signs=", http.Header{}, 401),
		at("in a header", "query", "", http.Header{"Code": {secret}}, 401),
	})
}
