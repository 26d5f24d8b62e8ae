package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/auth"
	"github.com/danielgtaylor/huma/v2"
)

// This file says which scope each operation needs, and compares it with the scope of the caller, for all operations in
// one place: no handler looks at a scope.

// scopes are the scopes that operations need, by their ids. An operation that is not here cannot be registered.
//
// A source, a destination and a connection hold secrets: to make, change or delete one needs the scope admin, as does
// everything about keys. What uses them as they are is for operate. A preview is for operate, because it signs any
// body by the secret of a destination.
var scopes = map[string]bellhop.Scope{
	"list-sources":  bellhop.ScopeRead,
	"create-source": bellhop.ScopeAdmin,
	"show-source":   bellhop.ScopeRead,
	"update-source": bellhop.ScopeAdmin,
	"delete-source": bellhop.ScopeAdmin,

	"sample-source":        bellhop.ScopeOperate,
	"rotate-source-secret": bellhop.ScopeAdmin,
	"drop-source-secret":   bellhop.ScopeAdmin,

	"list-destinations":         bellhop.ScopeRead,
	"create-destination":        bellhop.ScopeAdmin,
	"show-destination":          bellhop.ScopeRead,
	"update-destination":        bellhop.ScopeAdmin,
	"delete-destination":        bellhop.ScopeAdmin,
	"pause-destination":         bellhop.ScopeOperate,
	"resume-destination":        bellhop.ScopeOperate,
	"match-events":              bellhop.ScopeOperate,
	"try-destination":           bellhop.ScopeAdmin,
	"preview-destination":       bellhop.ScopeOperate,
	"test-destination":          bellhop.ScopeOperate,
	"rotate-destination-secret": bellhop.ScopeAdmin,
	"listen-destination":        bellhop.ScopeOperate,
	"pull-destination":          bellhop.ScopeOperate,

	"list-events":      bellhop.ScopeRead,
	"publish-event":    bellhop.ScopePublish,
	"show-event":       bellhop.ScopeRead,
	"show-event-chain": bellhop.ScopeRead,
	"get-event-body":   bellhop.ScopeRead,
	"replay-event":     bellhop.ScopeOperate,
	"replay-events":    bellhop.ScopeOperate,

	"list-deliveries":   bellhop.ScopeRead,
	"show-delivery":     bellhop.ScopeRead,
	"retry-delivery":    bellhop.ScopeOperate,
	"cancel-delivery":   bellhop.ScopeOperate,
	"retry-deliveries":  bellhop.ScopeOperate,
	"cancel-deliveries": bellhop.ScopeOperate,
	"answer-delivery":   bellhop.ScopeOperate,
	"ack-delivery":      bellhop.ScopeOperate,
	"nack-delivery":     bellhop.ScopeOperate,
	"extend-delivery":   bellhop.ScopeOperate,

	"list-repairs":  bellhop.ScopeRead,
	"show-repair":   bellhop.ScopeRead,
	"cancel-repair": bellhop.ScopeOperate,

	"list-requests":  bellhop.ScopeRead,
	"show-request":   bellhop.ScopeRead,
	"verify-request": bellhop.ScopeOperate,

	"list-connections":          bellhop.ScopeRead,
	"create-connection":         bellhop.ScopeAdmin,
	"show-connection":           bellhop.ScopeRead,
	"update-connection":         bellhop.ScopeAdmin,
	"delete-connection":         bellhop.ScopeAdmin,
	"login-connection":          bellhop.ScopeAdmin,
	"test-connection":           bellhop.ScopeOperate,
	"logout-connection":         bellhop.ScopeAdmin,
	"list-remote-subscriptions": bellhop.ScopeRead,

	"list-subscriptions":      bellhop.ScopeRead,
	"create-subscription":     bellhop.ScopeOperate,
	"show-subscription":       bellhop.ScopeRead,
	"update-subscription":     bellhop.ScopeOperate,
	"delete-subscription":     bellhop.ScopeOperate,
	"renew-subscription":      bellhop.ScopeOperate,
	"pause-subscription":      bellhop.ScopeOperate,
	"resume-subscription":     bellhop.ScopeOperate,
	"fill-subscription":       bellhop.ScopeOperate,
	"list-subscription-calls": bellhop.ScopeRead,
	"sync-subscriptions":      bellhop.ScopeOperate,

	"list-files":       bellhop.ScopeRead,
	"show-file":        bellhop.ScopeRead,
	"delete-file":      bellhop.ScopeOperate,
	"get-file-content": bellhop.ScopeRead,

	"list-keys":        bellhop.ScopeAdmin,
	"create-key":       bellhop.ScopeAdmin,
	"show-key":         bellhop.ScopeAdmin,
	"delete-key":       bellhop.ScopeAdmin,
	"rotate-admin-key": bellhop.ScopeAdmin,

	"create-sign-in-link": bellhop.ScopeRead,

	"list-portal-links":  bellhop.ScopeAdmin,
	"create-portal-link": bellhop.ScopeAdmin,
	"show-portal-link":   bellhop.ScopeAdmin,
	"delete-portal-link": bellhop.ScopeAdmin,

	"list-tenants":  bellhop.ScopeRead,
	"create-tenant": bellhop.ScopeAdmin,
	"show-tenant":   bellhop.ScopeRead,
	"update-tenant": bellhop.ScopeAdmin,
	"delete-tenant": bellhop.ScopeAdmin,

	"follow-stream": bellhop.ScopeRead,
	"export-config": bellhop.ScopeAdmin,
	"plan-config":   bellhop.ScopeAdmin,
	"apply-config":  bellhop.ScopeAdmin,

	"show-stats":         bellhop.ScopeRead,
	"show-series":        bellhop.ScopeRead,
	"list-audit":         bellhop.ScopeAdmin,
	"show-settings":      bellhop.ScopeAdmin,
	"check-server":       bellhop.ScopeAdmin,
	"show-backup":        bellhop.ScopeAdmin,
	"note-backup":        bellhop.ScopeAdmin,
	"show-standby":       bellhop.ScopeRead,
	"resume-server":      bellhop.ScopeAdmin,
	"show-log-level":     bellhop.ScopeAdmin,
	"set-log-level":      bellhop.ScopeAdmin,
	"get-backup-archive": bellhop.ScopeAdmin,
	"list-providers":     bellhop.ScopeRead,

	"list-destination-types": bellhop.ScopeRead,
	"list-connectors":        bellhop.ScopeRead,
}

// allTenants are the operations that are about every tenant, and so not for a key that is bound to one.
var allTenants = map[string]bool{
	"rotate-admin-key": true, "create-tenant": true, "update-tenant": true, "delete-tenant": true, "show-stats": true,
	"sync-subscriptions": true, "export-config": true, "plan-config": true, "apply-config": true,
	"show-settings": true, "check-server": true, "show-backup": true, "note-backup": true, "get-backup-archive": true,
	"show-standby": true, "resume-server": true, "show-log-level": true, "set-log-level": true,
}

// portals are the operations that the visitor of a portal may make within its scope, by the rights that they need. No
// other one is for a visitor: a session of a portal sees no source, no request, no key, whatever page asks for it.
var portals = map[string]bellhop.PortalRights{
	"list-destinations":      bellhop.PortalRead,
	"show-destination":       bellhop.PortalRead,
	"list-destination-types": bellhop.PortalRead,
	"list-events":            bellhop.PortalRead,
	"show-event":             bellhop.PortalRead,
	"get-event-body":         bellhop.PortalRead,
	"list-deliveries":        bellhop.PortalRead,
	"show-delivery":          bellhop.PortalRead,
	"follow-stream":          bellhop.PortalRead, // of the kinds in visitorKinds

	"retry-delivery":   bellhop.PortalRetry,
	"retry-deliveries": bellhop.PortalRetry,
	"replay-event":     bellhop.PortalRetry,

	"create-destination": bellhop.PortalManage,
	"update-destination": bellhop.PortalManage,
	"delete-destination": bellhop.PortalManage,
	"pause-destination":  bellhop.PortalManage,
	"resume-destination": bellhop.PortalManage,
	"test-destination":   bellhop.PortalManage,
	"try-destination":    bellhop.PortalManage,
}

// requireScope notes which scope the route of an operation needs, and says so in the document.
func (s *server) requireScope(o *huma.Operation) {
	scope, ok := scopes[o.OperationID]
	if !ok {
		panic("bellhop: the operation " + o.OperationID + " has no entry in scopes")
	}
	s.needs[o.Method+" "+o.Path] = need{scope, allTenants[o.OperationID], portals[o.OperationID]}
	o.Security = []map[string][]string{{securityScheme: {string(scope)}}}
}

// scopeOf returns the scope that a described operation needs.
func scopeOf(o *huma.Operation) bellhop.Scope { return scopes[o.OperationID] }

// authorize returns an error unless p may make a request of the route with that pattern. "" is no route: whoever has a
// key may hear that there is none.
func (s *server) authorize(pattern string, p auth.Principal) error {
	if pattern == "" {
		return nil
	}
	what, ok := s.needs[pattern]
	needed := what.scope
	if ok && p.Portal != "" && !p.Portal.Includes(what.portal) {
		s.log.Info("api.forbidden", "route", pattern, "key", p.Name, "key_id", p.KeyID, "rights", p.Portal)
		return &bellhop.Error{Code: bellhop.CodeForbidden, Message: "this link to the portal does not allow that"}
	}
	if ok && p.Scope.Includes(needed) {
		return s.authorizeTenant(pattern, what, p)
	}
	if !ok { // a route without a scope is a mistake of this program, and nobody's to use
		needed = bellhop.ScopeAdmin
	}
	if s.Forbidden != nil {
		s.Forbidden(needed)
	}
	s.log.Info("api.forbidden", "route", pattern, "key", p.Name, "key_id", p.KeyID, "scope", p.Scope, "needed", needed)
	return &bellhop.Error{Code: bellhop.CodeForbidden, Message: "this needs an API key of the scope " + wide(needed) +
		"; the scope of this key is " + string(p.Scope)}
}

// authorizeTenant returns an error if p is bound to a tenant and the route is about all of them.
func (s *server) authorizeTenant(pattern string, what need, p auth.Principal) error {
	if !what.allTenants || p.Tenant == "" {
		return nil
	}
	if s.Forbidden != nil {
		s.Forbidden(what.scope)
	}
	s.log.Info("api.forbidden", "route", pattern, "key", p.Name, "key_id", p.KeyID, "tenant", p.Tenant)
	return &bellhop.Error{Code: bellhop.CodeForbidden,
		Message: "this is about all tenants, and the key is bound to tenant " +
			p.Tenant + ": use a key of all tenants"}
}

// A need is what a route asks of a key.
type need struct {
	scope      bellhop.Scope
	allTenants bool // the key must not be bound to a tenant

	portal bellhop.PortalRights // of the visitor of a portal; "" is not for one
}

// wide names a scope and those that include it: "read, operate or admin".
func wide(needed bellhop.Scope) string {
	names := []string{string(needed)}
	for i := len(bellhop.Scopes) - 1; i >= 0; i-- {
		if scope := bellhop.Scopes[i]; scope != needed && scope.Includes(needed) {
			names = append(names, string(scope))
		}
	}
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// principalName returns the name of the principal of ctx, for logs.
func principalName(ctx context.Context) string {
	p, _ := auth.FromContext(ctx)
	return p.Name
}

// metricsPattern is the route of the metrics. They name sources and destinations, as lists do.
const metricsPattern = http.MethodGet + " " + MetricsPath
