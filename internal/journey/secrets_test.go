package journey

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSecretsStayInside makes good, refused, failing and malformed requests with a canary for each secret, and then
// looks for the canaries: in the log at level debug, in all answers of the door and the API, in the metrics, and in
// the files of the data folder.
func TestSecretsStayInside(t *testing.T) {
	g := newGateway(t, "--log-level", "debug", "--read-timeout", "1s")
	s := &spy{t: t, g: g, answers: map[string][]byte{}}
	s.secrets.watch("admin key", g.key())
	r := newReceiver(t, newLedger(), func(a arrival) int {
		if a.destination == "fails" {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	s.sources()
	s.destinations(r.url)
	s.requests()
	s.refusedSettings()
	eventually(t, 30*time.Second, "each delivery is delivered or dead", s.settled)
	s.readAll()
	g.kill()
	g.start() // which opens the settings from the database again
	s.readAll()
	if status, _ := g.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}

	looked := s.search()
	t.Logf("%d canaries in %d settings and requests: looked in %d places, found in %s", len(s.secrets.birds), len(s.answers), looked, found(t))
}

func found(t *testing.T) string {
	if t.Failed() {
		return "those above"
	}
	return "none"
}

func whsec(text string) string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(text)) }

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// sources makes one of each way to prove oneself.
func (s *spy) sources() {
	hatch := s.secrets.hatch
	for name, settings := range map[string]string{
		"media":  `"provider":"ams","settings":{"signing_key":["` + b64(hatch("ams key")) + `","` + b64(hatch("old ams key")) + `"]}`,
		"std":    `"provider":"standardwebhooks","settings":{"secret":"` + whsec(hatch("whsec")) + `"}`,
		"hmac":   `"provider":"generic","settings":{"scheme":"hmac","header":"X-Sig","secret":"` + hatch("hmac key") + `"}`,
		"token":  `"provider":"generic","settings":{"scheme":"token","header":"X-Token","secret":"` + s.shared("token") + `"}`,
		"bearer": `"provider":"generic","settings":{"scheme":"token","secret":"` + s.shared("bearer") + `"}`,
		"basic":  `"provider":"generic","settings":{"scheme":"basic","username":"bell","secret":"` + s.shared("basic") + `"}`,
		"query":  `"provider":"generic","settings":{"scheme":"query","secret":"` + s.shared("query") + `"}`,
		"plain":  `"provider":"generic","settings":{"scheme":"none"}`,
	} {
		s.api("POST", "/sources", `{"name":"`+name+`",`+settings+`}`, 201)
	}
	s.api("PATCH", "/sources/hmac", `{"settings":{"secret":["`+hatch("new hmac key")+`","`+hatch("newer hmac key")+`"]}}`, 200)
	s.api("PATCH", "/sources/hmac", `{"disabled":false}`, 200)
}

// shared is the secret of a source that is sent as it is, the same on each call.
func (s *spy) shared(source string) string {
	for _, bird := range s.secrets.birds {
		if bird.name == "shared "+source {
			return string(bird.forms[0])
		}
	}
	return s.secrets.hatch("shared " + source)
}

// destinations makes one of each way to sign, of which some fail in each way there is.
func (s *spy) destinations(receiver string) {
	hatch := s.secrets.hatch
	retry := `,"retry":{"schedule":["50ms"]},"timeout":"2s"`
	standard := func() string { return `{"format":"standard","secret":["` + whsec(hatch("signing")) + `"]}` }
	for name, rest := range map[string]string{
		"ok":       `"url":"` + receiver + `ok","settings":` + standard(),
		"fails":    `"url":"` + receiver + `fails","settings":` + standard(),
		"headers":  `"url":"` + receiver + `headers","settings":{"format":"raw","headers":{"Authorization":"Bearer ` + hatch("authorization") + `","X-Api-Key":"` + hatch("api key") + `"}}`,
		"refused":  `"url":"http://127.0.0.1:1/refused","settings":{"format":"envelope","headers":{"X-Api-Key":"` + hatch("other api key") + `"}}`,
		"url":      `"url":"` + receiver + `url?code=` + s.urls.hatch("url") + `","settings":` + standard(),
		"url-dead": `"url":"http://127.0.0.1:1/x?code=` + s.urls.hatch("dead url") + `","settings":` + standard(),
		"tls":      `"url":"https` + strings.TrimPrefix(receiver, "http") + `tls","settings":` + standard(),
		"unknown":  `"url":"http://nobody.invalid/","settings":` + standard(),
		"ams":      `"type":"ams","url":"` + receiver + `ams","settings":{"account_id":"acc","signing_key":"` + b64(hatch("ams sending")) + `"}`,
		"std":      `"type":"standardwebhooks","url":"` + receiver + `std","settings":{"secret":"` + whsec(hatch("std sending")) + `"}`,
		"token":    `"type":"generic","url":"` + receiver + `token","settings":{"scheme":"token","secret":"` + hatch("token sending") + `"}`,
		"basic":    `"type":"generic","url":"` + receiver + `basic","settings":{"scheme":"basic","username":"bell","secret":"` + hatch("basic sending") + `"}`,
		"unsigned": `"type":"generic","url":"` + receiver + `unsigned","settings":{"scheme":"query","secret":"` + hatch("query sending") + `"}`, // which is not in the URL
	} {
		s.api("POST", "/destinations", `{"name":"`+name+`",`+rest+retry+`}`, 201)
	}
	s.api("PATCH", "/destinations/headers", `{"settings":{"headers":{"X-Other":"`+hatch("another header")+`"}}}`, 200)
	s.api("POST", "/destinations/ok/pause", "", 200)
	s.api("POST", "/destinations/ok/resume", "", 200)
}

// requests come to each source: authentic, not authentic, and broken.
func (s *spy) requests() {
	hatch := s.secrets.hatch
	body := func() string { return `{"type":"a.b","note":"` + s.bodies.hatch("body") + `"}` }
	basic := func(password string) string { return "Basic " + b64("bell:"+password) }
	for _, r := range []struct {
		target string
		header http.Header
		want   int
	}{
		{"token", http.Header{"X-Token": {s.shared("token")}}, 202},
		{"token", http.Header{"X-Token": {s.shared("token"), s.shared("token")}}, 401},
		{"token", http.Header{"X-Token": {hatch("wrong token")}}, 401},
		{"bearer", http.Header{"Authorization": {"Bearer " + s.shared("bearer")}}, 202},
		{"bearer", http.Header{"Authorization": {"Bearer " + hatch("wrong bearer")}}, 401},
		{"bearer", http.Header{"Authorization": {s.shared("bearer")}}, 401},
		{"bearer", http.Header{"Proxy-Authorization": {"Bearer " + s.shared("bearer")}}, 401},
		{"basic", http.Header{"Authorization": {basic(s.shared("basic"))}}, 202},
		{"basic", http.Header{"Authorization": {basic(hatch("wrong password"))}}, 401},
		{"basic", http.Header{"Authorization": {"Basic " + s.shared("basic")}}, 401},
		{"query?code=" + s.shared("query"), nil, 202},
		{"query?code=" + s.shared("query") + "&code=" + s.shared("query"), nil, 401},
		{"query?Code=" + s.shared("query"), nil, 401},
		{"query?code=" + s.shared("query") + ";x", nil, 401},
		{"query?code=%63" + s.shared("query")[1:], nil, 202},
		{"query?code=" + hatch("wrong code"), nil, 401},
		{"plain?token=" + hatch("needless token"), http.Header{"Authorization": {"Bearer " + hatch("needless")}, "Cookie": {"session=" + hatch("cookie")}}, 202},
		{"std", http.Header{"Webhook-Id": {"a"}, "Webhook-Timestamp": {"1"}, "Webhook-Signature": {"v1,AAAA"}}, 401},
		{"hmac", http.Header{"X-Sig": {"00"}}, 401},
		{"media", http.Header{"Ms-Signature": {"sha256=00"}}, 401},
		{"nobody?code=" + hatch("code of nobody"), nil, 404},
		{"plain/" + hatch("path"), nil, 404},
	} {
		if status, answer := s.ask("POST", "/in/"+r.target, body(), r.header); status != r.want {
			s.t.Errorf("%s: answered %d, want %d: %s", r.target, status, r.want, answer)
		}
	}
	s.ask("DELETE", "/in/query?code="+s.shared("query"), "", nil)
	say(s.t, s.g, abuser, "POST /in/bearer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+s.shared("bearer")+"\r\nContent-Length: 100\r\n\r\nshort", 3*time.Second)
	say(s.t, s.g, abuser, "POST /in/bearer HTTP/1.1\r\nHost: x\r\nAuthorization "+hatch("header without a colon")+"\r\n\r\n", 3*time.Second)
	say(s.t, s.g, abuser, "GET /in/query?code="+hatch("code of HTTP/0.9")+"\r\n\r\n", 3*time.Second)
}

// refusedSettings are calls of the API that it refuses, with secrets in each place where they may stand.
func (s *spy) refusedSettings() {
	hatch := s.secrets.hatch
	source := func(settings string) {
		s.api("POST", "/sources", `{"name":"bad","provider":"generic","settings":`+settings+`}`, 422)
	}
	source(`{"scheme":"hmac","header":"X-Sig","secret":{"value":"` + hatch("object") + `"}}`)
	source(`{"scheme":"hmac","header":"X-Sig","secret":["` + hatch("list") + `",{"x":1}]}`)
	source(`{"scheme":"hmac","header":"X-Sig","secret":"` + hatch("hex") + `","secret_encoding":"hex"}`)
	source(`{"scheme":"none","secret":"` + hatch("of none") + `"}`)
	source(`{"scheme":"hmac","hash":"md5","secret":"` + hatch("with another mistake") + `"}`)
	source(`{"scheme":"` + hatch("scheme") + `"}`)
	source(`{"schema":"hmac","secrets":"` + hatch("unknown setting") + `"}`)
	source(`"` + hatch("settings that are a text") + `"`)
	s.api("POST", "/sources", `{"name":"bad","provider":"standardwebhooks","settings":{"secret":"whsec_!`+hatch("not Base64")+`"}}`, 422)
	s.api("POST", "/sources", `{"name":"bad","provider":"standardwebhooks","settings":{"secret":"whsk_`+b64(hatch("private"))+`"}}`, 422)
	s.api("POST", "/sources", `{"name":"bad","provider":"ams","settings":{"signing_key":"!`+hatch("ams, not Base64")+`"}}`, 422)
	s.api("POST", "/sources", `{"name":"bad","provider":"nobody","settings":{"secret":"`+hatch("no provider")+`"}}`, 422)
	s.api("POST", "/sources", `{"name":"bad","provider":"generic","secret":"`+hatch("beside settings")+`"}`, 422)
	s.api("POST", "/sources", `{"name":"bad","settings":{"secret":"`+hatch("cut JSON"), 400)
	s.api("POST", "/sources", hatch("not JSON"), 400)
	s.api("PATCH", "/sources/hmac", `{"settings":{"secret":7,"header":"`+hatch("header")+` "}}`, 422)
	s.api("PATCH", "/sources/hmac", `{"settings":{"secret":"`+hatch("patch")+`","secret_encoding":"base64"}}`, 422)
	s.api("POST", "/destinations", `{"name":"bad","url":"http://user:`+hatch("userinfo")+`@127.0.0.1/","settings":{"format":"raw"}}`, 422)
	s.api("POST", "/destinations", `{"name":"bad","url":"http://127.0.0.1/%zz?code=`+hatch("broken URL")+`","settings":{"format":"raw"}}`, 422)
	s.api("POST", "/destinations", `{"name":"bad","url":"ftp://127.0.0.1/?code=`+hatch("ftp URL")+`","settings":{"format":"raw"}}`, 422)
	s.api("POST", "/destinations", `{"name":"bad","url":"http://127.0.0.1/","settings":{"format":"raw","headers":{"X-A":"`+hatch("header value")+`\n"}}}`, 422)
	s.api("POST", "/destinations", `{"name":"bad","url":"http://127.0.0.1/","settings":{"format":"raw","headers":{"Host":"`+hatch("host")+`"}}}`, 422)
	s.api("POST", "/destinations", `{"name":"bad","url":"http://127.0.0.1/","settings":{"format":"raw","headers":["`+hatch("headers as a list")+`"]}}`, 422)
	s.api("POST", "/destinations", `{"name":"bad","url":"http://127.0.0.1/","settings":{"secret":"`+hatch("no whsec")+` "}}`, 422)
	s.ask("GET", "/api/v1/sources", "", http.Header{"Authorization": {"Bearer " + hatch("wrong API key")}})
	s.ask("GET", "/api/v1/sources", "", http.Header{"Authorization": {s.g.key()}})
	s.ask("GET", "/api/v1/sources?key="+s.g.key(), "", nil)
	s.ask("POST", "/api/v1/sources", "x", http.Header{"Authorization": {"Bearer " + s.g.key()}, "Content-Type": {"text/" + hatch("content type")}})
	s.api("GET", "/sources/no-such-source", "", 404)
	s.api("GET", "/sources?cursor="+hatch("cursor"), "", 0)
	s.api("GET", "/events?since="+hatch("time"), "", 0)
}
