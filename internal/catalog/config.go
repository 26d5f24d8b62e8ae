package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// This file compares the nouns that a configuration declares with those of the store, and makes the store's those of
// the configuration: all of them in one transaction, or none. config_kinds.go has what is of one kind of noun alone.

// ConfigStore keeps what configurations declare.
type ConfigStore interface {
	Tenants(ctx context.Context, page bellhop.Page) (list []bellhop.Tenant, next string, err error)
	Sources(ctx context.Context, f bellhop.SourceFilter,
		page bellhop.Page) (list []bellhop.Source, next string, err error)
	Connections(ctx context.Context, f bellhop.ConnectionFilter,
		page bellhop.Page) (list []bellhop.Connection, next string, err error)
	Subscriptions(ctx context.Context, f bellhop.SubscriptionFilter,
		page bellhop.Page) (list []bellhop.Subscription, next string, err error)
	Keys(ctx context.Context, f bellhop.KeyFilter, page bellhop.Page) (list []bellhop.Key, next string, err error)
	// Declared returns the ids of the nouns that configurations made. Some may have been deleted since.
	Declared(ctx context.Context) (map[string]bool, error)
	// ChangeNouns makes all changes in one transaction. A configuration made what is created. Its errors are those of
	// the methods that make one such change.
	ChangeNouns(ctx context.Context, changes bellhop.NounChanges) error
}

// A Config has the nouns that a configuration declares, in the order of the file.
type Config struct {
	Tenants       []Declared[bellhop.Tenant]
	Connections   []Declared[bellhop.Connection]
	Sources       []Declared[bellhop.Source]
	Destinations  []Declared[bellhop.Destination]
	Subscriptions []Declared[DeclaredSubscription]
	Keys          []Declared[DeclaredKey]

	// Prune deletes the nouns that a configuration made and this one does not have.
	Prune bool
	// GivenKeys refuses to make the text of a key: nobody would see it.
	GivenKeys bool
	// Alone says that the configuration is checked without a server: what it names and does not have may be there.
	Alone bool
	// By is the name of the principal who asks, for the log.
	By string
}

// A Declared is a noun of a configuration. A secret of it that is a mask, and the URL KeptURL, stay as they are
// stored.
type Declared[T any] struct {
	Path  string // in the configuration: "sources[0]"
	Noun  T
	Fault error // found when it was read; such a noun is checked and not planned
}

// A DeclaredSubscription names its source and its connection by name or id.
type DeclaredSubscription struct {
	bellhop.Subscription
	Source, Connection string
}

// A DeclaredKey is a key, perhaps with its text.
type DeclaredKey struct {
	bellhop.Key
	Text string
}

// KeptURL stands for the URL of a destination that is stored.
const KeptURL = "…"

// What a Step does.
const (
	StepCreate  = "create"
	StepUpdate  = "update"
	StepReplace = "replace" // of a key: the old one is revoked
	StepDelete  = "delete"
)

// A Step is the change of one noun.
type Step struct {
	Kind          string // "source"
	Change        string
	ID, Name      string // no ID in a plan of one that is created
	Before, After any    // a bellhop.Source, …; nil before one is created and after it is deleted
	Note          string // what follows, in words
	Key           string // of a key whose text was made: the text
}

// A Plan is what a configuration changes.
type Plan struct {
	Steps    []Step
	Left     []Step // the deletions that only Prune makes
	Same     int    // how many nouns of the configuration are as they are declared
	Warnings []bellhop.FieldError
}

// PlanConfig returns what ApplyConfig would do. The error is CodeInvalid with each fault of the configuration, by its
// path there.
func (c *Catalog) PlanConfig(ctx context.Context, cfg Config) (Plan, error) {
	d, err := c.draft(ctx, &cfg)
	if err != nil {
		return Plan{}, err
	}
	for i := range d.plan.Steps {
		if step := &d.plan.Steps[i]; step.Change == StepCreate {
			step.ID, step.Key = "", ""
		}
	}
	return d.plan, nil
}

// ApplyConfig makes the nouns of the store those of a configuration, in one transaction. What follows from it, such as
// asking for tokens, begins once that is on disk, and goes on after ApplyConfig has returned.
func (c *Catalog) ApplyConfig(ctx context.Context, cfg Config) (plan Plan, err error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	var d *draft
	err = again(func() (err error) {
		if d, err = c.draft(ctx, &cfg); err != nil {
			return err
		}
		return d.store(ctx)
	})
	if err != nil {
		return plan, err
	}
	if len(d.plan.Steps) == 0 {
		return d.plan, nil
	}
	err = c.load(ctx)
	for _, follow := range d.follows {
		follow()
	}
	counts := map[string]int{}
	for _, step := range d.plan.Steps {
		counts[step.Change]++
		c.log.Info("config."+step.Change, "noun", step.Kind, "id", step.ID, "name", step.Name, "by", cfg.By)
	}
	c.log.Info("config.applied", "created", counts[StepCreate], "updated", counts[StepUpdate]+counts[StepReplace],
		"deleted", counts[StepDelete], "same", d.plan.Same, "left", len(d.plan.Left), "by", cfg.By)
	return d.plan, err
}

// A draft is a plan in the making, with the changes that it makes in the store.
type draft struct {
	catalog  *Catalog
	config   *Config
	plan     Plan
	changes  bellhop.NounChanges
	faults   []error
	declared map[string]bool // ids of the nouns that configurations made

	// What there is before the plan or after it, by name; leaving has the ids of those that it deletes.
	tenants     map[string]bellhop.Tenant
	sources     map[string]bellhop.Source
	connections map[string]bellhop.Connection
	leaving     map[string]bool
	// Who uses a tenant, a source or a connection once the plan is done: the sentence for its refusal, by its name or
	// id.
	users map[string]string
	// How many destinations each tenant has then, and the path of one that is new.
	destinations map[string]int
	newAt        map[string]string
	// The ids of connections by which registrations of deleted subscriptions are still to be ended; and the tenants of
	// nouns that are deleted only later.
	ending map[string]bool

	follows []func() // what follows once all is stored and loaded
}

// draft compares a configuration with the store.
func (c *Catalog) draft(ctx context.Context, cfg *Config) (*draft, error) {
	declared, err := c.opts.Store.Declared(ctx)
	if err != nil {
		return nil, err
	}
	d := &draft{catalog: c, config: cfg, declared: declared, sources: map[string]bellhop.Source{},
		connections: map[string]bellhop.Connection{}, leaving: map[string]bool{},
		tenants: map[string]bellhop.Tenant{}, destinations: map[string]int{},
		newAt: map[string]string{}, users: map[string]string{}, ending: map[string]bool{}}
	kinds := d.kinds()
	for _, k := range kinds {
		if err := k.declare(ctx, d); err != nil {
			return nil, err
		}
	}
	d.checkRoom()
	for _, k := range slices.Backward(kinds) { // users before what they use
		if err := k.prune(ctx, d); err != nil {
			return nil, err
		}
	}
	return d, bellhop.Join("", d.faults...)
}

// store stores the changes, with those of subscriptions as their room makes them.
func (d *draft) store(ctx context.Context) error {
	if len(d.plan.Steps) == 0 {
		return nil
	}
	c := d.catalog
	if c.opts.Subscriptions == nil || d.changes.Subscriptions.IsEmpty() {
		return c.opts.Store.ChangeNouns(ctx, d.changes)
	}
	begin, err := c.opts.Subscriptions.Declare(ctx, d.changes.Subscriptions, d.sourceOf,
		func(changes bellhop.Changes[bellhop.Subscription]) error {
			all := d.changes
			all.Subscriptions = changes
			return c.opts.Store.ChangeNouns(ctx, all)
		})
	if err == nil {
		d.follows = append(d.follows, begin)
	}
	return err
}

// owner returns an error unless there is the tenant of a noun once the plan is done.
func (d *draft) owner(tenant string) error {
	t, ok := d.tenants[tenant]
	if tenant == "" || ok && !d.leaving[t.ID] || d.config.Alone {
		return nil
	}
	return bellhop.Invalid("tenant", d.missing("tenant"))
}

// furtherTenants returns an error unless each of the further tenants of a destination is there once the plan is done.
func (d *draft) furtherTenants(tenants []string) error {
	var errs []error
	for i, name := range tenants {
		if name == bellhop.AllTenants && len(tenants) == 1 {
			break
		}
		if d.owner(name) != nil || name == bellhop.AllTenants {
			errs = append(errs, bellhop.Invalid(fmt.Sprintf("tenants[%d]", i), "there is no tenant of this name; * "+
				"alone stands for all"))
		}
	}
	return bellhop.Join("", errs...)
}

// stays notes whose a noun is that is there once the plan is done.
func (d *draft) stays(word, name, tenant string) {
	if tenant != "" {
		d.users[tenantOf(tenant)] = word + " " + name + " belongs to it"
	}
}

// tenantOf is the key of a tenant in users and ending.
func tenantOf(name string) string { return "tenant " + name }

// checkRoom finds the tenants with more destinations than they may have, if the plan makes some.
func (d *draft) checkRoom() {
	for name, path := range d.newAt {
		limit := d.tenants[name].Limits.Destinations
		if limit > 0 && d.destinations[name] > limit {
			d.fault(path, bellhop.Invalid("tenant", fmt.Sprintf("tenant %s would have %s, and its limit is %d", name,
				bellhop.Count(d.destinations[name], "destination"), limit)))
		}
	}
}

// sourceOf returns the source of that id as it is once the plan is done.
func (d *draft) sourceOf(id string) (bellhop.Source, bool) {
	for _, src := range d.sources {
		if src.ID == id {
			return src, true
		}
	}
	return bellhop.Source{}, false
}

// fault notes the errors of the noun at a path.
func (d *draft) fault(path string, err error) {
	if err != nil {
		d.faults = append(d.faults, bellhop.Join(path, err))
	}
}

// warn notes a warning about the value at a path.
func (d *draft) warn(path, message string) {
	d.plan.Warnings = append(d.plan.Warnings, bellhop.FieldError{Path: path, Message: message})
}

// warnAll notes warnings about the noun at a path. Each begins with the path of a member.
func (d *draft) warnAll(path string, warnings []string) {
	for _, text := range warnings {
		member, rest, _ := strings.Cut(text, " ")
		d.warn(path+"."+member, rest)
	}
}

// A kind is one kind of noun in a configuration.
type kind interface {
	// declare plans the nouns of the configuration. Its error is that of the store; faults of nouns go to the draft.
	declare(ctx context.Context, d *draft) error
	// prune plans the deletion of those that a configuration made and this one does not have.
	prune(ctx context.Context, d *draft) error
}

// A kindOf is the kind of nouns that are kept as T, and declared as D.
type kindOf[T, D any] struct {
	word     string // "source"
	list     []Declared[D]
	stored   func(ctx context.Context) ([]T, error)
	changes  *bellhop.Changes[T]
	identity func(T) (id, name string, updatedAt time.Time)
	name     func(D) string
	check    func(D, error) error // reports the faults of a noun that could not be read whole, with them
	// create returns the noun that is made, and what follows.
	create func(path string, declared D) (made T, step Step, follow func(), err error)
	// succeed returns the noun that takes the place of before, or same.
	succeed func(path string, before T, declared D) (to bellhop.Successor[T], same bool, step Step, follow func(),
		err error)
	// remove says why a noun cannot be deleted; "" if it can. It returns what follows.
	remove func(before T) (why, note string, follow func())
	// waits says why a noun can be deleted only later; "" if it can now. Nil is never.
	waits func(ctx context.Context, before T) (why string, err error)
	// keep notes a noun that is there before the plan or after it. leaving says that the plan deletes it.
	keep func(noun T, leaving bool)

	before map[string]T // the stored ones, by name
	named  map[string]bool
}

func (k *kindOf[T, D]) declare(ctx context.Context, d *draft) error {
	stored, err := k.stored(ctx)
	if err != nil {
		return err
	}
	k.before, k.named = make(map[string]T, len(stored)), map[string]bool{}
	for _, noun := range stored {
		_, name, _ := k.identity(noun)
		k.before[name] = noun
	}
	for _, each := range k.list {
		name := k.name(each.Noun)
		if k.named[name] {
			d.fault(each.Path, bellhop.Invalid("name", "another "+k.word+" of the configuration has this name"))
			continue
		}
		k.named[name] = true
		if each.Fault != nil {
			d.fault(each.Path, k.check(each.Noun, each.Fault))
			continue
		}
		k.plan(d, each, name)
	}
	for name, noun := range k.before {
		if !k.named[name] {
			k.keep(noun, k.pruned(d, noun))
		}
	}
	return nil
}

// pruned reports whether a noun that the configuration does not have is deleted.
func (k *kindOf[T, D]) pruned(d *draft, noun T) bool {
	id, _, _ := k.identity(noun)
	return d.config.Prune && d.declared[id]
}

// plan plans one noun of the configuration.
func (k *kindOf[T, D]) plan(d *draft, each Declared[D], name string) {
	before, exists := k.before[name]
	if !exists {
		made, step, follow, err := k.create(each.Path, each.Noun)
		if err != nil {
			d.fault(each.Path, err)
			return
		}
		step.Kind, step.Change, step.Name, step.After = k.word, StepCreate, name, made
		step.ID, _, _ = k.identity(made)
		k.changes.Created = append(k.changes.Created, made)
		k.note(d, step, follow)
		k.keep(made, false)
		return
	}
	to, same, step, follow, err := k.succeed(each.Path, before, each.Noun)
	switch {
	case err != nil:
		d.fault(each.Path, err)
		k.keep(before, false)
		return
	case same:
		d.plan.Same++
		k.keep(before, false)
		return
	}
	step.Kind, step.Name, step.Before, step.After = k.word, name, before, to.Noun
	var version time.Time
	step.ID, _, version = k.identity(before)
	if step.Change == StepReplace {
		k.changes.Deleted = append(k.changes.Deleted, bellhop.Version{ID: step.ID, UpdatedAt: version})
		k.changes.Created = append(k.changes.Created, to.Noun)
		step.ID, _, _ = k.identity(to.Noun)
	} else {
		step.Change, to.Version = StepUpdate, version
		k.changes.Updated = append(k.changes.Updated, to)
	}
	k.note(d, step, follow)
	k.keep(to.Noun, false)
}

// note adds a step to the plan.
func (k *kindOf[T, D]) note(d *draft, step Step, follow func()) {
	d.plan.Steps = append(d.plan.Steps, step)
	if follow != nil {
		d.follows = append(d.follows, follow)
	}
}

func (k *kindOf[T, D]) prune(ctx context.Context, d *draft) error {
	var names []string
	for name := range k.before {
		if id, _, _ := k.identity(k.before[name]); !k.named[name] && d.declared[id] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		before := k.before[name]
		id, _, version := k.identity(before)
		step := Step{Kind: k.word, Change: StepDelete, ID: id, Name: name, Before: before}
		if d.config.Prune && k.waits != nil {
			var err error
			if step.Note, err = k.waits(ctx, before); err != nil {
				return err
			}
		}
		if !d.config.Prune || step.Note != "" {
			d.plan.Left = append(d.plan.Left, step)
			continue
		}
		why, note, follow := k.remove(before)
		if why != "" {
			d.fault(k.word+"s", bellhop.Invalid("", fmt.Sprintf("%s %s cannot be deleted: %s", k.word, name, why)))
			continue
		}
		step.Note = note
		k.changes.Deleted = append(k.changes.Deleted, bellhop.Version{ID: id, UpdatedAt: version})
		k.note(d, step, follow)
	}
	return nil
}

// ReadAll reads a whole list, page by page.
func ReadAll[T any](ctx context.Context, list func(context.Context, bellhop.Page) ([]T, string, error)) ([]T, error) {
	var whole []T
	page := bellhop.Page{Limit: bellhop.MaxPage}
	for {
		part, next, err := list(ctx, page)
		if err != nil {
			return nil, err
		}
		whole = append(whole, part...)
		if next == "" {
			return whole, nil
		}
		page.Cursor = next
	}
}

// cannotBeChanged is the error for a member of a noun that stays as it was made.
func cannotBeChanged(member, present string) error {
	return bellhop.Invalid(member, "is "+present+" on the server, and cannot be changed: give the new one another "+
		"name, or delete the old one first")
}
