package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/google/jsonschema-go/jsonschema"
)

// This file compares the schemas of settings with the parsers that read the settings: those of providers, connectors
// and actions, and that of type http.

// A settingsCase is the settings of the nouns of one provider or type.
type settingsCase struct {
	list, member, value string // "sources", "provider", "github"
	schema              string // the name of the schema
	settings            []provider.Setting
}

func (c settingsCase) String() string { return c.schema }

// settingsCases returns all settings that there are.
func settingsCases(actions []provider.Action) (cases []settingsCase) {
	add := func(list, member, value, noun string, settings []provider.Setting) {
		name := ""
		for word := range strings.SplitSeq(value, ".") {
			name += strings.ToUpper(word[:1]) + word[1:]
		}
		cases = append(cases, settingsCase{list, member, value, name + noun + "Settings", settings})
	}
	for _, p := range all.Providers() {
		info := p.Info()
		add("sources", "provider", info.Name, "Source", info.Settings)
		if info.SendSettings != nil {
			add("destinations", "type", info.Name, "Destination", info.SendSettings)
		}
		if s, ok := p.(provider.Subscriber); ok {
			add("subscriptions", "provider", info.Name, "Subscription", s.SubscribeInfo().Settings)
		}
	}
	for _, k := range all.Connectors() {
		info := k.ConnectorInfo()
		add("connections", "provider", info.Name, "Connection", info.Settings)
	}
	for _, a := range actions {
		add("destinations", "type", a.Info().Name, "Destination", a.Info().SendSettings)
	}
	add("destinations", "type", bellhop.TypeHTTP, "Destination", outbound.HTTPSettings)
	add("destinations", "type", bellhop.TypePull, "Destination", outbound.HTTPSettings)
	return cases
}

// A schemaJudge validates by the schemas of one document.
type schemaJudge struct {
	document string
	schemas  *jsonschema.Resolved // of an object: the values of its members are as the schemas of their names say
}

func newSchemaJudge(t *testing.T, name string, document []byte, schemas func(map[string]any) any) schemaJudge {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(document, &whole); err != nil {
		t.Fatal(err)
	}
	return schemaJudge{name, resolve(t, schemas(whole))}
}

func resolve(t *testing.T, schemas any) *jsonschema.Resolved {
	t.Helper()
	properties := map[string]any{}
	for name := range schemas.(map[string]any) {
		properties[name] = map[string]any{"$ref": "#/$defs/" + name}
	}
	raw, err := json.Marshal(map[string]any{"$defs": schemas, "properties": properties, "additionalProperties": false})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("#/components/schemas/", "#/$defs/", "#/definitions/", "#/$defs/").Replace(string(raw))
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

const openAPI = "openapi.json"

// newSchemaJudges returns the judges of the OpenAPI document and of the schema of configuration files.
func newSchemaJudges(t *testing.T, actions []provider.Action) []schemaJudge {
	t.Helper()
	o := api.Options{Providers: all.Providers(), Connectors: all.Connectors(), Actions: actions,
		HTTPSettings: outbound.HTTPSettings, Settings: config.Schema(), Logger: slog.New(slog.DiscardHandler)}
	document, err := api.Document(o)
	if err != nil {
		t.Fatal(err)
	}
	file, err := api.ConfigSchema(o)
	if err != nil {
		t.Fatal(err)
	}
	return []schemaJudge{
		newSchemaJudge(t, openAPI, document, func(d map[string]any) any {
			return d["components"].(map[string]any)["schemas"]
		}),
		newSchemaJudge(t, "bellhop.schema.json", file, func(d map[string]any) any { return d["definitions"] }),
	}
}

// TestSettingsAreAsTheirSchemasSay: what a parser accepts, the schemas accept; and both refuse values of another type,
// words that are no choice, members that do not exist, and settings without what is required.
func TestSettingsAreAsTheirSchemasSay(t *testing.T) {
	t.Parallel()
	opts := Options{Providers: all.Providers(), Connectors: all.Connectors(),
		Config: config.Config{AllowPrivate: true, AllowExec: true}}
	actions := bare(opts).actions
	judges := newSchemaJudges(t, actions)
	for _, c := range settingsCases(actions) {
		objects := 0
		for _, s := range c.settings {
			if s.Secret && s.Kind == provider.KindObject {
				objects++
			}
		}
		if objects > 1 {
			t.Errorf("%s has %d secret objects; the catalog masks the members of one", c, objects)
		}
		t.Run(c.String(), func(t *testing.T) { c.compare(t, opts, judges) })
	}
}

// noChoice is a text that is no choice of any setting, no URL, no id and no time.
const noChoice = "no such choice"

// values are of each type of JSON.
func values() []any {
	return []any{"a text", "", "7", float64(7), 1.5, float64(-1), true, []any{}, []any{"a"}, []any{float64(7)},
		[]any{map[string]any{"a": "b"}}, map[string]any{}, map[string]any{"a": "b"},
		map[string]any{"a": float64(7)}, noChoice}
}

// A probe is settings in which one member has a value.
type probe struct {
	name     string
	value    any
	setting  provider.Setting
	settings map[string]any
	faults   []bellhop.FieldError // of the parser
}

func (c settingsCase) compare(t *testing.T, opts Options, judges []schemaJudge) {
	refused := map[string]bool{} // the settings whose value noChoice the parser refuses because of the value
	for i, base := range c.good(t) {
		probes := []*probe{{settings: base}, {name: "no_such_setting", value: "a"}}
		for _, s := range c.settings {
			more := []any{exampleOf(s), noChoice}
			if i == 0 { // what is of another type is so whatever the other settings are
				more = append(values(), exampleOf(s))
			}
			for _, choice := range s.Choices {
				more = append(more, choice)
			}
			for _, v := range more {
				probes = append(probes, &probe{name: s.Name, value: v, setting: s})
			}
		}
		for _, p := range probes[1:] {
			p.settings = maps.Clone(base)
			p.settings[p.name] = p.value
		}
		for _, s := range c.settings {
			if s.Required {
				p := &probe{name: s.Name, settings: maps.Clone(base)}
				delete(p.settings, s.Name)
				probes = append(probes, p)
			}
		}
		c.parse(t, opts, probes)
		if probes[0].faults != nil {
			t.Fatalf("the parser refuses good settings: %v: %v", base, probes[0].faults)
		}
		for _, p := range probes {
			faults := p.faultsAt()
			c.judge(t, judges, p, faults)
			refused[p.name] = refused[p.name] || p.value == noChoice && len(faults) > 0
		}
	}
	for _, s := range c.settings {
		if (s.Choices != nil && s.Kind == provider.KindText || s.Format != "") && !refused[s.Name] {
			t.Errorf("%s: the parser does not refuse %q", s.Name, noChoice)
		}
	}
}

// judge compares what the schemas and the parser say of the settings of p. faults are those of its value.
func (c settingsCase) judge(t *testing.T, judges []schemaJudge, p *probe, faults []string) {
	text, _ := json.Marshal(p.settings)
	for _, j := range judges {
		err := j.schemas.Validate(map[string]any{c.schema: p.settings})
		switch {
		case p.faults == nil && err != nil:
			t.Errorf("%s: %s: the parser accepts it, the schema does not: %v", j.document, text, err)
		case err == nil && (isOfType(faults) || p.value == noChoice && p.setting.Choices != nil):
			t.Errorf("%s: %s: the schema accepts it, the parser does not: %v", j.document, text, faults)
		case err == nil && p.isStranger():
			t.Errorf("%s: %s: the schema accepts it", j.document, text)
		}
		if j.document != openAPI || p.value == nil {
			continue
		}
		err = j.schemas.Validate(map[string]any{c.schema + "Patch": map[string]any{p.name: p.value}})
		if p.faults == nil && err != nil || err == nil && (isOfType(faults) || p.isStranger()) {
			t.Errorf("%s: a patch of %s to %v: the schema says %v, the parser %v", j.document, p.name, p.value, err,
				faults)
		}
	}
	if p.isStranger() && len(faults) == 0 {
		t.Errorf("%s: the parser accepts it, or finds no fault in %s: %v", text, p.name, p.faults)
	}
	word, _ := p.value.(string)
	for _, fault := range faults {
		if slices.Contains(p.setting.Choices, word) && strings.Contains(fault, "is not a choice") {
			t.Errorf("%s: the parser does not know a choice: %s", text, fault)
		}
	}
}

// isStranger reports whether p has a member that does not exist, or lacks one that is required.
func (p *probe) isStranger() bool { return p.name != "" && (p.setting.Name == "") }

// faultsAt returns what the parser says of the value of p.
func (p *probe) faultsAt() (messages []string) {
	for _, f := range p.faults {
		rest, ok := strings.CutPrefix(f.Path, p.name)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			messages = append(messages, f.Message)
		}
	}
	return messages
}

// good returns settings that the parser accepts. Each setting with few values is of use in one of them.
func (c settingsCase) good(t *testing.T) (all []map[string]any) {
	t.Helper()
	texts := goodSettings[c.schema]
	if texts == nil {
		base := map[string]any{}
		for _, s := range c.settings {
			if s.Required {
				base[s.Name] = exampleOf(s)
			}
		}
		return append(all, base)
	}
	for _, text := range texts {
		var settings map[string]any
		if err := json.Unmarshal([]byte(text), &settings); err != nil {
			t.Fatal(err)
		}
		all = append(all, settings)
	}
	return all
}

const (
	open        = `{"unauthenticated":true}`
	entraSource = `{"audience":"api://7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67",
		"tenant_id":"7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67","app_id":"4962773b-9cdb-44cf-a8bf-237846a00ab7"}`
	boroSigned = `{"profile_id":"265",
		"secret_key":"b4c5d2f0a1e89376245b8c7d6e9f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b"}`
	httpRotated = `{"secret":["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"],
		"secret_until":"2099-01-01T00:00:00Z"}`
	httpTemplate = `{"format":"template","template":"data.text"}`
)

// goodSettings are settings that the parser accepts, by the names of their schemas: where it does not accept the
// examples of the required ones alone.
var goodSettings = map[string][]string{
	"GenericSourceSettings": {
		`{"scheme":"hmac","header":"X-Signature","secret":"a secret of the test","timestamp_header":"X-Time"}`,
		`{"scheme":"hmac","header":"X-Signature","secret":"a secret of the test","template":"{url}{body}",
			"url":"https://hooks.example.com/in/calls"}`, `{"preset":"shopify","secret":"a secret of the test"}`,
		`{"scheme":"basic","username":"bellhop","secret":"a secret of the test"}`},
	"GenericDestinationSettings": {
		`{"scheme":"hmac","header":"X-Signature","secret":"a secret of the test","timestamp_header":"X-Time"}`},
	"AcsSourceSettings":         {`{"query_secret":"a-secret-of-the-test"}`, entraSource, open},
	"EventgridSourceSettings":   {`{"query_secret":"a-secret-of-the-test"}`, entraSource, open},
	"BoroSourceSettings":        {boroSigned, open},
	"BoroDestinationSettings":   {boroSigned, `{}`},
	"CloudeventsSourceSettings": {`{"bearer_token":"a-secret-of-the-test"}`, open},
	"GraphSourceSettings": {`{"client_state":"a-secret-of-the-test",
		"app_id":"7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67"}`, open, `{"subscriptions_only":true}`},
	"OutlookSourceSettings":        {`{"client_state":"a-secret-of-the-test"}`, open, `{"subscriptions_only":true}`},
	"SharepointSourceSettings":     {`{"client_state":"a-secret-of-the-test"}`, open, `{"subscriptions_only":true}`},
	"Oauth2ConnectionSettings":     {`{"api_url":"https://api.example.com","client_id":"b","issuer":"https://id.example.com"}`},
	"ExecDestinationSettings":      {`{"command":["true"]}`},
	"AmsEncodeDestinationSettings": {`{"connection":"work","endpoint":"Bellhop"}`},
	"HttpDestinationSettings":      {`{"format":"raw"}`, httpRotated, httpTemplate},
	"PullDestinationSettings":      {`{}`, httpRotated, httpTemplate},
}

// isOfType reports whether faults say that a value has another type.
func isOfType(faults []string) bool {
	return slices.ContainsFunc(faults, func(f string) bool {
		return strings.HasPrefix(f, "must be ") &&
			(strings.Contains(f, ", not a ") || strings.Contains(f, "within its bounds"))
	})
}

// parse sets what the parser says of each of the settings, with paths within them.
func (c settingsCase) parse(t *testing.T, opts Options, probes []*probe) {
	t.Helper()
	declared := map[string]any{}
	var nouns []any
	for i, p := range probes {
		noun := map[string]any{"name": fmt.Sprint("n", i), c.member: c.value, "settings": p.settings}
		switch {
		case c.list == "destinations" && c.sends():
			noun["url"] = "https://hooks.example.com/x"
		case c.list == "subscriptions":
			noun["source"], noun["connection"], noun["resource"] = "s", "c", resources[c.value]
			if c.value == "graph" || c.value == "outlook" {
				noun["change_types"] = []string{"created"}
			}
		}
		nouns = append(nouns, noun)
	}
	if c.list == "subscriptions" {
		of := c.value
		if of == "acs" { // its registrations are made at Event Grid
			of = "eventgrid"
		}
		settings := map[string]any{"unauthenticated": true}
		if c.value == "ams" {
			settings = map[string]any{"signing_key": "c2lnbmluZyBrZXkgb2YgdGhlIHRlc3Q="}
		}
		declared["sources"] = []any{map[string]any{"name": "s", "provider": c.value, "settings": settings}}
		declared["connections"] = []any{map[string]any{"name": "c", "provider": of, "settings": map[string]any{
			"tenant": "contoso.example", "client_id": "bellhop", "client_secret": "a secret of the test",
			"api_url": "https://api.example.com/sites/x"}}}
	}
	declared[c.list] = nouns
	raw, err := json.Marshal(declared)
	if err != nil {
		t.Fatal(err)
	}
	var cfg client.Config
	if err := json.Unmarshal(raw, &cfg); err != nil {
		t.Fatal(err)
	}
	_, err = CheckConfig(t.Context(), opts, cfg, nil)
	var refused *bellhop.Error
	if err != nil && !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if refused == nil {
		return
	}
	for _, f := range refused.Fields {
		index, path, _ := strings.Cut(strings.TrimPrefix(f.Path, c.list+"["), "].")
		i, err := strconv.Atoi(index)
		if err != nil {
			t.Fatalf("%s: %s", f.Path, f.Message)
		}
		path = strings.TrimPrefix(path, "settings.")
		probes[i].faults = append(probes[i].faults, bellhop.FieldError{Path: path, Message: f.Message})
	}
}

// sends reports whether destinations of the type have a URL.
func (c settingsCase) sends() bool {
	return c.value == bellhop.TypeHTTP || slices.ContainsFunc(all.Providers(), func(p provider.Provider) bool {
		return p.Info().Name == c.value
	})
}

// resources are what subscriptions may watch.
var resources = map[string]string{"graph": "/me/events", "outlook": "/me/events", "sharepoint": "Documents",
	"ams": "Bellhop", "eventgrid": eventGridTopic, "acs": eventGridTopic}

const eventGridTopic = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/g/providers/" +
	"Microsoft.Communication/communicationServices/n"

// exampleOf returns the example of a setting as it is in JSON.
func exampleOf(s provider.Setting) any {
	var v any
	if s.Kind == provider.KindText || s.Kind == provider.KindDuration || json.Unmarshal([]byte(s.Example), &v) != nil {
		return s.Example
	}
	return v
}

// TestKindsOfSettings: the API's schema has the kind of each setting.
func TestKindsOfSettings(t *testing.T) {
	field, _ := reflect.TypeFor[client.ServerSetting]().FieldByName("Kind")
	kinds := strings.Split(field.Tag.Get("enum"), ",")
	for _, s := range config.Settings() {
		if !slices.Contains(kinds, s.Kind) {
			t.Errorf("%s is of kind %s, the schema has %v", s.Name, s.Kind, kinds)
		}
	}
}
