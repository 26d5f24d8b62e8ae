// Package release says what this program was built from: its version, the commit of its source code, and Go.
//
// What the build of a package sets by the linker comes first, because it works without a repository too. Otherwise it
// is what the Go toolchain has noted, which notes nothing of an archive, nor with -buildvcs=false.
package release

import (
	"runtime"
	"runtime/debug"
	"time"
)

// Set by the linker: -ldflags "-X github.com/bellhop-gateway/bellhop/internal/release.version=v1.2.3".
var (
	version     string // with a v before it
	commit      string // the whole hash
	committedAt string // RFC 3339
	modified    string // "true" or "false"
)

// A Release is what the program was built from.
type Release struct {
	Version     string     `json:"version"`      // v1.2.3, a pseudo-version of Go, or "(devel)" if it is not known
	Commit      string     `json:"commit"`       // the whole hash; "" if it is not known
	CommittedAt *time.Time `json:"committed_at"` // when that commit was made, UTC; nil if it is not known
	Modified    *bool      `json:"modified"`     // whether the source had further changes; nil if it is not known
	Go          string     `json:"go"`           // the version of the toolchain, such as go1.26.1
	OS          string     `json:"os"`           // as Go names it, such as linux
	Arch        string     `json:"arch"`         // as Go names it, such as amd64
}

// Read returns the release of the running program.
func Read() Release {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return of(info, version, commit, committedAt, modified)
}

// of returns the release of a build that has noted info, and that was given the rest by the linker.
func of(info *debug.BuildInfo, version, commit, committedAt, modified string) Release {
	r := Release{Version: version, Commit: commit, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	noted := map[string]string{}
	for _, s := range info.Settings {
		noted[s.Key] = s.Value
	}
	if r.Version == "" {
		r.Version = info.Main.Version
	}
	if r.Version == "" {
		r.Version = "(devel)"
	}
	if commit == "" { // else the repository around the source, if there is one, may be another one
		r.Commit, committedAt, modified = noted["vcs.revision"], noted["vcs.time"], noted["vcs.modified"]
	}
	if t, err := time.Parse(time.RFC3339, committedAt); err == nil {
		t = t.UTC()
		r.CommittedAt = &t
	}
	if modified == "true" || modified == "false" {
		changed := modified == "true"
		r.Modified = &changed
	}
	return r
}

// Source returns the commit, with a mark if the source had further changes; "" if it is not known.
func (r Release) Source() string {
	if r.Commit != "" && r.Modified != nil && *r.Modified {
		return r.Commit + " with changes"
	}
	return r.Commit
}

// Words returns a sentence part for people: the commit, when it was made, and whether the source had further changes.
func (r Release) Words() string {
	if r.Commit == "" {
		return "unknown commit"
	}
	words := "commit " + r.Commit
	if r.CommittedAt != nil {
		words += " of " + r.CommittedAt.Format(time.RFC3339)
	}
	switch {
	case r.Modified == nil:
		return words
	case *r.Modified:
		return words + ", with changes"
	}
	return words + ", unmodified"
}
