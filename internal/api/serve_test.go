package api

import (
	"context"
	"errors"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// TestServe: how the server was started and how well it is come from the parts that know it; a server without them
// says so, and an error of the doctor stays in the log.
func TestServe(t *testing.T) {
	r := newRig(t)
	same(t, r.do("GET", "/api/v1/settings", "").is(200), `{"version":"1.2.3","commit":"","go":"",
		"started_at":"2026-11-22T09:30:00.123Z","url":"","api_url":"","public_url":"","metrics_url":"","ui_url":"",
		"data":"/var/lib/bellhop","admin_key":"","settings":[{"name":"retain","group":"Storage","doc":"","kind":"length",
		"value":"90d","default":"30d","secret":false,"set":true,"changed":true,"origin":"file","place":"bellhop.yaml:3"}]}`)
	same(t, r.do("GET", "/api/v1/doctor", "").is(200),
		`{"at":"2026-11-22T09:30:00.123Z","state":"failed","took_ms":1.5,
		"checks":[{"name":"disk","title":"Disk","state":"failed","message":"1 MiB is free","remedy":"make room",
		"took_ms":0,"nouns":[]}]}`)
	r.do("GET", "/api/v1/doctor?deep=1", "").refused(422, bellhop.CodeInvalid, "deep")
	o := r.handler.(*server).Options
	o.Checkup = func(context.Context) (client.Checkup, error) { return client.Checkup{}, errors.New("a secret cause") }
	r.handler = New(o)
	r.do("GET", "/api/v1/doctor", "").refused(500, bellhop.CodeInternal)
	o.Serve, o.Checkup = nil, nil
	r.handler = New(o)
	r.do("GET", "/api/v1/settings", "").refused(409, bellhop.CodeConflict)
	r.do("GET", "/api/v1/doctor", "").refused(409, bellhop.CodeConflict)
}
