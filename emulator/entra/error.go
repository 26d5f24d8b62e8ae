package entra

import (
	"fmt"
	"html"
	"net/http"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// A failure is an error in the form of the token endpoint.
type failure struct {
	status int
	code   int    // AADSTS number
	kind   string // "invalid_client"
	text   string
}

// fail returns a failure. Errors of client authentication have status 401, all others 400.
func fail(code int, kind, format string, args ...any) *failure {
	f := &failure{status: http.StatusBadRequest, code: code, kind: kind, text: fmt.Sprintf(format, args...)}
	if kind == "invalid_client" {
		f.status = http.StatusUnauthorized
	}
	return f
}

// write answers with the failure as JSON.
func (s *System) write(w http.ResponseWriter, f *failure) {
	now, trace, correlation := s.host.Now().UTC().Format("2006-01-02 15:04:05Z"), emulator.NewID(), emulator.NewID()
	description := fmt.Sprintf("%s\r\nTrace ID: %s\r\nCorrelation ID: %s\r\nTimestamp: %s", f.describe(), trace,
		correlation,
		now)
	emulator.WriteJSON(w, f.status, map[string]any{"error": f.kind, "error_description": description,
		"error_codes": []int{f.code}, "timestamp": now, "trace_id": trace, "correlation_id": correlation,
		"error_uri": fmt.Sprintf("https://login.microsoftonline.com/error?code=%d", f.code)})
}

func (f *failure) describe() string { return fmt.Sprintf("AADSTS%d: %s", f.code, f.text) }

// page answers a browser with the failure, since a redirect is not to be trusted.
func (s *System) page(w http.ResponseWriter, status int, f *failure) {
	writePage(w, status, "<h1>Sign-in failed</h1><p>"+html.EscapeString(f.describe())+"</p>")
}

func writePage(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action *")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<!doctype html><html lang=en><title>Sign in (stand-in)</title>%s</html>\n", body)
}

// Fail answers with an error that a token endpoint gives while it is overloaded.
func (s *System) Fail(w http.ResponseWriter, _ *http.Request, status int) {
	f := fail(90033, "temporarily_unavailable", "A transient error has occurred. Please try again.")
	if status == http.StatusTooManyRequests {
		f = fail(90055, "temporarily_unavailable", "The tenant is throttled: too many requests.")
	}
	f.status = status
	s.write(w, f)
}
