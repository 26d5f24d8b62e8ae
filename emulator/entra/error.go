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
	now, trace, correlation := s.now().UTC().Format("2006-01-02 15:04:05Z"), emulator.NewID(), emulator.NewID()
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

// failures are the errors that the fault error can ask for by their code. Many need a state of the tenant that the
// stand-in does not play, such as a disabled application or a second factor.
var failures = []*failure{
	fail(7000215, "invalid_client", "Invalid client secret provided."),
	fail(7000222, "invalid_client", "The provided client secret keys are expired."),
	fail(700027, "invalid_client", "Client assertion failed signature validation."),
	fail(700024, "invalid_client", "Client assertion is not within its valid time range."),
	fail(50012, "invalid_client", "Authentication failed: the certificate is not accepted."),
	fail(700016, "unauthorized_client", "The application was not found in the directory."),
	fail(7000112, "unauthorized_client", "The application is disabled."),
	fail(90002, "invalid_request", "The tenant was not found."),
	fail(90019, "invalid_request", "No tenant-identifying information was found in the request."),
	fail(90038, "invalid_request", "The tenant belongs to another national cloud."),
	fail(50001, "invalid_resource", "The resource was not found in the tenant."),
	fail(500011, "invalid_resource", "The resource principal was not found in the tenant."),
	fail(70011, "invalid_scope", "The provided value for the input parameter 'scope' is not valid."),
	fail(65001, "invalid_grant", "The user or administrator has not consented to use the application."),
	fail(90094, "consent_required", "An administrator must consent to the application."),
	fail(70000, "invalid_grant", "The provided grant is not valid."),
	fail(70008, "invalid_grant", "The refresh token has expired due to inactivity."),
	fail(700082, "invalid_grant", "The refresh token has expired due to inactivity."),
	fail(50173, "invalid_grant", "The provided grant has expired due to it being revoked."),
	fail(50076, "interaction_required", "Due to a configuration change made by your administrator, you must use "+
		"multi-factor authentication."),
	fail(50079, "interaction_required", "You must enroll in multi-factor authentication."),
	fail(53000, "interaction_required", "Your device is required to be compliant."),
	fail(53003, "interaction_required", "Access has been blocked by Conditional Access policies."),
	fail(50011, "invalid_request", "The redirect URI does not match those of the application."),
	fail(50196, "invalid_grant", "The server terminated an operation because it encountered a client request loop."),
	fail(90055, "temporarily_unavailable", "The tenant is throttled: too many requests."),
	fail(50033, "temporarily_unavailable", "A transient error has occurred. Please try again."),
	fail(90033, "temporarily_unavailable", "A transient error has occurred. Please try again."),
}

// ErrorCodes returns the codes, such as "AADSTS50076", that the fault error takes as its value.
func (s *System) ErrorCodes() []string {
	var codes []string
	for _, f := range failures {
		codes = append(codes, fmt.Sprintf("AADSTS%d", f.code))
	}
	return codes
}

// FailWith answers with the error of a code. The authorize page leads the browser back with it.
func (s *System) FailWith(w http.ResponseWriter, r *http.Request, code string) {
	q := r.URL.Query()
	for _, f := range failures {
		switch {
		case fmt.Sprintf("AADSTS%d", f.code) != code:
		case r.Method == http.MethodGet && q.Get("redirect_uri") != "":
			lead(w, r, q.Get("redirect_uri"), q.Get("response_mode"), map[string]string{"error": f.kind,
				"error_description": f.describe(), "state": q.Get("state")})
			return
		default:
			s.write(w, f)
			return
		}
	}
}

var _ emulator.Coder = (*System)(nil)
