package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A NewDestination is what a destination is made of.
type NewDestination struct {
	Name        string   `json:"name" example:"billing" doc:"Unique among destinations"`
	Type        string   `json:"type,omitempty" example:"http" doc:"http (the default), a provider that sends, for its dialect, or an action, which works here: exec runs a command"`
	URL         string   `json:"url,omitempty" example:"https://billing.example.com/hooks" doc:"Where events go; an action has none"`
	Settings    Settings `json:"settings,omitempty" doc:"The type's own, secrets included"`
	Access      Access   `json:"access,omitempty" doc:"How it is reached, and who we are there, secrets included"`
	Match       Match    `json:"match,omitzero" doc:"Which events it wants; empty is all of them"`
	Timeout     string   `json:"timeout,omitempty" example:"5s" doc:"Of one attempt, 10ms to 5m; 5s if not given"`
	Concurrency int      `json:"concurrency,omitempty" minimum:"1" maximum:"1024" doc:"Attempts under way at once; 16 if not given, 4 of exec"`
	Rate        *Rate    `json:"rate,omitempty" doc:"Attempts a second, retries among them; that of the type if not given, which mostly is any"`
	Batch       *Batch   `json:"batch,omitempty" doc:"Several events in one request, for types and formats that know such; one at a time if not given"`
	Order       string   `json:"order,omitempty" enum:"none,source,subject" doc:"Which events wait for one another and go in their order: those of a source, or of a subject; none if not given. A change holds for events accepted from then on: what is pending keeps the order it was accepted under"`
	Retry       Retry    `json:"retry,omitzero"`
	Breaker     *Breaker `json:"breaker,omitempty" doc:"When it is held back for failing, and when given up"`
	ExpiresAt   *Time    `json:"expires_at,omitempty" doc:"From when on nothing more is owed to it; renewed by a PATCH; never if not given"`
	Handshake   string   `json:"handshake,omitempty" example:"none" doc:"Whether the receiver has to agree before it gets anything: none, or how the type asks (validation-token, eventgrid, cloudevents); that of the type if not given"`
}

// A Destination is where events go.
type Destination struct {
	ID           string      `json:"id" example:"dst_01h455vb4pex5vsknk08"`
	Name         string      `json:"name" example:"billing"`
	Type         string      `json:"type" example:"http"`
	URL          string      `json:"url"`
	Settings     Settings    `json:"settings" doc:"The type's own; of a secret only that it is set, and since when"`
	Access       Access      `json:"access" doc:"How it is reached, and who we are there; of a secret only that it is set, and since when; null is as anybody"`
	Match        Match       `json:"match"`
	Timeout      string      `json:"timeout" example:"5s"`
	Concurrency  int         `json:"concurrency" example:"16"`
	Rate         *Rate       `json:"rate" doc:"Attempts a second; null is any"`
	Batch        *Batch      `json:"batch" doc:"Several events in one request; null is one at a time"`
	Order        string      `json:"order" enum:"none,source,subject"`
	Retry        Retry       `json:"retry"`
	Breaker      *Breaker    `json:"breaker"`
	ExpiresAt    Time        `json:"expires_at" doc:"null is never"`
	Handshake    string      `json:"handshake" example:"none"`
	GrantedRate  *Rate       `json:"granted_rate" doc:"What the receiver allowed when it agreed; null is any"`
	State        string      `json:"state" enum:"active,paused,disabled,unverified,expired"`
	StateReason  string      `json:"state_reason" doc:"Why it is not active"`
	MatchError   *MatchError `json:"match_error" doc:"How its where failed last since the start; null is that it did not"`
	FailingSince Time        `json:"failing_since" doc:"Since when it fails so that it is held back; null while it is well"`
	CreatedAt    Time        `json:"created_at"`
	UpdatedAt    Time        `json:"updated_at"`
}

// A Match says which events a destination wants. All that is set must hold.
type Match struct {
	Sources []string `json:"sources" required:"false" doc:"Names or ids of sources"`
	Types   []string `json:"types" required:"false" doc:"Event types, which may end in *"`
	Where   string   `json:"where" required:"false" example:"data.Properties.NewState == 'Finished'" doc:"An expression over data, type, subject, source, headers and time, in the language of expr-lang.org"`
}

func (s *server) destinations() {
	handle(s, op{http.MethodGet, "/destinations", "list-destinations", "List destinations", 0}, s.listDestinations)
	handle(s, op{http.MethodPost, "/destinations", "create-destination", "Create a destination", http.StatusCreated}, s.createDestination)
	handle(s, op{http.MethodGet, "/destinations/{id}", "show-destination", "Show a destination", 0}, s.showDestination)
	handlePatch(s, op{http.MethodPatch, "/destinations/{id}", "update-destination", "Change a destination", 0}, s.updateDestination)
	handle(s, op{http.MethodDelete, "/destinations/{id}", "delete-destination", "Delete a destination", 0}, s.deleteDestination)
	handle(s, op{http.MethodPost, "/destinations/{id}/pause", "pause-destination", "Keep a destination's events for it", 0}, s.pauseDestination)
	handle(s, op{http.MethodPost, "/destinations/{id}/resume", "resume-destination", "Deliver to a destination again", 0}, s.resumeDestination)
}

func (s *server) listDestinations(ctx context.Context, in *struct{ Paging }) (*listOutput[Destination], error) {
	list, next, err := s.Store.Destinations(ctx, bellhop.DestinationFilter{}, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, s.destinationJSON), nil
}

func (s *server) showDestination(ctx context.Context, in *one) (*bodyOf[Destination], error) {
	d, err := s.Store.Destination(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &bodyOf[Destination]{s.destinationJSON(d)}, nil
}

func (s *server) createDestination(ctx context.Context, in *struct{ Body NewDestination }) (*createdOutput[Destination], error) {
	if in.Body.Type == "" {
		in.Body.Type = bellhop.TypeHTTP
	}
	refused := s.refuseShown(in.Body)
	d, err := s.checkDestination(in.Body)
	if err := firstOf(refused, bellhop.Join("", err, s.checkExpiry(d, time.Time{}))); err != nil {
		return nil, err
	}
	d.ID = s.newID(bellhop.PrefixDestination)
	s.begin(&d)
	d.CreatedAt = s.Env.Now()
	d.UpdatedAt = d.CreatedAt
	d.SecretsAt = d.CreatedAt
	err = s.change(ctx, func() error { return s.Store.CreateDestination(ctx, d) })
	if err != nil {
		return nil, err
	}
	s.log.Info("destination.created", "destination_id", d.ID, "destination", d.Name, "type", d.Type)
	if d.State == bellhop.DestinationUnverified {
		d, err = s.verify(ctx, d)
	}
	return &createdOutput[Destination]{Prefix + "/destinations/" + d.ID, s.destinationJSON(d)}, err
}

// change makes a change that nothing may come between, and lets the rest of the program load it.
func (s *server) change(ctx context.Context, f func() error) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := f(); err != nil {
		return err
	}
	return s.changed(ctx)
}

func (s *server) updateDestination(ctx context.Context, in *patchInput[NewDestination]) (*bodyOf[Destination], error) {
	var after bellhop.Destination
	var asks bool
	err := s.change(ctx, func() (err error) {
		after, asks, err = s.patchDestination(ctx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.log.Info("destination.updated", "destination_id", after.ID, "destination", after.Name)
	if asks {
		after, err = s.verify(ctx, after)
	}
	return &bodyOf[Destination]{s.destinationJSON(after)}, err
}

// patchDestination stores a destination with the changes of in, and reports whether its receiver has to be asked: it
// is another one now, or may not have agreed to what it says now. The caller holds changing.
func (s *server) patchDestination(ctx context.Context, in *patchInput[NewDestination]) (after bellhop.Destination, asks bool, err error) {
	before, err := s.Store.Destination(ctx, in.ID)
	if err != nil {
		return after, false, err
	}
	s.keepSecrets(before.Type, in.Body)
	if in.Body["url"] == s.shownURL(before) {
		delete(in.Body, "url")
	}
	delete(in.Body, "match_error") // which may be another by now
	endGrace(in.Body)
	// The type stays, for the settings are its own: another might show what this one keeps secret.
	if err := in.Body.readOnly(s.destinationJSON(before), "id", "type", "granted_rate", "state", "state_reason", "failing_since", "created_at", "updated_at"); err != nil {
		return after, false, err
	}
	current := newDestination(before)
	merged, err := in.Body.apply(s, current)
	if err != nil {
		return after, false, err
	}
	after, err = s.checkDestination(merged)
	if err = bellhop.Join("", err, s.checkExpiry(after, before.ExpiresAt)); err != nil {
		return after, false, err
	}
	after.ID, after.State, after.StateReason, after.Granted = before.ID, before.State, before.StateReason, before.Granted
	after.CreatedAt, after.SecretsAt = before.CreatedAt, before.SecretsAt
	after.UpdatedAt = s.Env.Now()
	if s.secretsDiffer(current, merged) {
		after.SecretsAt = after.UpdatedAt
	}
	renewed := before.State == bellhop.DestinationExpired && (after.ExpiresAt.IsZero() || after.ExpiresAt.After(after.UpdatedAt))
	waits := before.State == bellhop.DestinationUnverified || renewed
	another := renewed || before.URL != after.URL || before.Handshake != after.Handshake ||
		after.NeedsHandshake() && string(before.Settings) != string(after.Settings) // which may be what was agreed to
	if !another {
		return after, false, s.Store.UpdateDestination(ctx, after)
	}
	after.Granted = bellhop.Rate{}
	if waits || before.State == bellhop.DestinationActive { // else resume asks
		s.begin(&after)
	}
	return after, after.State == bellhop.DestinationUnverified, s.Store.RestartDestination(ctx, after)
}

func (s *server) deleteDestination(ctx context.Context, in *one) (*none, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	d, err := s.Store.Destination(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := s.Store.DeleteDestination(ctx, d.ID); err != nil {
		return nil, err
	}
	s.log.Info("destination.deleted", "destination_id", d.ID, "destination", d.Name)
	return nil, s.changed(ctx)
}

// checkDestination makes of in a destination that the engine takes, defaults filled in.
func (s *server) checkDestination(in NewDestination) (bellhop.Destination, error) {
	d := bellhop.Destination{
		Name: in.Name, Type: in.Type, URL: in.URL, Match: bellhop.Match(in.Match), Concurrency: in.Concurrency, Handshake: in.Handshake,
		Order: cmp.Or(bellhop.Order(in.Order), bellhop.OrderNone), ExpiresAt: in.ExpiresAt.time(),
	}
	info, known := s.destinationType(d.Type)
	if d.Concurrency == 0 {
		d.Concurrency = cmp.Or(info.Concurrency, bellhop.DefaultConcurrency)
	}
	var errs [7]error
	errs[0] = bellhop.CheckName(in.Name)
	d.Timeout, errs[1] = parseTimeout(in.Timeout)
	d.Retry, errs[2] = in.Retry.retry(info.Schedule)
	d.Breaker, errs[6] = in.Breaker.breaker()
	d.Rate, errs[4] = in.Rate.rate(info.Rate)
	d.Batch, errs[5] = in.Batch.batch()
	var err error
	if d.Settings, err = settingsJSON(in.Settings); err != nil {
		return d, err
	}
	if d.Access, err = accessJSON(in.Access); err != nil {
		return d, err
	}
	if d.Handshake == "" {
		d.Handshake = s.Opener.DefaultHandshake(d)
	}
	if known {
		errs[3] = s.Opener.Check(d)
	} else {
		errs[3] = bellhop.Invalid("type", "there is no such type; there are "+strings.Join(s.destinationTypes(), ", "))
	}
	return d, bellhop.Join("", errs[:]...)
}

// checkExpiry judges when d's time is over, where that is another moment than before.
func (s *server) checkExpiry(d bellhop.Destination, before time.Time) error {
	if d.ExpiresAt.IsZero() || d.ExpiresAt.Equal(before) {
		return nil
	}
	now := s.Env.Now()
	if !d.ExpiresAt.After(now) {
		return bellhop.Invalid("expires_at", "is past; use a moment to come, or null for never")
	}
	if p, ok := s.provider(d.Type); ok {
		if most := p.Info().MaxLifetime; most > 0 && d.ExpiresAt.Sub(now) > most {
			return bellhop.Invalid("expires_at", fmt.Sprintf("a destination of type %s lives for %d days at most; renew it by a PATCH before", d.Type, most/(24*time.Hour)))
		}
	}
	return nil
}

// destinationJSON is d as it is shown.
func (s *server) destinationJSON(d bellhop.Destination) Destination {
	of := newDestination(d)
	if why := s.Engine.Closed(d.ID); why != "" && d.State == bellhop.DestinationActive {
		d.StateReason = "it gets nothing, for it cannot be opened: " + why
	}
	return Destination{
		ID: d.ID, Name: d.Name, Type: d.Type, URL: s.shownURL(d),
		Settings: s.destinationSecrets(d.Type).show(of.Settings, d.SecretsAt),
		Access:   shownAccess(d),
		Match:    of.Match, Timeout: of.Timeout, Concurrency: d.Concurrency, Rate: rateOf(d.Rate), Batch: of.Batch,
		Order: of.Order, Retry: of.Retry, Breaker: of.Breaker, ExpiresAt: Time(d.ExpiresAt), Handshake: d.Handshake, GrantedRate: rateOf(d.Granted),
		State: string(d.State), StateReason: d.StateReason, MatchError: matchErrorOf(s.Engine.MatchError(d.ID)), FailingSince: Time(d.FailingSince), CreatedAt: Time(d.CreatedAt), UpdatedAt: Time(d.UpdatedAt),
	}
}

// shownURL is what is seen of d's URL: all of it but secrets in its query or, of one that is a secret, its host and last
// four characters.
func (s *server) shownURL(d bellhop.Destination) string {
	p, ok := s.provider(d.Type)
	if !ok || !p.Info().SecretURL {
		return withoutSecrets(d.URL)
	}
	u, err := url.Parse(d.URL)
	if err != nil || len(u.Path) < 12 {
		return "…"
	}
	return u.Scheme + "://" + u.Host + "/…" + d.URL[len(d.URL)-4:]
}

// secretParameters are the names under which secrets stand in queries.
var secretParameters = []string{"code", "key", "token", "secret", "sig", "signature", "password", "access_token", "api_key", "apikey", "auth"}

// withoutSecrets returns a URL with an ellipsis for each value in its query that is a secret by its name.
func withoutSecrets(text string) string {
	base, query, ok := strings.Cut(text, "?")
	if !ok {
		return text
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil && slices.Contains(secretParameters, strings.ToLower(plain)) {
			pairs[i] = name + "=…"
		}
	}
	return base + "?" + strings.Join(pairs, "&")
}

// newDestination is what d could be made of again, secrets included.
func newDestination(d bellhop.Destination) NewDestination {
	of := NewDestination{
		Name: d.Name, Type: d.Type, URL: d.URL, Settings: readSettings(d.Settings), Access: readAccess(d.Access),
		Match:   Match{Sources: append([]string{}, d.Match.Sources...), Types: append([]string{}, d.Match.Types...), Where: d.Match.Where},
		Timeout: duration(d.Timeout), Concurrency: d.Concurrency, Rate: rateOf(d.Rate).plain(), Batch: batchOf(d.Batch),
		Order: string(cmp.Or(d.Order, bellhop.OrderNone)), Retry: retryOf(d.Retry), Breaker: breakerOf(d.Breaker), Handshake: d.Handshake,
	}
	if !d.ExpiresAt.IsZero() {
		of.ExpiresAt = (*Time)(&d.ExpiresAt)
	}
	return of
}
