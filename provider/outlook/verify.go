package outlook

import (
	"net/http"

	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// StateHeader is the header that holds the client state, in canonical form; Outlook writes ClientState.
const StateHeader = microsoft.StateHeader

// Verify reports whether the ClientState header of h is one of states, byte for byte, in constant time.
// It returns signature.ErrMissing, signature.ErrMalformed for a header that is there twice, or provider.ErrForbidden.
// The text says who sent the request and nothing of its body; nor does it grow old.
// Source: https://learn.microsoft.com/en-us/previous-versions/office/office-365-api/api/version-2.0/notify-rest-operations
func Verify(h http.Header, states ...string) error {
	return microsoft.VerifyHeader(h, states...)
}
