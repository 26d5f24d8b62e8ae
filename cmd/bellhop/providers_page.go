package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
)

// writePage writes the reference page of a provider in Markdown. docs/providers holds those of all.
func writePage(w io.Writer, p provider.Provider) error {
	page := &page{provider: p, info: p.Info(), guide: provider.GuideOf(p)}
	page.head()
	page.receiving()
	if page.info.SendSettings != nil {
		page.sending()
	}
	for _, t := range page.guide.Tables {
		page.table(t)
	}
	page.list("Worth knowing", page.guide.Notes)
	page.list("Where this is from", links(page.info.Links))
	_, err := io.WriteString(w, page.text.String())
	return err
}

// A page is one as it is written.
type page struct {
	provider provider.Provider
	info     provider.Info
	guide    provider.Guide
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
	p.steps(p.guide.Setup)
	p.command(sourceCommand(p.provider))
	if strings.Contains(p.guide.Recipe.Source, "--key @FILE") {
		p.line("\n`FILE` is a file with the `%s` in it, and nothing else.", p.info.Key)
	}
	p.line("")
	p.settings(p.info.Settings)
	if n := p.info.MaxBodyBytes; n > 0 {
		p.line("\nBodies of up to %d MiB are taken, unless the source's `max_body_bytes` says otherwise.", n>>20)
	}
	if p.guide.ByHand != "" {
		p.line("\n### By hand\n\nAn authentic request to that source without any of our code:\n\n```sh\n%s\n```", p.guide.ByHand)
	}
}

func (p *page) sending() {
	p.line("\n## Send\n")
	p.steps(p.guide.SendSetup)
	p.command(destinationCommand(p.provider))
	p.line("")
	p.settings(p.info.SendSettings)
	p.line("\nWhere a destination says nothing, %s.", strings.Join(manners(p.provider), "; "))
	if provider.EmulationOf(p.provider).OfSource {
		p.line("To call as %s itself does, with the settings of a source (a destination sends what it takes):\n", p.info.Title)
	} else {
		p.line("To try a receiver out from the command line:\n")
	}
	p.command(sendCommand(p.provider))
}

// manners says what a destination of the type does unless it is told otherwise.
func manners(p provider.Provider) []string {
	info := p.Info()
	schedule := info.Schedule
	if schedule == "" {
		schedule = "default"
	}
	list := []string{"failed deliveries are tried again by the schedule `" + schedule + "`"}
	if info.Rate > 0 {
		list = append(list, fmt.Sprintf("at most %g a second are sent", info.Rate))
	}
	if info.Handshake != "" {
		list = append(list, asking(info.Handshake, provider.GuideOf(p).HandshakeWhen))
	}
	return list
}

// asking says when the receiver of a destination has to agree to a handshake first.
func asking(handshake, when string) string {
	switch when {
	case "":
		return fmt.Sprintf("its receiver is not asked first, unless its `handshake` is `%s`", handshake)
	case provider.HandshakeAlways:
		return "its receiver is asked first and has to agree, unless its `handshake` is `none`"
	}
	return fmt.Sprintf("its receiver is asked first and has to agree %s, unless its `handshake` is `none`", when)
}

// target is the URL to send to, as in a command.
func target(r provider.Recipe) string {
	if r.Query == "" {
		return "URL"
	}
	return "'URL?" + r.Query + "'"
}

func sourceCommand(p provider.Provider) string {
	return strings.TrimRight("bellhop sources create SOURCE --provider "+p.Info().Name+" "+provider.GuideOf(p).Recipe.Source, " ")
}

func destinationCommand(p provider.Provider) string {
	r := provider.GuideOf(p).Recipe
	return strings.TrimRight("bellhop destinations create DESTINATION --type "+p.Info().Name+" --url "+target(r)+" "+r.Destination, " ")
}

func sendCommand(p provider.Provider) string {
	r := provider.GuideOf(p).Recipe
	return strings.TrimRight("bellhop send "+p.Info().Name+" --to "+target(r)+" "+r.Send, " ")
}

func (p *page) command(line string) { p.line("```\n%s\n```", line) }

// table writes t under a title of its own.
func (p *page) table(t provider.Table) {
	p.line("\n## %s\n\n%s\n\n| %s |\n|%s", t.Title, t.Text, strings.Join(t.Head, " | "), strings.Repeat("---|", len(t.Head)))
	for _, row := range t.Rows {
		cells := make([]string, len(row))
		for i, text := range row {
			cells[i] = cell(text)
		}
		p.line("| %s |", strings.Join(cells, " | "))
	}
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
