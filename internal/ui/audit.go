package ui

import (
	"net/url"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) audit() {
	s.page("/audit", admin, s.listAudit)
}

// auditPage is what the list of changes shows.
type auditPage struct {
	listing
	Rows []auditRow
}

// An auditRow is a change, with the page of what it changed.
type auditRow struct {
	client.AuditEntry
	Label string // the name of what changed, or its id
	To    link   // "" if it is gone, or has no page
}

// auditPaths are the pages of nouns, by their id.
var auditPaths = map[string]string{"source": "sources/", "destination": "destinations/", "repair": "repairs/",
	"event": "events/", "delivery": "deliveries/", "file": "files/", "connection": "connections/",
	"subscription": "subscriptions/"}

func (s *server) listAudit(v *visit) error {
	query := v.r.URL.Query()
	f := newForm(query,
		field{Name: "noun", Label: "What", Known: []string{"source", "destination", "connection", "subscription",
			"key", "tenant", "portal_link", "repair", "event", "delivery", "file", "server"}},
		field{Name: "name", Label: "Its name", Hint: "Or its id"},
		field{Name: "key", Label: "By the key", Hint: "The name of a key"},
		field{Name: "action", Label: "Action", Known: []string{"created", "updated", "deleted", "paused", "resumed",
			"replayed", "retried", "cancelled", "rotated"}},
		field{Name: "since", Label: "Since", Hint: whenHint},
		field{Name: "until", Label: "Until", Hint: whenHint},
	)
	filter := client.AuditFilter{Noun: f.get("noun"), Name: f.get("name"), Key: f.get("key"), Action: f.get("action"),
		Since: f.when("since", v.Now()), Until: f.when("until", v.Now())}
	var l client.List[client.AuditEntry]
	if !f.Invalid() {
		var err error
		l, err = s.API.Audit(v.ctx, filter, client.Page{Cursor: query.Get("cursor")})
		err = f.accepts(err)
		if err != nil {
			return err
		}
	}
	page := auditPage{listing: newListing(v.r, Root+"audit", f, l, s.get("audit", "/audit",
		flagValue{"noun", "noun", filter.Noun}, flagValue{"name", "name", filter.Name},
		flagValue{"by", "key", filter.Key}, flagValue{"action", "action", filter.Action},
		flagValue{"since", "since", iso(client.Time{Time: filter.Since})},
		flagValue{"until", "until", iso(client.Time{Time: filter.Until})}))}
	for _, e := range l.Data {
		row := auditRow{AuditEntry: e, Label: e.Name}
		if row.Label == "" {
			row.Label = e.NounID
		}
		if auditPaths[e.Noun] != "" && e.Action != "deleted" {
			row.To = link(Root + auditPaths[e.Noun] + url.PathEscape(e.NounID))
		}
		page.Rows = append(page.Rows, row)
	}
	v.show(statusOf(f), "audit", "Changes", page)
	return nil
}
