package api

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/danielgtaylor/huma/v2"
)

// A Batch says how many events go into one request.
type Batch struct {
	MaxEvents int    `json:"max_events"`
	MaxWait   string `json:"max_wait,omitempty"`
}

// Schema describes b, which may be null: one event at a time.
func (Batch) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Nullable: true, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"max_events": {Type: huma.TypeInteger, Examples: []any{100}, Minimum: bound(2), Maximum: bound(bellhop.MaxBatchEvents)},
			"max_wait":   {Type: huma.TypeString, Examples: []any{"1s"}, Description: "How long the first event waits for others, up to 1m; 1s if not given"},
		},
	}
}

// batch reads b; none is one event at a time.
func (b *Batch) batch() (bellhop.Batch, error) {
	if b == nil {
		return bellhop.Batch{}, nil
	}
	batch := bellhop.Batch{MaxEvents: b.MaxEvents, MaxWait: bellhop.DefaultBatchWait}
	if b.MaxWait != "" {
		var err error
		if batch.MaxWait, err = time.ParseDuration(b.MaxWait); err != nil {
			batch.MaxWait = -1 // which Check refuses
		}
	}
	return batch, bellhop.Join("batch", batch.Check())
}

// batchOf shows batch; one event at a time is null.
func batchOf(batch bellhop.Batch) *Batch {
	if batch.IsZero() {
		return nil
	}
	return &Batch{batch.MaxEvents, duration(batch.MaxWait)}
}
