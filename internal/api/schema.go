package api

import (
	"reflect"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/danielgtaylor/huma/v2"
)

// Package client does not import the router library, so the schemas that it cannot derive from the types are here.

// newRegistry returns a registry of schemas that describes some types of package client by a schema of this file.
func newRegistry() huma.Registry {
	r := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	describeBy[client.Time, timeSchema](r)
	describeBy[client.Access, accessSchema](r)
	describeBy[client.Rate, rateSchema](r)
	describeBy[client.Batch, batchSchema](r)
	describeBy[client.Breaker, breakerSchema](r)
	describeBy[client.Reply, replySchema](r)
	describeBy[client.Retention, retentionSchema](r)
	describeBy[client.Schedule, scheduleSchema](r)
	describeBy[bellhop.Outcome, outcomeSchema](r)
	describeBy[client.MatchError, matchErrorSchema](r)
	describeBy[client.HeldBack, heldBackSchema](r)
	describeBy[client.NameOr[client.NewDestination], nameOrSchema[client.NewDestination]](r)
	describeBy[client.NameOr[client.SampleEvent], nameOrSchema[client.SampleEvent]](r)
	return r
}

// describeBy has r describe T by the schema of S.
func describeBy[T, S any](r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[T](), reflect.TypeFor[S]())
}

// nullableObject returns the schema of an object that may be null, with the names of the members that it has to have.
func nullableObject(properties map[string]*huma.Schema, required ...string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Nullable: true, AdditionalProperties: false, Properties: properties,
		Required: required}
}

func bound(n float64) *float64 { return &n }

type timeSchema struct{}

func (timeSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Nullable: true}
}

type accessSchema struct{}

// Schema describes an access. The engine checks the values. The mask of a secret is a value too.
func (accessSchema) Schema(huma.Registry) *huma.Schema {
	s := nullableObject(map[string]*huma.Schema{})
	for _, member := range catalog.AccessSettings() {
		p := &huma.Schema{Type: huma.TypeString, Nullable: true, Description: member.Doc}
		switch {
		case member.Secret:
			p.Type, p.Nullable = "", false // a text, null, or an object: the mask
			p.Description += " A text. An answer shows only that it is set, and since when."
		case member.Name == "scopes":
			p.Type, p.Items = huma.TypeArray, &huma.Schema{Type: huma.TypeString}
		}
		s.Properties[member.Name] = p
	}
	return s
}

type rateSchema struct{}

// Schema describes a rate. null is no limit in an answer, and the rate of the type in a request.
func (rateSchema) Schema(huma.Registry) *huma.Schema {
	return nullableObject(map[string]*huma.Schema{
		"per_second": {Type: huma.TypeNumber, Examples: []any{10},
			Minimum: bound(bellhop.MinRate), Maximum: bound(bellhop.MaxRate)},
		"burst": {Type: huma.TypeInteger, Examples: []any{20}, Minimum: bound(1), Maximum: bound(bellhop.MaxBurst),
			Description: "Attempts at once after a pause. Default: per_second, at least 1"},
	}, "per_second")
}

type batchSchema struct{}

// Schema describes a batch. null is one event in each request.
func (batchSchema) Schema(huma.Registry) *huma.Schema {
	return nullableObject(map[string]*huma.Schema{
		"max_events": {Type: huma.TypeInteger, Examples: []any{100},
			Minimum: bound(2), Maximum: bound(bellhop.MaxBatchEvents)},
		"max_wait": {Type: huma.TypeString, Examples: []any{"1s"},
			Description: "How long the first event waits for others, up to 1m. Default: 1s"},
	}, "max_events")
}

type breakerSchema struct{}

// Schema describes a breaker. null is the default.
func (breakerSchema) Schema(huma.Registry) *huma.Schema {
	return nullableObject(map[string]*huma.Schema{
		"failures": {Type: huma.TypeInteger, Examples: []any{16},
			Minimum: bound(0), Maximum: bound(bellhop.MaxBreakerFailures),
			Description: "Failed attempts in a row that open the breaker: the destination then gets one attempt at " +
				"a time, at growing intervals. Default: 16. 0 is never"},
		"for": {Type: huma.TypeString, Examples: []any{"10s"},
			Description: "How long a destination that answers has to fail as well before the breaker opens. " +
				"Default: 10s, or 0s if failures is given"},
		"disable_after": {Type: huma.TypeString, Examples: []any{"120h"},
			Description: "How long the destination fails without a success before it is disabled. " +
				"Default: 120h. 0s is never"},
	})
}

type retentionSchema struct{}

// Schema describes the retention of a source. null is what the server says.
func (retentionSchema) Schema(huma.Registry) *huma.Schema {
	return nullableObject(map[string]*huma.Schema{
		"age": {Type: huma.TypeString, Nullable: true, Examples: []any{"168h"},
			Description: "How long its events are kept, at least 1m. Default: what the server says"},
		"max_bytes": {Type: huma.TypeInteger, Format: "int64", Nullable: true, Examples: []any{1 << 30},
			Minimum: bound(0), Description: "Of the bodies and headers of its events; 0 is no bound. Default: 0"},
	})
}

type replySchema struct{}

// Schema describes the reply of a source. null is the answer of the provider.
func (replySchema) Schema(huma.Registry) *huma.Schema {
	longest, most := match.MaxTemplateLength, bellhop.MaxSourceReplyBytes
	return nullableObject(map[string]*huma.Schema{
		"status": {Type: huma.TypeInteger, Nullable: true, Examples: []any{200}, Minimum: bound(200),
			Maximum:     bound(299),
			Description: "Default: 200"},
		"content_type": {Type: huma.TypeString, Nullable: true, Examples: []any{"text/xml"},
			Description: "Default: text/plain; of a template whose result is no text, application/json"},
		"body": {Type: huma.TypeString, Nullable: true, MaxLength: &most, Description: "Sent as it is"},
		"template": {Type: huma.TypeString, Nullable: true, MaxLength: &longest,
			Description: "An expression over the first event of the request, in place of body; " +
				"its result is the body"},
	})
}

type scheduleSchema struct{}

// Schema describes a schedule: a text or a list of texts.
func (scheduleSchema) Schema(huma.Registry) *huma.Schema {
	most := bellhop.MaxScheduleLength
	text := &huma.Schema{Type: huma.TypeString}
	return &huma.Schema{
		OneOf:    []*huma.Schema{text, {Type: huma.TypeArray, Items: text, MaxItems: &most}},
		Examples: []any{"default", []string{"5s", "5m", "30m"}},
	}
}

type outcomeSchema struct{}

// Schema describes an outcome. In a PATCH, null removes an entry.
func (outcomeSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Nullable: true, Description: "delivered, retry, dead or disable"}
}

type matchErrorSchema struct{}

// Schema describes a match error. null is that the where has not failed.
func (matchErrorSchema) Schema(r huma.Registry) *huma.Schema {
	return nullableObject(map[string]*huma.Schema{
		"at":      timeSchema{}.Schema(r),
		"message": {Type: huma.TypeString},
		"count":   {Type: huma.TypeInteger, Description: "Failures since the start, or since the where was changed"},
	})
}

type heldBackSchema struct{}

// Schema describes why a destination is held back. null is that it is not.
func (heldBackSchema) Schema(r huma.Registry) *huma.Schema {
	nextAt := timeSchema{}.Schema(r)
	nextAt.Description = "Before this time no attempt begins. It may have passed: then one begins when a " +
		"delivery is due. null while the destination waits for its connection, until somebody signs in"
	return nullableObject(map[string]*huma.Schema{
		"reason": {Type: huma.TypeString,
			Description: "What was wrong with the last attempt; empty if none since the start"},
		"next_at": nextAt,
	})
}

type nameOrSchema[T any] struct{}

// Schema describes the name or id of a T, or a T, whose name may be left out. The handler checks which one it is,
// so that its errors have paths.
func (nameOrSchema[T]) Schema(r huma.Registry) *huma.Schema {
	whole := *schemaOf(r, reflect.TypeFor[T]())
	whole.Examples = nil
	whole.Required = slices.DeleteFunc(slices.Clone(whole.Required), func(name string) bool { return name == "name" })
	return &huma.Schema{Extensions: map[string]any{"oneOf": []any{map[string]any{"type": "string"}, &whole}}}
}
