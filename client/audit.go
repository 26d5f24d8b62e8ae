package client

import (
	"context"
	"net/url"
	"time"
)

// An AuditEntry says who changed what.
type AuditEntry struct {
	At     Time   `json:"at"`
	Key    string `json:"key" example:"ada"` // the name of the key
	KeyID  string `json:"key_id"`            // "" is the admin key
	Action string `json:"action" example:"updated"`
	Noun   string `json:"noun" example:"destination"`
	NounID string `json:"noun_id" example:"dst_01h455vb4pex5vsknk08"`
	Name   string `json:"name" example:"billing"` // of the noun, at that time
	Tenant string `json:"tenant"`
}

// An AuditFilter narrows the list of changes. Zero fields do not narrow.
type AuditFilter struct {
	Key    string // the name of a key
	Noun   string // "source", "destination", …
	Name   string // of the noun, or its id
	Action string
	Tenant string
	Since  time.Time
	Until  time.Time
}

// Audit lists the changes that holders of keys have made, newest first.
func (c *Client) Audit(ctx context.Context, f AuditFilter, page Page) (List[AuditEntry], error) {
	return list[AuditEntry](ctx, c, path("audit"), page, url.Values{"key": {f.Key}, "noun": {f.Noun}, "name": {f.Name},
		"action": {f.Action}, "tenant": {f.Tenant}, "since": {moment(f.Since)}, "until": {moment(f.Until)}})
}
