package api

import (
	"github.com/bellhop-gateway/bellhop"
	"github.com/danielgtaylor/huma/v2"
)

// A Breaker says when a destination that keeps failing is held back, and when it is given up.
type Breaker struct {
	Failures     *int   `json:"failures,omitempty"`
	For          string `json:"for,omitempty"`
	DisableAfter string `json:"disable_after,omitempty"`
}

// Schema describes b, which may be null: the default.
func (Breaker) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Nullable: true, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"failures": {Type: huma.TypeInteger, Examples: []any{16}, Minimum: bound(0), Maximum: bound(bellhop.MaxBreakerFailures),
				Description: "Attempts in a row that failed, after which it gets one at a time, further and further apart; 16 if not given, 0 is never"},
			"for": {Type: huma.TypeString, Examples: []any{"10s"},
				Description: "For how long it has to fail as well, if it answers; 0s if failures are given and this is not, else 10s"},
			"disable_after": {Type: huma.TypeString, Examples: []any{"120h"},
				Description: "Of failing without a success, after which it is disabled; 120h if not given, 0s is never"},
		},
	}
}

// breaker reads b; none is the default.
func (b *Breaker) breaker() (bellhop.Breaker, error) {
	breaker := bellhop.DefaultBreaker
	if b == nil {
		return breaker, nil
	}
	if b.Failures != nil {
		if breaker.Failures, breaker.For = *b.Failures, 0; breaker.Failures == 0 {
			breaker.DisableAfter = 0 // who never holds back need not say that it never disables either
		}
	}
	var errs [2]error // the engine checks the bounds
	breaker.For, errs[0] = parseDuration("for", b.For, breaker.For)
	breaker.DisableAfter, errs[1] = parseDuration("disable_after", b.DisableAfter, breaker.DisableAfter)
	return breaker, bellhop.Join("breaker", errs[:]...)
}

// breakerOf shows breaker.
func breakerOf(breaker bellhop.Breaker) *Breaker {
	return &Breaker{&breaker.Failures, duration(breaker.For), duration(breaker.DisableAfter)}
}
