package boro_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/boro"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

func render(t testing.TB, settings values, ev bellhop.Event) (provider.OutboundRequest, error) {
	t.Helper()
	r := providertest.OpenSender(t, boro.Provider{}, providertest.Settings(nil, settings))
	return r.Render(&ev, provider.AttemptInfo{URL: "https://h.example:8443/a%2Fb?c=d#e", Time: providertest.Now})
}

func TestSendOtherSystem(t *testing.T) {
	m, err := render(t, nil, bellhop.Event{
		ID: "evt_1", Source: "shop", Type: "invoice.paid", Subject: "in_1", ContentType: "application/json",
		Time: time.Date(2026, 11, 22, 9, 15, 30, 123456789, time.FixedZone("", 3600)),
		Body: []byte(`{"n":12345678901234567890,"a":"<&>"}`),
	})
	const want = `{"version":"1.1","sequenceId":4408815317245147,"project_name":"shop","probe_name":"Bellhop",` +
		`"task_uri":"in_1","task_name":"in_1",` +
		`"trigger":"invoice.paid","status":"Event","level":"info","time":"2026-11-22T08:15:30.123+00:00",` +
		`"profile_name":"Bellhop",` +
		`"details":{"event_id":"evt_1","content_type":"application/json","data":{"n":12345678901234567890,"a":"<&>"}}}`
	if got := string(m.Body); err != nil || got != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
	if len(m.Header) != 1 || m.Header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", m.Header)
	}
}

func TestSendOtherBodies(t *testing.T) {
	for body, want := range map[string]string{
		"":                 "",
		"{}":               "data",
		" [1] ":            "data",
		"1":                "data_text",
		"plain <words>":    "data_text",
		`{"a":1`:           "data_text",
		`{"a":1,"a":2}`:    "data",
		"\xff":             "data_base64",
		"{\"a\":\"\xff\"}": "data_base64",
		strings.Repeat("[", 63) + strings.Repeat("]", 63): "data_text", // too deep within the two objects around it
		strings.Repeat("[", 62) + strings.Repeat("]", 62): "data",
		strings.Repeat("\x00", 700<<10):                   "data_base64",
		strings.Repeat("x", 700<<10):                      "data_text",
		strings.Repeat("x", 700<<10+1):                    "",
	} {
		m, err := render(t, nil, bellhop.Event{ID: "evt_1", Type: "t", Subject: strings.Repeat("\"", 1024),
			Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Body) > 1<<20 {
			t.Errorf("%.20q: %d bytes", body, len(m.Body))
		}
		var document struct{ Details map[string]json.RawMessage }
		if err := json.Unmarshal(m.Body, &document); err != nil {
			t.Fatal(err)
		}
		delete(document.Details, "event_id")
		if len(document.Details) > 1 || want != "" && document.Details[want] == nil {
			t.Errorf("%.20q: got %.200s", body, providertest.JSON(document.Details))
		}
	}
}

func TestSendBoroEvent(t *testing.T) {
	active := providertest.ReadFile(t, "testdata/samples/active.json")
	for _, c := range []struct {
		kind, body string
		own        bool
	}{
		{"boro.Active", active, true},
		{"boro.event", active, true}, // the type that the command line gives, which does not parse the body
		{"boro.Message", `{"message":"test"}`, true},
		{"boro.event", `{"message":"test"}`, false},
		{"boro.Active", `[]`, false},
		{"invoice.paid", active, false},
	} {
		m, err := render(t, nil, bellhop.Event{ID: "evt_1", Type: c.kind, Body: []byte(c.body)})
		if err != nil || (string(m.Body) == c.body) != c.own {
			t.Errorf("%s %.30s: got %s, %v", c.kind, c.body, m.Body, err)
		}
	}
}

func TestFilters(t *testing.T) {
	active := bellhop.Event{ID: "evt_1", Type: "boro.Active",
		Body: []byte(providertest.ReadFile(t, "testdata/samples/active.json"))}
	test := bellhop.Event{ID: "evt_2", Type: "boro.event", Body: []byte(`{}`)}
	for _, c := range []struct {
		settings values
		ev       bellhop.Event
		want     error
	}{
		{nil, active, nil},
		{values{"levels": []string{}}, active, nil},
		{values{"levels": []string{"critical", " MAJOR "}}, active, nil},
		{values{"levels": []string{"critical"}}, active, provider.ErrSkip},
		{values{"triggers": []string{"timestamp discontinuity"}}, active, nil},
		{values{"triggers": []string{"Timestamp"}}, active, provider.ErrSkip},
		{values{"levels": []string{"major"}, "triggers": []string{"CC error"}}, active, provider.ErrSkip},
		{values{"levels": []string{"critical"}, "triggers": []string{"CC error"}}, test, nil},
		{values{"levels": []string{"major"}}, bellhop.Event{Type: "boro.Event", Body: []byte(`{"status":"Event"}`)},
			provider.ErrSkip},
	} {
		if _, err := render(t, c.settings, c.ev); !errors.Is(err, c.want) {
			t.Errorf("%v: got %v", c.settings, err)
		}
	}
}

func TestSendSigned(t *testing.T) {
	settings := values{"profile_id": "7", "secret_key": "6b",
		"headers": values{"content-type": "application/json;v=1", "User-Agent": "Boro/2", "X-A": " b "}}
	m, err := render(t, settings, bellhop.Event{ID: "evt_1", Type: "t"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Content-Type": "application/json;v=1", "User-Agent": "Boro/2",
		"X-A": "b", "Date": providertest.Now.Format(http.TimeFormat)} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	signed := boro.Message{Method: "POST", URI: "/a%2Fb?c=d", Header: m.Header, Body: m.Body}
	if err := boro.Verify(signed, "7", [][]byte{[]byte("k")}, providertest.Now, time.Second); err != nil {
		t.Error(err)
	}
	settings["key_encoding"] = "raw"
	m, err = render(t, settings, bellhop.Event{ID: "evt_1", Type: "t"})
	signed.Header = m.Header
	if err := errors.Join(err, boro.Verify(signed, "7", [][]byte{[]byte("6b")}, providertest.Now,
		time.Second)); err != nil {
		t.Error(err)
	}
}

func TestSendSettings(t *testing.T) {
	many := values{}
	for i := range 33 {
		many["x"+strings.Repeat("a", i)] = "1"
	}
	header := func(name, value string) values { return values{"headers": values{name: value}} }
	for name, c := range map[string]struct {
		settings values
		path     string
	}{
		"profile without a key": {values{"profile_id": "1"}, "secret_key: "},
		"key without a profile": {values{"secret_key": "6b"}, "profile_id: "},
		"two keys":              {values{"profile_id": "1", "secret_key": []string{"6b", "6c"}}, "secret_key: "},
		"encoding auto": {values{"profile_id": "1", "secret_key": "6b", "key_encoding": "auto"},
			"key_encoding: "},
		"empty level":    {values{"levels": []string{"major", " "}}, "levels: "},
		"many triggers":  {values{"triggers": make([]string, 101)}, "triggers: "},
		"many headers":   {values{"headers": many}, "headers: "},
		"header twice":   {values{"headers": values{"x-a": "1", "X-A": "2"}}, "headers.X-A: "},
		"Host":           {header("hOST", "h"), "headers.hOST: "},
		"Content-Length": {header("Content-Length", "1"), "headers.Content-Length: "},
		"Connection":     {header("connection", "close"), "headers.connection: "},
		"Authorization":  {header("Authorization", "Bearer x"), "headers.Authorization: "},
		"Date":           {header("Date", "x"), "headers.Date: "},
		"hash": {header("X-Authorization-Content-SHA256", "x"),
			"headers.X-Authorization-Content-SHA256: "},
		"Proxy-Connection":  {header("Proxy-Connection", "x"), "headers.Proxy-Connection: "},
		"X-Forwarded-For":   {header("X-Forwarded-For", "x"), "headers.X-Forwarded-For: "},
		"header of Bellhop": {header("Bellhop-Hops", "0"), "headers.Bellhop-Hops: "},
		"CR LF":             {header("X-A", "b\r\nHost: c"), "headers.X-A: "},
		"NUL":               {header("X-A", "\x00"), "headers.X-A: "},
		"empty value":       {header("X-A", ""), "headers.X-A: "},
		"long value":        {header("X-A", strings.Repeat("x", 4097)), "headers.X-A: "},
		"empty name":        {header("", "x"), "headers: "},
		"name with colon":   {header("X-A: b\r\nX-C", "x"), "headers: "},
		"comma in type":     {header("Content-Type", "a,b"), "headers.Content-Type: "},
	} {
		_, err := boro.Provider{}.OpenSender(provider.Env{}, []byte(providertest.JSON(c.settings)))
		if err == nil || !strings.HasPrefix(err.Error(), c.path) || strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestTestMessage: a test message has all members that Boro always sends.
func TestTestMessage(t *testing.T) {
	const want = `{"version":"1.1","sequenceId":1795338000000,"project_name":"Bellhop","probe_name":"Bellhop",` +
		`"task_uri":"bellhop:test","task_name":"Test",` +
		`"trigger":"Test message","status":"Event","level":"info","time":"2026-11-22T09:00:00.000+00:00",` +
		`"profile_name":"Bellhop"}`
	if got := string(boro.TestMessage(providertest.Now)); got != want {
		t.Errorf("got %s", got)
	}
}
