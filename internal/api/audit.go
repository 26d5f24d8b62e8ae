package api

import (
	"context"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// auditInput is which changes a client asks for.
type auditInput struct {
	Paging
	Period
	Owned
	Key    string `query:"key" maxLength:"64" doc:"Name of the key"`
	Noun   string `query:"noun" enum:"source,destination,connection,subscription,key,tenant,portal_link,repair,event,delivery,file,server" doc:"Its kind"`
	Name   string `query:"name" maxLength:"64" doc:"Name or id of what changed"`
	Action string `query:"action" maxLength:"64" example:"deleted" doc:"What was done"`
}

// listAudit lists who changed what.
func (s *server) listAudit(ctx context.Context, in *auditInput) (*listOutput[client.AuditEntry], error) {
	list, next, err := s.Store.Audit(ctx, bellhop.AuditFilter{Key: in.Key, Noun: in.Noun, Name: in.Name,
		Action: in.Action, Tenant: in.Tenant, Since: in.Since, Until: in.Until}, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, auditJSON), nil
}

func auditJSON(e bellhop.AuditEntry) client.AuditEntry {
	return client.AuditEntry{At: client.Time{Time: e.At}, Key: e.Key, KeyID: e.KeyID, Action: e.Action, Noun: e.Noun,
		NounID: e.NounID, Name: e.Name, Tenant: e.Tenant}
}
