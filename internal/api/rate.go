package api

import (
	"github.com/bellhop-gateway/bellhop"
	"github.com/danielgtaylor/huma/v2"
)

// A Rate bounds how often attempts begin.
type Rate struct {
	PerSecond float64 `json:"per_second"`
	Burst     int     `json:"burst,omitempty"`
}

// Schema describes r, which may be null: shown, any rate; given, that of the type.
func (Rate) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Nullable: true, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"per_second": {Type: huma.TypeNumber, Examples: []any{10}, Minimum: bound(bellhop.MinRate), Maximum: bound(bellhop.MaxRate)},
			"burst":      {Type: huma.TypeInteger, Examples: []any{20}, Minimum: bound(1), Maximum: bound(bellhop.MaxBurst), Description: "How many at once after a rest; per_second, at least 1, if not given"},
		},
	}
}

func bound(n float64) *float64 { return &n }

// rate reads r; none is that of standard a second.
func (r *Rate) rate(standard float64) (bellhop.Rate, error) {
	if r == nil {
		return bellhop.PerSecond(standard), nil
	}
	rate := bellhop.Rate{PerSecond: r.PerSecond, Burst: r.Burst}
	if rate.Burst == 0 {
		rate.Burst = bellhop.PerSecond(r.PerSecond).Burst
	}
	return rate, bellhop.Join("rate", rate.Check())
}

// plain is r without a burst that follows from it, so that one does not outlive a change of the other.
func (r *Rate) plain() *Rate {
	if r == nil || r.Burst != bellhop.PerSecond(r.PerSecond).Burst {
		return r
	}
	return &Rate{PerSecond: r.PerSecond}
}

// rateOf shows rate; none is null.
func rateOf(rate bellhop.Rate) *Rate {
	if rate.IsZero() {
		return nil
	}
	return &Rate{rate.PerSecond, rate.Burst}
}
