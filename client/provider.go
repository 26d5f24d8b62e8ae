package client

import "context"

// A Provider is an outside system that the gateway understands.
type Provider struct {
	Name         string    `json:"name"`
	Title        string    `json:"title"`
	Summary      string    `json:"summary"`
	Links        []string  `json:"links"`
	Settings     []Setting `json:"settings"`      // of a source
	Sends        bool      `json:"sends"`         // its name can be the type of a destination
	SendSettings []Setting `json:"send_settings"` // the settings of such a destination
}

// A Setting is one member of a settings object.
type Setting struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Doc      string `json:"doc"`
	Example  string `json:"example"`
	Kind     string `json:"kind"` // what the value is: text, list, number, …
	Secret   bool   `json:"secret"`
	Required bool   `json:"required"`
}

// Providers lists the providers.
func (c *Client) Providers(ctx context.Context) ([]Provider, error) {
	l, err := list[Provider](ctx, c, path("providers"), Page{}, nil)
	return l.Data, err
}
