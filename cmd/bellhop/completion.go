package main

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/internal/access"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// This file completes words of a command line for a shell. The script of 'bellhop completion' calls the hidden command
// __complete, which the library has, with the words so far. What a server holds is at the end of the file.

// shells are the shells that there are scripts for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletionCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a script with which a shell completes commands, names and ids",
		Long: `Print a script with which a shell completes commands, flags, providers, states, and the names and ids
that a server holds. SHELL is bash, zsh, fish or powershell.

bash, with its package bash-completion, for this shell and for those to come:
  source <(bellhop completion bash)
  bellhop completion bash > ~/.local/share/bash-completion/completions/bellhop

zsh, if compinit runs in ~/.zshrc:
  bellhop completion zsh > "${fpath[1]}/_bellhop"

fish:
  bellhop completion fish > ~/.config/fish/completions/bellhop.fish

PowerShell, for this shell; add the line to $PROFILE for those to come:
  bellhop completion powershell | Out-String | Invoke-Expression

Names and ids are asked from the server that the command line calls: by its --server, --api-key and
--data, or by the environment. A server that does not answer within a second completes nothing.`,
		Example: `  bellhop completion bash
  bellhop completion fish > ~/.config/fish/completions/bellhop.fish`,
		Args: oneArgument("shell"),
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(shells, args[0]) {
				return wrongUsage("no script for '%s': %w", args[0], oneOf(args[0], shells))
			}
			return writeScript(c.Root(), e.stdout, args[0])
		},
	}
}

// writeScript writes the script for a shell.
func writeScript(root *cobra.Command, to io.Writer, shell string) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(to, true)
	case "zsh":
		return root.GenZshCompletion(to)
	case "fish":
		return root.GenFishCompletion(to, true)
	}
	return root.GenPowerShellCompletionWithDesc(to)
}

// addCompletion makes the commands below root complete their arguments and the values of their flags, if args ask for
// that: the library keeps what is registered for a flag for ever.
func addCompletion(e *env, root *cobra.Command, args []string) {
	if len(args) == 0 || !strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		return
	}
	none := cobra.ShellCompDirectiveNoFileComp
	root.CompletionOptions.DefaultShellCompDirective = &none
	seen := map[*pflag.Flag]bool{} // a noun and its first verb have the same flags
	walkTree(root, func(c *cobra.Command) {
		if c.ValidArgs == nil {
			c.ValidArgsFunction = completesArguments(e, c)
		}
		for _, flags := range []*pflag.FlagSet{c.PersistentFlags(), c.Flags()} {
			flags.VisitAll(func(f *pflag.Flag) {
				complete := completesFlag(e, c, f)
				if complete != nil && !seen[f] {
					seen[f] = true
					c.RegisterFlagCompletionFunc(f.Name, complete) // fails only for a flag that has one
				}
			})
		}
	})
}

// walkTree calls visit for c and all commands below it.
func walkTree(c *cobra.Command, visit func(c *cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		walkTree(sub, visit)
	}
}

// completesArguments returns what completes the arguments of c; nil if nothing does.
func completesArguments(e *env, c *cobra.Command) cobra.CompletionFunc {
	switch c.Name() {
	case "replay":
		return completesNames(e, "events") // there may be several
	case "pull":
		return firstOnly(completesNames(e, "destinations"))
	case "providers", "send", "verify":
		return firstOnly(completesWords(providerWords()...))
	case "fault":
		return firstOnly(completesWords(append(emulator.FaultKinds(), "reset")...))
	case "completion":
		return firstOnly(completesWords(shells...))
	case "create", "publish":
		return nil
	}
	use := strings.Fields(c.Use)
	takesOne := len(use) > 1 && slices.Contains([]string{"NAME", "[NAME]", "ID", "[ID]"}, use[1])
	if takesOne && c.HasParent() && askers[c.Parent().Name()] != nil {
		return firstOnly(completesNames(e, c.Parent().Name()))
	}
	return nil
}

// firstOnly returns complete for the first argument, and nothing for those that follow.
func firstOnly(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(c, args, begin)
	}
}

// nounOfFlag says of which noun the value of a flag is a name or an id. The key is "command flag", or "flag" for all
// commands.
var nounOfFlag = map[string]string{
	"source": "sources", "destination": "destinations", "replay to": "destinations", "connection": "connections",
	"event": "events", "caused-by": "events", "tenant": "tenants", "tenants": "tenants",
}

// fileFlags are flags whose value is the path of a file or a folder, or may be one after an @.
var fileFlags = []string{"file", "secret-file", "headers", "config", "data", "dir", "certificate", "key", "secret",
	"template", "configuration", "position"}

// completesFlag returns what completes the value of a flag; nil if nothing does.
func completesFlag(e *env, c *cobra.Command, f *pflag.Flag) cobra.CompletionFunc {
	noun := nounOfFlag[c.Name()+" "+f.Name]
	if noun == "" {
		noun = nounOfFlag[f.Name]
	}
	switch {
	case f.Annotations[valuesOf] != nil:
		return completesWords(f.Annotations[valuesOf]...)
	case noun != "":
		return completesNames(e, noun)
	case f.Name == "provider" && isOf(c, "connections"):
		return completesWords(connectorWords()...)
	case f.Name == "provider":
		return completesWords(providerWords()...)
	case f.Name == "type" && isOf(c, "destinations"):
		return completesWords(destinationTypes()...)
	case f.Name == "retry":
		return completesWords(presetWords()...)
	case f.Name == "handshake" && f.Value.Type() == "string":
		return completesWords(handshakeWords()...)
	case f.Name == "set":
		return completeSettings
	case f.Name == "access":
		return completeAccess
	case slices.Contains(fileFlags, f.Name), f.Name == "output", c.Name() == "serve":
		return completeFiles
	}
	return nil
}

// isOf reports whether c is the command of a noun, or one of its verbs.
func isOf(c *cobra.Command, noun string) bool {
	return c.Name() == noun || c.HasParent() && c.Parent().Name() == noun
}

// completesWords returns what completes one of words, each of which may have a description after a tab. Of a list, the
// last word is completed.
func completesWords(words ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begin string) (found []cobra.Completion, _ cobra.ShellCompDirective) {
		before := begin[:strings.LastIndex(begin, ",")+1]
		for _, word := range words {
			if strings.HasPrefix(before+word, begin) {
				found = append(found, before+word)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFiles leaves the completion to the shell, which knows files.
func completeFiles(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// completeCommands completes the names of commands, for help.
func completeCommands(c *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
	parent, rest, err := c.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var words []string
	for _, sub := range parent.Commands() {
		if sub.IsAvailableCommand() {
			words = append(words, cobra.CompletionWithDesc(sub.Name(), sub.Short))
		}
	}
	return completesWords(words...)(c, args, begin)
}

// completeSettings completes the names of --set: the settings of the provider or type that the command line names.
func completeSettings(c *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
	docs := map[string]string{}
	for _, s := range settingsFor(c, args) {
		docs[s.Name] = s.Doc
	}
	return completePair(docs, begin)
}

// completeAccess completes the names of --access.
func completeAccess(_ *cobra.Command, _ []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
	docs := map[string]string{}
	for _, s := range access.Settings {
		docs[s.Name] = s.Doc
	}
	return completePair(docs, begin)
}

// completePair completes the name in name=value, by a map of names and what they mean. The value may be a file.
func completePair(docs map[string]string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if strings.Contains(begin, "=") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var found []cobra.Completion
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		if strings.HasPrefix(name, begin) {
			found = append(found, cobra.CompletionWithDesc(name+"=", shorten(plainText(docs[name]), maxDescription)))
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// settingsFor returns the settings that --set of c has names of, as far as the command line says.
func settingsFor(c *cobra.Command, args []string) []provider.Setting {
	text := func(name string) string {
		f := c.Flag(name)
		if f == nil {
			return ""
		}
		return f.Value.String()
	}
	connector, err := findConnector(text("provider"))
	if err == nil && isOf(c, "connections") {
		return connector.ConnectorInfo().Settings
	}
	p, err := findProvider(text("provider"))
	if err == nil {
		return p.Info().Settings
	}
	if len(args) > 0 && (c.Name() == "send" || c.Name() == "verify") {
		p, err := findProvider(args[0])
		if err != nil {
			return nil
		}
		if c.Name() == "verify" || provider.EmulationOf(p).OfSource {
			return p.Info().Settings
		}
		return p.Info().SendSettings
	}
	for _, info := range destinationInfos() {
		if info.Name == text("type") {
			return info.SendSettings
		}
	}
	return nil
}

// providerWords returns the names and titles of the providers.
func providerWords() (words []string) {
	for _, p := range all.Providers() {
		words = append(words, cobra.CompletionWithDesc(p.Info().Name, p.Info().Title))
	}
	return words
}

// connectorWords returns the names and titles of what there can be connections to.
func connectorWords() (words []string) {
	for _, k := range all.Connectors() {
		words = append(words, cobra.CompletionWithDesc(k.ConnectorInfo().Name, k.ConnectorInfo().Title))
	}
	return words
}

// destinationInfos returns the providers that send and the actions of all providers.
func destinationInfos() (infos []provider.Info) {
	for _, p := range all.Providers() {
		if p.Info().SendSettings != nil {
			infos = append(infos, p.Info())
		}
		for _, x := range actionsOf(p) {
			infos = append(infos, x.info)
		}
	}
	return infos
}

// destinationTypes returns the types of destinations, with titles.
func destinationTypes() []string {
	words := []string{bellhop.TypeHTTP + "\tA URL", "exec\tA command on the server's machine",
		bellhop.TypeListen + "\tWhoever listens",
		bellhop.TypePull + "\tPrograms that nobody can call"}
	for _, info := range destinationInfos() {
		words = append(words, cobra.CompletionWithDesc(info.Name, info.Title))
	}
	return words
}

// presetWords returns the names of retry schedules.
func presetWords() (words []string) {
	for name := range bellhop.SchedulePresets {
		words = append(words, name)
	}
	slices.Sort(words)
	return words
}

// handshakeWords returns the handshakes of destinations.
func handshakeWords() []string {
	words := []string{"none"}
	for _, p := range all.Providers() {
		name := p.Info().Handshake
		if name != "" && !slices.Contains(words, name) {
			words = append(words, name)
		}
	}
	return words
}

// The names and ids of what a server holds are completed by asking the server that the command line would call.
// Whatever goes wrong, nothing is completed and nothing is printed: the user is in the middle of a line.

// A candidate is one item of a list that may be meant.
type candidate struct {
	name string // "" if items of its kind have none
	id   string
	text string // about it
}

// An asker asks a server for the items of one noun, newest first.
type asker func(ctx context.Context, api *client.Client) ([]candidate, error)

// askers has the nouns whose names or ids are completed.
var askers = map[string]asker{
	"sources": asks(noFilter((*client.Client).Sources), maxNamed, func(s client.Source) candidate {
		return candidate{s.Name, s.ID, s.Provider}
	}),
	"destinations": asks(noFilter((*client.Client).Destinations), maxNamed, func(d client.Destination) candidate {
		return candidate{d.Name, d.ID, d.Type + " " + shownState(d)}
	}),
	"connections": asks(noFilter((*client.Client).Connections), maxNamed, func(n client.Connection) candidate {
		return candidate{n.Name, n.ID, n.Provider + " " + n.State}
	}),
	"subscriptions": asks(noFilter((*client.Client).Subscriptions), maxNamed, func(s client.Subscription) candidate {
		return candidate{s.Name, s.ID, s.State + " " + s.Resource}
	}),
	"keys": asks(noFilter((*client.Client).Keys), maxNamed, func(k client.Key) candidate {
		return candidate{k.Name, k.ID, k.Scope}
	}),
	"tenants": asks((*client.Client).Tenants, maxNamed, func(t client.Tenant) candidate {
		return candidate{t.Name, t.ID, limitsText(t.Limits)}
	}),
	"portal-links": asks(noFilter((*client.Client).PortalLinks), maxUnnamed, func(l client.PortalLink) candidate {
		return candidate{"", l.ID, l.Rights + " " + l.Tenant}
	}),
	"files": asks(noFilter((*client.Client).Files), maxUnnamed, func(f client.File) candidate {
		return candidate{f.Name, f.ID, f.State + " " + fileBytes(f) + " bytes"}
	}),
	"events": asks(noFilter((*client.Client).Events), maxUnnamed, func(ev client.Event) candidate {
		return candidate{"", ev.ID, ev.Type + " " + ev.Subject}
	}),
	"deliveries": asks(noFilter((*client.Client).Deliveries), maxUnnamed, func(d client.Delivery) candidate {
		return candidate{"", d.ID, stateText(d.State) + " " + d.Destination}
	}),
	"requests": asks(noFilter((*client.Client).Requests), maxUnnamed, func(r client.Request) candidate {
		return candidate{"", r.ID, r.Outcome + " " + sourceText(r)}
	}),
	"repairs": asks(noFilter((*client.Client).Repairs), maxUnnamed, func(r client.Repair) candidate {
		return candidate{"", r.ID, r.Kind + " " + r.State}
	}),
}

const (
	askTimeout     = time.Second
	maxNamed       = 1000 // items that are asked for, of a noun whose items people name
	maxUnnamed     = 100  // of any other: the newest
	maxDescription = 60   // characters
)

// asks returns the asker that reads a list, with the candidate for an item.
func asks[T any](list listCall[T], most int, of func(item T) candidate) asker {
	return func(ctx context.Context, api *client.Client) (found []candidate, err error) {
		page := client.Page{Limit: min(most, bellhop.MaxPage)}
		for len(found) < most {
			l, err := list(api, ctx, page)
			if err != nil {
				return found, err
			}
			for _, item := range l.Data {
				found = append(found, of(item))
			}
			if l.Next == "" {
				break
			}
			page.Cursor = l.Next
		}
		return found, nil
	}
}

// noFilter is for a list that can be narrowed.
func noFilter[F, T any](
	list func(api *client.Client, ctx context.Context, filter F, page client.Page) (client.List[T], error),
) listCall[T] {
	return func(api *client.Client, ctx context.Context, page client.Page) (client.List[T], error) {
		var all F
		return list(api, ctx, all, page)
	}
}

// completesNames returns what completes the names of a noun, and its ids once the word begins like one. Of a list, the
// last item is completed.
func completesNames(e *env, noun string) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, begin string) (found []cobra.Completion, _ cobra.ShellCompDirective) {
		before := begin[:strings.LastIndex(begin, ",")+1]
		for _, x := range ask(e, c, noun) {
			word, text := x.name, x.text
			if word == "" || begin != before && !strings.HasPrefix(before+word, begin) {
				word, text = x.id, x.name+" "+x.text
			}
			if strings.HasPrefix(before+word, begin) && clean(word) == word {
				text = shorten(clean(strings.TrimSpace(text)), maxDescription)
				found = append(found, cobra.CompletionWithDesc(before+word, text))
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// ask returns the items of a noun at the server that the flags of c, as far as they are typed, and the environment
// choose.
func ask(e *env, c *cobra.Command, noun string) []candidate {
	err := e.bind(c)
	if err != nil {
		return nil
	}
	text := func(name string) string { return c.Flag(name).Value.String() }
	conn := &connection{server: text("server"), key: text("api-key"), data: text("data"), dir: e.dir,
		adminKey: bellhop.Pasted(e.getenv(datadir.AdminKeyVariable))}
	to, err := conn.choose()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.Context(), askTimeout)
	defer cancel()
	found, _ := askers[noun](ctx, client.New(to.server, to.key, egress.NewLocal()))
	return found // those of the pages before an error
}
