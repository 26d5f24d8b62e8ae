package app

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// plan posts a configuration, and returns the changes of the answer: "create source a".
func (r *running) plan(verb, body string) (changes []string, problem client.Problem) {
	r.t.Helper()
	code, answer := r.call("POST", "/api/v1/config/"+verb, body)
	if code != 200 {
		if err := json.Unmarshal([]byte(answer), &problem); err != nil {
			r.t.Fatal(answer)
		}
		return nil, problem
	}
	var plan client.ConfigPlan
	if err := json.Unmarshal([]byte(answer), &plan); err != nil {
		r.t.Fatal(err)
	}
	for _, c := range plan.Changes {
		changes = append(changes, c.Change+" "+c.Noun+" "+c.Name)
	}
	return changes, problem
}

// TestApplyConfig: a configuration is stored whole, is the same the second time, and moves no secret to another
// address.
func TestApplyConfig(t *testing.T) {
	t.Parallel()
	r := run(t, options(t, func(o *Options) { o.Config.AllowPrivate = true }))
	declare := func(url, token, more string) string {
		return fmt.Sprintf(`{"sources":[{"name":"a","provider":"generic","settings":{"scheme":"none"}}],
			"destinations":[{"name":"d","url":%q,"settings":{"format":"raw"},"access":{"token":%s}}%s]}`, url, token, more)
	}
	const one, two = "http://127.0.0.1:9/x", "http://127.0.0.2:9/x"
	for _, c := range []struct{ verb, body, want string }{
		{"plan", declare(one, `"hunter2hunter2"`, ""), "create source a, create destination d"},
		{"apply", declare(one, `"hunter2hunter2"`, ""), "create source a, create destination d"},
		{"apply", declare(one, `"hunter2hunter2"`, ""), ""},
		{"apply", declare(one, `{"set":true}`, ""), ""},
		{"apply", declare("…", `{"set":true}`, ""), ""},
		{"apply", declare(two, `{"set":true}`, ""), "422 destinations[0].url: has another scheme, host or port"},
		{"apply", declare(two, `"hunter2hunter2"`, ""), "update destination d"},
		{"plan", declare(two, `"another-token-here"`, ""), "update destination d"},
		{"apply", declare(two, `{"set":true}`, `,{"name":"e","url":"…"}`), "422 destinations[1].url: this is only " +
			"the mask"},
		{"apply", declare(two, `{"set":true}`, `,{"name":"e","url":"http://127.0.0.1:9","settings":{"format":"raw"},`+
			`"access":{"token":{"set":true}}}`), "422 destinations[1].access.token: this is only the mask"},
		{"apply", declare(two, `{"set":true}`, `,{"name":"d","url":"http://127.0.0.1:9"}`),
			"422 destinations[1].name: another destination of the configuration has this name"},
		{"apply",
			`{"sources":[{"name":"a","provider":"generic","settings":{"scheme":"non"}},{"name":"b c","provider":"generic",` +
				`"settings":{"scheme":"none"}}]}`, "422 sources[0].settings.scheme: sources[1].name: "},
	} {
		changes, problem := r.plan(c.verb, c.body)
		got := strings.Join(changes, ", ")
		if problem.Status != 0 {
			got = fmt.Sprint(problem.Status)
			for _, e := range problem.Errors {
				message := e.Message
				if len(problem.Errors) > 1 {
					message = ""
				}
				got += " " + e.Path + ": " + message
			}
		}
		if got != c.want && (problem.Status == 0 || !strings.HasPrefix(strings.ReplaceAll(got, "  ", " "), c.want)) {
			t.Errorf("%s %s\ngot  %q\nwant %q", c.verb, c.body, got, c.want)
		}
		if strings.Contains(got+problem.Detail, "hunter2") {
			t.Errorf("a secret is shown: %s %s", got, problem.Detail)
		}
	}
	if code, body := r.call("GET", "/api/v1/config", ""); code != 200 || strings.Contains(body, "hunter2") ||
		!strings.Contains(body, `"token":{"set":true`) || strings.Contains(body, "concurrency") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := r.call("GET", "/config.schema.json", ""); code != 200 {
		t.Errorf("the schema: %d", code)
	}
}
