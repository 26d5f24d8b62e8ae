package release

import (
	"encoding/json"
	"runtime/debug"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	stamped := &debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-20261201035304-28f67a1e808f+dirty"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "28f67a1e"},
			{Key: "vcs.time", Value: "2026-12-01T04:53:04+01:00"}, {Key: "vcs.modified", Value: "true"}}}
	for _, c := range []struct {
		name                                   string
		info                                   *debug.BuildInfo
		version, commit, committedAt, modified string // by the linker
		wantVersion, wantSource, wantWords     string
	}{
		{"by go build in a repository", stamped, "", "", "", "", "v0.0.0-20261201035304-28f67a1e808f+dirty",
			"28f67a1e with changes", "commit 28f67a1e of 2026-12-01T03:53:04Z, with changes"},
		{"by make package", stamped, "v1.2.3", "1234abcd", "2026-11-30T10:00:00Z", "false", "v1.2.3", "1234abcd",
			"commit 1234abcd of 2026-11-30T10:00:00Z, unmodified"},
		{"of an archive, with a version", &debug.BuildInfo{}, "v1.2.3", "", "", "", "v1.2.3", "", "unknown commit"},
		{"of an archive, with a commit", &debug.BuildInfo{}, "v1.2.3", "1234abcd", "", "", "v1.2.3", "1234abcd",
			"commit 1234abcd"},
		{"nothing noted", &debug.BuildInfo{}, "", "", "", "", "(devel)", "", "unknown commit"},
		{"a date that is none", &debug.BuildInfo{}, "", "1234abcd", "yesterday", "perhaps", "(devel)", "1234abcd",
			"commit 1234abcd"},
	} {
		r := of(c.info, c.version, c.commit, c.committedAt, c.modified)
		if r.Version != c.wantVersion || r.Source() != c.wantSource || r.Words() != c.wantWords {
			t.Errorf("%s: %q, %q, %q", c.name, r.Version, r.Source(), r.Words())
		}
		if !strings.HasPrefix(r.Go, "go") || r.OS == "" || r.Arch == "" {
			t.Errorf("%s: the toolchain is %+v", c.name, r)
		}
	}
}

// TestJSON: a program can tell what is not known from what is false.
func TestJSON(t *testing.T) {
	r := of(&debug.BuildInfo{}, "v1.2.3", "", "", "")
	r.Go, r.OS, r.Arch = "go1.26.1", "linux", "amd64"
	text, err := json.Marshal(r)
	want := `{"version":"v1.2.3","commit":"","committed_at":null,"modified":null,"go":"go1.26.1","os":"linux",` +
		`"arch":"amd64"}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v; want %s", text, err, want)
	}
}
