package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/internal/manifest"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

// This file reads configuration files for the commands of config and for serve.

// A configFile is a configuration file that was read, with what is wrong or weak in it.
type configFile struct {
	path     string // as it is shown
	file     *manifest.File
	problems []manifest.Problem
}

// fileOptions are the parts of a server that say what a configuration file may hold.
func fileOptions() app.Options {
	return app.Options{Providers: all.Providers(), Connectors: all.Connectors(), Version: version()}
}

// fileSchema returns the schema of configuration files, which nobody changes. It is made once.
var fileSchema = sync.OnceValues(func() (*manifest.Schema, error) {
	document, err := app.ConfigSchema(fileOptions())
	if err != nil {
		return nil, err
	}
	return manifest.LoadSchema(document)
})

// loadConfigFile reads a file and compares it with the schema.
func (e *env) loadConfigFile(path string) (*configFile, error) {
	content, err := e.readConfig(path)
	if err != nil {
		return nil, err
	}
	schema, err := fileSchema()
	if err != nil {
		return nil, err
	}
	c := &configFile{path: path}
	if path == "-" {
		c.path = "stdin"
	}
	c.file, c.problems = manifest.Read(content, schema)
	if c.file != nil {
		c.problems = append(c.problems, c.file.Warnings()...)
	}
	return c, nil
}

// readConfig reads at most as much of a file as one may have.
func (e *env) readConfig(path string) ([]byte, error) {
	in := e.stdin
	if path != "-" {
		f, err := os.Open(within(e.dir, path))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, manifest.MaxBytes+1))
}

// lookup says where the values of the references of a file are. Relative paths start at the folder of the file.
func (e *env) lookup(path string) manifest.Lookup {
	folder := e.dir
	if path != "-" {
		folder = filepath.Dir(within(e.dir, path))
	}
	return manifest.Lookup{Env: e.getenv, File: func(name string) ([]byte, error) {
		f, err := os.Open(within(folder, name))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		const most = 2 << 20 // manifest refuses it earlier
		return io.ReadAll(io.LimitReader(f, most))
	}}
}

// faults returns the problems that are no warnings.
func (c *configFile) faults() []manifest.Problem { return manifest.Faults(c.problems) }

// place adds the errors of a server or of the rules to the problems, each where its value is.
func (c *configFile) place(errs []client.FieldError, warning bool) {
	missing := c.file.Missing()
	for _, f := range errs {
		p := c.file.Place(f.Path, f.Message)
		p.Warning = warning
		if reference := missing[f.Path]; reference != "" && strings.Contains(f.Message, "only the mask") {
			p.Message = fmt.Sprintf("%s has no value here, and the server has none to keep: give it one",
				reference)
		}
		c.problems = append(c.problems, p)
	}
}

// sorted returns the problems by place.
func (c *configFile) sorted() []manifest.Problem {
	problems := slices.Clone(c.problems)
	manifest.Sort(problems)
	return problems
}

// A shownProblem is a problem as --json prints it.
type shownProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Path    string `json:"path"`
	Message string `json:"message"`
	Warning bool   `json:"warning"`
}

// print prints the problems, one on each line: FILE:LINE:COLUMN: noun and path: message.
func (c *configFile) print(w io.Writer) {
	for _, p := range c.sorted() {
		fmt.Fprintln(w, c.line(p))
	}
}

// line returns a problem on one line.
func (c *configFile) line(p manifest.Problem) string {
	text := fmt.Sprintf("%s:%d:%d: ", clean(c.path), p.Line, p.Column)
	if p.Warning {
		text += "warning: "
	}
	if p.Path != "" && c.file != nil {
		text += clean(c.file.Label(p.Path)) + ": "
	}
	return text + clean(p.Message)
}

// nouns resolves the references, and returns the nouns of the file. Nil: there are faults.
func (e *env) nouns(c *configFile, path string) (*client.Config, error) {
	if c.file == nil || len(c.faults()) > 0 {
		return nil, nil
	}
	c.problems = append(c.problems, c.file.Resolve(e.lookup(path))...)
	if len(c.faults()) > 0 {
		return nil, nil
	}
	nouns, _, err := c.decode(nil)
	return nouns, err
}

// decode returns the nouns of the file. Those with faults are empty, and skipped has their paths.
func (c *configFile) decode(faults []manifest.Problem) (nouns *client.Config, skipped []string, err error) {
	raw, skipped, err := c.file.Nouns(faults)
	if err != nil {
		return nil, nil, err
	}
	nouns = &client.Config{}
	err = json.Unmarshal(raw, nouns)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.path, err)
	}
	return nouns, skipped, nil
}

// checkRules adds what the rules of nouns and of settings say to the problems. Secrets whose references have no value
// here are replaced by examples: what the rules say of those does not count.
func (e *env) checkRules(ctx context.Context, c *configFile, path string) error {
	if c.file == nil {
		return nil
	}
	settings := c.file.Settings()
	for name, err := range config.CheckFile(settings) {
		c.problems = append(c.problems, c.file.Place(name, err.Error()))
	}
	lookup := e.lookup(path)
	lookup.Example = true
	found := c.faults()
	for _, p := range c.file.Resolve(lookup) {
		if covers(found, p.Path) {
			continue
		}
		if p.Warning {
			p.Message = strings.Replace(p.Message, ": the stored value stays, and is not compared",
				": it was not checked; a new noun needs it", 1)
		}
		c.problems = append(c.problems, p)
	}
	found = c.faults()
	nouns, skipped, err := c.decode(found)
	if err != nil {
		return err
	}
	opts := fileOptions()
	opts.Config, err = config.LoadFile(c.path, c.goodSettings(settings), noVariables, nil)
	if err != nil { // the file alone cannot say it, as with a secret of a bucket
		opts.Config, _ = config.LoadFile(c.path, nil, noVariables, nil)
	}
	opts.Config.AllowPrivate, opts.Config.AllowExec = true, true // what a server may reach and run, it knows itself
	warnings, err := app.CheckConfig(ctx, opts, *nouns, skipped)
	var refused *bellhop.Error
	switch {
	case err == nil:
	case errors.As(err, &refused) && refused.Code == bellhop.CodeInvalid:
		faults, here := apartFromMachine(c.known(refused.Fields, found), settings)
		c.place(faults, false)
		c.place(here, true)
	default:
		return err
	}
	c.place(c.known(warnings, found), true)
	return nil
}

// noVariables is an environment without variables.
func noVariables(string) string { return "" }

// goodSettings returns those settings of the file that say what nouns may be.
func (c *configFile) goodSettings(settings map[string]any) map[string]any {
	good := map[string]any{}
	for _, name := range []string{"public-url", "proxies"} {
		if settings[name] != nil && config.CheckFile(settings)[name] == nil {
			good[name] = settings[name]
		}
	}
	return good
}

// apartFromMachine returns the errors that any server would find, and those that depend on its machine or its
// settings: whether a program exists, and which proxies there are unless the file says it.
func apartFromMachine(errs []client.FieldError, settings map[string]any) (faults, here []client.FieldError) {
	for _, f := range errs {
		_, isProxy := strings.CutSuffix(f.Path, "].access.proxy")
		_, isCommand := strings.CutSuffix(f.Path, "].settings.command")
		if isProxy && settings["proxies"] == nil || isCommand {
			here = append(here, f)
		} else {
			faults = append(faults, f)
		}
	}
	return faults, here
}

// known returns the errors of values that are known here and have none of the faults.
func (c *configFile) known(errs []bellhop.FieldError, faults []manifest.Problem) (known []client.FieldError) {
	missing := c.file.Missing()
	for _, f := range errs {
		about := covers(faults, f.Path)
		for path := range missing {
			about = about || isWithin(f.Path, path)
		}
		if !about {
			known = append(known, client.FieldError(f))
		}
	}
	return known
}

// covers reports whether one of the problems is of the value at path, or of one around it.
func covers(problems []manifest.Problem, path string) bool {
	return slices.ContainsFunc(problems, func(p manifest.Problem) bool { return isWithin(path, p.Path) })
}

// isWithin reports whether path is outer, or that of a value in it.
func isWithin(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && outer != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
