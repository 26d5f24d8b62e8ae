package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
)

// writePage writes the reference page of a provider in Markdown. docs/providers holds those of all.
func writePage(w io.Writer, p provider.Provider) error {
	page := &page{provider: p, info: p.Info()}
	page.head()
	page.receiving()
	if page.info.SendSettings != nil {
		page.sending()
	}
	page.list("Worth knowing", page.info.Notes)
	page.list("Where this is from", links(page.info.Links))
	_, err := io.WriteString(w, page.text.String())
	return err
}

// A page is one as it is written.
type page struct {
	provider provider.Provider
	info     provider.Info
	text     strings.Builder
}

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(&p.text, format+"\n", args...)
}

func (p *page) head() {
	p.line("<!-- Made of provider/%s by `go test ./cmd/bellhop -run TestProviderPages -update`. -->", p.info.Name)
	p.line("# %s (`%s`)\n", p.info.Title, p.info.Name)
	p.line("%s", p.info.Summary)
}

func (p *page) receiving() {
	p.line("\n## Receive\n")
	p.steps(p.info.Setup)
	p.line("```\nbellhop sources create SOURCE --provider %s%s\n```\n", p.info.Name, required(p.info.Settings, p.info.Key))
	p.settings(p.info.Settings)
	if n := p.info.MaxBodyBytes; n > 0 {
		p.line("\nBodies of up to %d MiB are taken, unless the source's `max_body_bytes` says otherwise.", n>>20)
	}
}

func (p *page) sending() {
	p.line("\n## Send\n")
	p.steps(p.info.SendSetup)
	p.line("```\nbellhop destinations create DESTINATION --type %s --url URL%s\n```\n", p.info.Name, required(p.info.SendSettings, ""))
	p.settings(p.info.SendSettings)
	p.line("\nWhere a destination says nothing, %s.", strings.Join(manners(p.info), "; "))
	command := "bellhop send " + p.info.Name + " --to URL"
	if p.info.Key != "" {
		command += " --key KEY"
	}
	p.line("To try a receiver out from the command line: `%s`.", command)
	if _, ok := p.provider.(provider.Caller); ok {
		p.line("That is how %s itself calls, with the settings of a source; a destination sends what it takes.", p.info.Title)
	}
}

// manners says what a destination of the type does unless it is told otherwise.
func manners(info provider.Info) []string {
	schedule := info.Schedule
	if schedule == "" {
		schedule = "default"
	}
	list := []string{"failed deliveries are tried again by the schedule `" + schedule + "`"}
	if info.Rate > 0 {
		list = append(list, fmt.Sprintf("at most %g a second are sent", info.Rate))
	}
	if info.Handshake != "" {
		list = append(list, fmt.Sprintf("whether its receiver has to agree first is as said here, or as its `handshake` says: `%s` or `none`", info.Handshake))
	}
	return list
}

func (p *page) steps(steps []string) {
	for i, step := range steps {
		p.line("%d. %s", i+1, step)
	}
	if len(steps) > 0 {
		p.line("")
	}
}

func (p *page) settings(settings []provider.Setting) {
	if len(settings) == 0 {
		p.line("There are no settings.")
		return
	}
	p.line("| setting | kind | what it is | example |\n|---|---|---|---|")
	for _, s := range settings {
		kind := s.Kind.String()
		if s.Required {
			kind += ", required"
		}
		if s.Secret {
			kind += ", secret"
		}
		p.line("| `%s` | %s | %s | `%s` |", s.Name, kind, cell(s.Doc), cell(s.Example))
	}
}

func (p *page) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	p.line("\n## %s\n", title)
	for _, item := range items {
		p.line("- %s", item)
	}
}

// required are the settings without which there is no source or destination, as flags; key is the one that --key sets.
func required(settings []provider.Setting, key string) string {
	var flags strings.Builder
	if key != "" {
		flags.WriteString(" --key @FILE")
	}
	for _, s := range settings {
		if !s.Required || s.Name == key {
			continue
		}
		value := s.Example
		if s.Secret {
			value = "@FILE"
		}
		fmt.Fprintf(&flags, " --set %s=%s", s.Name, quoteForShell(value))
	}
	return flags.String()
}

// quoteForShell quotes value where a shell would take it apart.
func quoteForShell(value string) string {
	if strings.ContainsAny(value, " \"'$&|;<>()[]{}*?!\\`~#") {
		return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
	}
	return value
}

func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "|", `\|`), "\n", " ")
}

func links(urls []string) []string {
	list := make([]string, len(urls))
	for i, u := range urls {
		list[i] = "<" + u + ">"
	}
	return list
}
