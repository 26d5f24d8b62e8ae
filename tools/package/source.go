package main

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A source is what is built: a commit of the repository, or an archive of one.
type source struct {
	version     string // with a v before it
	commit      string // "" if it is not known
	committedAt string // RFC 3339; "" if it is not known
	modified    string // "true" or "false"; "" if it is not known
	at          time.Time
}

// versionForm is a semantic version, which is what the packages order versions by.
var versionForm = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?(\+[0-9A-Za-z.]+)?$`)

// complete returns s with what git knows. Without a repository the version has to be given; times in the packages are
// then those of 1980, the first that a zip has.
func (s source) complete() (source, error) {
	if s.commit == "" {
		commit, err := git("rev-parse", "HEAD")
		if err == nil {
			err = s.ask(commit)
		}
		if err != nil && s.version == "" {
			return s, fmt.Errorf("%w; outside a repository, give -version, and -commit and -committed-at if you know "+
				"them", err)
		}
	}
	if !versionForm.MatchString(s.version) {
		return s, fmt.Errorf("-version %q: write it as v1.2.3 or v1.2.3-rc.1", s.version)
	}
	s.at = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)
	if s.committedAt != "" {
		at, err := time.Parse(time.RFC3339, s.committedAt)
		if err != nil {
			return s, fmt.Errorf("-committed-at %q: write it as 2026-12-01T10:00:00Z", s.committedAt)
		}
		s.at = at.UTC()
		s.committedAt = s.at.Format(time.RFC3339)
	}
	return s, nil
}

// ask fills in what git says of commit, which is checked out.
func (s *source) ask(commit string) error {
	at, err := git("show", "-s", "--format=%ct", "HEAD")
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return fmt.Errorf("the time of the commit: %w", err)
	}
	changes, err := git("status", "--porcelain")
	if err != nil {
		return err
	}
	s.commit, s.committedAt = commit, time.Unix(seconds, 0).UTC().Format(time.RFC3339)
	s.modified = strconv.FormatBool(changes != "")
	if s.version == "" {
		tag, _ := git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*") // an error says that there is none
		exact, _ := git("describe", "--tags", "--exact-match", "--match", "v[0-9]*")
		s.version = versionOf(tag, exact, commit, time.Unix(seconds, 0).UTC(), changes != "")
	}
	return nil
}

// versionOf returns the version of a commit: its own tag, or one that is between its last tag and the next one, and
// later than those of earlier commits.
func versionOf(tag, exact, commit string, at time.Time, modified bool) string {
	version := exact
	if exact == "" {
		suffix := at.Format("20060102150405") + "." + commit[:min(12, len(commit))]
		version = "v0.0.0-" + suffix
		parts := regexp.MustCompile(`^(v[0-9]+\.[0-9]+\.)([0-9]+)$`).FindStringSubmatch(tag)
		if parts != nil {
			patch, _ := strconv.Atoi(parts[2])
			version = parts[1] + strconv.Itoa(patch+1) + "-0." + suffix
		}
	}
	if modified {
		version += "+modified"
	}
	return version
}

// words says what is built, for people.
func (s source) words() string {
	switch {
	case s.commit == "":
		return "unknown commit"
	case s.modified == "true":
		return "commit " + s.commit + " with changes"
	}
	return "commit " + s.commit
}

func git(args ...string) (string, error) {
	out, err := exec.Command("git", args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("git %s: %s", args[0], strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}
