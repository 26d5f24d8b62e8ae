package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// CreateDestination completes, checks and stores a new destination, and asks its receiver if it has a
// handshake. It returns the destination as stored: active, or unverified with the reason. If the State of d is
// paused, it is stored as paused, and its receiver is asked when it is resumed.
//
// A zero field has its default: Type is http, Timeout and Concurrency are the type's or the gateway's, and so
// are Rate, a nil Retry.Schedule and Handshake. The zero Breaker never opens; it has no default here.
func (c *Catalog) CreateDestination(ctx context.Context, d bellhop.Destination) (bellhop.Destination, error) {
	tenant, tenantErr := c.owner(ctx, d.Tenant)
	d.Tenant = tenant
	d, err := c.newDestination(d, nil, tenantErr, c.checkTenants(ctx, d.Tenants, nil))
	if err != nil {
		return d, err
	}
	err = c.change(ctx, func() error {
		if err := c.roomForDestination(ctx, d.Tenant); err != nil {
			return err
		}
		return c.opts.Store.CreateDestination(ctx, d)
	})
	if err != nil {
		return d, err
	}
	c.log.Info("destination.created", "destination_id", d.ID, "destination", d.Name, "type", d.Type)
	c.logDestinationWarnings(d)
	if d.State == bellhop.DestinationUnverified {
		return c.verify(ctx, d)
	}
	return d, nil
}

// newDestination completes and checks a new destination, and gives it an id, times and the state in which it starts.
// connection finds that of an action, as with [Opener].CheckAmong; tenants are the errors of its tenant and of its
// further ones.
func (c *Catalog) newDestination(d bellhop.Destination, connection provider.ConnectionFinder, tenants ...error) (
	bellhop.Destination, error) {
	d = c.complete(d)
	if err := inFieldOrder(append(tenants, c.checkDestination(d, connection), checkTenantOf(d),
		c.checkExpiry(d, time.Time{}))...); err != nil {
		return d, err
	}
	d.ID = c.newID(bellhop.PrefixDestination)
	if d.State == bellhop.DestinationPaused {
		pause(&d)
	} else {
		c.restart(&d)
	}
	d.CreatedAt = c.now()
	d.UpdatedAt, d.SecretsAt = d.CreatedAt, c.destinationSecretTimes(bellhop.Destination{}, d, d.CreatedAt)
	return d, nil
}

// UpdateDestination completes, checks and stores the successor that change makes of a destination, asks its
// receiver if that may not have agreed to the successor, and returns the destination as stored. An error of
// change is returned as it is. Id, type, state and times are not change's to set, but that it may pause or resume:
// the type defines the settings, and another one might show what this one masks. Stored secrets go to another
// scheme, host or port only if the change says so.
func (c *Catalog) UpdateDestination(
	ctx context.Context, idOrName string, change func(before bellhop.Destination) (DestinationChange, error),
) (after bellhop.Destination, err error) {
	var asks, resumed bool
	err = c.change(ctx, func() error {
		return again(func() error {
			before, err := c.opts.Store.Destination(ctx, idOrName)
			if err != nil {
				return err
			}
			to, err := change(before)
			if err != nil {
				return err
			}
			after, asks, err = c.replace(ctx, before, to)
			resumed = before.State == bellhop.DestinationPaused && after.State != before.State
			return err
		})
	})
	if err != nil {
		return after, err
	}
	c.log.Info("destination.updated", "destination_id", after.ID, "destination", after.Name)
	c.logDestinationWarnings(after)
	if asks {
		after, err = c.verify(ctx, after)
	}
	if err == nil && resumed {
		c.opts.Engine.Wake(after.ID)
	}
	return after, err
}

// replace stores the successor of before. It reports whether the receiver has to be asked: the receiver is
// another one, or may not have agreed to the destination as it is now. The caller holds changing.
func (c *Catalog) replace(
	ctx context.Context, before bellhop.Destination, to DestinationChange,
) (after bellhop.Destination, asks bool, err error) {
	after, restarts, asks, err := c.succeedDestination(before, to, nil,
		c.checkTenants(ctx, to.After.Tenants, before.Tenants))
	switch {
	case err != nil:
	case restarts:
		err = c.opts.Store.RestartDestination(ctx, after, before.UpdatedAt)
	default:
		err = c.opts.Store.UpdateDestination(ctx, after, before.UpdatedAt)
	}
	return after, asks, err
}

// succeedDestination completes and checks the successor of a destination, and gives it what is not its to set. It
// reports whether it begins anew, and whether its receiver has to be asked. connection finds that of an action, as
// with [Opener].CheckAmong; tenants is the error of its further tenants.
func (c *Catalog) succeedDestination(before bellhop.Destination, to DestinationChange,
	connection provider.ConnectionFinder, tenants error) (
	after bellhop.Destination, restarts, asks bool, err error) {
	after = to.After
	after.Type = cmp.Or(after.Type, bellhop.TypeHTTP)
	if after.Type != before.Type {
		return after, false, false, bellhop.Invalid("type", "cannot be changed")
	}
	after.ID, after.Tenant = before.ID, before.Tenant
	after.State, after.StateReason, after.Granted = before.State, before.StateReason, before.Granted
	after.CreatedAt, after.FailingSince = before.CreatedAt, time.Time{}
	after = c.complete(after)
	if err := inFieldOrder(c.checkDestination(after, connection), c.checkExpiry(after, before.ExpiresAt),
		c.checkMove(before, to), tenants); err != nil {
		return after, false, false, err
	}
	after.UpdatedAt = c.changedAt(before.UpdatedAt)
	after.SecretsAt = c.destinationSecretTimes(before, after, c.now())
	renewed := before.State == bellhop.DestinationExpired &&
		(after.ExpiresAt.IsZero() || after.ExpiresAt.After(after.UpdatedAt))
	// The receiver may have agreed to the settings, so a handshake depends on them too.
	another := renewed || before.URL != after.URL || before.Handshake != after.Handshake ||
		after.NeedsHandshake() && string(before.Settings) != string(after.Settings)
	switched := to.Paused != nil && *to.Paused != (before.State == bellhop.DestinationPaused)
	switch {
	case switched && before.State == bellhop.DestinationExpired && !renewed:
		return after, false, false, errExpired
	case !another && !switched:
		return after, false, false, nil
	}
	after.Granted = bellhop.Rate{}
	switch {
	case switched && *to.Paused:
		pause(&after)
	case switched, renewed, before.State == bellhop.DestinationUnverified, before.State == bellhop.DestinationActive:
		c.restart(&after) // a paused or disabled destination is asked when it is resumed
	}
	return after, true, after.State == bellhop.DestinationUnverified, nil
}

// logDestinationWarnings logs the weaknesses of d.
func (c *Catalog) logDestinationWarnings(d bellhop.Destination) {
	if warnings := c.DestinationWarnings(d); len(warnings) > 0 {
		c.log.Warn("destination.weak", "destination_id", d.ID, "destination", d.Name, "warnings", warnings)
	}
}

// DeleteDestination deletes a destination that allowed, unless it is nil, returns no error for. The store cancels its
// pending deliveries.
func (c *Catalog) DeleteDestination(
	ctx context.Context, idOrName string, allowed func(bellhop.Destination) error,
) error {
	return c.change(ctx, func() error {
		return again(func() error {
			d, err := c.opts.Store.Destination(ctx, idOrName)
			if err == nil && allowed != nil {
				err = allowed(d)
			}
			if err == nil {
				err = c.opts.Store.DeleteDestination(ctx, d.ID, d.UpdatedAt)
			}
			if err != nil {
				return err
			}
			c.log.Info("destination.deleted", "destination_id", d.ID, "destination", d.Name)
			return nil
		})
	})
}

// errExpired answers a pause or a resume of an expired destination.
var errExpired = bellhop.Conflict("the destination has expired: set expires_at to a later time, " +
	"or to null for never; it goes on then")

// PauseDestination holds the deliveries of a destination back until it is resumed.
func (c *Catalog) PauseDestination(ctx context.Context, idOrName string) (bellhop.Destination, error) {
	return c.setState(ctx, idOrName, pause)
}

// pause sets the state of a destination that a person paused.
func pause(d *bellhop.Destination) { d.State, d.StateReason = bellhop.DestinationPaused, "by a person" }

// ResumeDestination makes a paused or disabled destination active. If it has a handshake, its receiver is asked
// first. An active destination stays active.
func (c *Catalog) ResumeDestination(ctx context.Context, idOrName string) (bellhop.Destination, error) {
	d, err := c.setState(ctx, idOrName, func(d *bellhop.Destination) {
		if d.State != bellhop.DestinationActive {
			c.restart(d)
		}
	})
	if err == nil && d.State == bellhop.DestinationUnverified {
		d, err = c.verify(ctx, d)
	}
	if err != nil {
		return d, err
	}
	c.opts.Engine.Wake(d.ID)
	return d, nil
}

// setState stores the state that set gives to a destination. If the state is the same as before, the
// destination is not changed.
func (c *Catalog) setState(
	ctx context.Context, idOrName string, set func(d *bellhop.Destination),
) (d bellhop.Destination, err error) {
	err = c.change(ctx, func() error {
		if d, err = c.opts.Store.Destination(ctx, idOrName); err != nil {
			return err
		}
		if d.State == bellhop.DestinationExpired {
			return errExpired
		}
		before := d
		set(&d)
		if d.State == before.State {
			d = before
			return nil
		}
		d.UpdatedAt = c.now()
		if err := c.opts.Store.SetDestinationState(ctx, d.ID, d.State, d.StateReason); err != nil {
			return err
		}
		c.log.Info("destination."+string(d.State), "destination_id", d.ID, "destination", d.Name)
		return nil
	})
	return d, err
}

// CheckDestination completes and checks d as CreateDestination does, without storing it. found are field errors
// that the caller found when it read d; CheckDestination returns them among its own, in the order of the
// fields.
func (c *Catalog) CheckDestination(d bellhop.Destination, found error) (bellhop.Destination, error) {
	return c.checkComplete(d, nil, found)
}

// checkComplete is CheckDestination with connection, which finds that of an action, as with [Opener].CheckAmong.
func (c *Catalog) checkComplete(d bellhop.Destination, connection provider.ConnectionFinder, found error) (
	bellhop.Destination, error) {
	d = c.complete(d)
	return d, inFieldOrder(found, c.checkDestination(d, connection))
}

// StandardDestination returns the destination that has the name, the type, the URL and the settings of d, and the
// default of everything else.
func (c *Catalog) StandardDestination(d bellhop.Destination) bellhop.Destination {
	return c.complete(bellhop.Destination{Name: d.Name, Type: d.Type, URL: d.URL, Settings: d.Settings,
		Breaker: bellhop.DefaultBreaker})
}

// complete fills the zero fields of d with their defaults.
func (c *Catalog) complete(d bellhop.Destination) bellhop.Destination {
	d.Type = cmp.Or(d.Type, bellhop.TypeHTTP)
	info, _ := c.destinationType(d.Type)
	d.Timeout = cmp.Or(d.Timeout, info.Timeout, bellhop.DefaultTimeout)
	d.Concurrency = cmp.Or(d.Concurrency, info.Concurrency, bellhop.DefaultConcurrency)
	d.Order = cmp.Or(d.Order, bellhop.OrderNone)
	switch {
	case d.Rate.IsZero():
		d.Rate = bellhop.PerSecond(info.Rate)
	case d.Rate.Burst == 0:
		d.Rate.Burst = bellhop.PerSecond(d.Rate.PerSecond).Burst
	}
	if d.Retry.Schedule == nil {
		d.Retry.Schedule = bellhop.SchedulePresets[cmp.Or(info.Schedule, "default")]
	}
	if d.Handshake == "" {
		d.Handshake = c.opts.Opener.DefaultHandshake(d)
	}
	return d
}

// checkDestination checks a complete destination, all but its expiry. connection finds that of an action, as with
// [Opener].CheckAmong.
func (c *Catalog) checkDestination(d bellhop.Destination, connection provider.ConnectionFinder) error {
	masked := bellhop.Join("", bellhop.Join("settings", c.destinationSecrets(d.Type).refuseMasks(d.Settings)),
		bellhop.Join("access", accessSecrets.refuseMasks(d.Access)))
	if masked != nil {
		return masked
	}
	var timeout error
	info, known := c.destinationType(d.Type)
	if most := cmp.Or(info.MaxTimeout, bellhop.MaxTimeout); d.Timeout < bellhop.MinTimeout || d.Timeout > most {
		timeout = bellhop.Invalid("timeout", `use a length of time from 10ms to `+DurationText(most)+`, such as "5s"`)
	}
	var opened error
	if known {
		opened = c.opts.Opener.CheckAmong(d, connection)
	} else {
		opened = bellhop.Invalid("type", "there is no such type; the types are "+c.typeNames())
	}
	var rate, batch error
	if !d.Rate.IsZero() {
		rate = d.Rate.Check()
	}
	if !d.Batch.IsZero() {
		batch = d.Batch.Check()
	}
	return bellhop.Join("", bellhop.CheckName(d.Name), timeout, opened,
		bellhop.Join("rate", rate), bellhop.Join("batch", batch))
}

// checkExpiry checks when d expires, unless that is the same time as before.
func (c *Catalog) checkExpiry(d bellhop.Destination, before time.Time) error {
	if d.ExpiresAt.IsZero() || d.ExpiresAt.Equal(before) {
		return nil
	}
	now := c.now()
	if !d.ExpiresAt.After(now) {
		return bellhop.Invalid("expires_at", "is in the past; use a later time, or null for never")
	}
	if p, ok := c.provider(d.Type); ok {
		if most := p.Info().MaxLifetime; most > 0 && d.ExpiresAt.Sub(now) > most {
			return bellhop.Invalid("expires_at", fmt.Sprintf("a destination of type %s lives for at most %d days; "+
				"a PATCH of expires_at renews it", d.Type, most/(24*time.Hour)))
		}
	}
	return nil
}

// destinationFields are the fields of a destination in the order in which its errors are listed.
var destinationFields = []string{"name", "type", "url", "settings", "access", "match", "timeout",
	"concurrency", "rate", "batch", "order", "retry", "breaker", "expires_at", "handshake", "tenant", "tenants",
	"paused"}

// inFieldOrder joins errors of a destination, and sorts the field errors by destinationFields. Errors of the
// same field keep their order.
func inFieldOrder(errs ...error) error {
	err := bellhop.Join("", errs...)
	var e *bellhop.Error
	if errors.As(err, &e) {
		place := func(f bellhop.FieldError) int {
			end := strings.IndexAny(f.Path+".", ".[")
			return slices.Index(destinationFields, f.Path[:end])
		}
		slices.SortStableFunc(e.Fields, func(a, b bellhop.FieldError) int { return cmp.Compare(place(a), place(b)) })
	}
	return err
}

// MaskDestination returns d with its secrets masked, in its settings, its access and its URL. If d is active
// but cannot be opened, its StateReason says why.
func (c *Catalog) MaskDestination(d bellhop.Destination) bellhop.Destination {
	if why := c.opts.Engine.Closed(d.ID); why != "" && d.State == bellhop.DestinationActive {
		d.StateReason = "it gets nothing, because it cannot be opened: " + why
	}
	d.URL = c.maskURL(d)
	d.Settings = c.destinationSecrets(d.Type).mask(d.Settings, settingsPrefix, d.SecretsAt)
	if len(d.Access) > 0 {
		d.Access = accessSecrets.mask(d.Access, accessPrefix, d.SecretsAt)
	}
	return d
}

// KeepDestinationSecrets removes from patch, a merge patch of d, each secret that is masked, so that the stored
// secret stays. It returns the paths of the secrets that patch sets. A patch that sets the secret and not its end ends
// the grace of a rotation.
func (c *Catalog) KeepDestinationSecrets(d bellhop.Destination, patch map[string]any) (given []string) {
	if patch["url"] == c.maskURL(d) {
		delete(patch, "url")
	}
	if access, ok := patch["access"].(map[string]any); ok {
		accessSecrets.keep(access)
		given = accessSecrets.given(access, "access.")
	}
	if settings, ok := patch["settings"].(map[string]any); ok {
		secret := c.destinationSecrets(d.Type)
		secret.keep(settings)
		given = append(given, secret.given(settings, "settings.")...)
		endGrace(settings)
	}
	return given
}

// DurationText writes d in its short form: 5m, not 5m0s.
func DurationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
