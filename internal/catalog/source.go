package catalog

import (
	"context"
	"fmt"
	"net/url"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// CreateSource checks and stores a new source. It sets the id and the times, and returns the source as stored.
func (c *Catalog) CreateSource(ctx context.Context, src bellhop.Source) (bellhop.Source, error) {
	tenant, tenantErr := c.owner(ctx, src.Tenant)
	if tenantErr == nil {
		src.Tenant = tenant
	}
	src, err := c.newSource(src, tenantErr)
	if err != nil {
		return src, err
	}
	return src, c.change(ctx, func() error {
		if err := c.opts.Store.CreateSource(ctx, src); err != nil {
			return err
		}
		c.log.Info("source.created", "source_id", src.ID, "source", src.Name, "provider", src.Provider)
		c.logSourceWarnings(src)
		return nil
	})
}

// newSource checks a new source, and gives it an id and times. tenantErr is the error of its tenant.
func (c *Catalog) newSource(src bellhop.Source, tenantErr error) (bellhop.Source, error) {
	if err := bellhop.Join("", c.checkSource(src), tenantErr); err != nil {
		return src, err
	}
	src.ID = c.newID(bellhop.PrefixSource)
	src.CreatedAt = c.now()
	src.UpdatedAt, src.SecretsAt = src.CreatedAt, c.sourceSecretTimes(bellhop.Source{}, src, src.CreatedAt)
	return src, nil
}

// succeedSource checks the successor of a source, and gives it what is not its to set.
func (c *Catalog) succeedSource(before, after bellhop.Source) (bellhop.Source, error) {
	if after.Provider != before.Provider {
		return after, bellhop.Invalid("provider", "cannot be changed")
	}
	after.ID, after.Tenant = before.ID, before.Tenant
	after.CreatedAt = before.CreatedAt
	if err := c.checkSource(after); err != nil {
		return after, err
	}
	after.UpdatedAt = c.changedAt(before.UpdatedAt)
	after.SecretsAt = c.sourceSecretTimes(before, after, c.now())
	return after, nil
}

// A SourceChange is what an update of a source did.
type SourceChange struct {
	Source   bellhop.Source
	Followed []string // of another name: the destinations whose match named the source by its old one, and follow it
	Warnings []string // of another name: the destinations that may not follow, in sentences
}

// UpdateSource stores the successor that change makes of a source, and returns it. An error of change is
// returned as it is. Id, provider and times are not change's to set: a provider defines the settings, and
// another one might show what this one masks. Destinations that name the source follow to another name.
func (c *Catalog) UpdateSource(
	ctx context.Context, idOrName string, change func(before bellhop.Source) (bellhop.Source, error),
) (done SourceChange, err error) {
	err = c.change(ctx, func() error {
		return again(func() (err error) {
			done, err = c.updateSource(ctx, idOrName, change)
			return err
		})
	})
	return done, err
}

// updateSource is UpdateSource. The caller holds changing.
func (c *Catalog) updateSource(
	ctx context.Context, idOrName string, change func(before bellhop.Source) (bellhop.Source, error),
) (done SourceChange, err error) {
	before, err := c.opts.Store.Source(ctx, idOrName)
	if err != nil {
		return done, err
	}
	after, err := change(before)
	if err == nil {
		after, err = c.succeedSource(before, after)
	}
	if err != nil {
		return done, err
	}
	done.Source = after
	if after.Name != before.Name {
		if done.Warnings, err = c.warnOfRename(ctx, before.Name); err != nil {
			return done, err
		}
	}
	if done.Followed, err = c.opts.Store.UpdateSource(ctx, after, before.UpdatedAt); err != nil {
		return done, err
	}
	c.log.Info("source.updated", "source_id", after.ID, "source", after.Name, "followed", len(done.Followed))
	c.logSourceWarnings(after)
	return done, nil
}

// warnOfRename returns a warning for each destination whose where may compare the source of an event with name, which
// a source loses. No expression is rewritten.
func (c *Catalog) warnOfRename(ctx context.Context, name string) (warnings []string, err error) {
	for page := (bellhop.Page{Limit: bellhop.MaxPage}); ; {
		list, next, err := c.opts.Store.Destinations(ctx, bellhop.DestinationFilter{}, page)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			if match.ComparesSource(d.Match.Where, name) {
				warnings = append(warnings, "the where of destination "+d.Name+" compares source, and may mean the "+
					"old name "+
					name+": it was not changed")
			}
		}
		if next == "" {
			return warnings, nil
		}
		page.Cursor = next
	}
}

// DeleteSource deletes a source that allowed, unless it is nil, returns no error for. Its events stay stored.
func (c *Catalog) DeleteSource(ctx context.Context, idOrName string, allowed func(bellhop.Source) error) error {
	return c.change(ctx, func() error {
		return again(func() error {
			src, err := c.opts.Store.Source(ctx, idOrName)
			if err == nil && allowed != nil {
				err = allowed(src)
			}
			if err == nil {
				err = c.opts.Store.DeleteSource(ctx, src.ID, src.UpdatedAt)
			}
			if err != nil {
				return err
			}
			c.log.Info("source.deleted", "source_id", src.ID, "source", src.Name)
			return nil
		})
	})
}

// maxCounted bounds how many deliveries of each state CheckSettled counts.
const maxCounted = 40 * bellhop.MaxPage

// CheckSettled returns CodeConflict, with their number, if deliveries of the events of a source are pending or under
// way: whoever deletes the source probably does not know of them. They would still be made.
func (c *Catalog) CheckSettled(ctx context.Context, src bellhop.Source) error {
	pending, err := c.pendingOf(ctx, src, maxCounted)
	if err != nil || pending == "" {
		return err
	}
	return bellhop.Conflict("source " + src.Name + ": " + pending + "; cancel them or wait for them, or delete " +
		"it by force: then they are still made")
}

// pendingOf says how many deliveries of the events of a source are pending or under way, of each at most about limit;
// "" if there are none.
func (c *Catalog) pendingOf(ctx context.Context, src bellhop.Source, limit int) (words string, err error) {
	n, all := 0, true
	for _, state := range []bellhop.DeliveryState{bellhop.DeliveryLeased, bellhop.DeliveryPending} {
		filter := bellhop.DeliveryFilter{State: state, SourceIDs: []string{src.ID}}
		counted, whole, err := c.countDeliveries(ctx, filter, limit)
		if err != nil {
			return "", err
		}
		n, all = n+counted, all && whole
	}
	switch {
	case n == 0 && all:
		return "", nil
	case n == 0:
		return "too many deliveries are pending to look through them in time for those of its events", nil
	case n == 1 && all:
		return "1 delivery of its events is pending", nil
	case n == 1:
		return "at least 1 delivery of its events is pending", nil
	case all:
		return fmt.Sprintf("%d deliveries of its events are pending", n), nil
	}
	return fmt.Sprintf("at least %d deliveries of its events are pending", n), nil
}

// countDeliveries counts the deliveries that f selects, no page more once they are limit, and for as long as one
// search may take. whole is false if there may be more.
func (c *Catalog) countDeliveries(ctx context.Context, f bellhop.DeliveryFilter, limit int) (n int, whole bool,
	err error) {
	page := bellhop.Page{Limit: min(limit, bellhop.MaxPage)}
	for n < limit {
		list, next, err := c.opts.Store.Deliveries(ctx, f, page)
		if err != nil {
			return n, false, err
		}
		n += len(list)
		if next == "" || len(list) < page.Limit {
			return n, next == "", nil
		}
		page.Cursor = next
	}
	return n, false, nil
}

// URLQuery returns the query that the provider of src has to add to its URL, with the name of a setting in place of
// the secret: "code={query_secret}". It is "" for a source that wants none.
func (c *Catalog) URLQuery(src bellhop.Source) string {
	p, _ := c.provider(src.Provider)
	prover, ok := p.(provider.QueryProver)
	if !ok {
		return ""
	}
	parameter, setting := prover.QueryProof(src.Settings)
	if parameter == "" {
		return ""
	}
	return url.QueryEscape(parameter) + "={" + setting + "}"
}

// checkSource checks src, and has its provider open the settings.
func (c *Catalog) checkSource(src bellhop.Source) error {
	if err := c.sourceSecrets(src.Provider).refuseMasks(src.Settings); err != nil {
		return bellhop.Join("settings", err)
	}
	name := bellhop.CheckName(src.Name)
	if src.Name == bellhop.SourceAPI || src.Name == bellhop.SourceSelf {
		name = bellhop.Invalid("name", "the names api and bellhop are reserved; use another name")
	}
	p, ok := c.provider(src.Provider)
	if !ok {
		unknown := bellhop.Invalid("provider", "there is no such provider; the providers are "+c.providerNames())
		return bellhop.Join("", name, unknown)
	}
	_, err := p.Open(c.opts.Env, src.Settings)
	err = bellhop.Join("settings", err)
	if src.Reply != nil {
		_, replyErr := match.OpenReply(*src.Reply)
		err = bellhop.Join("", err, bellhop.Join("reply", replyErr))
	}
	return bellhop.Join("", name, err, bellhop.Join("retention", src.Retention.Check()))
}

// logSourceWarnings logs the weaknesses of src.
func (c *Catalog) logSourceWarnings(src bellhop.Source) {
	if warnings := c.SourceWarnings(src); len(warnings) > 0 {
		c.log.Warn("source.weak", "source_id", src.ID, "source", src.Name, "warnings", warnings)
	}
}

// MaskSource returns src with its secrets masked.
func (c *Catalog) MaskSource(src bellhop.Source) bellhop.Source {
	src.Settings = c.sourceSecrets(src.Provider).mask(src.Settings, settingsPrefix, src.SecretsAt)
	return src
}

// KeepSourceSecrets removes each masked secret from patch, a merge patch of src, so that the stored secret stays.
func (c *Catalog) KeepSourceSecrets(src bellhop.Source, patch map[string]any) {
	if settings, ok := patch["settings"].(map[string]any); ok {
		c.sourceSecrets(src.Provider).keep(settings)
	}
}
