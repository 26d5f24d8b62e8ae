package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/spf13/cobra"
)

// A callView prints calls as they end.
type callView struct {
	mu          sync.Mutex
	w           io.Writer // mu guards it
	json, brief bool
	show        func(emulator.Call) string // lines about a call for people; "" for most calls
}

func (v *callView) print(c emulator.Call) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.json {
		json.NewEncoder(v.w).Encode(c)
		return
	}
	arrow, result := "<-", fmt.Sprint(c.Status)
	if c.Direction == emulator.CallOut {
		arrow = "->"
	}
	if c.Status == 0 {
		result = "no answer"
	}
	if c.Error != "" {
		result = c.Error
	}
	line := fmt.Sprintf("%s %-10s %s %s %s %s", c.At.Format("15:04:05"), c.System, arrow, c.Method, c.URL, result)
	if c.Attempt > 1 {
		line += fmt.Sprintf(", attempt %d", c.Attempt)
	}
	if c.Fault != "" {
		line += ", fault " + c.Fault
	}
	fmt.Fprintln(v.w, clean(line))
	if v.brief {
		return
	}
	if shown := v.show(c); shown != "" {
		fmt.Fprintf(v.w, "         %s\n", strings.ReplaceAll(cleanLines(shown), "\n", "\n         "))
		return
	}
	sent, answered := c.Bodies()
	v.printBody("sent", sent)
	v.printBody("answered", answered)
}

// shownBytes is how much of a body is printed.
const shownBytes = 400

// printBody prints a body on a line of its own, if there is one: JSON without blanks, and at most shownBytes of it.
func (v *callView) printBody(what string, body []byte) {
	var compact bytes.Buffer
	if json.Compact(&compact, body) == nil {
		body = compact.Bytes()
	}
	text := strings.Join(strings.Fields(string(body[:min(len(body), shownBytes)])), " ")
	if text == "" {
		return
	}
	if len(body) > shownBytes {
		text = strings.ToValidUTF8(text, "") + fmt.Sprintf(" … %d bytes", len(body))
	}
	fmt.Fprintf(v.w, "         %-10s %s\n", what, clean(text))
}

// atFlag adds the flag by which the commands under emulate find a stand-in.
func atFlag(c *cobra.Command) *emulator.Remote {
	remote := new(emulator.Remote)
	c.Flags().StringVar(&remote.URL, "at", "http://127.0.0.1:9100", "URL of the stand-in")
	return remote
}

func newEmulateEventCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "event",
		Short: "Let something happen in a running stand-in",
		Long: `Let something happen in a running stand-in. The resource is stored or changed, and subscribers are
notified. The number of notifications is printed.`,
		Example: `  bellhop emulate event --resource /me/events --change-type created --data '{"subject":"Lens review"}'
  bellhop emulate event --resource /subscriptions/1/resourceGroups/g/providers/Microsoft.EventGrid/topics/t --change-type Made
  bellhop emulate event --system sharepoint --resource Documents --change-type updated
  bellhop emulate event --to 'http://127.0.0.1:8080/in/calls?code=SECRET' --data '{"bytes":2000000,"chunks":2}'`,
		Args: noArguments,
	}
	at := atFlag(c)
	var event emulator.Event
	c.Flags().StringVar(&event.Resource, "resource", "", "the collection or list, as the system names it")
	c.Flags().StringVar(&event.ChangeType, "change-type", "updated",
		"created, updated or deleted; of eventgrid, the type of the event")
	c.Flags().StringVar(&event.System, "system", "", "of several systems on one port")
	c.Flags().StringVar(&event.To, "to", "",
		"the URL that is notified: of acs in place of subscribers, without --resource; of boro, github, stripe and "+
			"standardwebhooks in place of that of their own --to")
	data := c.Flags().String("data", "", "the item: a JSON object; @FILE reads it from a file")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case event.Resource == "" && event.To == "":
			return wrongUsage("missing --resource or, of acs, --to")
		case event.Resource == "" && !c.Flags().Changed("change-type"):
			event.ChangeType = ""
		}
		if *data != "" {
			text := []byte(*data)
			if name, ok := strings.CutPrefix(*data, "@"); ok {
				var err error
				if text, err = e.readFile(name); err != nil {
					return wrongUsage("--data: %w", err)
				}
			}
			if err := json.Unmarshal(text, &event.Data); err != nil {
				return wrongUsage("--data: it is no JSON object")
			}
		}
		notified, err := at.Happen(c.Context(), event)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "notifications: %d\n", notified)
		return err
	}
	return c
}

func newEmulateFaultCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "fault KIND[=TIMES[:VALUE]]",
		Short: "Make a running stand-in misbehave",
		Long: `Make a running stand-in misbehave. Kinds and their values:

  slow      the answer comes late, by VALUE (10s)
  error     the answer is an error with the status VALUE (500), or the error of the system with that
            code, such as AADSTS50076 (entra). These values change the answer's form:
            html        a web page with status 200
            redirect    302 to another host; redirect:URL goes there
            truncated   the call has its effect; the connection is closed in the middle of the answer
            huge        the call has its effect; the answer has 64 MiB of blanks before its body
            empty       the call has its effect; the answer has no body
            incomplete  the next list lacks its first entry; incomplete:TEXT the first with that text
  throttle  the answer is 429; VALUE is Retry-After in seconds (1)
  drop      the call has its effect, but gets no answer
  duplicate a notification is sent twice
  reorder   a notification is sent after the next one
  silent    a notification is not sent
  impatient the first attempt of a notification waits only VALUE (100ms) for its answer
  cut       a download is cut off after VALUE bytes (acs, as all that follow)
  change    the file changes before the next call for a range of it; VALUE is its new size
  ignore-range   a call for a range is answered by the whole file
  length    Content-Length is too large by VALUE (1000); it may be negative
  content-range  Content-Range begins a byte later than the range
  no-etag   a download has no ETag; with VALUE all, no Last-Modified either
  weak-etag a download has a weak ETag
  missed    notifications were lost, and the system says so; VALUE is a subscription ("" is all)
  expire    subscriptions, or access tokens, end now; VALUE is one subscription or client. Of acs,
            recordings are gone; VALUE is the document id of one
  revoke    subscriptions, or refresh tokens, are taken back; VALUE is one subscription or client
  policies  the account has no room for another access policy (ams)
  manifest  the output assets of a job get no manifest (ams)
  outputs   a job gets no output assets (ams)
  lag       a job shows its changes later than it tells them, by VALUE (10s) (ams)
  clock     the clock moves by VALUE, such as 1h or -10m; with --system, that of one system alone

TIMES is how many calls or notifications meet the fault: one by default, -1 for all until a reset.
'reset' in place of a kind forgets everything: faults, calls and the state of the systems.`,
		Example: `  bellhop emulate fault throttle=3:10 --system graph
  bellhop emulate fault error=1:incomplete --path /subscriptions
  bellhop emulate fault revoke --system entra
  bellhop emulate fault reset`,
		Args: oneArgument("fault"),
	}
	at := atFlag(c)
	var system, path string
	c.Flags().StringVar(&system, "system", "", "of several systems on one port")
	c.Flags().StringVar(&path, "path", "", "only calls whose path and query contain this text")
	c.RunE = func(c *cobra.Command, args []string) error {
		if args[0] == "reset" {
			return at.Reset(c.Context())
		}
		fault, err := emulator.ParseFault(args[0])
		if err != nil {
			return &usageError{err}
		}
		fault.System, fault.Path = system, path
		return at.Fault(c.Context(), fault)
	}
	return c
}

func newEmulateCallsCommand(e *env) *cobra.Command {
	return newEmulateListCommand(e, &cobra.Command{
		Use:     "calls",
		Short:   "Show the calls of a running stand-in whole",
		Long:    "Show the calls of a running stand-in whole, oldest first: one line of JSON each.",
		Example: "  bellhop emulate calls --at http://127.0.0.1:9100",
	}, emulator.Remote.Calls)
}

func newEmulateDeadLettersCommand(e *env) *cobra.Command {
	return newEmulateListCommand(e, &cobra.Command{
		Use:   "dead-letters",
		Short: "Show what a running stand-in could not deliver",
		Long: `Show what a running stand-in could not deliver, oldest first: one line of JSON each. Of eventgrid
these are the events of subscriptions with a dead-letter container, in the form in which they would be
there.`,
		Example: "  bellhop emulate dead-letters --at http://127.0.0.1:9100",
	}, emulator.Remote.DeadLetters)
}

// newEmulateListCommand completes a command that prints a list of the control API.
func newEmulateListCommand(e *env, c *cobra.Command,
	list func(r emulator.Remote, ctx context.Context) ([]json.RawMessage, error)) *cobra.Command {
	at := atFlag(c)
	c.Args = noArguments
	c.RunE = func(c *cobra.Command, _ []string) error {
		entries, err := list(*at, c.Context())
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if _, err := fmt.Fprintln(e.stdout, string(entry)); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}
