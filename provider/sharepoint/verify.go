package sharepoint

import (
	"net/http"

	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// StateHeader is the header that may hold the client state, in canonical form; SharePoint writes ClientState.
const StateHeader = microsoft.StateHeader

// VerifyHeader reports whether the ClientState header of h is one of states, byte for byte, in constant time.
// It returns signature.ErrMissing if it is absent or empty, signature.ErrMalformed if it is there twice, or
// provider.ErrForbidden. Vendor samples ask for the header; the reference leaves it out, so its absence proves nothing.
// Source: https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/get-started-webhooks
func VerifyHeader(h http.Header, states ...string) error {
	return microsoft.VerifyHeader(h, states...)
}

// VerifyItem reports whether state, the clientState of an item, is one of states, byte for byte, in constant time.
// null, "" and no member at all are the same: signature.ErrMissing. Otherwise it returns provider.ErrForbidden.
// Source: https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/overview-sharepoint-webhooks
func VerifyItem(state string, states ...string) error {
	return microsoft.VerifyItem(state, states...)
}
