package api

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/access"
	"github.com/danielgtaylor/huma/v2"
)

// An Access is a [access.Access] in JSON: how a destination is reached, and who we are there. nil is none.
type Access Settings

// accessSecrets are the secrets of an access.
var accessSecrets = secrecy{names: access.Secrets}

// Schema describes a. What its members may say is the engine's to judge; of a secret that includes how it is shown.
func (Access) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeObject, Nullable: true, AdditionalProperties: false, Properties: map[string]*huma.Schema{}}
	for _, member := range access.Settings {
		p := &huma.Schema{Type: huma.TypeString, Nullable: true, Description: member.Doc}
		switch {
		case member.Secret:
			p.Type, p.Nullable = "", false // a text, null, or an object that says that it is set
			p.Description += " A text; of one that is set, only that it is, and since when."
		case member.Name == "scopes":
			p.Type, p.Items = huma.TypeArray, &huma.Schema{Type: huma.TypeString}
		}
		s.Properties[member.Name] = p
	}
	return s
}

// accessJSON writes a as it is stored; one without members is none.
func accessJSON(a Access) (json.RawMessage, error) {
	raw, err := settingsJSON(Settings(a))
	if err != nil || string(raw) == "{}" {
		return nil, err
	}
	return raw, nil
}

// readAccess reads an access that was stored.
func readAccess(raw json.RawMessage) Access {
	if len(raw) == 0 {
		return nil
	}
	return Access(readSettings(raw))
}

// shownAccess is a as it is shown; none is null.
func shownAccess(d bellhop.Destination) Access {
	if len(d.Access) == 0 {
		return nil
	}
	return Access(accessSecrets.show(readSettings(d.Access), d.SecretsAt))
}

// wayText says in words how an access leads to its destination, but for what a header says.
func wayText(raw json.RawMessage) string {
	a, err := access.Parse(raw)
	if err != nil {
		return ""
	}
	var parts []string
	if a.TokenURL != "" {
		parts = append(parts, "with a token that is fetched before")
	}
	if a.Certificate != "" {
		parts = append(parts, "showing its certificate if asked")
	}
	if a.CA != "" {
		parts = append(parts, "trusting its own authorities alone")
	}
	if a.Proxy != "" {
		parts = append(parts, "through the proxy "+a.Proxy)
	}
	return strings.Join(parts, ", ")
}

// refuseShown refuses secrets of a new destination that are only as shown.
func (s *server) refuseShown(in NewDestination) error {
	return bellhop.Join("", bellhop.Join("settings", s.destinationSecrets(in.Type).refuseShown(in.Settings)),
		bellhop.Join("access", accessSecrets.refuseShown(Settings(in.Access))))
}

// keepSecrets takes out of patch, one of a destination of that type, each secret that is only as shown: it stays.
func (s *server) keepSecrets(kind string, patch map[string]any) {
	if settings, ok := patch["settings"].(map[string]any); ok {
		s.destinationSecrets(kind).keep(settings)
	}
	if access, ok := patch["access"].(map[string]any); ok {
		accessSecrets.keep(access)
	}
}

// secretsDiffer reports whether a secret of a destination was set, changed or removed.
func (s *server) secretsDiffer(before, after NewDestination) bool {
	return s.destinationSecrets(after.Type).differ(before.Settings, after.Settings) || accessSecrets.differ(Settings(before.Access), Settings(after.Access))
}

// veil returns what hides the secrets of d in a text.
func (s *server) veil(d bellhop.Destination) func(string) string {
	return veil(slices.Concat(s.destinationSecrets(d.Type).texts(readSettings(d.Settings)), accessSecrets.texts(readSettings(d.Access))))
}
