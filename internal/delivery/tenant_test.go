package delivery

import (
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// TestOwnerOf: a published event belongs to the tenant that it names, if there is such a tenant; otherwise the name is
// a label. An event of a source belongs to the tenant of the source, also after that was deleted.
func TestOwnerOf(t *testing.T) {
	t.Parallel()
	e := &Engine{}
	owner := func(tenant, want string) {
		t.Helper()
		if got := e.OwnerOf(&bellhop.Event{Tenant: tenant, SourceID: bellhop.SourceAPIID}); got != want {
			t.Errorf("an event of %q belongs to %q, want %q", tenant, got, want)
		}
		if got := e.OwnerOf(&bellhop.Event{Tenant: tenant, SourceID: "src_1"}); got != tenant {
			t.Errorf("an event of a source of %q belongs to %q", tenant, got)
		}
	}
	owner("acme", "")
	e.SetTenants([]bellhop.Tenant{{Name: "acme"}})
	owner("acme", "acme")
	owner("label", "")
	owner("", "")
	e.SetTenants(nil)
	owner("acme", "")
}
