package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// This file remembers how the settings of a server were given, so that they can be written as a file and compared with
// one.

// A given is how one setting was given.
type given struct {
	text   string // in the form of a flag's value; of a secret, a reference to it or the secret itself
	from   string // for people: "--listen", "BELLHOP_LISTEN", "bellhop.yaml: listen" or "default"
	wins   bool   // a flag or the environment gave it, and so it wins over a file
	origin Origin
	place  string // see [Standing]
}

// An Origin says what gave a setting its value.
type Origin string

// The origins.
const (
	FromDefault     Origin = "default"
	FromFlag        Origin = "flag"
	FromEnvironment Origin = "environment"
	FromFile        Origin = "file"
)

// Same reports whether c and other have the same values, however they were given.
func (c Config) Same(other Config) bool {
	c.given, other.given = nil, nil
	return reflect.DeepEqual(c, other)
}

// A Value is the value of a setting in a file: a text, a flag, a number or a list of texts. Of a secret it is the
// reference to it, or nil if the secret itself was given.
type Value struct {
	Name   string
	Value  any
	Secret bool
}

// Given returns the settings that have another value than by default, in the order of the fields.
func (c *Config) Given() (values []Value) {
	for i, s := range Settings() {
		g, ok := c.given[s.Name]
		if !ok || equal(i, g.text, s.Default) {
			continue
		}
		v := Value{Name: s.Name, Value: plain(s.Kind, g.text), Secret: s.Secret}
		if v.Secret && !isReference(g.text) {
			v.Value = nil
		}
		values = append(values, v)
	}
	return values
}

// A Standing is a setting of a server with its value, and where that came from.
type Standing struct {
	Setting
	Value   any // in the form of a file; of a secret, the reference to it, or nil if the secret itself was given
	Preset  any // the default, in the same form
	Set     bool
	Origin  Origin
	Place   string // "--listen", "BELLHOP_LISTEN", "bellhop.yaml:3"; "" for the default
	Changed bool   // the value is not the default
}

// Standings returns every setting in the order of the fields.
func (c *Config) Standings() (standings []Standing) {
	for i, s := range Settings() {
		g, ok := c.given[s.Name]
		if !ok {
			continue
		}
		value, place := plain(s.Kind, g.text), g.place
		if s.Secret && !isReference(g.text) {
			value = nil
		}
		if g.origin == FromDefault {
			place = ""
		}
		standings = append(standings, Standing{Setting: s, Value: value, Preset: plain(s.Kind, s.Default),
			Set: g.text != "", Origin: g.origin, Place: place, Changed: !equal(i, g.text, s.Default)})
	}
	return standings
}

// Locate adds the lines of the file at path to the places of the settings that it gave. line returns 0 for a setting
// whose line is not known.
func (c *Config) Locate(path string, line func(name string) int) {
	for name, g := range c.given {
		if g.origin != FromFile {
			continue
		}
		if n := line(name); n > 0 {
			g.place = path + ":" + strconv.Itoa(n)
			c.given[name] = g
		}
	}
}

// A Difference is a setting that a server has otherwise than it would have it if it was started again with a file.
// Values are those of a file; nil is the default. The values of secrets are nil.
type Difference struct {
	Name          string
	Before, After any
	Secret        bool
	// Kept, if it is not "", names the flag or the variable by which the server has its value: it wins over the file,
	// so that nothing changes.
	Kept string
}

// Differences compares c with the settings of a file, by their names, in the order of the fields. Their values are
// good: see [CheckValues]. A secret that the server was given itself is not compared with a reference, which only the
// start of the server follows.
func (c *Config) Differences(file map[string]any) (differences []Difference) {
	for i, s := range Settings() {
		g, known := c.given[s.Name]
		in, declared := file[s.Name]
		wanted := s.Default
		if declared = declared && in != nil; declared {
			wanted = flagText(in)
		}
		switch {
		case !known, g.wins && !declared, equal(i, g.text, wanted):
			continue
		case s.Secret && isReference(wanted) && !isReference(g.text) && g.text != "":
			continue
		}
		d := Difference{Name: s.Name, Secret: s.Secret}
		if !d.Secret {
			d.Before, d.After = shown(i, s, g.text), shown(i, s, wanted)
		}
		if g.wins {
			d.Kept = g.from
		}
		differences = append(differences, d)
	}
	return differences
}

// equal reports whether two texts are the same value of the i-th field. A text that is none is only equal to itself.
func equal(i int, a, b string) bool {
	if a == b || Settings()[i].Secret {
		return a == b
	}
	var values [2]Config
	for n, text := range []string{a, b} {
		if set(reflect.ValueOf(&values[n]).Elem().Field(i), text) != nil {
			return false
		}
	}
	return values[0].Same(values[1])
}

// isReference reports whether the text of a secret says where it is.
func isReference(text string) bool {
	return strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:")
}

// shown returns the value of a setting in a file; nil if it is the default.
func shown(i int, s Setting, text string) any {
	if equal(i, text, s.Default) {
		return nil
	}
	return plain(s.Kind, text)
}

// plain returns the value of a setting in a file.
func plain(kind, text string) any {
	switch kind {
	case "bool":
		if flag, err := strconv.ParseBool(text); err == nil {
			return flag
		}
	case "int":
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
	case "number":
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
	case "list":
		return slices.Concat([]string{}, splitList(text))
	}
	return text
}
