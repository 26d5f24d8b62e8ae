package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
)

// MaxConfigBytes is the largest body of a request with a configuration.
const MaxConfigBytes = 16 << 20

func (s *server) configs() {
	handle(s, op{http.MethodGet, "/config", "export-config", "Export all nouns as a configuration", 0}, s.exportConfig)
	for _, o := range []struct {
		op
		run func(context.Context, catalog.Config) (catalog.Plan, error)
	}{
		{op{http.MethodPost, "/config/plan", "plan-config", "Show what a configuration would change", 0},
			s.planConfig},
		{op{http.MethodPost, "/config/apply", "apply-config", "Make the nouns those of a configuration", 0},
			s.applyConfig},
	} {
		operation := o.huma()
		operation.MaxBodyBytes = MaxConfigBytes + 1
		register(s, operation, func(ctx context.Context, in *struct{ Body client.ConfigRequest }) (
			*bodyOf[client.ConfigPlan], error) {
			changes, warnings, err := s.compareSettings(in.Body.Settings)
			if err != nil {
				return nil, err
			}
			cfg := ReadConfig(in.Body.Config)
			cfg.Prune, cfg.By = in.Body.Prune, principalName(ctx)
			plan, err := o.run(ctx, cfg)
			if err != nil {
				return nil, err
			}
			plan.Warnings = append(warnings, plan.Warnings...)
			shown, err := s.planJSON(plan)
			shown.Settings = changes
			return &bodyOf[client.ConfigPlan]{shown}, err
		})
	}
}

func (s *server) planConfig(ctx context.Context, cfg catalog.Config) (catalog.Plan, error) {
	return s.Catalog.PlanConfig(ctx, cfg)
}

func (s *server) applyConfig(ctx context.Context, cfg catalog.Config) (catalog.Plan, error) {
	return s.Catalog.ApplyConfig(ctx, cfg)
}

// compareSettings compares the settings of serve with those of a configuration, if it has any. Paths are within the
// configuration.
func (s *server) compareSettings(file client.Settings) (changes []client.SettingChange, warnings []bellhop.FieldError,
	err error) {
	if file != nil && s.Serve != nil {
		changes, warnings, err = s.Serve.Compare(file)
	}
	for i := range warnings {
		warnings[i].Path = "settings." + warnings[i].Path
	}
	return append([]client.SettingChange{}, changes...), warnings, bellhop.Join("settings", err)
}

// ReadConfig returns the nouns of a configuration. A value that cannot be read is a fault of its noun.
func ReadConfig(in client.Config) catalog.Config {
	var cfg catalog.Config
	cfg.Tenants = declare("tenants", in.Tenants, func(t client.NewTenant) (bellhop.Tenant, error) {
		return bellhop.Tenant{Name: t.Name, Limits: limitsOf(t.Limits)}, nil
	})
	cfg.Connections = declare("connections", in.Connections, connectionOf)
	cfg.Sources = declare("sources", in.Sources, sourceOf)
	cfg.Destinations = declare("destinations", in.Destinations, destinationOf)
	cfg.Subscriptions = declare("subscriptions", in.Subscriptions,
		func(n client.NewSubscription) (catalog.DeclaredSubscription, error) {
			sub, err := subscriptionOf(n)
			return catalog.DeclaredSubscription{Subscription: sub, Source: n.Source, Connection: n.Connection}, err
		})
	cfg.Keys = declare("keys", in.Keys, func(n client.DeclaredKey) (catalog.DeclaredKey, error) {
		return catalog.DeclaredKey{Key: keyOf(n.NewKey), Text: n.Key}, nil
	})
	return cfg
}

// declare reads each noun of a list of a configuration.
func declare[In, Out any](member string, list []In, read func(In) (Out, error)) []catalog.Declared[Out] {
	declared := make([]catalog.Declared[Out], len(list))
	for i, in := range list {
		noun, err := read(in)
		declared[i] = catalog.Declared[Out]{Path: fmt.Sprintf("%s[%d]", member, i), Noun: noun, Fault: err}
	}
	return declared
}

// planJSON returns a plan in its JSON form.
func (s *server) planJSON(plan catalog.Plan) (client.ConfigPlan, error) {
	shown := client.ConfigPlan{Changes: []client.ConfigChange{}, Left: []client.ConfigChange{}, Same: plan.Same,
		Warnings: []client.FieldError{}}
	for _, w := range plan.Warnings {
		shown.Warnings = append(shown.Warnings, client.FieldError(w))
	}
	for _, each := range []struct {
		steps []catalog.Step
		to    *[]client.ConfigChange
	}{{plan.Steps, &shown.Changes}, {plan.Left, &shown.Left}} {
		for _, step := range each.steps {
			change := client.ConfigChange{Noun: step.Kind, Name: step.Name, ID: step.ID, Change: step.Change,
				Note: step.Note, Key: step.Key}
			if step.Change == catalog.StepUpdate || step.Change == catalog.StepReplace {
				var err error
				if change.Members, err = s.memberChanges(step.Before, step.After); err != nil {
					return shown, err
				}
			}
			*each.to = append(*each.to, change)
		}
	}
	return shown, nil
}

// memberChanges returns the members in which two versions of a noun differ. The values of secrets are not shown.
func (s *server) memberChanges(before, after any) ([]client.MemberChange, error) {
	var objects [4]map[string]any
	for i, v := range []any{s.declaration(before, false), s.declaration(after, false), s.declaration(before, true),
		s.declaration(after, true)} {
		var err error
		if objects[i], err = members(v); err != nil {
			return nil, err
		}
	}
	return differences("", objects[0], objects[1], objects[2], objects[3]), nil
}

// declaration returns a noun in the form in which a configuration declares it, with its secrets or with masks.
func (s *server) declaration(noun any, masked bool) any {
	switch n := noun.(type) {
	case bellhop.Source:
		if masked {
			n = s.Catalog.MaskSource(n)
		}
		return newSource(n)
	case bellhop.Connection:
		if masked {
			n = s.Catalog.MaskConnection(n)
		}
		return newConnection(n)
	case bellhop.Destination:
		if masked {
			n = s.Catalog.MaskDestination(n)
		}
		return newDestination(n)
	case bellhop.Tenant:
		return newTenant(n)
	case bellhop.Subscription:
		return newSubscription(n)
	case bellhop.Key:
		return newKey(n)
	}
	return struct{}{}
}

// differences compares two values at a path. shownBefore and shownAfter are the same with masks in place of secrets.
func differences(path string, before, after, shownBefore, shownAfter any) (changes []client.MemberChange) {
	if reflect.DeepEqual(before, after) {
		return nil
	}
	if isMaskedSecret(shownBefore) || isMaskedSecret(shownAfter) {
		return []client.MemberChange{{Path: path, Secret: true}}
	}
	b, isObject := before.(map[string]any)
	a, alsoObject := after.(map[string]any)
	if isObject && (alsoObject || after == nil) || alsoObject && before == nil {
		sb, _ := shownBefore.(map[string]any)
		sa, _ := shownAfter.(map[string]any)
		names := slices.Sorted(maps.Keys(b))
		for name := range a {
			if _, ok := b[name]; !ok {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			inner := name
			if path != "" {
				inner = path + "." + name
			}
			changes = append(changes, differences(inner, b[name], a[name], sb[name], sa[name])...)
		}
		return changes
	}
	if reflect.DeepEqual(shownBefore, shownAfter) { // as of a URL with a secret in it
		return []client.MemberChange{{Path: path, Secret: true}}
	}
	return []client.MemberChange{{Path: path, Before: shownBefore, After: shownAfter}}
}

// isMaskedSecret reports whether v is the mask of a secret.
func isMaskedSecret(v any) bool {
	object, ok := v.(map[string]any)
	_, hasTime := object["set_at"]
	return ok && len(object) <= 3 && object["set"] == true && hasTime
}

// exportConfig answers with the settings of serve and with all nouns, by name, without values that are the default.
func (s *server) exportConfig(ctx context.Context, _ *struct{}) (*bodyOf[client.Config], error) {
	var out client.Config
	if s.Serve != nil {
		if given := s.Serve.Given(); len(given) > 0 {
			out.Settings = given
		}
	}
	tenants, err := export(ctx, s.Store.Tenants, func(t bellhop.Tenant) string { return t.Name })
	if err != nil {
		return nil, err
	}
	for _, t := range tenants {
		out.Tenants = append(out.Tenants, newTenant(t))
	}
	connections, err := export(ctx, func(ctx context.Context, page bellhop.Page) ([]bellhop.Connection,
		string, error) {
		return s.Store.Connections(ctx, bellhop.ConnectionFilter{}, page)
	}, func(n bellhop.Connection) string { return n.Name })
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, n := range connections {
		names[n.ID] = n.Name
		out.Connections = append(out.Connections, newConnection(s.Catalog.MaskConnection(n)))
	}
	sources, err := export(ctx, func(ctx context.Context, page bellhop.Page) ([]bellhop.Source, string, error) {
		return s.Store.Sources(ctx, bellhop.SourceFilter{}, page)
	}, func(n bellhop.Source) string { return n.Name })
	if err != nil {
		return nil, err
	}
	for _, n := range sources {
		names[n.ID] = n.Name
		out.Sources = append(out.Sources, newSource(s.Catalog.MaskSource(n)))
	}
	destinations, err := export(ctx, func(ctx context.Context, page bellhop.Page) ([]bellhop.Destination,
		string, error) {
		return s.Store.Destinations(ctx, bellhop.DestinationFilter{}, page)
	}, func(n bellhop.Destination) string { return n.Name })
	if err != nil {
		return nil, err
	}
	for _, n := range destinations {
		d, err := s.plainDestination(n)
		if err != nil {
			return nil, err
		}
		out.Destinations = append(out.Destinations, d)
	}
	subs, err := export(ctx, func(ctx context.Context, page bellhop.Page) ([]bellhop.Subscription, string, error) {
		return s.Store.Subscriptions(ctx, bellhop.SubscriptionFilter{}, page)
	}, func(n bellhop.Subscription) string { return n.Name })
	if err != nil {
		return nil, err
	}
	for _, n := range subs {
		declared := newSubscription(n)
		declared.Source, declared.Connection = names[n.SourceID], names[n.ConnectionID]
		if !n.Deleting && declared.Source != "" && declared.Connection != "" { // of no use without them
			out.Subscriptions = append(out.Subscriptions, declared)
		}
	}
	keys, err := export(ctx, func(ctx context.Context, page bellhop.Page) ([]bellhop.Key, string, error) {
		return s.Store.Keys(ctx, bellhop.KeyFilter{}, page)
	}, func(k bellhop.Key) string { return k.Name })
	for _, k := range keys {
		out.Keys = append(out.Keys, client.DeclaredKey{NewKey: newKey(k)})
	}
	return &bodyOf[client.Config]{out}, err
}

// export reads a whole list, sorted by name.
func export[T any](ctx context.Context, list func(context.Context, bellhop.Page) ([]T, string, error),
	name func(T) string) ([]T, error) {
	all, err := catalog.ReadAll(ctx, list)
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(name(a), name(b)) })
	return all, err
}

// plainDestination returns the values of d that are not the default, with masks in place of secrets.
func (s *server) plainDestination(d bellhop.Destination) (plain client.NewDestination, err error) {
	given, err := members(newDestination(s.Catalog.MaskDestination(d)))
	if err != nil {
		return plain, err
	}
	standard, err := members(newDestination(s.Catalog.StandardDestination(d)))
	if err != nil {
		return plain, err
	}
	for name, value := range given {
		always := name == "name" || name == "type" || name == "url" || name == "settings" ||
			name == "tenant"
		if !always && reflect.DeepEqual(value, standard[name]) {
			delete(given, name)
		}
	}
	raw, err := json.Marshal(given)
	if err == nil {
		err = json.Unmarshal(raw, &plain)
	}
	return plain, err
}

// newTenant returns the values from which t could be created again.
func newTenant(t bellhop.Tenant) client.NewTenant {
	return client.NewTenant{Name: t.Name, Limits: client.TenantLimits{Events: givenRate(t.Limits.Events),
		StoredBytes: t.Limits.StoredBytes, Destinations: t.Limits.Destinations}}
}

// newSubscription returns the values from which sub could be created again, but for its source and its connection.
func newSubscription(sub bellhop.Subscription) client.NewSubscription {
	return client.NewSubscription{Name: sub.Name, Provider: sub.Provider, Resource: sub.Resource,
		ChangeTypes: sub.ChangeTypes, Settings: readSettings(sub.Settings),
		ExpectEvery: expectEveryText(sub.ExpectEvery)}
}

// newKey returns the values from which k could be created again, but for its text.
func newKey(k bellhop.Key) client.NewKey {
	return client.NewKey{Name: k.Name, Scope: string(k.Scope), Tenant: k.Tenant,
		ExpiresAt: client.Time{Time: k.ExpiresAt}}
}

// keyOf returns the key with the values of in.
func keyOf(in client.NewKey) bellhop.Key {
	return bellhop.Key{Name: in.Name, Scope: bellhop.Scope(in.Scope), Tenant: in.Tenant, ExpiresAt: in.ExpiresAt.Time}
}
