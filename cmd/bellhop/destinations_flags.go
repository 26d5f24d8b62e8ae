package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

// destinationFlags are those that create and update have in common.
type destinationFlags struct {
	url, format, template, secret, where, timeout, handshake, batchWait string
	order, retry, maxAge, failingFor, disableAfter, expires             string
	sources, types, set, outcomes, access                               []string
	concurrency, burst, batch, failures                                 int
	rate                                                                float64
}

func (f *destinationFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.url, "url", "", "where deliveries go; type exec has none")
	c.Flags().StringVar(&f.format, "format", "", "of type http: raw, standard (the default), envelope, thin or template")
	c.Flags().StringVar(&f.template, "template", "", "of format template: what is sent, an expression over the event or @FILE, such as 'data.text'")
	c.Flags().StringVar(&f.secret, "secret", "", "of type http: whsec_…, @FILE or env:NAME; signs in format standard")
	c.Flags().StringSliceVar(&f.sources, "source", nil, "match events of this source only (repeatable)")
	c.Flags().StringSliceVar(&f.types, "types", nil, "match events of this type only; it may end in * (repeatable)")
	c.Flags().StringVar(&f.where, "where", "", "match events for which this is true: \"data.amount > 100\"")
	c.Flags().StringVar(&f.timeout, "timeout", "", "of one attempt, 10ms to 5m (default 5s)")
	c.Flags().IntVar(&f.concurrency, "concurrency", 0, "attempts under way at once, 1 to 1024 (default 16)")
	c.Flags().Float64Var(&f.rate, "rate", 0, "attempts a second, such as 10 or 0.5 (default that of the type, mostly any)")
	c.Flags().IntVar(&f.burst, "burst", 0, "with --rate: how many at once after a rest (default the rate, at least 1)")
	c.Flags().IntVar(&f.batch, "batch", 0, "events in one request, 2 to 1000, for types and formats that know such (default one at a time)")
	c.Flags().StringVar(&f.batchWait, "batch-wait", "", "with --batch: how long the first event waits for others, up to 1m (default 1s)")
	c.Flags().StringVar(&f.handshake, "handshake", "", "whether the receiver has to agree first: none, or how the type asks (default that of the type)")
	c.Flags().StringVar(&f.order, "order", "", "which events go one after the other: none, source or subject (default none); a change holds for events accepted from then on")
	c.Flags().StringVar(&f.retry, "retry", "", "when to try again: default, none, sharepoint, eventgrid, or waits such as 5s,1m,10m")
	c.Flags().StringVar(&f.maxAge, "max-age", "", "give up a delivery that is older at its next attempt, such as 24h (default any age)")
	c.Flags().StringArrayVar(&f.outcomes, "outcome", nil, "what an answer means: 404=dead, 4xx=retry, timeout=dead; one of delivered, retry, dead, disable (repeatable)")
	c.Flags().IntVar(&f.failures, "failures", 0, "hold the destination back after so many failed attempts in a row; 0 never does (default 16)")
	c.Flags().StringVar(&f.failingFor, "failing-for", "", "with --failures: for so long, too, if it answers (default 0s with --failures, else 10s)")
	c.Flags().StringVar(&f.disableAfter, "disable-after", "", "of failing without a success, such as 48h; 0s never does (default 120h)")
	c.Flags().StringVar(&f.expires, "expires", "", "owe it nothing more from then on: a time, such as 2026-12-31T00:00:00Z, or in a while, such as 720h; never takes that back")
	c.Flags().StringArrayVar(&f.set, "set", nil, setHelp)
	c.Flags().StringArrayVar(&f.access, "access", nil, accessHelp)
}

// settings are those of --set, --format, --template and --secret together.
func (f *destinationFlags) settings(e *env) (map[string]any, error) {
	settings, err := e.readSettings(f.set)
	if err != nil {
		return nil, err
	}
	if f.format != "" {
		settings["format"] = f.format
	}
	if f.template != "" {
		if settings["template"], err = e.readText(f.template); err != nil {
			return nil, err
		}
		if f.format == "" {
			settings["format"] = "template"
		}
	}
	if f.secret != "" {
		if settings["secret"], err = e.readText(f.secret); err != nil {
			return nil, err
		}
	}
	return settings, nil
}

// limit is the rate of --rate and --burst; nil if there is none.
func (f *destinationFlags) limit(c *cobra.Command) (*client.Rate, error) {
	switch {
	case c.Flags().Changed("rate"):
		return &client.Rate{PerSecond: f.rate, Burst: f.burst}, nil
	case c.Flags().Changed("burst"):
		return nil, wrongUsage("--burst goes with --rate")
	}
	return nil, nil
}

// batching is the batch of --batch and --batch-wait; nil if there is none.
func (f *destinationFlags) batching(c *cobra.Command) (*client.Batch, error) {
	switch {
	case c.Flags().Changed("batch") && f.batch != 0:
		return &client.Batch{MaxEvents: f.batch, MaxWait: f.batchWait}, nil
	case c.Flags().Changed("batch-wait"):
		return nil, wrongUsage("--batch-wait goes with --batch")
	}
	return nil, nil
}

// retrying is what --retry, --max-age and --outcome say of the retry; empty if none was given.
func (f *destinationFlags) retrying(c *cobra.Command) (map[string]any, error) {
	retry := map[string]any{}
	if c.Flags().Changed("retry") {
		retry["schedule"] = client.Schedule(strings.Split(f.retry, ","))
	}
	if c.Flags().Changed("max-age") {
		retry["max_age"] = f.maxAge
	}
	if c.Flags().Changed("outcome") {
		outcomes := map[string]any{}
		for _, pair := range f.outcomes {
			key, outcome, ok := strings.Cut(pair, "=")
			if !ok {
				return nil, wrongUsage("--outcome %s: write it as 404=dead", clean(pair))
			}
			if outcomes[key] = outcome; outcome == "" {
				outcomes[key] = nil // as any other again
			}
		}
		retry["outcomes"] = outcomes
	}
	return retry, nil
}

// breaker is what --failures and --disable-after say of it; empty if neither was given.
func (f *destinationFlags) breaker(c *cobra.Command) map[string]any {
	breaker := changedFlags(c, map[string]any{"failures": f.failures, "disable-after": f.disableAfter})
	if c.Flags().Changed("failing-for") {
		breaker["for"] = f.failingFor
	}
	return breaker
}

// expiry is the moment that --expires names; nil is never.
func (f *destinationFlags) expiry(now time.Time) (any, error) {
	if f.expires == "never" || f.expires == "" {
		return nil, nil
	}
	if d, err := time.ParseDuration(f.expires); err == nil {
		return now.Add(d).UTC(), nil
	}
	at, err := time.Parse(time.RFC3339Nano, f.expires)
	if err != nil {
		return nil, wrongUsage("--expires %s: write a time such as 2026-12-31T00:00:00Z, a length of time such as 720h, or never", clean(f.expires))
	}
	return at, nil
}

// fill sets of d what delivering says.
func (f *destinationFlags) fill(c *cobra.Command, d *client.NewDestination) error {
	members, err := f.delivering(c)
	if err != nil {
		return err
	}
	text, err := json.Marshal(members)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, d)
}

// delivering are the members that create and update set alike, of the flags that were given.
func (f *destinationFlags) delivering(c *cobra.Command) (map[string]any, error) {
	members := changedFlags(c, map[string]any{"url": f.url, "timeout": f.timeout, "concurrency": f.concurrency, "order": f.order, "handshake": f.handshake})
	rate, err := f.limit(c)
	if err != nil {
		return nil, err
	}
	if c.Flags().Changed("rate") {
		members["rate"] = rate
	}
	batch, err := f.batching(c)
	if err != nil {
		return nil, err
	}
	if c.Flags().Changed("batch") {
		members["batch"] = batch
	}
	retry, err := f.retrying(c)
	if err != nil {
		return nil, err
	}
	if len(retry) > 0 {
		members["retry"] = retry
	}
	if breaker := f.breaker(c); len(breaker) > 0 {
		members["breaker"] = breaker
	}
	if c.Flags().Changed("expires") {
		if members["expires_at"], err = f.expiry(time.Now()); err != nil {
			return nil, err
		}
	}
	return members, nil
}
