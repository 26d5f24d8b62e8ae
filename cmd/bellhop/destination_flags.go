package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/access"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/spf13/cobra"
)

// destinationFlags are the flags that create and update have in common.
type destinationFlags struct {
	url, format, template, secret, where, timeout, handshake, batchWait string
	order, retry, maxAge, failingFor, disableAfter, expires             string
	sources, types, set, outcomes, access, tenants                      []string
	concurrency, burst, batch, failures                                 int
	paused                                                              bool
	rate                                                                float64
}

func (f *destinationFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.url, "url", "", "where deliveries are sent; types exec, listen and pull have none")
	enumFlag(c, &f.format, "format", "", []string{"raw", "standard", "envelope", "thin", "template"},
		"for types http and pull, standard by default")
	flags.StringVar(&f.template, "template", "",
		"for format template: an expression for what is sent, such as 'data.text', or @FILE")
	flags.StringVar(&f.secret, "secret", "",
		"for types http and pull: whsec_…, @FILE or env:NAME; format standard signs with it")
	flags.StringSliceVar(&f.sources, "source", nil, "match only events of this source (repeatable)")
	flags.StringSliceVar(&f.types, "types", nil,
		"match only events of this type; a * at the end stands for any rest (repeatable)")
	flags.StringVar(&f.where, "where", "",
		"match only events for which this expression is true, such as 'data.amount > 100'")
	lengthTextFlag(c, &f.timeout, "timeout", "time limit of one attempt, 10ms to 5m (default 5s); "+
		"for type pull of one lease, 1s to 12h (default 30s)")
	rangeFlag(c, &f.concurrency, "concurrency", 0, 1, bellhop.MaxConcurrency,
		"attempts in progress at the same time, 1 to 1024 (default 16)")
	rateFlag(c, &f.rate, "rate", "",
		"attempts per second, such as 10 or 0.5, or 600/m (default: the type's, mostly no limit)")
	rangeFlag(c, &f.burst, "burst", 0, 1, bellhop.MaxBurst,
		"with --rate: attempts at once after a pause (default: the rate, at least 1)")
	flags.IntVar(&f.batch, "batch", 0,
		"events in one request, 2 to 1000, if the type and format allow it (default: one event a request)")
	lengthTextFlag(c, &f.batchWait, "batch-wait",
		"with --batch: how long the first event waits for others, up to 1m (default 1s)")
	flags.StringVar(&f.handshake, "handshake", "",
		"how the receiver is asked to agree first; none does not ask (default: the type's)")
	enumFlag(c, &f.order, "order", "", []string{"none", "source", "subject"},
		"which events are delivered one after the other (none by default; a change affects events "+
			"accepted from then on)")
	flags.StringVar(&f.retry, "retry", "",
		"retry schedule: default, none, sharepoint, eventgrid, day, or waits such as 5s,10m,1d")
	lengthTextFlag(c, &f.maxAge, "max-age",
		"give up a delivery that would be older than this at its next attempt, such as 12h or 7d (default: any age)")
	flags.StringArrayVar(&f.outcomes, "outcome", nil, "what an answer means: 404=dead, 4xx=retry, timeout=dead; "+
		"one of delivered, retry, dead, disable (repeatable)")
	flags.IntVar(&f.failures, "failures", 0,
		"hold the destination back after this many failed attempts in a row; 0 is never (default 16)")
	lengthTextFlag(c, &f.failingFor, "failing-for",
		"with --failures: only once the failures have lasted this long, if it answers at all "+
			"(default 0s with --failures, else 10s)")
	lengthTextFlag(c, &f.disableAfter, "disable-after",
		"disable the destination after this time without a success, such as 48h or 2d; 0s is never (default 5d)")
	flags.StringVar(&f.expires, "expires", "",
		"send it no new events after this time: a time such as 2026-12-31T00:00:00Z, a length of time from now "+
			"such as 30d, or never")
	flags.BoolVar(&f.paused, "paused", false,
		"let its deliveries wait until it is resumed; --paused=false resumes one that is paused")
	flags.StringSliceVar(&f.tenants, "tenants", nil,
		"further tenants whose events it gets, or '*' for all; needs a key of all tenants (repeatable)")
	flags.StringArrayVar(&f.set, "set", nil, setHelp)
	flags.StringArrayVar(&f.access, "access", nil, accessHelp)
}

// newDestination returns the destination that create asks for.
func (f *destinationFlags) newDestination(
	e *env, c *cobra.Command, name, kind string,
) (d client.NewDestination, err error) {
	settings, err := f.settings(e)
	if err != nil {
		return d, err
	}
	signIn, err := e.readAccess(f.access)
	if err != nil {
		return d, err
	}
	members, err := f.delivering(c)
	if err != nil {
		return d, err
	}
	text, err := json.Marshal(members)
	if err != nil {
		return d, err
	}
	d = client.NewDestination{
		Name: name, Type: kind, Settings: settings, Access: signIn,
		Match: &client.Match{Sources: f.sources, Types: f.types, Where: f.where},
	}
	return d, json.Unmarshal(text, &d)
}

// changes returns the merge patch that update asks for. remove are the values of --unset.
func (f *destinationFlags) changes(e *env, c *cobra.Command, remove []string) (map[string]any, error) {
	settings, err := f.settings(e)
	if err != nil {
		return nil, err
	}
	removed, members, whole := splitUnset(remove)
	unset(settings, removed)
	given, err := e.readAccess(f.access)
	if err != nil {
		return nil, err
	}
	accessPatch, accessChanged, err := accessChanges(given, members, whole)
	if err != nil {
		return nil, err
	}
	changes, err := f.delivering(c)
	if err != nil {
		return nil, err
	}
	if len(settings) > 0 {
		changes["settings"] = settings
	}
	if accessChanged {
		changes["access"] = accessPatch
	}
	if match := f.matchChanges(c); len(match) > 0 {
		changes["match"] = match
	}
	return changes, nil
}

// settings returns the settings of --set, --format, --template and --secret together.
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

// delivering returns the members that create and update set in the same way, for the flags that were given.
func (f *destinationFlags) delivering(c *cobra.Command) (map[string]any, error) {
	members := changedFlags(c, map[string]any{
		"url": f.url, "timeout": f.timeout, "concurrency": f.concurrency, "order": f.order, "handshake": f.handshake,
		"paused": f.paused,
	})
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
	if c.Flags().Changed("tenants") {
		members["tenants"] = append([]string{}, f.tenants...) // an empty list, not null, is its own tenant alone
	}
	return members, nil
}

// limit returns the rate of --rate and --burst, or nil if neither was given.
func (f *destinationFlags) limit(c *cobra.Command) (*client.Rate, error) {
	switch {
	case c.Flags().Changed("rate"):
		return &client.Rate{PerSecond: f.rate, Burst: f.burst}, nil
	case c.Flags().Changed("burst"):
		return nil, wrongUsage("--burst needs --rate")
	}
	return nil, nil
}

// batching returns the batch of --batch and --batch-wait. It returns nil if none was given, and for --batch
// 0, which sends one event a request again.
func (f *destinationFlags) batching(c *cobra.Command) (*client.Batch, error) {
	switch {
	case c.Flags().Changed("batch") && f.batch != 0:
		return &client.Batch{MaxEvents: f.batch, MaxWait: f.batchWait}, nil
	case c.Flags().Changed("batch-wait"):
		return nil, wrongUsage("--batch-wait needs --batch")
	}
	return nil, nil
}

// retrying returns the members of the retry policy for --retry, --max-age and --outcome, if given.
func (f *destinationFlags) retrying(c *cobra.Command) (map[string]any, error) {
	retry := map[string]any{}
	if c.Flags().Changed("retry") {
		schedule, err := f.schedule()
		if err != nil {
			return nil, err
		}
		retry["schedule"] = schedule
	}
	if c.Flags().Changed("max-age") {
		retry["max_age"] = f.maxAge
	}
	if !c.Flags().Changed("outcome") {
		return retry, nil
	}
	outcomes := map[string]any{}
	for _, pair := range f.outcomes {
		key, outcome, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, wrongUsage("--outcome %s: write it as 404=dead", clean(pair))
		}
		outcomes[key] = outcome
		if outcome == "" {
			outcomes[key] = nil // --outcome 404= removes the entry
		}
	}
	retry["outcomes"] = outcomes
	return retry, nil
}

// schedule returns the schedule of --retry: the name of a preset, or a list of waits.
func (f *destinationFlags) schedule() (client.Schedule, error) {
	if _, ok := bellhop.SchedulePresets[f.retry]; ok || strings.HasPrefix(f.retry, "fixed ") { // "fixed 5m × 5"
		return client.Schedule{f.retry}, nil
	}
	waits := strings.Split(f.retry, ",")
	for i, text := range waits {
		wait, err := config.ParseDuration(strings.TrimSpace(text))
		if err != nil {
			return nil, wrongUsage("--retry %s: use default, none, sharepoint, eventgrid, day, or "+
				"waits such as 5s,10m,1d",
				quoted(f.retry))
		}
		waits[i] = wait.String()
	}
	return waits, nil
}

// breaker returns the members of the breaker for --failures, --failing-for and --disable-after, if given.
func (f *destinationFlags) breaker(c *cobra.Command) map[string]any {
	breaker := changedFlags(c, map[string]any{"failures": f.failures, "disable-after": f.disableAfter})
	if c.Flags().Changed("failing-for") {
		breaker["for"] = f.failingFor
	}
	return breaker
}

// expiry returns the time of --expires; nil is never.
func (f *destinationFlags) expiry(now time.Time) (any, error) {
	at, err := parseExpiry(f.expires, now)
	switch {
	case err != nil:
		return nil, wrongUsage("--expires %s: %w", quoted(f.expires), err)
	case at.IsZero():
		return nil, nil
	}
	return at, nil
}

// matchChanges returns the members of the match for --source, --types and --where, if given.
func (f *destinationFlags) matchChanges(c *cobra.Command) map[string]any {
	match := make(map[string]any)
	if c.Flags().Changed("source") {
		match["sources"] = append([]string{}, f.sources...) // an empty list, not null, matches every source
	}
	if c.Flags().Changed("types") {
		match["types"] = append([]string{}, f.types...)
	}
	if c.Flags().Changed("where") {
		match["where"] = f.where
	}
	return match
}

// makeFlag adds the flag that names the secrets to be made.
func makeFlag(c *cobra.Command) *[]string {
	return c.Flags().StringArray("make", nil,
		"make this secret setting, such as secret_key of type boro, and print it, only this once (repeatable)")
}

// makeSecrets makes the named secrets of a type of destinations, puts them into settings and returns them.
func makeSecrets(ctx context.Context, api *client.Client, kind string, names []string, settings map[string]any) (
	map[string]string, error) {
	made := map[string]string{}
	if len(names) == 0 {
		return made, nil
	}
	types, err := api.DestinationTypes(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(types, func(t client.DestinationType) bool { return t.Name == kind })
	if i < 0 {
		return made, nil // the answer to the whole says that there is no such type
	}
	for _, name := range names {
		canMake := func(s client.Setting) bool { return s.Name == name && s.Make != "" }
		of := slices.IndexFunc(types[i].Settings, canMake)
		switch {
		case of < 0:
			return nil, wrongUsage("--make %s: type %s has no such secret that can be made%s", clean(name),
				clean(kind), makeable(types[i]))
		case settings[name] != nil:
			return nil, wrongUsage("--make %s: it is given, too", name)
		}
		text, err := types[i].Settings[of].MakeSecret(rand.Reader)
		if err != nil {
			return nil, err
		}
		made[name], settings[name] = text, text
	}
	return made, nil
}

// makeable lists the secrets of a type that can be made, to follow a message.
func makeable(t client.DestinationType) string {
	var names []string
	for _, s := range t.Settings {
		if s.Make != "" {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return "; it has none"
	}
	return "; it has " + strings.Join(names, ", ")
}

// makeForChange is makeSecrets for a stored destination: it puts the secrets into the settings of changes.
func makeForChange(ctx context.Context, api *client.Client, idOrName string, names []string,
	changes map[string]any) (map[string]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	before, err := api.Destination(ctx, idOrName)
	if err != nil {
		return nil, err
	}
	settings, ok := changes["settings"].(map[string]any)
	if !ok {
		settings = map[string]any{}
	}
	changes["settings"] = settings
	return makeSecrets(ctx, api, before.Type, names, settings)
}

const accessHelp = "how to reach and sign in to the destination, as name=value; " +
	"the value is text, @FILE or env:NAME, for scopes a JSON list (repeatable)"

const accessIntro = "--access says how to reach the destination and how to sign in there. Its names are: "

// accessLong is the part of the help of create and update that explains --access.
var accessLong = accessIntro + accessNames() + `.
docs/ACCESS.md explains each. A proxy must be one of those that the server was started with
(--proxies).`

// accessNames lists the names of --access, wrapped to follow accessIntro.
func accessNames() string {
	var lines, line []string
	width := len(accessIntro)
	for _, s := range access.Settings {
		if width += len(s.Name) + 2; width > 100 {
			lines, line, width = append(lines, strings.Join(line, ", ")), nil, len(s.Name)+2
		}
		line = append(line, s.Name)
	}
	return strings.Join(append(lines, strings.Join(line, ", ")), ",\n")
}

// readAccess reads the values of --access. All but scopes are text, even if they look like JSON: a password may.
func (e *env) readAccess(pairs []string) (map[string]any, error) {
	members := map[string]any{}
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, wrongUsage("--access %s: write it as name=value", clean(name))
		}
		if !slices.ContainsFunc(access.Settings, func(s access.Setting) bool { return s.Name == name }) {
			var names []string
			for _, s := range access.Settings {
				names = append(names, s.Name)
			}
			return nil, wrongUsage("--access %s: no such setting%s", clean(name), didYouMean(name, "", names))
		}
		if _, repeated := members[name]; repeated {
			return nil, wrongUsage("--access %s: given twice", name)
		}
		var err error
		if name == "scopes" {
			members[name], err = e.readValue(text)
		} else {
			members[name], err = e.readText(text)
		}
		if err != nil {
			return nil, fmt.Errorf("--access %s: %w", name, err)
		}
	}
	return members, nil
}

// splitUnset splits the values of --unset into names of settings and, from access.NAME, members of the
// access. whole reports that the whole access is to be removed.
func splitUnset(names []string) (settings, members []string, whole bool) {
	for _, name := range names {
		member, ok := strings.CutPrefix(name, "access.")
		switch {
		case name == "access":
			whole = true
		case ok:
			members = append(members, member)
		default:
			settings = append(settings, name)
		}
	}
	return settings, members, whole
}

// accessChanges returns the merge patch for an access: given are the values of --access, members and whole
// the result of splitUnset. A nil patch removes the whole access.
func accessChanges(given map[string]any, members []string, whole bool) (patch any, changed bool, err error) {
	if whole && len(given)+len(members) > 0 {
		return nil, true, wrongUsage("--unset access removes all of it; give --access and --unset " +
			"access.NAME without it")
	}
	if whole {
		return nil, true, nil
	}
	for _, name := range members {
		if given[name] != nil {
			return nil, true, wrongUsage("--access and --unset both name %s", clean(name))
		}
		given[name] = nil
	}
	return given, len(given) > 0, nil
}
