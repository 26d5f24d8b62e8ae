package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

// This file submits media jobs by hand. A job is submitted by a destination of type ams.encode, as one that an event
// asks for: so it has a delivery with attempts and retries, it is submitted once, and its chain can be followed. The
// command publishes the event, and makes the destination if there is none for the connection.

func newAMSCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:     "ams",
		Short:   "Submit jobs of Azure Media Services",
		Long:    "Submit jobs of Azure Media Services, by a connection of provider ams.",
		Example: "  bellhop ams submit --connection account --asset 'harbour tour' --wait",
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return wrongUsage("missing verb: bellhop ams submit")
			}
			return unknownCommand(c, args[0])
		},
	}
	c.AddCommand(newAMSSubmitCommand(e, newConnection(e, c.PersistentFlags())))
	return c
}

// typeSubmit is the type of the event that asks for a job.
const typeSubmit = "ams.submit"

// A mediaJob is the data of such an event. All members but the first three win over the settings of the destination.
type mediaJob struct {
	Connection    string `json:"connection"` // id
	Asset         string `json:"asset"`
	Source        string `json:"source"`
	Endpoint      string `json:"endpoint"`
	Processor     string `json:"processor,omitempty"`
	Configuration string `json:"configuration,omitempty"`
	Output        string `json:"output,omitempty"`
	JobName       string `json:"job_name,omitempty"`
	JobStates     string `json:"job_states,omitempty"`
	TaskStates    string `json:"task_states,omitempty"`
	Progress      bool   `json:"progress"`
}

func newAMSSubmitCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Submit a job that encodes an asset",
		long: `Submit a job that encodes an asset, and print its id.

The job has one task of the newest version of the media processor. Notifications of the job go to a
source: the account's notification endpoint for it is found, or made with the key of the source.
Without --source and --endpoint, it is the endpoint of a subscription that the connection has.

An event ams.submit is published, and a destination of type ams.encode submits the job. It is made if
the connection has none for such events, with the name CONNECTION-submit; it stays. So the job is
submitted once, attempts are repeated and on record, and 'bellhop events show ID --chain' shows what
came of it.

With --wait, the command waits for the end of the job, and fails if the job does. It prints the
states on stderr as the source is told them.`,
		example: `  bellhop ams submit --connection account --asset 'harbour tour' --wait
  bellhop ams submit --connection account --asset nb:cid:UUID:… --source media --configuration @preset.json`,
	}.command("submit", noArguments)
	var job mediaJob
	var destination string
	flags := c.Flags()
	flags.StringVar(&job.Connection, "connection", "", "name or id of a connection of provider ams")
	flags.StringVar(&job.Asset, "asset", "", "id or name of the asset")
	flags.StringVar(&job.Source, "source", "", "the source that is told of the job, by name or id")
	flags.StringVar(&job.Endpoint, "endpoint", "", "the notification endpoint that is told of the job, by name or id")
	flags.StringVar(&job.Processor, "processor", "", "name of the media processor (default Media Encoder Standard)")
	flags.StringVar(&job.Configuration, "configuration", "",
		"the preset, by its name or whole; @FILE reads it from a file (default Adaptive Streaming)")
	flags.StringVar(&job.Output, "output", "", "name of the output asset (default that of the asset, and encoded)")
	flags.StringVar(&job.JobName, "job-name", "", "the beginning of the job's name (default bellhop)")
	enumFlag(c, &job.JobStates, "job-states", "", []string{"FinalStatesOnly", "All"},
		"which states of the job are told, by default FinalStatesOnly, and All with --wait")
	enumFlag(c, &job.TaskStates, "task-states", "", []string{"None", "FinalStatesOnly", "All"},
		"which states of the task are told, by default None")
	flags.BoolVar(&job.Progress, "progress", false, "have the progress of the task told")
	flags.StringVar(&destination, "destination", "",
		"a destination of type ams.encode that wants the event, by name (default: the one for the connection)")
	wait := flags.Bool("wait", false, "wait for the end of the job")
	timeout := new(time.Duration)
	lengthFlag(c, timeout, "timeout", 30*time.Minute, "how long to wait: for the submission and, with --wait, for "+
		"the end")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case job.Connection == "":
			return wrongUsage("missing --connection")
		case job.Asset == "":
			return wrongUsage("missing --asset")
		}
		var err error
		job.Configuration, err = e.readText(job.Configuration)
		if err != nil {
			return fmt.Errorf("--configuration: %w", err)
		}
		if *wait && job.JobStates == "" {
			job.JobStates = "All"
		}
		return conn.call(func(api *client.Client) error {
			ctx, cancel := context.WithTimeout(c.Context(), *timeout)
			defer cancel()
			s := &submission{e: e, conn: conn, api: api, job: job}
			err := s.run(ctx, destination, *wait)
			if err != nil && ctx.Err() != nil && c.Context().Err() == nil {
				return fmt.Errorf("not done within %v; it goes on: bellhop events show %s --chain", *timeout,
					clean(s.event))
			}
			return err
		})
	}
	return c
}

// A submission is one run of the command.
type submission struct {
	e     *env
	conn  *connection
	api   *client.Client
	job   mediaJob
	event string // id of the event that was published
}

// run publishes the event, and waits for what comes of it.
func (s *submission) run(ctx context.Context, destination string, wait bool) error {
	account, err := s.api.Connection(ctx, s.job.Connection)
	if err != nil {
		return err
	}
	if account.Provider != "ams" {
		return wrongUsage("--connection: %s is one of provider %s, not ams", account.Name, account.Provider)
	}
	s.job.Connection = account.ID
	if s.job.Source == "" && s.job.Endpoint == "" {
		if err := s.findEndpoint(ctx, account); err != nil {
			return err
		}
	}
	if destination == "" {
		if destination, err = s.findDestination(ctx, account); err != nil {
			return err
		}
	}
	begun := time.Now()
	data, err := json.Marshal(s.job)
	if err != nil {
		return err
	}
	published, _, err := s.api.Publish(ctx, client.NewEvent{Type: typeSubmit, Subject: s.job.Asset, Data: data}, "")
	if err != nil {
		return err
	}
	s.event = published.ID
	submitted, err := s.awaitSubmission(ctx, destination)
	if err != nil {
		return err
	}
	var made struct {
		Job  string `json:"job"`
		Name string `json:"name"`
	}
	if err := json.Unmarshal(submitted.Data, &made); err != nil || made.Job == "" {
		return fmt.Errorf("event %s names no job", clean(submitted.ID))
	}
	if s.conn.json {
		err = printData(s.e, submitted)
	} else {
		_, err = fmt.Fprintln(s.e.stdout, clean(made.Job))
	}
	if err != nil || !wait {
		return err
	}
	return s.awaitEnd(ctx, made.Job, begun.Add(-time.Minute)) // the clock of the server may be another one
}

// findEndpoint sets the endpoint of a subscription that the connection has.
func (s *submission) findEndpoint(ctx context.Context, account client.Connection) error {
	list, err := s.api.Subscriptions(ctx, client.SubscriptionFilter{Connection: account.ID, State: "active"},
		client.Page{Limit: 250})
	if err != nil {
		return err
	}
	if len(list.Data) == 0 {
		return wrongUsage("give --source or --endpoint: connection %s has no active subscription whose endpoint "+
			"could be told",
			account.Name)
	}
	s.job.Endpoint = list.Data[0].Resource
	return nil
}

// findDestination returns the name of the destination that submits jobs of the connection by hand. It is known by its
// match, so that it may be renamed.
func (s *submission) findDestination(ctx context.Context, account client.Connection) (name string, err error) {
	match := client.Match{Types: []string{typeSubmit}, Where: fmt.Sprintf("data.connection == %q", account.ID)}
	for page := (client.Page{Limit: 250}); ; {
		list, err := s.api.Destinations(ctx, client.DestinationFilter{}, page)
		if err != nil {
			return "", err
		}
		for _, d := range list.Data {
			if d.Type == "ams.encode" && slices.Equal(d.Match.Types, match.Types) && d.Match.Where == match.Where {
				return d.Name, nil
			}
		}
		if list.Next == "" {
			break
		}
		page.Cursor = list.Next
	}
	settings := client.Settings{"connection": account.Name}
	for name, value := range map[string]string{"source": s.job.Source, "endpoint": s.job.Endpoint} {
		if value != "" {
			settings[name] = value
		}
	}
	const suffix = "-submit"
	name = account.Name[:min(len(account.Name), 64-len(suffix))] + suffix
	made, err := s.api.CreateDestination(ctx, client.NewDestination{Name: name, Type: "ams.encode", Settings: settings,
		Match: &match})
	if err != nil {
		return "", err
	}
	fmt.Fprintf(s.e.stderr, "made destination %s, which submits the jobs\n", clean(made.Name))
	return made.Name, nil
}

// submitPause is the time between two questions to the server.
const submitPause = 100 * time.Millisecond

// awaitSubmission waits until the job is submitted, and returns the event that says so.
func (s *submission) awaitSubmission(ctx context.Context, destination string) (ev client.EventDetail, err error) {
	said := ""
	for {
		list, err := s.api.Deliveries(ctx, client.DeliveryFilter{Event: s.event, Destination: destination},
			client.Page{})
		switch {
		case err != nil:
			return ev, err
		case len(list.Data) == 0:
			return ev, fmt.Errorf("destination %s does not want the event %s: match %s", clean(destination),
				clean(s.event),
				typeSubmit)
		}
		d := list.Data[0]
		detail := ""
		if d.Last != nil {
			detail = strings.TrimSpace(d.Last.Error + ": " + d.Last.Detail)
		}
		switch d.State {
		case "delivered":
			return s.readSubmission(ctx, d)
		case "dead", "cancelled":
			return ev, fmt.Errorf("the job was not submitted: %s", clean(detail))
		}
		if d.Last != nil && d.Last.Error != "" && detail != said {
			fmt.Fprintf(s.e.stderr, "%s; it is tried again\n", clean(detail))
			said = detail
		}
		if err := pauseFor(ctx, submitPause); err != nil {
			return ev, err
		}
	}
}

// readSubmission returns the event that a delivery has published.
func (s *submission) readSubmission(ctx context.Context, d client.Delivery) (ev client.EventDetail, err error) {
	var reply struct {
		Events []struct {
			Event string `json:"event"`
		} `json:"events"`
	}
	if d.Last == nil || json.Unmarshal([]byte(d.Last.Reply), &reply) != nil || len(reply.Events) == 0 {
		return ev, fmt.Errorf("delivery %s names no event", clean(d.ID))
	}
	return s.api.Event(ctx, reply.Events[0].Event)
}

// awaitEnd waits until a notification says that the job has ended. It prints those that come before.
func (s *submission) awaitEnd(ctx context.Context, job string, since time.Time) error {
	seen := map[string]bool{}
	for {
		list, err := s.api.Events(ctx, client.EventFilter{Type: "ams.*", Since: since}, client.Page{Limit: 250})
		if err != nil {
			return err
		}
		for _, ev := range slices.Backward(list.Data) { // oldest first
			states := ev.Type == "ams.JobStateChange" && ev.Subject == job
			if seen[ev.ID] || !states && ev.Type != "ams.TaskProgress" {
				continue
			}
			seen[ev.ID] = true
			detail, err := s.api.Event(ctx, ev.ID)
			if err != nil {
				return err
			}
			ended, err := s.tell(job, detail)
			if ended || err != nil {
				return err
			}
		}
		if err := pauseFor(ctx, submitPause); err != nil {
			return err
		}
	}
}

// tell prints what a notification says about the job. It reports whether the job has ended; the error says that it
// failed.
func (s *submission) tell(job string, ev client.EventDetail) (ended bool, err error) {
	var n struct {
		Properties struct{ JobId, NewState, LastComputedProgress string } // read in any letter case
	}
	if json.Unmarshal(ev.Data, &n) != nil || n.Properties.JobId != job {
		return false, nil
	}
	if ev.Type == "ams.TaskProgress" {
		fmt.Fprintf(s.e.stderr, "%s %%\n", clean(n.Properties.LastComputedProgress))
		return false, nil
	}
	fmt.Fprintln(s.e.stderr, clean(strings.ToLower(n.Properties.NewState)))
	switch n.Properties.NewState {
	case "Finished":
		return true, nil
	case "Error", "Canceled":
		return true, errors.New("the job has ended: " + n.Properties.NewState)
	}
	return false, nil
}
