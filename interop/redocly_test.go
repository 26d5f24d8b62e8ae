package interop

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const redoclyReads = "client reads the document"

// TestNpmRedocly has the linter of Redocly read the OpenAPI document of the gateway, by the rules of redocly.yaml.
func TestNpmRedocly(t *testing.T) {
	g := sharedGateway(t)
	client := npmVersion(t, "@redocly/cli")
	resp, err := http.Get(g.url + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	document, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	check(t, client, redoclyReads, "no finding", func(t *testing.T) {
		if findings := redocly(t, document); len(findings) > 0 {
			t.Errorf("%d findings:\n%s", len(findings), strings.Join(findings[:min(len(findings), 20)], "\n"))
		}
	})
	check(t, client, redoclyReads, "faults that are put into the document are found", func(t *testing.T) {
		for _, c := range []struct{ old, with, rule string }{
			{`"#/components/schemas/GithubSourceSettings"`, `"#/components/schemas/None"`, "no-unresolved-refs"},
			{`"operationId":"list-sources"`, `"operationId":"show-source"`, "operation-operationId-unique"},
			{`"provider":"ams","settings":{"account_id"`, `"provider":"github","settings":{"account_id"`,
				"no-invalid-schema-examples"},
			{`"summary":"List sources",`, ``, "operation-summary"},
		} {
			spoiled := bytes.Replace(document, []byte(c.old), []byte(c.with), 1)
			if bytes.Equal(spoiled, document) {
				t.Errorf("the document has no %s", c.old)
				continue
			}
			findings := redocly(t, spoiled)
			if !strings.Contains(strings.Join(findings, "\n"), c.rule+" ") {
				t.Errorf("%s in place of %s: want a finding of %s, got %v", c.with, c.old, c.rule, findings)
			}
		}
	})
}

// redocly returns what the linter finds in a document: the rule, the place and what is wrong.
func redocly(t *testing.T, document []byte) (findings []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(file, document, 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(filepath.Join("node_modules", ".bin", "redocly"), "lint", "--config", "redocly.yaml",
		"--max-problems", "1000", "--format", "json", file)
	c.Dir = nodeFolder
	// It would ask the network for a newer version, and report how it is used.
	c.Env = append(os.Environ(), "REDOCLY_SUPPRESS_UPDATE_NOTICE=true", "REDOCLY_TELEMETRY=off")
	c.Stderr = &testLog{t: t}
	out, runErr := c.Output() // of which findings are an error, too
	var report struct {
		Totals   *struct{}
		Problems []struct {
			RuleID, Message string
			Location        []struct{ Pointer string }
		}
	}
	if err := json.Unmarshal(out, &report); err != nil || report.Totals == nil {
		t.Fatalf("the linter reports nothing: %v, %v\n%s", runErr, err, out)
	}
	for _, p := range report.Problems {
		place := ""
		if len(p.Location) > 0 {
			place = p.Location[0].Pointer
		}
		findings = append(findings, p.RuleID+" "+place+": "+p.Message)
	}
	if (runErr == nil) != (len(findings) == 0) {
		t.Errorf("the linter ends with %v and %d findings", runErr, len(findings))
	}
	return findings
}
