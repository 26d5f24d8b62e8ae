package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// This file holds what the commands share: the environment, and the verbs of nouns.

// An env is the part of the outside world that a command may use. Tests put their own in its place.
type env struct {
	width          func() int       // of the terminal at stdout, 0 if it is none; nil is none
	height         func() int       // of the terminal at stdout, 0 if it is not known; nil is not known
	talkWidth      func() int       // of the terminal at stderr, as width
	format         format           // of what is printed, by the flags
	now            func() time.Time // nil is time.Now
	ticks          chan time.Time   // paces --watch; nil is the clock
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	dir            string // where relative paths of files to read start; "" is the current directory
}

// bind sets each flag of c that was not given from the environment: --api-key is BELLHOP_API_KEY. The variable of a
// setting of the server sets no flag that only has the name of the setting, such as the address of a stand-in.
func (e *env) bind(c *cobra.Command) (err error) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		name := config.EnvName(f.Name)
		value := e.getenv(name)
		if err != nil || f.Changed || value == "" || f.Name == "help" || hasOtherFormat(c, f) ||
			f.Name == "output" && !isFormat(f) || // BELLHOP_OUTPUT is a format, not the name of a file
			isServerSetting(f.Name) && f.Annotations[ofTheServer] == nil { // config.Load reads those of serve
			return
		}
		if setErr := c.Flags().Set(f.Name, value); setErr != nil {
			err = wrongUsage("%s: %w", name, setErr)
		}
	})
	return err
}

// ofTheServer annotates a flag that means the setting of the server with its name.
const ofTheServer = "of the server"

// isServerSetting reports whether name is that of a setting of the server.
func isServerSetting(name string) bool {
	for _, s := range config.Settings() {
		if s.Name == name {
			return true
		}
	}
	return false
}

// readFile reads a whole file; the path "-" is stdin.
func (e *env) readFile(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(e.stdin)
	}
	return os.ReadFile(within(e.dir, path))
}

// within joins dir and path, unless path is absolute or dir is empty.
func within(dir, path string) string {
	if dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// A verb makes one sub-command of a noun.
type verb func(e *env, conn *connection) *cobra.Command

// newNounCommand adds verbs to c, the command of a noun. Without a verb, c does what its first verb does: list.
func newNounCommand(e *env, c *cobra.Command, verbs ...verb) *cobra.Command {
	conn := newConnection(e, c.PersistentFlags())
	for i, make := range verbs {
		sub := make(e, conn)
		c.AddCommand(sub)
		if i == 0 {
			c.RunE = sub.RunE
			c.Flags().AddFlagSet(sub.Flags())
		}
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(c, args[0])
		}
		return nil
	}
	return c
}

// help is the text that a verb's --help prints besides its flags. An empty long text is the short one with a
// full stop.
type help struct{ short, long, example string }

// command returns a command with this help.
func (h help) command(use string, args cobra.PositionalArgs) *cobra.Command {
	if h.long == "" {
		h.long = h.short + "."
	}
	return &cobra.Command{Use: use, Short: h.short, Long: h.long, Example: h.example, Args: args}
}

// A listCall asks the server for one page of a list.
type listCall[T any] func(api *client.Client, ctx context.Context, page client.Page) (client.List[T], error)

// listVerb makes the verb "list" of nouns: it prints one page as a table. addFilter adds the flags that
// narrow the list and returns the call that uses them.
func listVerb[T any](nouns string, h help, columns []column[T], addFilter func(c *cobra.Command) listCall[T]) verb {
	return func(e *env, conn *connection) *cobra.Command {
		h.short = "List " + nouns + ", newest first"
		c := h.command("list", noArguments)
		call := addFilter(c)
		page, watches := pageFlags(c), watchFlag(c)
		c.RunE = func(c *cobra.Command, _ []string) error {
			if *watches && page.Cursor != "" {
				return wrongUsage("give --watch or --cursor, not both: --watch shows the newest page")
			}
			return conn.call(func(api *client.Client) error {
				fetch := func(ctx context.Context, page client.Page) (client.List[T], error) {
					return call(api, ctx, page)
				}
				if *watches {
					w := watch[T]{e: e, conn: conn, nouns: nouns, columns: columns, fetch: fetch, limit: page.Limit}
					return w.run(c.Context())
				}
				l, err := wholePage(c.Context(), e, fetch, *page)
				if err != nil {
					return err
				}
				return showList(e, conn, l, nouns, columns)
			})
		}
		return c
	}
}

// wholePage returns one page of a list. A search that the server has ended for lack of time goes on until the page is
// full, and says on a terminal how far it is.
func wholePage[T any](ctx context.Context, e *env,
	fetch func(ctx context.Context, page client.Page) (client.List[T], error), page client.Page,
) (client.List[T], error) {
	line := newProgress(e)
	l, err := fetch(ctx, page)
	for err == nil && l.Incomplete && len(l.Data) < page.Limit {
		line.say("searched back to " + moment(l.SearchedTo) + ", " + count(int64(len(l.Data))) + " found")
		var rest client.List[T]
		rest, err = fetch(ctx, client.Page{Limit: page.Limit - len(l.Data), Cursor: l.Next})
		rest.Data = append(l.Data, rest.Data...)
		l = rest
	}
	line.end()
	return l, err
}

// unfiltered is for a list that no flag narrows.
func unfiltered[T any](call listCall[T]) func(*cobra.Command) listCall[T] {
	return func(*cobra.Command) listCall[T] { return call }
}

// itemVerb makes a verb that takes the name or id of one item, makes one call and prints the item that it
// returns. use is the verb and its argument ("show NAME"), noun the word for the argument in errors
// ("source").
func itemVerb[T any](
	use, noun string, h help,
	call func(api *client.Client, ctx context.Context, idOrName string) (T, error),
	show func(e *env, conn *connection, item T) error,
) verb {
	return func(e *env, conn *connection) *cobra.Command {
		c := h.command(use, oneArgument(noun))
		c.RunE = func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				item, err := call(api, c.Context(), args[0])
				if err != nil {
					return err
				}
				return show(e, conn, item)
			})
		}
		return c
	}
}

// deleteVerb makes the verb "delete" of a noun. find returns the id of the noun, and remove deletes the noun of an id.
func deleteVerb(
	noun string, h help, find func(api *client.Client, ctx context.Context, idOrName string) (id string, err error),
	remove func(api *client.Client, ctx context.Context, idOrName string) error,
) verb {
	return func(e *env, conn *connection) *cobra.Command {
		h.short = "Delete a " + noun
		c := h.command("delete NAME", oneArgument(noun))
		etag := ifMatchFlag(c)
		c.RunE = func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				id, err := find(api, c.Context(), args[0])
				if err != nil {
					return err
				}
				if err := remove(api.IfMatch(*etag), c.Context(), id); err != nil {
					return err
				}
				if conn.json {
					return printData(e, map[string]any{"id": id, "deleted": true})
				}
				fmt.Fprintf(e.stderr, "deleted %s %s\n", noun, clean(args[0]))
				return nil
			})
		}
		return c
	}
}

// noArguments checks that there is no argument.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return wrongUsage("unexpected argument %s", quoted(args[0]))
	}
	return nil
}

// oneArgument checks that there is one argument; noun is the word for it in errors.
func oneArgument(noun string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return wrongUsage("missing %s", noun)
		case len(args) > 1:
			return wrongUsage("only one %s at a time; unexpected argument %s", noun, quoted(args[1]))
		}
		return nil
	}
}

// pauseFor waits for d, or until ctx ends.
func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Commands of a shell are folded, so that they fit a terminal and can still be copied from it.

// foldShell breaks the lines of commands that are wider than width, at blanks outside quotation marks and with a
// backslash, so that a shell reads the same words. A line without such a blank, a comment, and a here-document stay as
// they are.
func foldShell(commands string, width int) string {
	if strings.Contains(commands, "<<") {
		return commands
	}
	var out []string
	quote := byte(0) // the quotation mark that is open; 0 is none
	for line := range strings.SplitSeq(commands, "\n") {
		breaks, open := breaksOf(line, quote)
		if quote == 0 && strings.HasPrefix(strings.TrimSpace(line), "#") {
			breaks, open = nil, 0
		}
		quote = open
		out = append(out, foldLine(line, breaks, width)...)
	}
	return strings.Join(out, "\n")
}

// breaksOf returns where line has a blank outside quotation marks and after a word, and the quotation mark that is
// open at its end. quote is the one that is open at its beginning.
func breaksOf(line string, quote byte) (breaks []int, open byte) {
	indent := len(line) - len(strings.TrimLeft(line, " "))
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quote != '\'':
			i++ // the next character means itself
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == ' ' && i > indent && line[i-1] != ' ' && !strings.HasPrefix(line[i+1:], `\`):
			breaks = append(breaks, i)
		}
	}
	return breaks, quote
}

// foldLine breaks line at some of breaks, each time as late as it can. What follows is indented by four blanks more
// than the line.
func foldLine(line string, breaks []int, width int) (lines []string) {
	indent := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " "))+4)
	begin, lead := 0, ""
	for displayWidth(lead+line[begin:]) > width {
		at := -1
		for _, b := range breaks {
			if b <= begin {
				continue
			}
			if at < 0 || displayWidth(lead+line[begin:b])+2 <= width {
				at = b
			}
		}
		if at < 0 {
			break
		}
		lines = append(lines, lead+line[begin:at]+` \`)
		begin, lead = at+1, indent
	}
	return append(lines, lead+line[begin:])
}
