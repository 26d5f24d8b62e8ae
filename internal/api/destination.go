package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
)

func (s *server) destinations() {
	handle(s, op{http.MethodGet, "/destinations", "list-destinations", "List destinations", 0}, s.listDestinations)
	handle(s, op{http.MethodPost, "/destinations", "create-destination",
		"Create a destination", http.StatusCreated}, s.createDestination)
	handle(s, op{http.MethodGet, "/destinations/{id}", "show-destination", "Show a destination", 0}, s.showDestination)
	handlePatch(s, op{http.MethodPatch, "/destinations/{id}", "update-destination",
		"Change a destination", 0}, s.updateDestination)
	handle(s, op{http.MethodDelete, "/destinations/{id}", "delete-destination",
		"Delete a destination", 0}, s.deleteDestination)
	handle(s, op{http.MethodPost, "/destinations/{id}/pause", "pause-destination",
		"Hold a destination's deliveries back", 0}, s.pauseDestination)
	handle(s, op{http.MethodPost, "/destinations/{id}/resume", "resume-destination",
		"Deliver to a destination again", 0}, s.resumeDestination)
}

// listDestinationsInput narrows a list of destinations.
type listDestinationsInput struct {
	Type     string `query:"type" maxLength:"65" example:"http" doc:"The whole type, or a prefix and *"`
	State    string `query:"state" enum:"active,paused,disabled,unverified,expired" doc:"Only those in this state"`
	Troubled bool   `query:"troubled" doc:"Only those that get nothing, or get it late or in part: not active, failing, held back, closed, or with a where that fails"`
	Owned
	Paging
}

func (s *server) listDestinations(
	ctx context.Context, in *listDestinationsInput,
) (*listOutput[client.Destination], error) {
	filter := bellhop.DestinationFilter{Tenant: in.Tenant, Type: in.Type, State: bellhop.DestinationState(in.State),
		Troubled: in.Troubled}
	if in.Troubled {
		filter.InTrouble = s.Troubled()
	}
	list, next, err := s.Store.Destinations(ctx, filter, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, s.destinationJSON), nil
}

func (s *server) showDestination(ctx context.Context, in *one) (*tagged[client.Destination], error) {
	return s.showsDestination(s.Store.Destination(ctx, in.ID))
}

func (s *server) createDestination(
	ctx context.Context, in *struct{ Body client.NewDestination },
) (*createdOutput[client.Destination], error) {
	d, err := s.readDestination(in.Body)
	if err != nil {
		return nil, err
	}
	if d, err = s.Catalog.CreateDestination(ctx, d); err != nil {
		return nil, err
	}
	return created("destinations", d.ID, d.UpdatedAt, s.changedDestinationJSON(d)), nil
}

// readOnlyMembers are the members of a destination that a PATCH cannot set.
var readOnlyMembers = []string{"id", "type", "tenant", "granted_rate", "state", "state_reason",
	"failing_since", "created_at", "updated_at"}

func (s *server) updateDestination(
	ctx context.Context, in *patchInput[client.DestinationPatch],
) (*tagged[client.Destination], error) {
	d, err := s.Catalog.UpdateDestination(ctx, in.ID,
		func(before bellhop.Destination) (to catalog.DestinationChange, err error) {
			if err := in.check("destination", before.UpdatedAt); err != nil {
				return to, err
			}
			return s.changeOf(before, in.Body)
		})
	if err != nil {
		return nil, err
	}
	return taggedBy(d.UpdatedAt, s.changedDestinationJSON(d)), nil
}

// changeOf returns the change of before that a merge patch asks for.
func (s *server) changeOf(before bellhop.Destination,
	patch Patch[client.DestinationPatch]) (to catalog.DestinationChange, err error) {
	to.Given = s.Catalog.KeepDestinationSecrets(before, patch)
	_, switches := patch["paused"]
	delete(patch, "match_error") // it may have changed since the answer that the client sends back
	delete(patch, "closed")
	delete(patch, "held_back")
	delete(patch, "warnings")
	if err := patch.readOnly(s.destinationJSON(before), readOnlyMembers...); err != nil {
		return to, err
	}
	merged, err := patch.apply(s, client.DestinationPatch{NewDestination: newDestination(before)})
	if err != nil {
		return to, err
	}
	to.KeepSecrets = merged.KeepSecrets
	if switches {
		to.Paused = &merged.Paused
	}
	to.After, err = s.readDestination(merged.NewDestination)
	return to, err
}

func (s *server) deleteDestination(ctx context.Context, in *oneToDelete) (*none, error) {
	return nil, s.Catalog.DeleteDestination(ctx, in.ID, func(d bellhop.Destination) error {
		return in.check("destination", d.UpdatedAt)
	})
}

func (s *server) pauseDestination(ctx context.Context, in *one) (*tagged[client.Destination], error) {
	return s.showsDestination(s.Catalog.PauseDestination(ctx, in.ID))
}

func (s *server) resumeDestination(ctx context.Context, in *one) (*tagged[client.Destination], error) {
	return s.showsDestination(s.Catalog.ResumeDestination(ctx, in.ID))
}

// showsDestination answers with d, or with err.
func (s *server) showsDestination(d bellhop.Destination, err error) (*tagged[client.Destination], error) {
	if err != nil {
		return nil, err
	}
	return taggedBy(d.UpdatedAt, s.destinationJSON(d)), nil
}

// destinationJSON returns d in its JSON form, with its secrets masked.
func (s *server) destinationJSON(d bellhop.Destination) client.Destination {
	d = s.Catalog.MaskDestination(d)
	of := newDestination(d)
	return client.Destination{
		ID: d.ID, Name: d.Name, Type: d.Type, URL: d.URL, Settings: of.Settings, Access: of.Access, Match: *of.Match,
		Timeout: of.Timeout, Concurrency: d.Concurrency, Rate: rateJSON(d.Rate), Batch: of.Batch, Order: of.Order,
		Retry: *of.Retry, Breaker: *of.Breaker, ExpiresAt: client.Time{Time: d.ExpiresAt},
		Tenant: d.Tenant, Tenants: words(d.Tenants), Handshake: d.Handshake, GrantedRate: rateJSON(d.Granted),
		State: string(d.State), StateReason: d.StateReason,
		Closed: s.closed(d.ID), HeldBack: s.heldBackJSON(d.ID),
		MatchError: s.matchErrorJSON(d.ID), FailingSince: client.Time{Time: d.FailingSince},
		CreatedAt: client.Time{Time: d.CreatedAt}, UpdatedAt: client.Time{Time: d.UpdatedAt},
	}
}

// changedDestinationJSON is destinationJSON for the answer to a change, which has warnings.
func (s *server) changedDestinationJSON(d bellhop.Destination) client.Destination {
	changed := s.destinationJSON(d)
	changed.Warnings = s.Catalog.DestinationWarnings(d)
	return changed
}

// closed returns why a destination cannot be opened; "" if it can.
func (s *server) closed(destinationID string) string {
	if s.Closed == nil {
		return ""
	}
	return s.Closed(destinationID)
}

func (s *server) heldBackJSON(destinationID string) *client.HeldBack {
	if s.Hold == nil {
		return nil
	}
	hold := s.Hold(destinationID)
	if hold == (bellhop.Hold{}) {
		return nil
	}
	return &client.HeldBack{Reason: hold.Reason, NextAt: client.Time{Time: hold.NextAt}}
}

func (s *server) matchErrorJSON(destinationID string) *client.MatchError {
	e := s.MatchError(destinationID)
	if e.Count == 0 {
		return nil
	}
	return &client.MatchError{At: client.Time{Time: e.At}, Message: e.Message, Count: e.Count}
}

// newDestination returns the values from which d could be created again, secrets included.
func newDestination(d bellhop.Destination) client.NewDestination {
	of := client.NewDestination{
		Name: d.Name, Type: d.Type, URL: d.URL, Settings: readSettings(d.Settings),
		Match:   &client.Match{Sources: d.Match.Sources, Types: d.Match.Types, Where: d.Match.Where},
		Timeout: catalog.DurationText(d.Timeout), Concurrency: d.Concurrency, Rate: givenRate(d.Rate),
		Order: string(cmp.Or(d.Order, bellhop.OrderNone)), Retry: retryJSON(d.Retry),
		Breaker: &client.Breaker{
			Failures: &d.Breaker.Failures, For: catalog.DurationText(d.Breaker.For),
			DisableAfter: catalog.DurationText(d.Breaker.DisableAfter),
		},
		ExpiresAt: d.ExpiresAt, Handshake: d.Handshake, Tenant: d.Tenant, Tenants: d.Tenants,
		Paused: d.State == bellhop.DestinationPaused,
	}
	if len(d.Access) > 0 {
		of.Access = client.Access(readSettings(d.Access))
	}
	if !d.Batch.IsZero() {
		of.Batch = &client.Batch{MaxEvents: d.Batch.MaxEvents, MaxWait: catalog.DurationText(d.Batch.MaxWait)}
	}
	return of
}

// readDestination returns the destination with the values of in. If the text of a value is wrong, the error has
// the errors that the catalog finds in the other values too.
func (s *server) readDestination(in client.NewDestination) (bellhop.Destination, error) {
	d, err := destinationOf(in)
	if err != nil {
		_, err = s.Catalog.CheckDestination(d, err)
	}
	return d, err
}

// destinationOf returns the destination with the values of in. A value that is left out is zero, which is its
// default in the catalog.
func destinationOf(in client.NewDestination) (bellhop.Destination, error) {
	d := bellhop.Destination{
		Name: in.Name, Type: in.Type, URL: in.URL, Timeout: timeoutOf(in.Timeout), Concurrency: in.Concurrency,
		Order: bellhop.Order(in.Order), ExpiresAt: in.ExpiresAt.UTC().Truncate(time.Microsecond),
		Handshake: in.Handshake,
		Rate:      rateOf(in.Rate), Batch: batchOf(in.Batch), Tenant: in.Tenant, Tenants: in.Tenants,
	}
	if in.Paused {
		d.State = bellhop.DestinationPaused
	}
	if in.Match != nil {
		d.Match = bellhop.Match{Sources: in.Match.Sources, Types: in.Match.Types, Where: in.Match.Where}
	}
	var retryErr, breakerErr error
	d.Retry, retryErr = retryOf(in.Retry)
	d.Breaker, breakerErr = breakerOf(in.Breaker)
	var err error
	if d.Settings, err = settingsJSON(in.Settings); err != nil {
		return d, err
	}
	if d.Access, err = settingsJSON(in.Access); err != nil {
		return d, err
	}
	if string(d.Access) == "{}" {
		d.Access = nil
	}
	return d, bellhop.Join("", bellhop.Join("retry", retryErr), bellhop.Join("breaker", breakerErr))
}

// refused stands for a value that was given and is out of bounds, where zero would be the default. The catalog
// refuses it.
const refused = -1

// timeoutOf reads a timeout; "" is zero.
func timeoutOf(text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d == 0 {
		return refused
	}
	return d
}

// rateOf reads a rate; nil is zero.
func rateOf(r *client.Rate) bellhop.Rate {
	if r == nil {
		return bellhop.Rate{}
	}
	return bellhop.Rate{PerSecond: cmp.Or(r.PerSecond, refused), Burst: r.Burst}
}

// rateJSON returns rate in its JSON form; the zero rate is null.
func rateJSON(rate bellhop.Rate) *client.Rate {
	if rate.IsZero() {
		return nil
	}
	return &client.Rate{PerSecond: rate.PerSecond, Burst: rate.Burst}
}

// givenRate is rateJSON without a burst that follows from the rate, so that a PATCH of the rate changes the
// burst too.
func givenRate(rate bellhop.Rate) *client.Rate {
	if rate.Burst == bellhop.PerSecond(rate.PerSecond).Burst {
		rate.Burst = 0
	}
	return rateJSON(rate)
}

// batchOf reads a batch; nil is one event in each request.
func batchOf(b *client.Batch) bellhop.Batch {
	if b == nil {
		return bellhop.Batch{}
	}
	batch := bellhop.Batch{MaxEvents: cmp.Or(b.MaxEvents, refused), MaxWait: bellhop.DefaultBatchWait}
	if b.MaxWait != "" {
		var err error
		if batch.MaxWait, err = time.ParseDuration(b.MaxWait); err != nil {
			batch.MaxWait = refused
		}
	}
	return batch
}

// breakerOf reads a breaker; nil is the default.
func breakerOf(b *client.Breaker) (bellhop.Breaker, error) {
	breaker := bellhop.DefaultBreaker
	if b == nil {
		return breaker, nil
	}
	if b.Failures != nil {
		breaker.Failures, breaker.For = *b.Failures, 0
		if breaker.Failures == 0 {
			breaker.DisableAfter = 0 // a breaker that never opens never disables, unless disable_after is given
		}
	}
	var forErr, disableErr error
	breaker.For, forErr = parseDuration("for", b.For, breaker.For)
	breaker.DisableAfter, disableErr = parseDuration("disable_after", b.DisableAfter, breaker.DisableAfter)
	return breaker, bellhop.Join("", forErr, disableErr)
}

// retryOf reads a retry; nil is zero, and so is each value that is left out.
func retryOf(r *client.Retry) (bellhop.Retry, error) {
	var retry bellhop.Retry
	if r == nil {
		return retry, nil
	}
	var scheduleErr, ageErr error
	if r.Schedule != nil {
		raw, err := json.Marshal(r.Schedule)
		if err != nil {
			return retry, err
		}
		scheduleErr = bellhop.Join("schedule", retry.Schedule.UnmarshalJSON(raw))
	}
	retry.MaxAge, ageErr = parseDuration("max_age", r.MaxAge, 0)
	retry.Outcomes = r.Outcomes
	return retry, bellhop.Join("", scheduleErr, ageErr)
}

// retryJSON returns retry in its JSON form. A schedule that is a preset has its name.
func retryJSON(retry bellhop.Retry) *client.Retry {
	r := &client.Retry{Schedule: client.Schedule{}, Outcomes: retry.Outcomes}
	for _, wait := range retry.Schedule {
		r.Schedule = append(r.Schedule, catalog.DurationText(wait))
	}
	for name, preset := range bellhop.SchedulePresets {
		if slices.Equal(preset, retry.Schedule) {
			r.Schedule = client.Schedule{name}
		}
	}
	if retry.MaxAge != 0 {
		r.MaxAge = catalog.DurationText(retry.MaxAge)
	}
	return r
}

// parseDuration reads a duration, whose bounds the engine checks; "" is standard.
func parseDuration(path, text string, standard time.Duration) (time.Duration, error) {
	if text == "" {
		return standard, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, bellhop.Invalid(path, `use a length of time such as "90s", "30m" or "24h"`)
	}
	return d, nil
}
