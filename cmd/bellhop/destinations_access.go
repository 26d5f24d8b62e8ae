package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/access"
)

const accessHelp = "how it is reached, and who we are there, name=value; value is text, @FILE or env:NAME, of scopes a list in JSON (repeatable)"

// accessLong is what the help of create and update says of --access.
var accessLong = `--access says how the destination is reached and who we are there: ` + accessNames() + `.
docs/ACCESS.md tells what each is. A proxy has to be one that the server was started with (--proxies).`

// accessNames are the members of an access, in words.
func accessNames() string {
	var lines, line []string
	width := len("--access says how the destination is reached and who we are there: ")
	for _, s := range access.Settings {
		if width += len(s.Name) + 2; width > 120 {
			lines, line, width = append(lines, strings.Join(line, ", ")), nil, len(s.Name)+2
		}
		line = append(line, s.Name)
	}
	return strings.Join(append(lines, strings.Join(line, ", ")), ",\n")
}

// readAccess reads the values of --access. All are texts but scopes: a password may look like JSON.
func (e *env) readAccess(pairs []string) (map[string]any, error) {
	members := map[string]any{}
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, wrongUsage("--access %s: write it as name=value", clean(name))
		}
		if !slices.ContainsFunc(access.Settings, func(s access.Setting) bool { return s.Name == name }) {
			return nil, wrongUsage("--access %s: no such setting", clean(name))
		}
		if _, repeated := members[name]; repeated {
			return nil, wrongUsage("--access %s: given twice", name)
		}
		var err error
		if name == "scopes" {
			members[name], err = e.readValue(text)
		} else {
			members[name], err = e.readText(text)
		}
		if err != nil {
			return nil, fmt.Errorf("--access %s: %w", name, err)
		}
	}
	return members, nil
}

// splitUnset tells the settings to remove from the members of the access, which are written access.NAME. whole is that all of the
// access goes.
func splitUnset(names []string) (settings, members []string, whole bool) {
	for _, name := range names {
		member, ok := strings.CutPrefix(name, "access.")
		switch {
		case name == "access":
			whole = true
		case ok:
			members = append(members, member)
		default:
			settings = append(settings, name)
		}
	}
	return settings, members, whole
}

// accessChanges is what an update makes of an access: given of --access, members and whole of --unset. nil is all of it; there
// is no change if changed is false.
func accessChanges(given map[string]any, members []string, whole bool) (access any, changed bool, err error) {
	if whole && len(given)+len(members) > 0 {
		return nil, true, wrongUsage("--unset access takes all of it away; give --access and --unset access.NAME without it")
	}
	if whole {
		return nil, true, nil
	}
	for _, name := range members {
		if given[name] != nil {
			return nil, true, wrongUsage("--access and --unset both name %s", clean(name))
		}
		given[name] = nil
	}
	return given, len(given) > 0, nil
}
