package journey

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// A canary is a secret that must not come out of the gateway, in all forms that it may have got inside.
type canary struct {
	name  string
	forms [][]byte
}

// hatch returns the text of a new canary. Nothing else contains it, and it is long enough for a key.
func (c *cage) hatch(name string) string {
	text := fmt.Sprintf("canary%02d%sXq7w", len(c.birds), strings.ReplaceAll(name, " ", ""))
	for len(text) < 33 {
		text += "z"
	}
	c.watch(name, text)
	return text
}

// A cage holds the canaries of a test.
type cage struct{ birds []canary }

// watch makes a canary of a text.
func (c *cage) watch(name, text string) {
	bird := canary{name: name}
	add := func(form string) { bird.forms = append(bird.forms, []byte(form)) }
	add(text)
	add(url.QueryEscape(text))
	add(hex.EncodeToString([]byte(text)))
	add(strings.ToUpper(hex.EncodeToString([]byte(text))))
	for shift := range 3 { // Base64 of a longer text that contains it, at each alignment
		encoded := base64.StdEncoding.EncodeToString([]byte("aaa"[:shift] + text))
		add(strings.TrimRight(encoded, "=")[4 : len(strings.TrimRight(encoded, "="))-2])
	}
	c.birds = append(c.birds, bird)
}

// escaped returns the canaries that are in text: their names and the bytes around them.
func (c *cage) escaped(text []byte) (names []string) {
	for _, bird := range c.birds {
		for _, form := range bird.forms {
			if at := bytes.Index(text, form); at >= 0 {
				around := text[max(0, at-80):min(len(text), at+len(form)+20)]
				names = append(names, fmt.Sprintf("%s: …%q…", bird.name, around))
				break
			}
		}
	}
	return names
}

// A spy uses a gateway with canaries in place of secrets, and keeps all of its answers.
type spy struct {
	t       *testing.T
	g       *gateway
	secrets cage
	bodies  cage // may be in the database and in the API, but not in logs
	urls    cage // of destinations: shown with the destination, and nowhere else

	answers map[string][]byte // status, headers and body of each answer, by a description of the request
}

// ask sends a request to the gateway and keeps the answer.
func (s *spy) ask(method, target, body string, header http.Header) (status int, answer []byte) {
	s.t.Helper()
	req, err := http.NewRequest(method, *s.g.url.Load()+target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	res, err := probing.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	answer, _ = io.ReadAll(res.Body)
	key := fmt.Sprintf("answer %d to %s %.40s #%d", res.StatusCode, method, target, len(s.answers))
	s.answers[key] = fmt.Appendf(nil, "%v\n%s", res.Header, answer)
	return res.StatusCode, answer
}

// api calls the API with the key. want is the status; 0 is any below 500.
func (s *spy) api(method, path, body string, want int) []byte {
	s.t.Helper()
	status, answer := s.ask(method, "/api/v1"+path, body, http.Header{"Authorization": {"Bearer " + s.g.key()},
		"Content-Type": {"application/json"}})
	if want != 0 && status != want || status >= 500 {
		s.t.Errorf("%s %s: answered %d, want %d: %s", method, path, status, want, answer)
	}
	return answer
}

// keys makes a key and uses it: accepted, refused for its scope, and misspelt. Its text is nowhere but in the answer
// that made it, which is not kept.
func (s *spy) keys() {
	made, err := s.g.client().CreateKey(s.t.Context(), client.NewKey{Name: "reader", Scope: "read"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.secrets.watch("API key", made.Text[strings.LastIndexByte(made.Text, '_')+1:]) // what comes before is its id
	for _, c := range []struct {
		method, key string
		want        int
	}{{"GET", made.Text, 200}, {"POST", made.Text, 403}, {"GET", made.Text + "0", 401}} {
		header := http.Header{"Authorization": {"Bearer " + c.key}}
		if status, answer := s.ask(c.method, "/api/v1/sources", "", header); status != c.want {
			s.t.Errorf("%s: answered %d, want %d: %s", c.method, status, c.want, answer)
		}
	}
}

// settled reports whether every delivery is delivered or dead.
func (s *spy) settled() bool {
	st, err := s.g.client().Stats(s.t.Context())
	return err == nil && st.Deliveries["pending"]+st.Deliveries["leased"] == 0
}

// anyID matches the ids of sources, destinations, events, deliveries, requests and keys.
var anyID = regexp.MustCompile(`"id":"((?:src|dst|evt|dlv|req|key)_[^"]+)"`)

// readAll reads every list and every noun of the API, and the other pages.
func (s *spy) readAll() {
	for _, noun := range []string{"sources", "destinations", "events", "deliveries", "requests", "keys", "providers"} {
		list := s.api("GET", "/"+noun, "", 200)
		for _, m := range anyID.FindAllSubmatch(list, -1) {
			s.api("GET", "/"+noun+"/"+string(m[1]), "", 200)
		}
	}
	s.api("GET", "/stats", "", 200)
	s.ask("GET", "/metrics", "", http.Header{"Authorization": {"Bearer " + s.g.key()}})
	for _, path := range []string{"/metrics", "/openapi.json", "/healthz", "/readyz", "/", "/api/v1"} {
		s.ask("GET", path, "", nil)
	}
}

// search looks for the canaries in everything that came out. It returns the number of places it looked at.
func (s *spy) search() (places int) {
	look := func(where string, text []byte, cages ...*cage) {
		places++
		for _, c := range cages {
			for _, name := range c.escaped(text) {
				s.t.Errorf("in %s: %s", where, name)
			}
		}
	}
	for asked, answer := range s.answers {
		look(asked, answer, &s.secrets)
		if strings.Contains(asked, "/metrics") || strings.Contains(asked, "/in/") {
			look(asked, answer, &s.bodies)
		}
		if !strings.Contains(asked, "/destinations") {
			look(asked, answer, &s.urls)
		}
	}
	look("the log", []byte(s.g.log()), &s.secrets, &s.bodies, &s.urls)
	// Bodies are in the database: that they are found shows that the search works.
	inFiles := false
	err := filepath.WalkDir(s.g.dir, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		if err != nil || entry.IsDir() || name == "admin.key" || name == "master.key" {
			return err
		}
		text, err := os.ReadFile(path)
		look("file "+name, text, &s.secrets)
		inFiles = inFiles || len(s.bodies.escaped(text)) > 0
		return err
	})
	if err != nil || !inFiles {
		s.t.Errorf("the bodies were not found in the files of %s, where they must be: the search finds nothing (%v)",
			s.g.dir, err)
	}
	return places
}

// TestSecretsStayInside makes good, refused, failing and malformed requests with a canary for each secret. It then
// looks for the canaries in the log at level debug, in all answers of the door and the API, in the metrics, and in
// the files of the data folder.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	g := newGateway(t, "--log-level", "debug", "--read-timeout", "1s")
	s := &spy{t: t, g: g, answers: map[string][]byte{}}
	s.secrets.watch("admin key", g.key())
	r := newReceiver(t, newLedger(), func(a arrival) int {
		if a.Destination == "fails" {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	s.keys()
	s.sources()
	s.destinations(r.url)
	s.requests()
	s.refusedSettings()
	eventually(t, patience, "each delivery is delivered or dead", s.settled)
	s.readAll()
	g.kill()
	g.start() // reads the settings from the database
	s.readAll()
	if status, _ := g.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}

	looked := s.search()
	t.Logf("%d canaries in %d settings and requests: looked in %d places, found in %s", len(s.secrets.birds),
		len(s.answers), looked, found(t))
}

// found returns the end of a sentence about the canaries.
func found(t *testing.T) string {
	if t.Failed() {
		return "the places above"
	}
	return "none"
}

func whsec(text string) string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(text)) }

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// sources creates a source of each way of proof.
func (s *spy) sources() {
	hatch := s.secrets.hatch
	for name, settings := range map[string]string{
		"media": `"provider":"ams","settings":{"signing_key":["` + b64(hatch("ams key")) + `","` +
			b64(hatch("old ams key")) + `"]}`,
		"std": `"provider":"standardwebhooks","settings":{"secret":"` + whsec(hatch("whsec")) + `"}`,
		"hmac": `"provider":"generic","settings":{"scheme":"hmac","header":"X-Sig","secret":"` + hatch("hmac key") +
			`"}`,
		"token": `"provider":"generic","settings":{"scheme":"token","header":"X-Token","secret":"` +
			s.shared("token") +
			`"}`,
		"bearer": `"provider":"generic","settings":{"scheme":"token","secret":"` + s.shared("bearer") + `"}`,
		"basic": `"provider":"generic","settings":{"scheme":"basic","username":"bell","secret":"` + s.shared("basic") +
			`"}`,
		"query": `"provider":"generic","settings":{"scheme":"query","secret":"` + s.shared("query") + `"}`,
		"plain": `"provider":"generic","settings":{"scheme":"none"}`,
	} {
		s.api("POST", "/sources", `{"name":"`+name+`",`+settings+`}`, 201)
	}
	s.api("PATCH", "/sources/hmac", `{"settings":{"secret":["`+hatch("new hmac key")+`","`+hatch("newer hmac key")+
		`"]}}`, 200)
	s.api("PATCH", "/sources/hmac", `{"disabled":false}`, 200)
}

// shared returns the secret of a source that is sent in clear. It is the same on each call.
func (s *spy) shared(source string) string {
	for _, bird := range s.secrets.birds {
		if bird.name == "shared "+source {
			return string(bird.forms[0])
		}
	}
	return s.secrets.hatch("shared " + source)
}

// destinations creates a destination of each way of signing, and of each way to fail.
func (s *spy) destinations(receiver string) {
	hatch := s.secrets.hatch
	retry := `,"retry":{"schedule":["50ms"]},"timeout":"2s"`
	standard := func() string { return `{"format":"standard","secret":["` + whsec(hatch("signing")) + `"]}` }
	for name, rest := range map[string]string{
		"ok":    `"url":"` + receiver + `ok","settings":` + standard(),
		"fails": `"url":"` + receiver + `fails","settings":` + standard(),
		"headers": `"url":"` + receiver + `headers","settings":{"format":"raw","headers":{"Authorization":"Bearer ` +
			hatch("authorization") + `","X-Api-Key":"` + hatch("api key") + `"}}`,
		"refused": `"url":"http://127.0.0.1:1/refused","settings":{"format":"envelope","headers":{"X-Api-Key":"` +
			hatch("other api key") + `"}}`,
		"url":      `"url":"` + receiver + `url?code=` + s.urls.hatch("url") + `","settings":` + standard(),
		"url-dead": `"url":"http://127.0.0.1:1/x?code=` + s.urls.hatch("dead url") + `","settings":` + standard(),
		"tls":      `"url":"https` + strings.TrimPrefix(receiver, "http") + `tls","settings":` + standard(),
		"unknown":  `"url":"http://nobody.invalid/","settings":` + standard(),
		"ams": `"type":"ams","url":"` + receiver + `ams","settings":{"account_id":"acc","signing_key":"` +
			b64(hatch("ams sending")) + `"}`,
		"std": `"type":"standardwebhooks","url":"` + receiver + `std","settings":{"secret":"` +
			whsec(hatch("std sending")) + `"}`,
		"token": `"type":"generic","url":"` + receiver + `token","settings":{"scheme":"token","secret":"` +
			hatch("token sending") + `"}`,
		"basic": `"type":"generic","url":"` + receiver +
			`basic","settings":{"scheme":"basic","username":"bell","secret":"` + hatch("basic sending") + `"}`,
		// the URL lacks the secret
		"unsigned": `"type":"generic","url":"` + receiver + `unsigned","settings":{"scheme":"query","secret":"` +
			hatch("query sending") + `"}`,
	} {
		s.api("POST", "/destinations", `{"name":"`+name+`",`+rest+retry+`}`, 201)
	}
	s.api("PATCH", "/destinations/headers", `{"settings":{"headers":{"X-Other":"`+hatch("another header")+`"}}}`, 200)
	s.api("POST", "/destinations/ok/pause", "", 200)
	s.api("POST", "/destinations/ok/resume", "", 200)
}

// requests sends authentic, forged and broken requests to each source.
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
		{"plain?token=" + hatch("needless token"), http.Header{"Authorization": {"Bearer " + hatch("needless")},
			"Cookie": {"session=" + hatch("cookie")}}, 202},
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
	say(s.t, s.g, abuser, strings.NewReader("POST /in/bearer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+
		s.shared("bearer")+"\r\nContent-Length: 100\r\n\r\nshort"), 1, either)
	say(s.t, s.g, abuser, strings.NewReader("POST /in/bearer HTTP/1.1\r\nHost: x\r\nAuthorization "+
		hatch("header without a colon")+"\r\n\r\n"), 1, either)
	say(s.t, s.g, abuser, strings.NewReader("GET /in/query?code="+hatch("code of HTTP/0.9")+"\r\n\r\n"), 1, either)
}

// refusedSettings makes calls that the API refuses, with a secret in each place that can hold one.
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
	s.api("POST", "/sources", `{"name":"bad","provider":"standardwebhooks","settings":{"secret":"whsec_!`+
		hatch("not Base64")+`"}}`, 422)
	s.api("POST", "/sources", `{"name":"bad","provider":"standardwebhooks","settings":{"secret":"whsk_`+
		b64(hatch("private"))+`"}}`, 422)
	s.api("POST", "/sources", `{"name":"bad","provider":"ams","settings":{"signing_key":"!`+hatch("ams, not Base64")+
		`"}}`, 422)
	s.api("POST", "/sources", `{"name":"bad","provider":"nobody","settings":{"secret":"`+hatch("no provider")+
		`"}}`, 422)
	s.api("POST", "/sources", `{"name":"bad","provider":"generic","secret":"`+hatch("beside settings")+`"}`, 422)
	s.api("POST", "/sources", `{"name":"bad","settings":{"secret":"`+hatch("cut JSON"), 400)
	s.api("POST", "/sources", hatch("not JSON"), 400)
	s.api("PATCH", "/sources/hmac", `{"settings":{"secret":7,"header":"`+hatch("header")+` "}}`, 422)
	s.api("PATCH", "/sources/hmac", `{"settings":{"secret":"`+hatch("patch")+`","secret_encoding":"base64"}}`, 422)
	s.api("POST", "/destinations", `{"name":"bad","url":"http://user:`+hatch("userinfo")+
		`@127.0.0.1/","settings":{"format":"raw"}}`, 422)
	s.api("POST", "/destinations", `{"name":"bad","url":"http://127.0.0.1/%zz?code=`+hatch("broken URL")+
		`","settings":{"format":"raw"}}`, 422)
	s.api("POST", "/destinations", `{"name":"bad","url":"ftp://127.0.0.1/?code=`+hatch("ftp URL")+
		`","settings":{"format":"raw"}}`, 422)
	headers := func(headers string) {
		s.api("POST", "/destinations", `{"name":"bad","url":"http://127.0.0.1/","settings":{"format":"raw","headers":`+
			headers+`}}`, 422)
	}
	headers(`{"X-A":"` + hatch("header value") + `\n"}`)
	headers(`{"Host":"` + hatch("host") + `"}`)
	headers(`["` + hatch("headers as a list") + `"]`)
	s.api("POST", "/destinations", `{"name":"bad","url":"http://127.0.0.1/","settings":{"secret":"`+hatch("no whsec")+
		` "}}`, 422)
	s.ask("GET", "/api/v1/sources", "", http.Header{"Authorization": {"Bearer " + hatch("wrong API key")}})
	s.ask("GET", "/api/v1/sources", "", http.Header{"Authorization": {s.g.key()}})
	s.ask("GET", "/api/v1/sources?key="+s.g.key(), "", nil)
	s.ask("POST", "/api/v1/sources", "x", http.Header{"Authorization": {"Bearer " + s.g.key()},
		"Content-Type": {"text/" + hatch("content type")}})
	s.api("GET", "/sources/no-such-source", "", 404)
	s.api("GET", "/sources?cursor="+hatch("cursor"), "", 0)
	s.api("GET", "/events?since="+hatch("time"), "", 0)
}
