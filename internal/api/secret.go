package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// secrecy says which settings are secret.
type secrecy struct {
	all   bool     // every one, since nobody here knows them
	names []string // these
	each  string   // every member of this one, which is an object
}

// secretsOf are the secrets among settings that a provider describes.
func secretsOf(settings []provider.Setting) secrecy {
	var x secrecy
	for _, s := range settings {
		if s.Secret {
			x.names = append(x.names, s.Name)
		}
	}
	return x
}

func (x secrecy) has(name string) bool { return x.all || slices.Contains(x.names, name) }

// shownSecret is what is seen of a secret.
type shownSecret struct {
	Set   bool `json:"set"`
	SetAt Time `json:"set_at"`
}

// shortSecret is a secret that may be guessed: fewer characters than 96 bits in Base64 take.
const shortSecret = 16

// short counts the secrets of settings that may be guessed.
func (x secrecy) short(settings Settings) (n int) {
	for name, value := range settings {
		if !x.has(name) {
			continue
		}
		var one string
		var many []string
		if json.Unmarshal(value, &one) == nil {
			many = []string{one}
		} else if json.Unmarshal(value, &many) != nil {
			continue
		}
		for _, secret := range many {
			if len(secret) < shortSecret {
				n++
			}
		}
	}
	return n
}

// show returns settings with each secret replaced by the fact that it is set, and since when.
func (x secrecy) show(settings Settings, at time.Time) Settings {
	mask, _ := json.Marshal(shownSecret{Set: true, SetAt: Time(at)})
	shown := make(Settings, len(settings))
	for name, value := range settings {
		var members Settings
		switch {
		case x.has(name), name == x.each && json.Unmarshal(value, &members) != nil:
			shown[name] = mask
		case name == x.each:
			shown[name], _ = json.Marshal(secrecy{all: true}.show(members, at))
		default:
			shown[name] = value
		}
	}
	return shown
}

// keep takes out of patch, the settings of a merge patch, each secret that is only as shown: it stays as it is.
func (x secrecy) keep(patch map[string]any) {
	for name, value := range patch {
		members, ok := value.(map[string]any)
		switch {
		case !ok:
		case x.has(name) && isShown(members):
			delete(patch, name)
		case name == x.each:
			secrecy{all: true}.keep(members)
		}
	}
}

// refuseShown finds the secrets of a new noun that are only as shown. There is nothing yet that could stay.
func (x secrecy) refuseShown(settings Settings) error {
	var errs []error
	for name, value := range settings {
		var members map[string]any
		switch {
		case !x.has(name) && name != x.each || json.Unmarshal(value, &members) != nil:
		case name == x.each:
			var each Settings
			json.Unmarshal(value, &each)
			errs = append(errs, bellhop.Join(name, secrecy{all: true}.refuseShown(each)))
		case isShown(members):
			errs = append(errs, bellhop.Invalid(name, `this is only how a secret is shown; write the secret itself`))
		}
	}
	return bellhop.Join("", errs...)
}

// isShown reports whether members are those of a shownSecret that is set.
func isShown(members map[string]any) bool {
	for name := range members {
		if name != "set" && name != "set_at" {
			return false
		}
	}
	return members["set"] == true
}

// differ reports whether a secret was set, changed or removed between two settings.
func (x secrecy) differ(before, after Settings) bool {
	return !slices.EqualFunc(x.values(before), x.values(after), bytes.Equal)
}

// values are the secrets of settings, names and all, in order.
func (x secrecy) values(settings Settings) [][]byte {
	var values [][]byte
	for name, value := range settings {
		if x.has(name) || name == x.each {
			var compact bytes.Buffer
			json.Compact(&compact, value)
			values = append(values, append([]byte(name+"="), compact.Bytes()...))
		}
	}
	slices.SortFunc(values, bytes.Compare)
	return values
}
