package ui

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// A field is one input of a form, with what was typed and what is wrong with it.
type field struct {
	Name  string // of the input, and of the member or parameter that an error of the API names
	Label string
	Hint  string
	Value typed
	Error string
	Kind  string   // "text", "lines", "choice", "check", "secret" or "hidden"; "" is "text"
	Known []string // values to offer in a text input
	Rows  int      // of lines; 0 is 16
	Adds  []option // lines to add to what is typed, each by a box

	Choices    []option // of a choice
	IsRequired bool

	// Of a setting.

	Setting client.Setting
	Secret  bool     // what was typed is never shown
	IsSet   bool     // a secret is stored
	Stored  []string // the names of the members of a stored secret object
	Clears  bool     // the stored secret is removed
	IsKept  bool     // what was typed before is kept for this form
}

// IsOn reports whether a check is set.
func (f field) IsOn() bool { return f.Value != "" }

// addLines returns what was typed with more lines, without those that are there already.
func addLines(text string, more []string) string {
	all := wholeLines(text)
	for _, line := range more {
		if !slices.Contains(all, line) {
			all = append(all, line)
			text = strings.TrimPrefix(text+"\n"+line, "\n")
		}
	}
	return text
}

// An option is one choice of several: a value and its name.
type option struct{ Value, Label string }

// Invalid reports whether the field has an error, for templates.
func (f field) Invalid() bool { return f.Error != "" }

// A form is the fields of one form in their order.
type form []field

// newForm fills the fields with the values of the query or the body of r.
func newForm(values url.Values, fields ...field) form {
	f := form(fields)
	for i := range f {
		f[i].Value = typed(strings.TrimSpace(values.Get(f[i].Name)))
		if f[i].Kind == "" {
			f[i].Kind = "text"
		}
	}
	return f
}

// get returns what was typed into the field of that name.
func (f form) get(name string) string {
	for i := range f {
		if f[i].Name == name {
			return string(f[i].Value)
		}
	}
	return ""
}

// when returns the time that was typed into a field, and puts an error at the field if it is none.
func (f form) when(name string, now time.Time) time.Time {
	at, err := parseWhen(f.get(name), now)
	if err != nil {
		f.fault(name, err.Error())
	}
	return at
}

// fault puts an error at the field of that name, or at the one that has the value of that path within it
// ("match.types[1]"). It reports whether there is one.
func (f form) fault(name, message string) bool {
	for name != "" {
		i := slices.IndexFunc(f, func(each field) bool { return each.Name == name })
		if i >= 0 {
			f[i].Error = strings.TrimSpace(f[i].Error + " " + sentence(message))
			return true
		}
		name = name[:max(0, strings.LastIndexAny(name, ".["))]
	}
	return false
}

// An entry is a form that creates or changes something. Its secrets are kept while it comes back.
type entry struct {
	Groups groups
	Kept   typed  // the sealed secrets, of the input "kept"
	ETag   string // of the noun that is changed
}

// A group is some fields of an entry under one title; "" is the first group, which is always open.
type group struct {
	Title  string
	Fields form
	Stays  bool // it is open even if nothing is in it
	Shut   bool // it is closed unless something is wrong in it
}

// IsOpen reports whether the group is shown: it has something typed, stored or wrong in it.
func (g group) IsOpen() bool {
	return g.Title == "" || g.Stays || slices.ContainsFunc(g.Fields, func(f field) bool {
		return f.Invalid() || !g.Shut && f.Value != "" && f.Kind != "hidden" || f.IsSet
	})
}

// Brief returns the values of a group that is closed, in short.
func (g group) Brief() string {
	var parts []string
	for _, f := range g.Fields {
		if g.Shut && f.Value != "" && (f.Kind == "text" || f.Kind == "choice" || f.Kind == "lines") {
			parts = append(parts, f.Label+": "+strings.ReplaceAll(string(f.Value), "\n", ", "))
		}
	}
	return clip(strings.Join(parts, "; "), 160)
}

// read fills the fields of an entry with what was posted. Secrets that were entered before are those that it kept, and
// those to be made are made: they are returned with their titles, to be shown once. name is that of the entry: secrets
// are kept for no other.
func (v *visit) read(e *entry, name string) (made []shownSecret, err error) {
	posted := v.r.PostForm
	session := v.session()
	before, secrets := v.sealer.open(session, name, posted.Get("kept")), map[string]string{}
	e.ETag = posted.Get("etag")
	for _, g := range e.Groups {
		for i := range g.Fields {
			f := &g.Fields[i]
			text := asPosted(posted.Get(f.Name))
			if f.Adds != nil {
				text = addLines(text, posted["add:"+f.Name])
			}
			if !f.Secret {
				if text != asPosted(string(f.Value)) { // otherwise it stays as it is stored
					f.Value = typed(text)
				}
				continue
			}
			f.Value, f.Clears = typed(text), posted.Get("clear:"+f.Name) != ""
			makes := posted.Get("make:"+f.Name) != "" && f.Setting.Make != ""
			switch {
			case text != "" && (f.Clears || makes), f.Clears && makes:
				f.Error = "Choose one: enter a value, have one made, or remove it."
			case f.Value != "" || f.Clears:
			case makes:
				text, err := f.Setting.MakeSecret(v.Rand)
				if err != nil {
					return nil, err
				}
				f.Value = typed(text)
				made = append(made, shownSecret{f.Label, text})
				v.noteMade(f.Setting.Name, text)
			default:
				f.Value = typed(before[f.Name])
			}
			if f.Value != "" {
				secrets[f.Name], f.IsKept = string(f.Value), true
			}
		}
	}
	e.Kept, err = v.sealer.seal(session, name, secrets)
	return made, err
}

// asPosted returns a text as it counts in a form: browsers write each line end as two characters, and blanks around a
// text are typed by accident.
func asPosted(text string) string {
	return strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text))
}

// A shownSecret is a secret that was made just now. A page shows it once.
type shownSecret struct{ Title, Text string }

// groups are the fields of an entry.
type groups []group

// get returns what was typed into the field of that name.
func (f groups) get(name string) string {
	for _, g := range f {
		if value := g.Fields.get(name); value != "" {
			return value
		}
	}
	return ""
}

// fault puts an error at a field, as form.fault does.
func (f groups) fault(name, message string) bool {
	for name != "" {
		for _, g := range f {
			if g.Fields.has(name) {
				return g.Fields.fault(name, message)
			}
		}
		name = name[:max(0, strings.LastIndexAny(name, ".["))]
	}
	return false
}

// Invalid reports whether a field has an error.
func (f groups) Invalid() bool {
	return slices.ContainsFunc(f, func(g group) bool { return g.Fields.Invalid() })
}

// settings returns the settings of that prefix in all groups.
func (f groups) settings(prefix string, stored map[string]any) map[string]any {
	all := map[string]any{}
	for _, g := range f {
		maps.Copy(all, g.Fields.settings(prefix, stored))
	}
	return all
}

// has reports whether there is a field of that name.
func (f groups) has(name string) bool {
	return slices.ContainsFunc(f, func(g group) bool { return g.Fields.has(name) })
}

// whole returns the whole number that was typed into a field; 0 if it is empty. It puts an error at the field if it is
// none.
func (f groups) whole(name string) int64 {
	text := f.get(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		f.fault(name, "use a whole number")
	}
	return n
}

// changes returns the texts that differ from those that are stored, by the names of their fields, as a merge patch.
func (f groups) changes(stored map[string]string) map[string]any {
	changes := map[string]any{}
	for name, old := range stored {
		switch text := f.get(name); {
		case text == old:
		case text == "":
			changes[name] = nil
		default:
			changes[name] = text
		}
	}
	return changes
}

// accepts is form.accepts for all groups.
func (f groups) accepts(err error) error { return acceptErrors(f, err) }

// has reports whether there is a field of that name.
func (f form) has(name string) bool {
	return slices.ContainsFunc(f, func(each field) bool { return each.Name == name })
}

// Invalid reports whether a field has an error.
func (f form) Invalid() bool { return slices.ContainsFunc(f, field.Invalid) }

// Narrowed reports whether something was typed. A hidden field is not typed: it is that of a tab.
func (f form) Narrowed() bool {
	return slices.ContainsFunc(f, func(each field) bool { return each.Value != "" && each.Kind != "hidden" })
}

// accepts puts the errors of the API that name a field at it. It returns err unless all of it is said so.
func (f form) accepts(err error) error { return acceptErrors(f, err) }

// acceptErrors puts the errors of the API at the fields of a form.
func acceptErrors(f interface {
	fault(name, message string) bool
}, err error) error {
	refused, ok := asRefusal(err)
	if !ok || refused.Status != http.StatusUnprocessableEntity || len(refused.Errors) == 0 {
		return err
	}
	for _, each := range refused.Errors {
		if !f.fault(each.Path, each.Message) {
			return err
		}
	}
	return nil
}

// A listing is one page of a list, as the template "pager" links to the others.
type listing struct {
	Path       link // of the list, without a query
	Filter     form
	Command    command
	Older      link // the next page; "" on the last one
	Newest     link // the first page; "" on it
	Incomplete bool
	SearchedTo client.Time
	Empty      bool
	Live       link // the stream that says when to look at the list again; "" if nothing new can be on this page
}

// newListing returns the page of a list at a path below /ui. A page of the list before has the query of r.
func newListing[T any](r *http.Request, path string, f form, l client.List[T], cmd command) listing {
	p := listing{Path: link(path), Filter: f, Command: cmd, Incomplete: l.Incomplete,
		SearchedTo: client.Time{Time: l.SearchedTo}, Empty: len(l.Data) == 0}
	query := r.URL.Query()
	query.Del("did")
	if query.Get("cursor") != "" {
		query.Del("cursor")
		query.Del("further")
		p.Newest = withQuery(path, query)
	}
	query.Del("further")
	if l.Incomplete {
		query.Set("further", "1")
	}
	if l.Next != "" {
		query.Set("cursor", l.Next)
		p.Older = withQuery(path, query)
	}
	return p
}

// searchTime is how long a page looks at most for entries that no index finds, and counts, so that it comes at once.
// Whoever asks it to look further waits for as long as the API looks.
const searchTime = 40 * time.Millisecond

// searched returns what search finds in about searchTime. On a machine that is so busy that the search has not begun
// by then, it gets more.
func searched[T any](v *visit, search func(ctx context.Context) (T, error)) (found T, err error) {
	if v.r.URL.Query().Has("further") {
		return search(v.ctx)
	}
	for wait := 2 * searchTime; wait < time.Minute; wait *= 8 { // the search gets half of it
		ctx, cancel := context.WithTimeout(v.ctx, wait)
		found, err = search(ctx)
		late := err != nil && ctx.Err() != nil && v.ctx.Err() == nil
		cancel()
		if !late {
			break
		}
	}
	return found, err
}

// follows makes the page look at the list again when something of these kinds happens that the filter may choose. A
// page that is not the first one stays as it is, and so does a list that ends at a time.
func (p *listing) follows(v *visit, kinds string, names ...string) {
	if p.Newest != "" || p.Filter.Invalid() || p.Filter.get("until") != "" {
		return
	}
	parameters := []flagValue{{"", "kinds", kinds}}
	for _, name := range names {
		parameters = append(parameters, flagValue{"", name, p.Filter.get(name)})
	}
	p.Live = v.liveStream(parameters...)
}

// withQuery returns path with the values of query that are not empty.
func withQuery(path string, query url.Values) link {
	for name := range query {
		if query.Get(name) == "" {
			query.Del(name)
		}
	}
	if len(query) == 0 {
		return link(path)
	}
	return link(path + "?" + query.Encode())
}
