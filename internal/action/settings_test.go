//go:build unix

package action

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

func TestSettings(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	long, _ := json.Marshal(strings.Repeat("x", maxTextBytes))
	for settings, want := range map[string]string{
		`{"command":["true"]}`: "",
		`{"command":["true"],"dir":"` + dir + `","env":{"A":"","_b1":"x"}}`: "",
		`{}`:                                        "settings.command: required",
		`{"command":[]}`:                            "settings.command: required",
		`{"command":[""]}`:                          "settings.command: required",
		`{"command":"true"}`:                        "settings.command: must be a list",
		`{"command":["true",1]}`:                    "settings.command: must be a text",
		`{"command":["true"],"shell":true}`:         "settings.shell: unknown setting",
		`{"command":["true","a\u0000b"]}`:           "settings.command[1]: must not contain a NUL",
		`{"command":["true",` + string(long) + `]}`: "settings.command: too long",
		`{"command":["true"` + strings.Repeat(`,""`, maxTexts) + `]}`: "settings.command: too long",
		`{"command":["./true"]}`:                                "settings.command[0]: must be a whole path",
		`{"command":["bin/true"]}`:                              "settings.command[0]: must be a whole path",
		`{"command":["no-such-thing-243"]}`:                     "settings.command[0]: there is no program of that name",
		`{"command":["` + dir + `"]}`:                           "settings.command[0]: is a folder",
		`{"command":["` + plain + `"]}`:                         "settings.command[0]: is not executable",
		`{"command":["` + plain + `x"]}`:                        "settings.command[0]: there is no such file",
		`{"command":["true"],"dir":"tmp"}`:                      "settings.dir: must be a whole path",
		`{"command":["true"],"dir":"` + plain + `"}`:            "settings.dir: there is no such folder",
		`{"command":["true"],"env":{"A B":"x"}}`:                "settings.env: a variable's name",
		`{"command":["true"],"env":{"1":"x"}}`:                  "settings.env: a variable's name",
		`{"command":["true"],"env":{"":"x"}}`:                   "settings.env: a variable's name",
		`{"command":["true"],"env":{"BELLHOP_X":"x"}}`:          "settings.env.BELLHOP_X: names that begin with",
		`{"command":["true"],"env":{"A":"x\u0000"}}`:            "settings.env.A: must not contain a NUL",
		`{"command":["./x"],"dir":"x","env":{"BELLHOP_X":"x"}}`: "settings.command[0]: must be a whole path, or a name to look up in PATH; settings.dir: must be a whole path, such as /var/lib/paid; settings.env.BELLHOP_X:",
		`{"command":["true"],"env":{"A":1}}`:                    "settings.env",
		`{"command":["true"],"env":{"A":` + string(long) + `}}`: "settings.env: too long",
	} {
		_, err := allowed.OpenAction(provider.ActionEnv{}, bellhop.Destination{Settings: json.RawMessage(settings)})
		var invalid *bellhop.Error
		if (err == nil) != (want == "") || err != nil && (!errors.As(err, &invalid) || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%.80s: %v, want %s", settings, err, want)
		}
	}
}

// TestOff: without the server's permission nothing opens, however good it is, and the refusal says what permits it.
func TestOff(t *testing.T) {
	_, err := Exec{Lookup: os.LookupEnv}.OpenAction(provider.ActionEnv{}, destination(t, map[string]any{"command": []string{"true"}}))
	if err == nil || !strings.HasPrefix(err.Error(), "type: ") || !strings.Contains(err.Error(), "--allow-exec") {
		t.Error(err)
	}
}

// TestFoundInItsOwnFolder: a program of the folder that the server happens to run in is not what a bare name means.
func TestFoundInItsOwnFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("paid", []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", ".")
	_, err := allowed.OpenAction(provider.ActionEnv{}, destination(t, map[string]any{"command": []string{"paid"}}))
	if err == nil || !strings.HasPrefix(err.Error(), "settings.command[0]: is found only in the folder") {
		t.Error(err)
	}
}
