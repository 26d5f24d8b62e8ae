package bellhop_test

import (
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

func TestRate(t *testing.T) {
	for r, ok := range map[bellhop.Rate]bool{
		{PerSecond: 1, Burst: 1}: true, {PerSecond: 0.001, Burst: 1}: true, {PerSecond: 100_000, Burst: 100_000}: true,
		{}: false, {PerSecond: 1}: false, {PerSecond: -1, Burst: 1}: false, {PerSecond: 1e9, Burst: 1}: false,
		{PerSecond: 1, Burst: -1}: false,
	} {
		if err := r.Check(); (err == nil) != ok {
			t.Errorf("%+v: %v", r, err)
		}
	}
	one, ten := bellhop.PerSecond(1), bellhop.PerSecond(10)
	if one.Min(ten) != one || ten.Min(one) != one || one.Min(bellhop.Rate{}) != one ||
		(bellhop.Rate{}).Min(one) != one {
		t.Error("Min does not return the lower rate, or takes the zero rate for a limit")
	}
	got := bellhop.Rate{PerSecond: 0.9, Burst: 1000}.Min(bellhop.PerSecond(1))
	if got != (bellhop.Rate{PerSecond: 0.9, Burst: 1}) {
		t.Errorf("Min of rate and burst: got %+v", got)
	}
	if got := bellhop.PerSecond(0.1); got.Burst != 1 || got.PerSecond != 0.1 {
		t.Errorf("%+v", got)
	}
}
