package api

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file makes the schemas of settings and of access, from what providers, connectors, actions and package access
// say of them. The OpenAPI document and the schema of configuration files have the same schemas, under the same names.
//
// Which settings a noun has depends on its provider or type, a member beside the settings. A discriminator of OpenAPI
// needs that member within the settings, so the schema of the noun says it by if and then.

// A dialect is how one of the two documents writes a schema.
type dialect struct {
	refs string // what comes before the name of a schema in a reference to it
	// isFile says that the document is that of configuration files: a text may be a reference such as env:NAME. In the
	// API, a secret may be the mask that answers have in its place.
	isFile bool
	// isPatch says that the schemas are of merge patches: nothing is required, and null removes a member. Nothing is
	// described a second time.
	isPatch bool
}

var (
	apiDialect   = dialect{refs: "#/components/schemas/"}
	patchDialect = dialect{refs: "#/components/schemas/", isPatch: true}
	fileDialect  = dialect{refs: "#/definitions/", isFile: true}
)

func (d dialect) refer(name string) map[string]any { return map[string]any{"$ref": d.refs + name} }

// The names of schemas that nouns share.
const (
	accessSchemaName = "DestinationAccess"
	maskSchemaName   = "SecretMask"
	serveSchemaName  = "ServeSettings"
	patchSchemaName  = "DestinationPatch" // of the body of a PATCH
)

// A kindOfNoun is a kind of noun that has settings.
type kindOfNoun struct {
	name     string   // "Source"
	plural   string   // "sources"
	member   string   // that says which settings the noun has: "provider" or "type"
	schemas  []string // of the OpenAPI document
	variants func(o Options) []variant
}

// A variant is the settings of the nouns whose member has one value.
type variant struct {
	value    string
	standard bool   // the member may be left out, and has this value then
	schema   string // its name: "GithubSourceSettings"
	text     string // describes the schema
	settings []provider.Setting
	// alone says that a destination sends nothing, and so has no access.
	alone bool
}

// kindsOfNouns are the kinds of nouns that have settings. Each schema whose name begins with New is of a request.
var kindsOfNouns = []kindOfNoun{
	{"Source", "sources", "provider", []string{"NewSource", "Source"}, sourceVariants},
	{"Connection", "connections", "provider", []string{"NewConnection", "Connection"}, connectionVariants},
	{"Destination", "destinations", "type", []string{"NewDestination", "Destination", "RotatedDestination"},
		destinationVariants},
	{"Subscription", "subscriptions", "provider", []string{"NewSubscription", "Subscription"}, subscriptionVariants},
}

func sourceVariants(o Options) (all []variant) {
	for _, p := range o.Providers {
		info := p.Info()
		all = append(all, variant{value: info.Name, schema: schemaName(info.Name, "SourceSettings"),
			text: "Settings of a source of provider " + info.Name, settings: info.Settings})
	}
	return all
}

func connectionVariants(o Options) (all []variant) {
	for _, k := range o.Connectors {
		info := k.ConnectorInfo()
		all = append(all, variant{value: info.Name, schema: schemaName(info.Name, "ConnectionSettings"),
			text: "Settings of a connection of provider " + info.Name, settings: info.Settings})
	}
	return all
}

func subscriptionVariants(o Options) (all []variant) {
	for _, p := range o.Providers {
		if s, ok := p.(provider.Subscriber); ok {
			name := p.Info().Name
			all = append(all, variant{value: name, schema: schemaName(name, "SubscriptionSettings"),
				text: "Settings of a subscription at provider " + name, settings: s.SubscribeInfo().Settings})
		}
	}
	return all
}

func destinationVariants(o Options) (all []variant) {
	for _, name := range []string{bellhop.TypeHTTP, bellhop.TypePull} {
		all = append(all, variant{value: name, standard: name == bellhop.TypeHTTP,
			schema: schemaName(name, "DestinationSettings"), text: "Settings of a destination of type " + name,
			settings: o.HTTPSettings, alone: name == bellhop.TypePull})
	}
	for _, p := range o.Providers {
		info := p.Info()
		if info.SendSettings != nil {
			all = append(all, variant{value: info.Name, schema: schemaName(info.Name, "DestinationSettings"),
				text: "Settings of a destination of type " + info.Name, settings: info.SendSettings})
		}
	}
	for _, a := range o.Actions {
		info := a.Info()
		all = append(all, variant{value: info.Name, schema: schemaName(info.Name, "DestinationSettings"),
			text: "Settings of the action " + info.Name, settings: info.SendSettings, alone: true})
	}
	return all
}

// schemaName returns the name of a schema for a provider or a type: GraphFetchDestinationSettings for graph.fetch.
func schemaName(of, what string) string {
	var name strings.Builder
	for word := range strings.SplitSeq(of, ".") {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String() + what
}

// typeSettings adds the schemas of the settings and of the access of k to schemas, and has noun, the schema of such a
// noun, say which settings it has. If isNew is set, noun is of a request, and the member that decides has one of the
// values.
func (d dialect) typeSettings(o Options, k kindOfNoun, schemas map[string]map[string]any, noun map[string]any,
	isNew bool) {
	var names []string
	var refs, choices []any
	for _, v := range k.variants(o) {
		names = append(names, v.value)
		refs = append(refs, d.refer(v.schema))
		schemas[v.schema] = d.settingsSchema(v)
		condition := map[string]any{"properties": map[string]any{k.member: map[string]any{"const": v.value}}}
		if !v.standard {
			condition["required"] = []string{k.member}
		}
		properties := map[string]any{"settings": d.refer(v.schema)}
		if v.alone {
			properties["access"] = map[string]any{"type": "null"}
		}
		then := map[string]any{"properties": properties}
		if schemas[v.schema]["required"] != nil {
			then["required"] = []string{"settings"}
		}
		choices = append(choices, map[string]any{"if": condition, "then": then})
	}
	if len(choices) == 0 {
		return
	}
	noun["allOf"] = choices
	settings := map[string]any{"type": "object"}
	if !d.isFile { // a generator that does not know if and then has the union of all
		settings = map[string]any{"anyOf": refs}
	}
	setProperty(noun, "settings", settings)
	if isNew {
		setProperty(noun, k.member, map[string]any{"type": "string", "enum": names})
	}
	d.typeAccess(schemas, noun)
}

// typePatch adds the schemas of the changes of the settings and of the access of k to schemas, and has patch, the
// schema of a merge patch of such a noun, name them. A patch does not say the provider or the type, so any may be
// meant.
func (d dialect) typePatch(o Options, k kindOfNoun, schemas map[string]map[string]any, patch map[string]any) {
	var refs []any
	for _, v := range k.variants(o) {
		name := v.schema + "Patch"
		schemas[name] = d.objectSchema(v.settings)
		schemas[name]["description"] = "Changes of " + v.schema + ": null removes a member"
		refs = append(refs, d.refer(name))
	}
	if len(refs) > 0 {
		setProperty(patch, "settings", map[string]any{"anyOf": refs})
	}
	d.typeAccess(schemas, patch)
}

// typeAccess adds the schema of an access to schemas, and has noun, which may have one, name it.
func (d dialect) typeAccess(schemas map[string]map[string]any, noun map[string]any) {
	if property(noun, "access") == nil {
		return
	}
	name := accessSchemaName
	if d.isPatch {
		name += "Patch"
	}
	schemas[name] = d.accessSchema()
	setProperty(noun, "access", map[string]any{"oneOf": []any{d.refer(name), map[string]any{"type": "null"}}})
}

// property returns the schema of a member of noun; nil if there is none.
func property(noun map[string]any, name string) map[string]any {
	properties, _ := noun["properties"].(map[string]any)
	p, _ := properties[name].(map[string]any)
	return p
}

// setProperty puts a schema in place of that of a member, whose description and examples stay.
func setProperty(noun map[string]any, member string, schema map[string]any) {
	before := property(noun, member)
	for _, name := range []string{"description", "examples"} {
		if value, ok := before[name]; ok {
			schema[name] = value
		}
	}
	noun["properties"].(map[string]any)[member] = schema
}

// settingsSchema returns the schema of the settings of v.
func (d dialect) settingsSchema(v variant) map[string]any {
	schema := d.objectSchema(v.settings)
	schema["description"] = v.text
	return schema
}

// objectSchema returns the schema of an object with these members.
func (d dialect) objectSchema(members []provider.Setting) map[string]any {
	properties := map[string]any{}
	var required []string
	for _, s := range members {
		properties[s.Name] = d.settingSchema(s)
		if s.Required && !d.isPatch {
			required = append(required, s.Name)
		}
	}
	schema := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

// settingSchema returns the schema of the value of a setting.
func (d dialect) settingSchema(s provider.Setting) map[string]any {
	schema := d.valueSchema(s)
	if s.Secret && s.Kind != provider.KindObject {
		schema = d.secret(schema)
	}
	if d.isPatch {
		return orNull(schema)
	}
	if s.Title != "" {
		schema["title"] = s.Title
	}
	if s.Doc != "" {
		schema["description"] = s.Doc
	}
	if example := exampleOf(s); example != nil {
		schema["examples"] = []any{example}
	}
	return schema
}

// exampleOf returns the example of a setting as JSON; nil if there is none, or if it has an ellipsis.
func exampleOf(s provider.Setting) any {
	if s.Example == "" || strings.Contains(s.Example, "…") || strings.Contains(s.Example, "...") {
		return nil
	}
	if s.Kind == provider.KindText || s.Kind == provider.KindDuration {
		return s.Example
	}
	var v any
	if json.Unmarshal([]byte(s.Example), &v) != nil {
		return nil
	}
	return v
}

// valueSchema returns the schema of the values of a setting, whether it is a secret or not. Of a secret object, each
// member is a secret.
func (d dialect) valueSchema(s provider.Setting) map[string]any {
	text := d.text(s)
	switch s.Kind {
	case provider.KindFlag:
		return map[string]any{"type": "boolean"}
	case provider.KindNumber:
		number := map[string]any{"type": "integer"}
		if s.Least != 0 || s.Most != 0 {
			number["minimum"], number["maximum"] = s.Least, s.Most
		}
		return number
	case provider.KindList:
		return map[string]any{"type": "array", "items": text}
	case provider.KindObjects:
		return map[string]any{"type": "array", "items": map[string]any{"type": "object"}}
	case provider.KindObject:
		if s.Secret {
			text = d.secret(text)
		}
		if d.isPatch {
			text = orNull(text)
		}
		return map[string]any{"type": "object", "additionalProperties": text}
	case provider.KindDocument:
		object := map[string]any{"type": "object"}
		if s.Members != nil {
			object = d.objectSchema(s.Members)
		}
		return map[string]any{"oneOf": []any{text, object}}
	}
	if s.Many {
		return map[string]any{"oneOf": []any{text, map[string]any{"type": "array", "items": text}}}
	}
	return text
}

// reference is how a reference in place of a text begins.
const reference = "^(env|file|text):"

// text returns the schema of the texts of a setting. In a file, each may be a reference.
func (d dialect) text(s provider.Setting) map[string]any {
	meant := map[string]any{}
	if s.Choices != nil {
		meant["enum"] = s.Choices
		if !s.Required && s.Kind == provider.KindText { // "" is the default, as if it were left out
			meant["enum"] = append(slices.Clone(s.Choices), "")
		}
	}
	if s.Format != "" {
		meant["format"] = s.Format
	}
	text := map[string]any{"type": "string"}
	if d.isFile && len(meant) > 0 {
		text["anyOf"] = []any{meant, map[string]any{"pattern": reference}}
		return text
	}
	maps.Copy(text, meant)
	return text
}

// secret returns the schema of a secret whose values have a schema: in the API they are in requests, and answers have
// the mask.
func (d dialect) secret(schema map[string]any) map[string]any {
	schema["writeOnly"] = true
	if d.isFile {
		return schema
	}
	return map[string]any{"anyOf": []any{schema, d.refer(maskSchemaName)}}
}

// orNull returns the schema of what schema says, or null.
func orNull(schema map[string]any) map[string]any {
	return map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
}

// accessSchema returns the schema of an access.
func (d dialect) accessSchema() map[string]any {
	properties := map[string]any{}
	for _, m := range catalog.AccessSettings() {
		member := map[string]any{"type": "string"}
		switch {
		case m.Secret:
			member = d.secret(member)
		case m.Name == "scopes":
			member = map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
		}
		if d.isPatch {
			member = orNull(member)
		} else {
			member["description"] = m.Doc
		}
		properties[m.Name] = member
	}
	if d.isPatch {
		return map[string]any{"type": "object", "additionalProperties": false, "properties": properties,
			"description": "Changes of " + accessSchemaName + ": null removes a member"}
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties,
		"description": "How a destination is reached, and how the gateway signs in there"}
}

// serveSchema returns the schema of the settings of serve.
func (d dialect) serveSchema(o Options) map[string]any {
	properties := map[string]any{}
	for name, schema := range o.Settings {
		properties[name] = schema
		if s, _ := schema.(map[string]any); s["writeOnly"] == true {
			s = maps.Clone(s)
			text, described := s["description"]
			delete(s, "description")
			properties[name] = d.secret(s)
			if described {
				properties[name].(map[string]any)["description"] = text
			}
		}
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties,
		"description": "Settings of bellhop serve, by the names of its flags"}
}

// maskSchema is the schema of what an answer has in place of a secret. A request may have it, too: the secret stays.
var maskSchema = map[string]any{"type": "object", "additionalProperties": false, "required": []string{"set"},
	"description": "What an answer has in place of a secret. In a request, the stored secret stays.",
	"properties": map[string]any{"set": map[string]any{"const": true},
		"set_at": map[string]any{"type": []string{"string", "null"}, "format": "date-time"},
		"count": map[string]any{"type": "integer", "minimum": 2,
			"description": "How many secrets are accepted, if it is more than one"}}}

// withSettings returns the OpenAPI document with the schemas of settings and of access. They are not in the library's
// schemas, by which requests are checked: the catalog checks settings, with better messages.
func withSettings(document []byte, o Options) ([]byte, error) {
	var whole map[string]any
	if err := json.Unmarshal(document, &whole); err != nil {
		return nil, err
	}
	components := whole["components"].(map[string]any)
	schemas := map[string]map[string]any{maskSchemaName: maskSchema}
	for name, schema := range components["schemas"].(map[string]any) {
		schemas[name] = schema.(map[string]any)
	}
	schemas[serveSchemaName] = apiDialect.serveSchema(o)
	for _, name := range []string{"Config", "ConfigRequest"} {
		setProperty(schemas[name], "settings", apiDialect.refer(serveSchemaName))
	}
	paths := whole["paths"].(map[string]any)
	for _, k := range kindsOfNouns {
		for _, name := range k.schemas {
			apiDialect.typeSettings(o, k, schemas, schemas[name], strings.HasPrefix(name, "New"))
		}
		item := paths[Prefix+"/"+k.plural+"/{id}"].(map[string]any)
		body := item["patch"].(map[string]any)["requestBody"].(map[string]any)
		for _, media := range body["content"].(map[string]any) {
			patchDialect.typePatch(o, k, schemas, media.(map[string]any)["schema"].(map[string]any))
		}
		if k.plural == "destinations" { // of which some requests have the values of one that is not stored
			for _, name := range []string{"PreviewRequest", "TryRequest"} {
				forms := property(schemas[name], "destination")["oneOf"].([]any)
				apiDialect.typeSettings(o, k, schemas, forms[1].(map[string]any), true)
			}
			for _, media := range body["content"].(map[string]any) { // of the same schema, which a try takes, too
				media := media.(map[string]any)
				schemas[patchSchemaName] = media["schema"].(map[string]any)
				media["schema"] = apiDialect.refer(patchSchemaName)
			}
			setProperty(schemas["TryRequest"], "changes", apiDialect.refer(patchSchemaName))
		}
	}
	dropUnused(schemas, paths)
	components["schemas"] = schemas
	return json.Marshal(whole)
}

// dropUnused removes the schemas to which neither the operations nor the other schemas refer.
func dropUnused(schemas map[string]map[string]any, operations any) {
	used := map[string]any{}
	addDefinitions(used, schemas, operations)
	for name := range schemas {
		if used[name] == nil {
			delete(schemas, name)
		}
	}
}
