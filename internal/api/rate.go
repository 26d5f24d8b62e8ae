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

// Schema describes r, which may be null: any rate.
func (Rate) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Nullable: true, Required: []string{"per_second"}, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"per_second": {Type: huma.TypeNumber, Examples: []any{10}},
			"burst":      {Type: huma.TypeInteger, Examples: []any{20}, Description: "How many at once after a rest; per_second, at least 1, if not given"},
		},
	}
}

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

// rateOf shows rate; none is null.
func rateOf(rate bellhop.Rate) *Rate {
	if rate.IsZero() {
		return nil
	}
	return &Rate{rate.PerSecond, rate.Burst}
}
