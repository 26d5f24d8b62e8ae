package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
)

// TestGiven: what differs from the defaults is given in the form of a file, wherever it came from, and no secret is.
func TestGiven(t *testing.T) {
	file := map[string]any{"retain": "720h", "max-attempts": 100, "allow": []any{"10.1.0.0/16", "localhost"},
		"allow-private": true, "log-level": "warn", "files": "s3://bucket", "files-region": "x",
		"files-access-key": "hunter2hunter2", "files-secret-key": "env:KEY"}
	env := map[string]string{"BELLHOP_LOG_LEVEL": "debug", "KEY": "hunter2hunter2"}
	c, err := LoadFile("f.yaml", file, func(name string) string { return env[name] },
		map[string]string{"listen": ":9000", "ui": "true"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(c.Given())
	want :=
		`[{"Name":"listen","Value":":9000","Secret":false},{"Name":"files","Value":"s3://bucket","Secret":false},` +
			`{"Name":"files-region","Value":"x","Secret":false},{"Name":"files-access-key","Value":null,"Secret":true},` +
			`{"Name":"files-secret-key","Value":"env:KEY","Secret":true},{"Name":"allow-private","Value":true,"Secret":false},` +
			`{"Name":"allow","Value":["10.1.0.0/16","localhost"],"Secret":false},` +
			`{"Name":"max-attempts","Value":100,"Secret":false},{"Name":"log-level","Value":"debug","Secret":false}]`
	if err != nil || string(got) != want { // 720h is 30d, the default
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	again := map[string]any{}
	for _, v := range c.Given() {
		again[v.Name] = v.Value
	}
	again["allow"] = []any{"10.1.0.0/16", "localhost"} // as a file has a list
	again["files-access-key"] = "hunter2hunter2"
	d, err := LoadFile("f.yaml", again, func(name string) string { return env[name] }, nil)
	if err != nil || !d.Same(c) {
		t.Errorf("%+v, %v: started with what is given, want the same settings", d, err)
	}
}

// TestDifferences: a file differs in what the next start with it changes.
func TestDifferences(t *testing.T) {
	env := map[string]string{"BELLHOP_LOG_LEVEL": "debug"}
	c, err := LoadFile("f.yaml", map[string]any{"retain": "90d", "log-level": "warn", "max-attempts": 100,
		"files": "s3://bucket", "files-region": "x", "files-access-key": "hunter2hunter2",
		"files-secret-key": "file:testdata/secret"}, func(name string) string { return env[name] },
		map[string]string{"listen": ":9000"})
	if err == nil {
		t.Fatal("the file of the secret does not exist, and yet it is read")
	}
	c, err = LoadFile("f.yaml", map[string]any{"retain": "90d", "log-level": "warn", "max-attempts": 100,
		"files": "s3://bucket", "files-region": "x", "files-access-key": "hunter2hunter2",
		"files-secret-key": "hunter2hunter3"}, func(name string) string { return env[name] },
		map[string]string{"listen": ":9000"})
	if err != nil {
		t.Fatal(err)
	}
	same := func() map[string]any {
		return map[string]any{"retain": "2160h", "max-attempts": json.Number("100"), "files": "s3://bucket",
			"files-region": "x", "files-access-key": "hunter2hunter2", "files-secret-key": "hunter2hunter3"}
	}
	for _, v := range []struct {
		name  string
		value any
		want  string
	}{
		{"retain", "2160h", ""},
		{"retain", "1d", "[{retain 90d 1d false }]"},
		{"retain", nil, "[{retain 90d <nil> false }]"},
		{"retain", "30d", "[{retain 90d <nil> false }]"},
		{"max-connections", 7, "[{max-connections <nil> 7 false }]"},
		{"allow", []any{"localhost"}, "[{allow <nil> [localhost] false }]"},
		{"listen", ":9000", ""},
		{"listen", ":9001", "[{listen :9000 :9001 false --listen}]"},
		{"log-level", "warn", "[{log-level debug warn false BELLHOP_LOG_LEVEL}]"},
		{"log-level", nil, ""},
		{"files-access-key", "env:KEY", ""},
		{"files-access-key", "another secret", "[{files-access-key <nil> <nil> true }]"},
		{"files-access-key", nil, "[{files-access-key <nil> <nil> true }]"},
	} {
		file := same()
		file[v.name] = v.value
		got := ""
		if differences := c.Differences(file); differences != nil {
			got = fmt.Sprint(differences)
		}
		if got != v.want {
			t.Errorf("%s %v:\n got %s\nwant %s", v.name, v.value, got, v.want)
		}
	}
	var unloaded Config
	if got := unloaded.Differences(map[string]any{"retain": "1d"}); got != nil {
		t.Errorf("of settings that were not loaded: %v", got)
	}
	if !reflect.DeepEqual(CheckValues(map[string]any{"files-region": "x", "retain": "1d"}), map[string]error{}) ||
		CheckValues(map[string]any{"retain": "long"})["retain"] == nil ||
		CheckValues(map[string]any{"retain": map[string]any{}})["retain"] == nil {
		t.Error("CheckValues looks at each value by itself")
	}
}

// TestStandings: every setting has its value and where that came from, a line of the file where that is known, and no
// secret is shown that was given as it is.
func TestStandings(t *testing.T) {
	env := map[string]string{"BELLHOP_LOG_LEVEL": "debug", "BELLHOP_RETAIN": "1d", "KEY": "hunter2hunter2"}
	c, err := LoadFile("f.yaml", map[string]any{"retain": "90d", "max-attempts": 100, "files": "s3://bucket",
		"files-region": "x", "files-access-key": "hunter2hunter2", "files-secret-key": "env:KEY", "log-level": nil},
		func(name string) string { return env[name] }, map[string]string{"listen": ":9000", "log-format": "auto"})
	if err != nil {
		t.Fatal(err)
	}
	c.Locate("f.yaml", func(name string) int {
		return map[string]int{"max-attempts": 7, "retain": 1, "listen": 2}[name]
	})
	got := map[string]string{}
	for _, s := range c.Standings() {
		got[s.Name] = fmt.Sprint(s.Value, " ", s.Preset, " ", s.Set, s.Changed, " ", s.Origin, " ", s.Place)
		if s.Group == "" {
			t.Errorf("%s is in no group", s.Name)
		}
	}
	for name, want := range map[string]string{
		"listen":           ":9000 127.0.0.1:8080 true true flag --listen",
		"retain":           "1d 30d true true environment BELLHOP_RETAIN",
		"max-attempts":     "100 8192 true true file f.yaml:7",
		"files":            "s3://bucket  true true file f.yaml",
		"files-access-key": "<nil>  true true file f.yaml",
		"files-secret-key": "env:KEY  true true file f.yaml",
		"log-level":        "debug info true true environment BELLHOP_LOG_LEVEL",
		"log-format":       "auto auto true false flag --log-format",
		"allow":            "[] [] false false default ",
		"ui":               "true true true false default ",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if len(got) != len(Settings()) {
		t.Errorf("%d settings, want %d", len(got), len(Settings()))
	}
	if loaded, err := Load("", func(string) string { return "" }, nil); err != nil ||
		len(loaded.Standings()) != len(got) || len((&Config{}).Standings()) != 0 {
		t.Errorf("%v", err)
	}
}
