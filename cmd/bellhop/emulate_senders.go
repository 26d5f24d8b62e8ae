package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/boro"
	"github.com/bellhop-gateway/bellhop/emulator/sender"
	"github.com/bellhop-gateway/bellhop/emulator/slack"
	"github.com/spf13/cobra"
)

// webhookFlags are the flags of the stand-ins that send webhooks to one URL, and of slack, which takes messages.
type webhookFlags struct {
	to, secret string
	set        []string
	retries    bool
	channels   []string
	rate       float64
}

// add adds the flags to emulate.
func (f *webhookFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.to, "to", "", "URL of the receiver (boro, github, stripe, standardwebhooks)")
	flags.StringVar(&f.secret, "secret", "",
		"the secret that signs webhooks: text, @FILE or env:NAME (boro, github, stripe, standardwebhooks)")
	flags.StringArrayVar(&f.set, "set", nil,
		setHelp+"; those of a destination of that type (boro, github, stripe, standardwebhooks)")
	flags.BoolVar(&f.retries, "retries", false,
		"repeat a notification that is not accepted, five times with pauses of a minute (boro)")
	flags.StringSliceVar(&f.channels, "channel", []string{slack.DefaultChannel},
		"the name of a channel, which has one webhook; may be repeated (slack)")
	flags.Float64Var(&f.rate, "message-rate", 1,
		"messages a second that a webhook takes, after a burst of ten; 0 sets no limit (slack)")
}

// newWebhookSystem returns the named stand-in on host.
func newWebhookSystem(e *env, host *emulator.Host, f *webhookFlags, name string) (emulator.System, error) {
	if name == "slack" {
		return newSlackSystem(host, f)
	}
	if f.to != "" {
		u, err := url.Parse(f.to)
		if err != nil || u.Host == "" {
			return nil, wrongUsage("--to: not a URL; write a whole one, such as http://127.0.0.1:8080/in/media")
		}
	}
	if name == "boro" {
		return newBoroSystem(e, host, f)
	}
	if f.secret == "" {
		return nil, wrongUsage("missing --secret")
	}
	info := sender.Provider(name).Info()
	settings, err := e.rawSettings(info, f.secret, f.set)
	if err != nil {
		return nil, err
	}
	s, err := sender.New(host, name, sender.Options{URL: f.to, Settings: settings})
	if err != nil {
		return nil, wrongSettings(info, "--secret", err)
	}
	return s, nil
}

// newBoroSystem returns a stand-in of Boro with one profile, which the flags describe.
func newBoroSystem(e *env, host *emulator.Host, f *webhookFlags) (emulator.System, error) {
	p, err := findProvider("boro")
	if err != nil {
		return nil, err
	}
	settings, err := e.rawSettings(p.Info(), f.secret, f.set)
	if err != nil {
		return nil, err
	}
	opts := boro.Options{}
	profile := boro.Profile{URL: f.to}
	d := json.NewDecoder(strings.NewReader(string(settings)))
	d.DisallowUnknownFields()
	if err := d.Decode(&profile); err != nil {
		return nil, wrongUsage("--set: %w; a profile has profile_id, name, headers, levels, triggers", err)
	}
	opts.Profiles = []boro.Profile{profile}
	if f.retries {
		opts.Pauses = slices.Repeat([]time.Duration{time.Minute}, 5)
	}
	s, err := boro.New(host, opts)
	if err != nil {
		return nil, wrongSettings(p.Info(), givenFlag("--secret", f.secret), err)
	}
	return s, nil
}

// newSlackSystem returns a stand-in of Slack with the channels of the flags.
func newSlackSystem(host *emulator.Host, f *webhookFlags) (emulator.System, error) {
	opts := slack.Options{Rate: f.rate}
	if f.rate <= 0 {
		opts.Rate = -1
	}
	paths := map[string]bool{}
	for _, name := range f.channels {
		name = strings.TrimPrefix(name, "#")
		path := slack.WebhookPath(name)
		if name == "" || len(name) > 80 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" ||
			paths[path] {
			return nil, wrongUsage("--channel %s: use lower-case letters, digits, - and _, and another name for each",
				name)
		}
		paths[path] = true
		opts.Channels = append(opts.Channels, name)
	}
	return slack.New(host, opts), nil
}

// hints are lines for people about the systems of a host whose URL is base.
func hints(host *emulator.Host, base string) string {
	var b strings.Builder
	for _, s := range host.Systems() {
		switch s := s.(type) {
		case *slack.System:
			for _, channel := range s.Channels() {
				fmt.Fprintf(&b, "incoming webhook of #%s: %s%s\n", channel, base, slack.WebhookPath(channel))
			}
			fmt.Fprintf(&b, "messages: %s/ as a page, %[1]s/messages as JSON\n", base)
		case *boro.System:
			b.WriteString("let an alarm begin: bellhop emulate event --resource 'tasks/News DASH' " +
				"--change-type Active\n")
		case *sender.System:
			fmt.Fprintf(&b, "send a webhook: bellhop emulate event --resource %s\n", senderExamples[s.Name()])
		}
	}
	return b.String()
}

// senderExamples are flags of 'bellhop emulate event' by system.
var senderExamples = map[string]string{"github": "octocat/hello-world --change-type push",
	"stripe": "in_1 --change-type invoice.paid", "standardwebhooks": "in_1 --change-type invoice.paid"}
