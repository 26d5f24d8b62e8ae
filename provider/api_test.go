package provider

import "testing"

func TestAPIErrorText(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]APIError{
		"403 accessDenied: the app may not read calendars": {Status: 403, Code: "accessDenied",
			Message: "the app may not read calendars"},
		"401: Unsupported app only token: use a certificate": {Status: 401, Message: "Unsupported app only token.",
			Remedy: "use a certificate"},
		"no answer":              {Message: "no answer"},
		"gone: sign in again":    {Code: "gone", Remedy: "sign in again"},
		"503":                    {Status: 503},
		"":                       {},
		"api.example: try later": {Message: "api.example", Remedy: "try later"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
