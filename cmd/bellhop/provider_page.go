package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
)

// This file writes the reference page of a provider, from its Info and Guide: as text for a terminal and as Markdown.

var settingColumns = []column[provider.Setting]{
	{title: "SETTING", cell: func(s provider.Setting) string { return s.Name }},
	{title: "KIND", cell: settingKind},
	{title: "WHAT IT IS", cell: func(s provider.Setting) string { return s.Doc }},
	{title: "EXAMPLE", cell: func(s provider.Setting) string { return s.Example }},
}

// settingKind returns the kind of a setting, and whether it is required and secret.
func settingKind(s provider.Setting) string {
	kind := s.Kind.String()
	if s.Required {
		kind += ", required"
	}
	if s.Secret {
		kind += ", secret"
	}
	return kind
}

// showProvider prints the reference page of a provider as text for a terminal.
func showProvider(e *env, p provider.Provider) error {
	info, guide := p.Info(), provider.GuideOf(p)
	fmt.Fprintf(e.stdout, "%s: %s\n", info.Name, info.Title)
	e.prose("", info.Summary)
	fmt.Fprintln(e.stdout, strings.Join(info.Links, "\n"))
	// 'bellhop send' takes the settings of a source if the provider's own calls differ from what a destination sends.
	sourceTitle, destinationTitle := "of a source", "of a destination, and for bellhop send"
	if provider.EmulationOf(p).OfSource {
		sourceTitle, destinationTitle = "of a source, and for bellhop send", "of a destination"
	}
	if err := showSettings(e, sourceTitle, info.Settings, guide.Setup, sourceCommand(p)); err != nil {
		return err
	}
	if guide.ByHand != "" {
		fmt.Fprintf(e.stdout, "\nby hand\n%s\n", foldShell(guide.ByHand, e.pageWidth()))
	}
	if info.SendSettings != nil {
		commands := []string{destinationCommand(p), sendCommand(p)}
		if err := showSettings(e, destinationTitle, info.SendSettings, guide.SendSetup, commands...); err != nil {
			return err
		}
		defaults := strings.ReplaceAll(strings.Join(destinationDefaults(p), "; "), "`", "")
		e.prose("", "by default, "+defaults)
	}
	if k, ok := p.(provider.Connector); ok {
		if err := showConnectorSettings(e, k.ConnectorInfo()); err != nil {
			return err
		}
	}
	if s, ok := p.(provider.Subscriber); ok {
		err := showSettings(e, "of a subscription", s.SubscribeInfo().Settings, nil, subscriptionCommand(s))
		if err != nil {
			return err
		}
	}
	for _, x := range actionsOf(p) {
		err := showSettings(e, "of a destination of type "+x.info.Name, x.info.SendSettings, nil,
			actionCommand(x.info))
		if err != nil {
			return err
		}
	}
	for _, t := range guide.Tables {
		if err := showTable(e, t); err != nil {
			return err
		}
	}
	if len(guide.Notes) > 0 {
		fmt.Fprintln(e.stdout, "\nnotes")
	}
	for _, note := range guide.Notes {
		e.prose("- ", note)
	}
	return nil
}

// pageWidth is the width of the reference page of a provider where there is no terminal, and maxPageWidth on a wide
// one.
const (
	pageWidth    = 100
	maxPageWidth = 120
)

// pageWidth returns the width of the reference page of a provider.
func (e *env) pageWidth() int {
	if e.columns() == 0 {
		return pageWidth
	}
	return min(e.columns(), maxPageWidth)
}

// prose prints text wrapped to the width of the page. The first line begins with mark, and the others with as many
// blanks.
func (e *env) prose(mark, text string) {
	indent := strings.Repeat(" ", len(mark))
	for _, line := range wrap(text, e.pageWidth()-len(mark)) {
		fmt.Fprintln(e.stdout, mark+line)
		mark = indent
	}
}

// showTable prints one table of the reference page.
func showTable(e *env, t provider.Table) error {
	columns := make([]column[[]string], len(t.Head))
	for i, title := range t.Head {
		cell := func(row []string) string { return plainText(row[i]) }
		columns[i] = column[[]string]{title: strings.ToUpper(title), cell: cell}
	}
	fmt.Fprintf(e.stdout, "\n%s\n", strings.ToLower(t.Title))
	e.prose("", t.Text)
	return printTableWithin(e, e.pageWidth(), t.Rows, columns)
}

// showSettings prints the steps, the commands and the settings of one side: of sources or of destinations.
func showSettings(e *env, title string, settings []provider.Setting, steps []string, commands ...string) error {
	fmt.Fprintln(e.stdout, "\n"+title)
	for i, step := range steps {
		e.prose(fmt.Sprintf("%d. ", i+1), step)
	}
	for _, command := range commands {
		fmt.Fprintln(e.stdout, foldShell("  "+command, e.pageWidth()))
	}
	if len(settings) == 0 {
		fmt.Fprintln(e.stdout, "no settings")
		return nil
	}
	return printTableWithin(e, e.pageWidth(), settings, settingColumns)
}

// writePage writes the reference page of a provider in Markdown. docs/providers holds the pages of all providers.
func writePage(w io.Writer, p provider.Provider) error {
	page := &page{provider: p, info: p.Info(), guide: provider.GuideOf(p)}
	page.head()
	page.receiving()
	if page.info.SendSettings != nil {
		page.sending()
	}
	if k, ok := p.(provider.Connector); ok {
		page.connecting(k.ConnectorInfo())
	}
	if s, ok := p.(provider.Subscriber); ok {
		page.subscribing(s)
	}
	for _, x := range actionsOf(p) {
		page.acting(x)
	}
	for _, t := range page.guide.Tables {
		page.table(t)
	}
	page.list("Notes", page.guide.Notes)
	page.list("References", links(page.info.Links))
	_, err := io.WriteString(w, page.text.String())
	return err
}

// A page is a reference page while it is written.
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
		p.line("\n`FILE` is a file that holds the `%s` and nothing else.", p.info.Key)
	}
	p.line("")
	p.settings(p.info.Settings)
	if n := p.info.MaxBodyBytes; n > 0 {
		p.line("\nBodies of up to %d MiB are accepted, unless the source has a `max_body_bytes` of its own.", n>>20)
	}
	if p.guide.ByHand != "" {
		p.line("\n### By hand\n\nThis sends an authentic request to the source, without Bellhop's "+
			"code:\n\n```sh\n%s\n```",
			p.guide.ByHand)
	}
}

func (p *page) sending() {
	p.line("\n## Send\n")
	p.steps(p.guide.SendSetup)
	p.command(destinationCommand(p.provider))
	p.line("")
	p.settings(p.info.SendSettings)
	p.line("\nBy default, %s.", strings.Join(destinationDefaults(p.provider), "; "))
	if provider.EmulationOf(p.provider).OfSource {
		p.line("To send a request as %s itself does, use the settings of a source:\n",
			p.info.Title)
	} else {
		p.line("To test a receiver from the command line:\n")
	}
	p.command(sendCommand(p.provider))
}

// subscribing writes how subscriptions at the provider are made. The command is indented: it needs the provider.
func (p *page) subscribing(s provider.Subscriber) {
	info := s.SubscribeInfo()
	p.line("\n## Subscribe\n\nA subscription asks the provider to call the source. [How subscriptions " +
		"work](../SUBSCRIPTIONS.md).\n")
	p.line("    %s\n", subscriptionCommand(s))
	p.line("The resource is %s.", info.Resource)
	if info.Connector != "" && info.Connector != p.info.Name {
		p.line("The connection is one of the provider [`%[1]s`](%[1]s.md).", info.Connector)
	}
	if info.Repeats > 0 {
		p.line("A notification that is not accepted is repeated for %s.", roughly(info.Repeats))
	}
	p.line("")
	p.settings(info.Settings)
}

// subscriptionCommand returns the command that makes a subscription.
func subscriptionCommand(s provider.Subscriber) string {
	command := "bellhop subscriptions create NAME --source SOURCE --connection CONNECTION --resource RESOURCE"
	if changes := s.SubscribeInfo().ChangeTypes; changes != nil {
		command += " --change-type " + strings.Join(changes, ",")
	}
	return command
}

// An apiAction is what destinations can do at the API of a provider.
type apiAction struct {
	title      string
	link, page string // to the page below docs/ about it
	info       provider.Info
}

// actionsOf returns what destinations can do at the API of p.
func actionsOf(p provider.Provider) (list []apiAction) {
	if f, ok := p.(provider.Fetcher); ok {
		list = append(list, apiAction{"Fetch", "How fetching works", "FETCH.md", provider.FetchActionInfo(f)})
	}
	if r, ok := p.(provider.ChangeReader); ok {
		list = append(list, apiAction{"Read changes", "How reading changes works", "FETCH.md",
			provider.ReadingActionInfo(r)})
	}
	if d, ok := p.(provider.Downloader); ok {
		list = append(list, apiAction{"Download", "How downloads work", "RECORDINGS.md",
			provider.DownloadActionInfo(d)})
	}
	if w, ok := p.(provider.Worker); ok {
		for _, work := range w.Works() {
			info := provider.WorkActionInfo(w, work)
			list = append(list, apiAction{info.Title + ": `" + info.Name + "`", "How media jobs work",
				"MEDIA.md", info})
		}
	}
	return list
}

// acting writes how destinations of an action are made. The command is indented: it needs a connection.
func (p *page) acting(x apiAction) {
	p.line("\n## %s\n\n%s [%s](../%s).\n", x.title, x.info.Summary, x.link, x.page)
	p.line("    %s\n", actionCommand(x.info))
	p.settings(x.info.SendSettings)
}

// actionCommand returns the command that makes a destination which calls an API.
func actionCommand(info provider.Info) string {
	events, more := " --source SOURCE", ""
	if slices.ContainsFunc(info.SendSettings, func(s provider.Setting) bool { return s.Name == "endpoint" }) {
		events, more = " --types TYPE", " --set source=SOURCE"
	}
	return "bellhop destinations create DESTINATION --type " + info.Name + events + " --set connection=CONNECTION" +
		more
}

// connecting writes how connections to the provider's API are made.
func (p *page) connecting(info provider.ConnectorInfo) {
	p.line("\n## Connect\n\n%s [How connections work](../CONNECTIONS.md).\n", info.Summary)
	p.steps(info.Setup)
	p.command(connectionCommand(info))
	p.line("")
	p.settings(info.Settings)
}

// showConnector prints the description of a connector that is no provider.
func showConnector(e *env, k provider.Connector) error {
	info := k.ConnectorInfo()
	fmt.Fprintf(e.stdout, "%s: %s\n", info.Name, info.Title)
	e.prose("", info.Summary)
	fmt.Fprintln(e.stdout, strings.Join(info.Links, "\n"))
	return showConnectorSettings(e, info)
}

// showConnectorSettings prints the steps, the command and the settings of connections.
func showConnectorSettings(e *env, info provider.ConnectorInfo) error {
	return showSettings(e, "of a connection", info.Settings, info.Setup, connectionCommand(info))
}

// connectionCommand returns the command that makes a connection with the settings that each has.
func connectionCommand(info provider.ConnectorInfo) string {
	command := "bellhop connections create CONNECTION --provider " + info.Name
	for _, s := range info.Settings {
		switch {
		case !s.Required:
		case s.Secret:
			command += " --set " + s.Name + "=@" + s.Name + ".txt"
		default:
			command += " --set " + s.Name + "=" + s.Example
		}
	}
	return command
}

// destinationDefaults returns, as parts of a sentence, the defaults of a destination whose type is the provider.
func destinationDefaults(p provider.Provider) []string {
	info := p.Info()
	schedule := info.Schedule
	if schedule == "" {
		schedule = "default"
	}
	list := []string{"failed deliveries are retried by the schedule `" + schedule + "`"}
	if info.Rate > 0 {
		list = append(list, fmt.Sprintf("deliveries are sent at a rate of up to %g a second", info.Rate))
	}
	if info.Handshake != "" {
		list = append(list, handshakeDefault(info.Handshake, provider.GuideOf(p).HandshakeWhen))
	}
	return list
}

// handshakeDefault returns, as part of a sentence, whether the receiver of a destination is asked first.
func handshakeDefault(handshake, when string) string {
	switch when {
	case "":
		return fmt.Sprintf("the receiver is not asked first, unless `handshake` is `%s`", handshake)
	case provider.HandshakeAlways:
		return "the receiver is asked first and has to agree, unless `handshake` is `none`"
	}
	return fmt.Sprintf("the receiver is asked first and has to agree %s, unless `handshake` is `none`",
		when)
}

// target returns the placeholder for the URL in a command, quoted for a shell if it has a query.
func target(r provider.Recipe) string {
	if r.Query == "" {
		return "URL"
	}
	return "'URL?" + r.Query + "'"
}

func sourceCommand(p provider.Provider) string {
	command := "bellhop sources create SOURCE --provider " + p.Info().Name
	return strings.TrimRight(command+" "+provider.GuideOf(p).Recipe.Source, " ")
}

func destinationCommand(p provider.Provider) string {
	recipe := provider.GuideOf(p).Recipe
	command := "bellhop destinations create DESTINATION --type " + p.Info().Name + " --url " + target(recipe)
	return strings.TrimRight(command+" "+recipe.Destination, " ")
}

func sendCommand(p provider.Provider) string {
	recipe := provider.GuideOf(p).Recipe
	return strings.TrimRight("bellhop send "+p.Info().Name+" --to "+target(recipe)+" "+recipe.Send, " ")
}

func (p *page) command(line string) { p.line("```\n%s\n```", line) }

// table writes t under its title.
func (p *page) table(t provider.Table) {
	p.line("\n## %s\n\n%s\n\n| %s |\n|%s", t.Title, t.Text, strings.Join(t.Head, " | "),
		strings.Repeat("---|", len(t.Head)))
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
		p.line("| `%s` | %s | %s | `%s` |", s.Name, settingKind(s), cell(s.Doc), cell(s.Example))
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

// plainText returns Markdown as it is shown on a terminal: without the marks of code.
func plainText(markdown string) string { return strings.ReplaceAll(markdown, "`", "") }
