package api

import (
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// TestUnreadableQueries: a query of which a part would be lost is refused.
func TestUnreadableQueries(t *testing.T) {
	r := newRig(t)
	for query, path := range map[string]string{"?tenant=%zz": "", "?tenant=%": "", "?limit=1;tenant=a": "",
		"?limit=1&limit=2": "limit", "?tenant=a&limit=1&tenant=": "tenant"} {
		var paths []string
		if path != "" {
			paths = []string{path}
		}
		r.do("GET", "/api/v1/sources"+query, "").refused(422, bellhop.CodeInvalid, paths...)
	}
	r.do("GET", "/api/v1/stats?a=%", "").refused(422, bellhop.CodeInvalid)
	r.do("GET", "/api/v1/sources?limit=1&tenant=", "").is(200)
}
