package ui

import (
	"net/http"
	"net/url"
	"slices"
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
	Kind  string   // "text", "lines" or "hidden"; "" is "text"
	Known []string // values to offer in a text input
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

// fault puts an error at the field of that name. It reports whether there is one.
func (f form) fault(name, message string) bool {
	i := slices.IndexFunc(f, func(each field) bool { return each.Name == name })
	if i < 0 {
		return false
	}
	f[i].Error = sentence(message)
	return true
}

// Invalid reports whether a field has an error.
func (f form) Invalid() bool { return slices.ContainsFunc(f, field.Invalid) }

// Narrowed reports whether something was typed. A hidden field is not typed: it is that of a tab.
func (f form) Narrowed() bool {
	return slices.ContainsFunc(f, func(each field) bool { return each.Value != "" && each.Kind != "hidden" })
}

// accepts puts the errors of the API that name a field at it. It returns err unless all of it is said so.
func (f form) accepts(err error) error {
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
}

// newListing returns the page of a list at a path below /ui. A page of the list before has the query of r.
func newListing[T any](r *http.Request, path string, f form, l client.List[T], cmd command) listing {
	p := listing{Path: link(path), Filter: f, Command: cmd, Incomplete: l.Incomplete,
		SearchedTo: client.Time{Time: l.SearchedTo}, Empty: len(l.Data) == 0}
	query := r.URL.Query()
	query.Del("did")
	if query.Get("cursor") != "" {
		query.Del("cursor")
		p.Newest = withQuery(path, query)
	}
	if l.Next != "" {
		query.Set("cursor", l.Next)
		p.Older = withQuery(path, query)
	}
	return p
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
