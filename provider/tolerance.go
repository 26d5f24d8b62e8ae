package provider

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// Bounds of a tolerance. There is none that switches the check off.
const (
	MinTolerance = time.Second
	MaxTolerance = time.Hour
)

// Tolerance reads the setting at path that says how far a request's time may be from ours, either way: a length
// of time such as "5m", from 1 s to 1 h; "" is standard. Its error is bellhop.CodeInvalid.
func Tolerance(path, text string, standard time.Duration) (time.Duration, error) {
	if text == "" {
		return standard, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < MinTolerance || d > MaxTolerance {
		return 0, bellhop.Invalid(path, `use a length of time from "1s" to "1h", such as "5m"`)
	}
	return d, nil
}
