package match_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/errortest"
	"github.com/bellhop-gateway/bellhop/internal/match"
)

func TestTemplate(t *testing.T) {
	for text, want := range map[string]string{
		`{"text": "job " + subject, "ok": data.Properties.NewState == "Finished"}`: `{"ok":true,"text":"job job/42"}`,
		`data.Properties.JobId`: `9007199254740993`,
		`data.absent`:           `null`,
		`[id, tenant, source, type, headers["X-Region"]]`: `["evt_1","acme","media","ams.JobStateChange","north"]`,
		`join(data.tags, " and ")`:                        `"a and b"`,
		`join(map(data.tasks, .name))`:                    `"encodethumbs"`,
		`join([1, true, "x", 2.5], "|")`:                  `"1|true|x|2.5"`,
		`join(split("a-b", "-"), "+")`:                    `"a+b"`,
		`join(data.none ?? [], ",")`:                      `""`,
		`replace(subject, "/", "-")`:                      `"job-42"`,
		`upper(replace("aaa", "a", "bc"))`:                `"BCBCBC"`,
		`len(body) > 10 and body startsWith "{"`:          `true`,
		`toJSON(data.tags) == "[\n  \"a\",\n  \"b\"\n]"`:  `true`,
		`time`:               `"2026-11-22T10:00:00Z"`,
		`received_at.Year()`: `1`,
		`data.Properties.NewState == "Finished" ? "green" : "red"`: `"green"`,
		`map(data.tasks, {{"name": .name, "n": len(.outputs)}})`: `[{"n":2,"name":"encode"},` +
			`{"n":0,"name":"thumbs"}]`,
		`let p = data.Properties; p.NewState + "!"`:                        `"Finished!"`,
		`filter(data.tags, # != "a")`:                                      `["b"]`,
		`sum(map(data.tasks, len(.outputs)))`:                              `2`,
		`{"data": data, "n": 1}.data.nothing`:                              `null`,
		`headers["Content-Type"] == "application/json" ? data.tags : body`: `["a","b"]`,
	} {
		ev := finishedEvent()
		ev.Tenant = "acme"
		c, err := match.CompileTemplate(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := c.Render(&ev)
		written, _ := json.Marshal(got)
		if err != nil || string(written) != want {
			t.Errorf("%s: %s %v, want %s", text, written, err, want)
		}
	}
}

func TestTemplateCompileErrors(t *testing.T) {
	for text, why := range map[string]string{
		"":               "must be an expression",
		" \n":            "must be an expression",
		"data.":          "unexpected",
		"nobody":         "unknown name nobody",
		"now()":          "unknown name now",
		"repeat('a', 9)": "unknown name repeat",
		"charge()":       "received_at and body",
		"[$env]":         "unknown name $env",
		`$env["type"]`:   "unknown name $env",
		"making":         "unknown name making",
		"facts.data":     "unknown name facts",
		"join()":         "not enough arguments",
		"replace('a')":   "not enough arguments",
		"{{text}}":       "received_at and body",
		strings.Repeat(" ", match.MaxTemplateLength) + "1":          "at most 16384 bytes",
		"1" + strings.Repeat("+1", 5000):                            "exceeds maximum allowed nodes",
		strings.Repeat("(", 8000) + "1" + strings.Repeat(")", 8000): "",
	} {
		_, err := match.CompileTemplate(text)
		if why == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40s: %v", text, err)
			continue
		}
		if got := errortest.InvalidPaths(t, err); len(got) != 1 || got[0] != "" {
			t.Errorf("%.40s: paths %q", text, got)
		}
	}
}

// TestTemplateFails: the error of a template is one line with the reason.
func TestTemplateFails(t *testing.T) {
	ev := finishedEvent()
	ev.Body = fmt.Appendf(nil, `{"list":[%s0],"text":%q,"n":1}`, strings.Repeat("0,", 20_000),
		strings.Repeat("xy", 25_000))
	doubling, lists := `let a0 = "x"; `, "let a0 = [1]; "
	for i := range 40 {
		doubling += fmt.Sprintf("let a%d = join([a%d, a%d]); ", i+1, i, i)
		lists += fmt.Sprintf("let a%d = [a%d, a%d]; ", i+1, i, i)
	}
	for text, why := range map[string]string{
		`data.absent.deeper`:        "cannot fetch deeper from <nil>",
		`join(data.n)`:              "join: needs a list, not true, false or a number",
		`join([data.list])`:         "join: item 0 is a list",
		`join([1], 2)`:              "join: write join(list",
		`join([1], "a", "b")`:       "join: write join(list",
		`replace(data.n, "a", "b")`: "replace: needs three texts",
		`replace("a", "", "b")`:     "replace: needs three texts",
		`replace(replace(data.text, "x", data.text), "y", data.text)`: "too much work",
		`any(data.list, replace(data.text, "x", "y") == "")`:          "too much work",
		`map(data.list, join(data.list))`:                             "too much work",
		`map(data.list, body)`:                                        "too large: at most 1 MiB",
		`map(1..40, data.text)`:                                       "too large: at most 1 MiB",
		`data.text + data.text + join(map(1..20, data.text))`:         "too large: at most 1 MiB",
		doubling + `a40`:                                              "too much work",
		lists + `a40`:                                                 "too large: at most 1 MiB",
		lists + `toJSON(a40)`:                                         "too much work",
		`any(1..900, any(1..90, any(data.list, # < 0)))`:              "too much work",
	} {
		c, err := match.CompileTemplate(text)
		if err != nil {
			t.Errorf("%.60s: %v", text, err)
			continue
		}
		start := time.Now()
		got, err := c.Render(&ev)
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60s: %.40v %v, want %s", text, got, err, why)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%.60s: took %v", text, took)
		}
	}
}

// FuzzTemplate: no template and no body causes a panic, each evaluation ends, and the size of its result is bounded.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		`{"id": id, "n": data.n}`, `join(data.n, ",")`, `replace(body, "n", "m")`, `map(data.n, {{"v": #}})`,
		`[data, data, received_at, tenant]`, `headers`,
		`reduce(data.n, [#acc, #acc], [])`, `let a = data; [a?.b ?? false, a]`, `groupBy(data.n, #)`,
		`time.Format(body)`,
		`$env`, `toJSON($env)`, `fromJSON(body)`,
		`string(data)`, `flatten([data.n, [data.n]])`, `1..1000000`, `time.Format`, `0.0/0`, `sortBy(data.n, #)`,
		`body matches body`, `date(body)`,
	} {
		f.Add(text, []byte(`{"n":[1,2.5,"x",null],"b":{"c":1}}`))
		f.Add(text, []byte(`[1,2,3]`))
	}
	f.Fuzz(func(t *testing.T, text string, body []byte) {
		c, err := match.CompileTemplate(text)
		if err != nil {
			errortest.InvalidPaths(t, err)
			return
		}
		if len(body) > 4<<10 {
			return
		}
		ev := bellhop.Event{ID: "evt_1", Type: "a.b", Subject: "s", Source: "src", Header: bellhop.Header("A: x\n"),
			Body: body}
		start := time.Now()
		got, err := c.Render(&ev)
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%q took %v", text, took)
		}
		written, marshalErr := json.Marshal(got)
		if err == nil && marshalErr == nil && len(written) > 8*bellhop.MaxBatchBytes { // each character may be escaped
			t.Errorf("%q makes %d bytes", text, len(written))
		}
	})
}
