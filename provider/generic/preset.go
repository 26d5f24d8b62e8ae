package generic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A preset is what one system does: settings that its owner need not find out, and the handshake it asks for.
type preset struct {
	name     string
	title    string
	link     string // to the system's own documentation
	setup    string // where to enter the URL, and where the secret is
	note     string // what else is worth knowing; may be ""
	settings settings
	object   bool // a body that is no JSON object is malformed, even if no member is wanted of it

	// notices are values of the header noticeHeader that are the type themselves: a message about the subscription, in
	// the place of an event of the subscribed type.
	noticeHeader string
	notices      []string

	query *queryHandshake
	body  *bodyHandshake
}

// findPreset returns the preset of that name, which only a source can have.
func findPreset(name, side string) (*preset, error) {
	if side != source {
		return nil, bellhop.Invalid("preset", "only a source has presets; to sign as that system does, set scheme, header and the rest")
	}
	i := slices.IndexFunc(presets, func(p preset) bool { return p.name == name })
	if i < 0 {
		return nil, bellhop.Invalid("preset", "there are "+strings.Join(presetNames(), ", ")+"; other systems, such as sns, may be providers of their own")
	}
	return &presets[i], nil
}

func presetNames() (names []string) {
	for _, p := range presets {
		names = append(names, p.name)
	}
	return names
}

// fill returns the preset's settings, with what is left to the owner taken from s.
func (p *preset) fill(s settings) settings {
	filled := p.settings
	filled.Preset, filled.Secret, filled.VerifyToken, filled.URL = p.name, s.Secret, s.VerifyToken, s.URL
	filled.Methods = []string{http.MethodPost}
	if s.Tolerance != "" {
		filled.Tolerance = s.Tolerance
	}
	return filled
}

// needs are the settings that have to be there.
func (p *preset) needs() []string {
	needs := []string{"secret"}
	if p.query != nil && p.query.token != "" {
		needs = append(needs, "verify_token")
	}
	if strings.Contains(p.settings.Template, "{url}") {
		needs = append(needs, "url")
	}
	return needs
}

// takes are the settings that are left to the owner.
func (p *preset) takes() []string {
	if p.settings.TimestampHeader != "" || p.settings.TimestampField != "" {
		return append(p.needs(), "tolerance")
	}
	return p.needs()
}

// checkFit refuses settings that the preset says itself, and asks for those that it needs. raw was decoded into s
// before, so it is an object.
func (p *preset) checkFit(s settings, raw json.RawMessage) error {
	takes, needs := p.takes(), p.needs()
	var errs []error
	_ = strictjson.Object(raw, func(name, value []byte) {
		if key := string(name); key != "preset" && string(value) != "null" && !slices.Contains(takes, key) {
			errs = append(errs, bellhop.Invalid(key, fmt.Sprintf("preset %s leaves you only %s; remove it, or set scheme and the rest instead of preset", p.name, strings.Join(takes, ", "))))
		}
	})
	if slices.Contains(needs, "verify_token") {
		errs = append(errs, s.VerifyToken.Check("verify_token"))
	}
	if s.URL == "" && slices.Contains(needs, "url") {
		errs = append(errs, bellhop.Invalid("url", "required: the URL as you entered it there, without a query, such as https://hooks.example.com/in/calls"))
	}
	return bellhop.Join("", errs...)
}

// eventType returns kind as a type with the name of the preset before it. A colon becomes a dot; what cannot be a type
// even so is "received".
func (p *preset) eventType(kind string, h http.Header) string {
	if p.noticeHeader != "" && slices.Contains(p.notices, single(h, p.noticeHeader)) {
		kind = single(h, p.noticeHeader)
	}
	if full := p.name + "." + strings.ReplaceAll(kind, ":", "."); kind != "" && provider.Word(full) {
		return full
	}
	return p.name + ".received"
}

// status is what an event is answered with: 200, which each of them takes; Dropbox repeats after anything else. Without a
// preset it is the door's own.
func (p *preset) status() int {
	if p.name == "" {
		return 0
	}
	return http.StatusOK
}
