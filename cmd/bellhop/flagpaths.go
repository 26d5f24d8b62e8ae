package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// This file puts the errors of the API into the words of the command line: flags in place of paths.

// flagsOfPath lists the flags that set the value at a path of the API. The first that a command has is meant.
// "set" and "access" stand for one name of theirs.
var flagsOfPath = map[string][]string{
	"name": {"name"}, "url": {"url"}, "type": {"type"}, "provider": {"provider"},
	"match.sources": {"source"}, "match.types": {"types"}, "match.where": {"where"},
	"settings.format": {"format"}, "settings.template": {"template"}, "settings.secret": {"secret"},
	"settings.endpoint": {"endpoint"}, "settings.processor": {"processor"},
	"settings.configuration": {"configuration"},
	"settings.output":        {"output"}, "settings.job_name": {"job-name"}, "settings.job_states": {"job-states"},
	"settings.task_states": {"task-states"}, "settings.progress": {"progress"}, "caused_by": {"caused-by"},
	"timeout": {"timeout"}, "concurrency": {"concurrency"}, "order": {"order"}, "handshake": {"handshake"},
	"rate": {"rate"}, "rate.per_second": {"rate"}, "rate.burst": {"burst"},
	"batch": {"batch"}, "batch.max_events": {"batch"}, "batch.max_wait": {"batch-wait"},
	"retry.schedule": {"retry"}, "retry.max_age": {"max-age"}, "retry.outcomes": {"outcome"},
	"breaker.failures": {"failures"}, "breaker.for": {"failing-for"}, "breaker.disable_after": {"disable-after"},
	"settings": {"set"}, "access": {"access"}, "expires_at": {"expires"}, "max_body_bytes": {"max-body-bytes"},
	"disabled": {"disabled"}, "paused": {"paused"},
	"subject": {"subject"}, "tenant": {"tenant"}, "data": {"file"}, "time": {"time"},
	"Idempotency-Key": {"idempotency-key"}, "If-Match": {"if-match"}, "body": {"file"},
	"event.type": {"sample-type", "type"}, "event.subject": {"subject"}, "event.source": {"source"},
	"event.data": {"file"},
	"event.body": {"file"}, "event": {"event"},
	"connection": {"connection"}, "resource": {"resource"}, "change_types": {"change-type"},
	"retention.age": {"keep-age"}, "retention.max_bytes": {"keep-bytes"}, "retention": {"keep-age"},
	"expect_every": {"expect-every"},
	"reply.status": {"reply-status"}, "reply.content_type": {"reply-type"}, "reply.body": {"reply-body"},
	"reply.template": {"reply-template"}, "reply": {"no-reply"},
	"destination": {"to", "destination"}, "source": {"source"}, "state": {"state"}, "error": {"error"},
	"provider_id": {"provider-id"}, "contains": {"contains"}, "count_deliveries": {"count-deliveries"},
	"reason": {"reason"}, "kind": {"kind"},
	"where": {"where"}, "since": {"since"}, "until": {"until"}, "all": {"all"}, "outcome": {"outcome"},
	"start_in": {"start-in"}, "missed": {"missed"},
	"limit": {"limit"}, "cursor": {"cursor"}, "secret": {"secret", "secret-file"}, "setting": {"setting"},
	"grace": {"grace"}, "keep_secrets": {"keep-secrets"},
	"keep_remote": {"keep-remote"}, "force": {"force"},
	"device": {"device"}, "scope": {"scope"},
	"rights": {"rights"}, "expires_in": {"expires-in"}, "frame_ancestors": {"frame-ancestor"},
	"period": {"period"}, "noun": {"noun"}, "action": {"action"}, "key": {"by"},
	"kinds": {"kinds"}, "after": {"after"}, "Last-Event-ID": {"after"},
	"tenants": {"tenants"}, "limits.events": {"events"}, "limits.events.per_second": {"events"},
	"limits.stored_bytes": {"max-stored"}, "limits.destinations": {"max-destinations"},
}

// apiWords are words of the API's errors that mean nothing on the command line, and those in their place.
var apiWords = strings.NewReplacer(
	"; see /openapi.json", "",
	"a PATCH of expires_at renews it", "--expires renews it",
	"set expires_at to a later time, or to null for never", "give --expires a later time, or never",
	"give it a later expires_at first", "give --expires a later time first",
	"or null for never", "or never",
	`required in format template: {"body": "an expression", "headers": {…}}`,
	"required with --format template: an expression, such as 'data.text'",
	`use a list of durations such as ["5s","5m"], or default`, "use waits such as 5s,5m, or default",
	`, or a list of durations such as ["5s","5m"]`, ", or waits such as 5s,5m",
	`"2160h" (90 days)`, "90d", `"720h"`, "30d", "at most 168h", "at most 7d",
	"use access: username and password", "use --access username=… and --access password=…",
	"set keep_secrets to true", "give --keep-secrets",
	"or leave it out for a key that does not expire", "or never",
	"required with missed", "required with --missed",
	"leave batch out", "leave --batch out", "leave url out", "leave --url out",
)

// inFlagWords returns the text of an error of the API, with the flags of c in place of paths, and the values that
// were given, unless they may be secret.
func inFlagWords(c *cobra.Command, refused *client.Error) string {
	if len(refused.Errors) == 0 {
		return apiWords.Replace(refused.Detail)
	}
	var texts []string
	for _, f := range refused.Errors {
		texts = append(texts, flagOf(c, f.Path)+": "+apiWords.Replace(f.Message))
	}
	return strings.Join(texts, "; ")
}

// index is the place of an item in a list, at the end of a path: [0].
var index = regexp.MustCompile(`\[(\d+)\]$`)

// flagOf returns the flag of c that sets the value at a path, with its value, or else the path.
func flagOf(c *cobra.Command, path string) string {
	whole := path
	if c.Name() == "try" { // its destination is a part of what it sends
		path = strings.TrimPrefix(strings.TrimPrefix(path, "destination."), "changes.")
	}
	item := -1
	found := index.FindStringSubmatch(path)
	if found != nil {
		item, _ = strconv.Atoi(found[1])
		path = strings.TrimSuffix(path, found[0])
	}
	parent, name, _ := strings.Cut(path, ".")
	if outcome, ok := strings.CutPrefix(path, "retry.outcomes."); ok && c.Flags().Lookup("outcome") != nil {
		return "--outcome " + outcome
	}
	dedicated := path
	for parent == "settings" && flagsOfPath[dedicated] == nil && strings.Count(dedicated, ".") > 1 {
		// settings.template.body is a part of settings.template
		dedicated = dedicated[:strings.LastIndex(dedicated, ".")]
	}
	_, setting, _ := strings.Cut(dedicated, ".")
	for _, flag := range flagsOfPath[dedicated] {
		f := c.Flags().Lookup(flag)
		if f != nil && !(parent == "settings" && setsByName(c, "set", setting)) && !isArgument(c, path, f) {
			return withValue(f, item)
		}
	}
	switch {
	case parent == "settings" && name != "":
		return settingFlag(c, name)
	case parent == "access" && name != "" && c.Flags().Lookup("access") != nil:
		return "--access " + name
	case path == "name" && c.Flags().NArg() > 0:
		return "the name " + quoted(c.Flags().Arg(0))
	case path == "type" && c.Flags().NArg() > 0:
		return "the type " + quoted(c.Flags().Arg(0))
	}
	return whole
}

// isArgument reports whether the value at a path was given as an argument, and not by the flag f.
func isArgument(c *cobra.Command, path string, f *pflag.Flag) bool {
	return (path == "name" || path == "type") && !f.Changed && c.Flags().NArg() > 0
}

// settingFlag returns the flag that sets a setting: --set with its name, or --key.
func settingFlag(c *cobra.Command, name string) string {
	setting, _, _ := strings.Cut(name, "[")
	setting, _, _ = strings.Cut(setting, ".")
	key := c.Flags().Lookup("key")
	if key == nil || !key.Changed || setsByName(c, "set", setting) {
		return "--set " + name
	}
	named := c.Flags().Lookup("provider")
	if named != nil {
		p, err := findProvider(named.Value.String())
		if err != nil || p.Info().Key != setting {
			return "--set " + name
		}
	}
	return "--key"
}

// setsByName reports whether a flag with values such as name=value was given for this name.
func setsByName(c *cobra.Command, flag, name string) bool {
	f := c.Flags().Lookup(flag)
	if f == nil {
		return false
	}
	pairs, ok := f.Value.(pflag.SliceValue)
	if !ok {
		return false
	}
	for _, pair := range pairs.GetSlice() {
		given, _, _ := strings.Cut(pair, "=")
		if given == name {
			return true
		}
	}
	return false
}

// hiddenValues are the flags whose values may be secret or long.
var hiddenValues = map[string]bool{"secret": true, "key": true, "template": true, "data": true, "url": true,
	"set": true, "access": true}

// withValue returns a flag and its value as it was given: the item of that index if it is a list.
func withValue(f *pflag.Flag, item int) string {
	text := f.Value.String()
	list, ok := f.Value.(pflag.SliceValue)
	if ok {
		text = strings.Join(list.GetSlice(), ",")
		if item >= 0 && item < len(list.GetSlice()) {
			text = list.GetSlice()[item]
		}
	}
	if !f.Changed || hiddenValues[f.Name] {
		return "--" + f.Name
	}
	return fmt.Sprintf("--%s %s", f.Name, quoted(text))
}
