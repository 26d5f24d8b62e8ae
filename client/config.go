package client

import (
	"context"
)

// A Config is a configuration file: nouns, which a server keeps, and settings of serve, with which a server starts. A
// secret that is masked ({"set": true}) and a URL that is "…" stay as they are stored.
type Config struct {
	// Settings are those of serve that are not the default, by the names of its flags. A server is never changed by
	// them: a plan says what its next start with them changes. nil: they are not compared.
	Settings      Settings          `json:"settings,omitzero"`
	Tenants       []NewTenant       `json:"tenants,omitempty"`
	Connections   []NewConnection   `json:"connections,omitempty"`
	Sources       []NewSource       `json:"sources,omitempty"`
	Destinations  []NewDestination  `json:"destinations,omitempty"`
	Subscriptions []NewSubscription `json:"subscriptions,omitempty"`
	Keys          []DeclaredKey     `json:"keys,omitempty"`
}

// A DeclaredKey is a key in a configuration. A key is made and revoked, and never changed.
type DeclaredKey struct {
	NewKey
	Key string `json:"key,omitempty"` // the text of the key; "" has the server make one, and keeps one that there is
}

// A ConfigRequest is a configuration, and what to do with the nouns that it does not have.
type ConfigRequest struct {
	Config
	// Prune deletes the nouns that a configuration made and this one does not have.
	Prune bool `json:"prune,omitempty"`
}

// A ConfigPlan is what a configuration changes, or has changed.
type ConfigPlan struct {
	Changes  []ConfigChange `json:"changes"`
	Left     []ConfigChange `json:"left"` // the deletions that only Prune makes
	Same     int            `json:"same"` // the nouns of the configuration that stay as they are
	Warnings []FieldError   `json:"warnings"`
	// Settings of serve that the next start of the server changes, if it starts with those of the configuration.
	Settings []SettingChange `json:"settings"`
}

// A SettingChange is the change of a setting of serve.
type SettingChange struct {
	Name   string `json:"name" example:"retain"`
	Secret bool   `json:"secret,omitempty"` // the values are not shown
	Before any    `json:"before,omitempty"` // nil: the default
	After  any    `json:"after,omitempty"`  // nil: the default
}

// A ConfigChange is the change of one noun.
type ConfigChange struct {
	Noun    string         `json:"noun" example:"source"`
	Name    string         `json:"name" example:"media"`
	ID      string         `json:"id" example:"src_01h455vb4pex5vsknk08"` // "" of one that is not made yet
	Change  string         `json:"change" enum:"create,update,delete,replace" example:"update"`
	Members []MemberChange `json:"members,omitempty"` // of an update
	Note    string         `json:"note,omitempty"`    // what follows from it, in words
	Key     string         `json:"key,omitempty"`     // of a key that the server made just now: its text
}

// A MemberChange is the change of one member of a noun.
type MemberChange struct {
	Path   string `json:"path" example:"timeout"`
	Secret bool   `json:"secret,omitempty"` // the values are not shown
	Before any    `json:"before,omitempty"` // nil: it was not set
	After  any    `json:"after,omitempty"`  // nil: it is not set
}

// ExportConfig returns all nouns of a server, and the settings with which it was started, as a configuration, without
// values that are the default. Secrets are masked; a URL with a secret in it has an ellipsis in place of that.
func (c *Client) ExportConfig(ctx context.Context) (Config, error) {
	return get[Config](ctx, c, path("config"))
}

// PlanConfig returns what ApplyConfig would do.
func (c *Client) PlanConfig(ctx context.Context, r ConfigRequest) (ConfigPlan, error) {
	return post[ConfigPlan](ctx, c, path("config", "plan"), r)
}

// ApplyConfig makes the nouns of the server those of a configuration, in one transaction: all of it, or nothing.
func (c *Client) ApplyConfig(ctx context.Context, r ConfigRequest) (ConfigPlan, error) {
	return post[ConfigPlan](ctx, c, path("config", "apply"), r)
}
