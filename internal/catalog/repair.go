package catalog

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
)

// RetryDelivery makes a pending, dead or cancelled delivery due now.
func (c *Catalog) RetryDelivery(ctx context.Context, id string) (bellhop.Delivery, error) {
	d, err := c.opts.Store.RetryDelivery(ctx, id)
	if err != nil {
		return d, err
	}
	c.opts.Engine.Wake(d.DestinationID)
	c.log.Info("delivery.retried", "delivery_id", d.ID, "destination_id", d.DestinationID, "destination",
		c.destinationName(ctx, d.DestinationID))
	return d, nil
}

// CancelDelivery cancels a pending delivery.
func (c *Catalog) CancelDelivery(ctx context.Context, id string) (bellhop.Delivery, error) {
	d, err := c.opts.Store.CancelDelivery(ctx, id)
	if err != nil {
		return d, err
	}
	c.opts.Engine.Wake(d.DestinationID) // a delivery that waited behind it may be due
	c.log.Info("delivery.cancelled", "delivery_id", d.ID, "destination_id", d.DestinationID, "destination",
		c.destinationName(ctx, d.DestinationID))
	return d, nil
}

// destinationName returns the name of a destination for a line of the log: "" for the id "", and if it was deleted.
func (c *Catalog) destinationName(ctx context.Context, id string) string {
	if id == "" {
		return ""
	}
	d, err := c.opts.Store.Destination(ctx, id)
	if err != nil {
		return ""
	}
	return d.Name
}

// Replay makes new deliveries of an event: to the destination of that name or id, or with "" to each that wants
// it now.
func (c *Catalog) Replay(ctx context.Context, eventID, destination string) ([]bellhop.NewDelivery, error) {
	destinationID, err := c.replayDestination(ctx, destination)
	if err != nil {
		return nil, err
	}
	made, err := c.opts.Repairer.Replay(ctx, eventID, destinationID)
	if err != nil {
		return nil, err
	}
	c.log.Info("event.replayed", "event_id", eventID, "destination_id", destinationID, "destination",
		c.destinationName(ctx, destinationID), "deliveries", len(made))
	return made, nil
}

// replayDestination returns the id of the destination of a replay, and "" for "". A paused or unverified
// destination gets the deliveries later; an expired or disabled one might never, so it is refused.
func (c *Catalog) replayDestination(ctx context.Context, idOrName string) (string, error) {
	id, err := c.DestinationID(ctx, idOrName)
	if err != nil || id == "" {
		return "", err
	}
	d, err := c.opts.Store.Destination(ctx, id)
	if isNotFound(err) && idOrName != id {
		return "", bellhop.Conflict("destination " + idOrName + " is deleted: create it again, or name another")
	}
	if isNotFound(err) { // deleted or never there: the repairer knows
		return id, nil
	}
	if err != nil {
		return "", err
	}
	switch {
	case d.State == bellhop.DestinationExpired || !d.ExpiresAt.IsZero() && !c.now().Before(d.ExpiresAt):
		return "", bellhop.Conflict("destination " + d.Name + " has expired: " +
			"give it a later expires_at first, or name another")
	case d.State == bellhop.DestinationDisabled:
		return "", bellhop.Conflict("destination " + d.Name + " is disabled (" + d.StateReason + "): " +
			"resume it first, or name another")
	}
	return id, nil
}

// A RepairOrder is what a person asks of a repair.
type RepairOrder struct {
	Kind bellhop.RepairKind

	// Source is, for a replay, the name or id of a source; see [Catalog.SourceIDs].
	Source string

	// Filter chooses the events or deliveries, without its SourceIDs. DestinationID may be a name.
	Filter bellhop.RepairFilter

	Rate    *float64      // deliveries a second; nil is the default of the kind, 0 is no limit
	All     bool          // required if nothing narrows the choice
	StartIn time.Duration // how long it waits before it begins; until then a cancel leaves no trace
}

// CountRepair checks a repair and counts what it would do. It changes nothing.
func (c *Catalog) CountRepair(ctx context.Context, o RepairOrder) (bellhop.RepairCount, error) {
	o.All = o.All || o.Kind == bellhop.RepairReplay // counting every event is harmless
	r, err := c.repair(ctx, o)
	if err != nil {
		return bellhop.RepairCount{}, err
	}
	return c.opts.Repairer.Count(ctx, r)
}

// BeginRepair checks a repair and starts it, now or after its StartIn.
func (c *Catalog) BeginRepair(ctx context.Context, o RepairOrder) (bellhop.Repair, error) {
	r, err := c.repair(ctx, o)
	if err != nil {
		return r, err
	}
	if r, err = c.opts.Repairer.Begin(ctx, r); err != nil {
		return r, err
	}
	c.log.Info("repair.begun", "repair_id", r.ID, "kind", string(r.Kind),
		"destination_id", r.Filter.DestinationID, "destination", c.destinationName(ctx, r.Filter.DestinationID),
		"rate", r.Rate, "start_in", o.StartIn.String())
	return r, nil
}

// CancelRepair ends a running or waiting repair. Its changes so far stay.
func (c *Catalog) CancelRepair(ctx context.Context, id string) (bellhop.Repair, error) {
	return c.opts.Repairer.Cancel(ctx, id)
}

// repair checks o and returns the repair that it asks for.
func (c *Catalog) repair(ctx context.Context, o RepairOrder) (bellhop.Repair, error) {
	var err error
	o.Filter.Tenant = bellhop.TenantOf(ctx) // it runs in the background, where nobody's tenant narrows it
	if o.Kind == bellhop.RepairReplay {
		err = c.checkReplay(ctx, &o)
	} else {
		err = c.checkRetry(ctx, &o)
	}
	now := c.now()
	return bellhop.Repair{
		ID: c.newID(bellhop.PrefixRepair), Kind: o.Kind, Filter: o.Filter, Rate: repairRate(o), CreatedAt: now,
		StartsAt: now.Add(o.StartIn),
	}, err
}

// checkReplay checks a replay, and puts ids in place of names into its filter.
func (c *Catalog) checkReplay(ctx context.Context, o *RepairOrder) error {
	f := &o.Filter
	var sourceErr, destinationErr, typeErr error
	f.SourceIDs, sourceErr = c.SourceIDs(ctx, o.Source)
	f.DestinationID, destinationErr = c.replayDestination(ctx, f.DestinationID)
	_, whereErr := match.Compile(bellhop.Match{Where: f.Where})
	if _, err := match.Compile(bellhop.Match{Types: []string{f.Type}}); f.Type != "" && err != nil {
		typeErr = bellhop.Invalid("type", `use an event type; a * may stand only at the end, as in "ams.*"`)
	}
	if f.Missed && f.DestinationID == "" && destinationErr == nil {
		destinationErr = bellhop.Invalid("destination", "required with missed: whose events they are")
	}
	err := bellhop.Join("", sourceErr, typeErr, whereErr, destinationErr, checkRange(*f), checkRepairPace(*o))
	if err != nil {
		return err
	}
	narrow := o.Source != "" || f.Type != "" || f.Where != "" || !f.Since.IsZero() || !f.Until.IsZero()
	if !narrow && !o.All {
		return bellhop.Invalid("all", "give source, type, where, since or until, or all: true "+
			"for every event there is")
	}
	return nil
}

// checkRetry checks a retry or a cancel, and puts ids in place of names into its filter.
func (c *Catalog) checkRetry(ctx context.Context, o *RepairOrder) (err error) {
	f := &o.Filter
	var destinationErr error
	f.DestinationID, destinationErr = c.DestinationID(ctx, f.DestinationID)
	err = bellhop.Join("", destinationErr, c.CheckError(f.Error), checkRange(*f), checkRepairPace(*o))
	if err != nil {
		return err
	}
	if f.EventID != "" {
		if _, err := c.opts.Store.Event(ctx, f.EventID); isNotFound(err) {
			return bellhop.Invalid("event", "there is no such event")
		} else if err != nil {
			return err
		}
	}
	if !f.Narrow() && !o.All {
		return bellhop.Invalid("all", "give destination, event, error, since or until, "+
			"or all: true for every delivery that is "+string(f.State))
	}
	return nil
}

// CheckError checks the words of a filter of deliveries by the error of their latest attempt.
func (c *Catalog) CheckError(text string) error {
	further := []string{bellhop.ErrorNacked}
	for _, a := range c.opts.Actions {
		further = append(further, a.Info().Errors...)
	}
	return bellhop.CheckError(text, further)
}

func checkRange(f bellhop.RepairFilter) error {
	if !f.Until.IsZero() && !f.Until.After(f.Since) {
		return bellhop.Invalid("until", "must be later than since")
	}
	return nil
}

// checkRepairPace checks how fast a repair goes and when it begins.
func checkRepairPace(o RepairOrder) error {
	var rateErr, startErr error
	if o.Rate != nil && *o.Rate != 0 && *o.Rate < bellhop.MinRate {
		rateErr = bellhop.Invalid("rate", "use 0, which is no limit, or a number from 0.0003 (one an hour) to 100000")
	}
	if o.StartIn < 0 || o.StartIn > bellhop.MaxRepairDelay {
		startErr = bellhop.Invalid("start_in", `use a length of time up to "1h", such as "10s"`)
	}
	return bellhop.Join("", rateErr, startErr)
}

// repairRate returns the rate of a repair. A cancel makes nothing due, so its default is no limit.
func repairRate(o RepairOrder) float64 {
	switch {
	case o.Rate != nil:
		return *o.Rate
	case o.Kind == bellhop.RepairCancel:
		return 0
	}
	return bellhop.DefaultRepairRate
}
