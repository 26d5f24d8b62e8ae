package main

import (
	"context"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/spf13/cobra"
)

// This file completes the names and ids of what a server holds. It asks the server that the command line would call.
// Whatever goes wrong, nothing is completed and nothing is printed: the user is in the middle of a line.

// A candidate is one item of a list that may be meant.
type candidate struct {
	name string // "" if items of its kind have none
	id   string
	text string // about it
}

// An asker asks a server for the items of one noun, newest first.
type asker func(ctx context.Context, api *client.Client) ([]candidate, error)

// askers has the nouns whose names or ids are completed.
var askers = map[string]asker{
	"sources": asks(noFilter((*client.Client).Sources), maxNamed, func(s client.Source) candidate {
		return candidate{s.Name, s.ID, s.Provider}
	}),
	"destinations": asks(noFilter((*client.Client).Destinations), maxNamed, func(d client.Destination) candidate {
		return candidate{d.Name, d.ID, d.Type + " " + shownState(d)}
	}),
	"connections": asks(noFilter((*client.Client).Connections), maxNamed, func(n client.Connection) candidate {
		return candidate{n.Name, n.ID, n.Provider + " " + n.State}
	}),
	"subscriptions": asks(noFilter((*client.Client).Subscriptions), maxNamed, func(s client.Subscription) candidate {
		return candidate{s.Name, s.ID, s.State + " " + s.Resource}
	}),
	"keys": asks(noFilter((*client.Client).Keys), maxNamed, func(k client.Key) candidate {
		return candidate{k.Name, k.ID, k.Scope}
	}),
	"tenants": asks((*client.Client).Tenants, maxNamed, func(t client.Tenant) candidate {
		return candidate{t.Name, t.ID, limitsText(t.Limits)}
	}),
	"portal-links": asks(noFilter((*client.Client).PortalLinks), maxUnnamed, func(l client.PortalLink) candidate {
		return candidate{"", l.ID, l.Rights + " " + l.Tenant}
	}),
	"files": asks(noFilter((*client.Client).Files), maxUnnamed, func(f client.File) candidate {
		return candidate{f.Name, f.ID, f.State + " " + fileBytes(f) + " bytes"}
	}),
	"events": asks(noFilter((*client.Client).Events), maxUnnamed, func(ev client.Event) candidate {
		return candidate{"", ev.ID, ev.Type + " " + ev.Subject}
	}),
	"deliveries": asks(noFilter((*client.Client).Deliveries), maxUnnamed, func(d client.Delivery) candidate {
		return candidate{"", d.ID, stateText(d.State) + " " + d.Destination}
	}),
	"requests": asks(noFilter((*client.Client).Requests), maxUnnamed, func(r client.Request) candidate {
		return candidate{"", r.ID, r.Outcome + " " + sourceText(r)}
	}),
	"repairs": asks(noFilter((*client.Client).Repairs), maxUnnamed, func(r client.Repair) candidate {
		return candidate{"", r.ID, r.Kind + " " + r.State}
	}),
}

const (
	askTimeout     = time.Second
	maxNamed       = 1000 // items that are asked for, of a noun whose items people name
	maxUnnamed     = 100  // of any other: the newest
	maxDescription = 60   // characters
)

// asks returns the asker that reads a list, with the candidate for an item.
func asks[T any](list listCall[T], most int, of func(item T) candidate) asker {
	return func(ctx context.Context, api *client.Client) (found []candidate, err error) {
		page := client.Page{Limit: min(most, bellhop.MaxPage)}
		for len(found) < most {
			l, err := list(api, ctx, page)
			if err != nil {
				return found, err
			}
			for _, item := range l.Data {
				found = append(found, of(item))
			}
			if l.Next == "" {
				break
			}
			page.Cursor = l.Next
		}
		return found, nil
	}
}

// noFilter is for a list that can be narrowed.
func noFilter[F, T any](
	list func(api *client.Client, ctx context.Context, filter F, page client.Page) (client.List[T], error),
) listCall[T] {
	return func(api *client.Client, ctx context.Context, page client.Page) (client.List[T], error) {
		var all F
		return list(api, ctx, all, page)
	}
}

// completesNames returns what completes the names of a noun, and its ids once the word begins like one. Of a list, the
// last item is completed.
func completesNames(e *env, noun string) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, begin string) (found []cobra.Completion, _ cobra.ShellCompDirective) {
		before := begin[:strings.LastIndex(begin, ",")+1]
		for _, x := range ask(e, c, noun) {
			word, text := x.name, x.text
			if word == "" || begin != before && !strings.HasPrefix(before+word, begin) {
				word, text = x.id, x.name+" "+x.text
			}
			if strings.HasPrefix(before+word, begin) && clean(word) == word {
				text = shorten(clean(strings.TrimSpace(text)), maxDescription)
				found = append(found, cobra.CompletionWithDesc(before+word, text))
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// ask returns the items of a noun at the server that the flags of c, as far as they are typed, and the environment
// choose.
func ask(e *env, c *cobra.Command, noun string) []candidate {
	err := e.bind(c)
	if err != nil {
		return nil
	}
	text := func(name string) string { return c.Flag(name).Value.String() }
	conn := &connection{server: text("server"), key: text("api-key"), data: text("data"), dir: e.dir,
		adminKey: bellhop.Pasted(e.getenv(datadir.AdminKeyVariable))}
	to, err := conn.choose()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.Context(), askTimeout)
	defer cancel()
	found, _ := askers[noun](ctx, client.New(to.server, to.key, egress.NewLocal()))
	return found // those of the pages before an error
}
