package ingest

import (
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// request is what is kept of req.
func (d *Door) request(src *source, req *provider.Request) *bellhop.Request {
	return &bellhop.Request{SourceID: src.ID, Method: clip(req.Method, 32), Target: clip(withoutValues(pathOf(req.Target)), 2048), RemoteAddr: req.RemoteAddr,
		Header: bellhop.NewHeader(req.Header, src.dropsHeader), Body: req.Body, BodyBytes: int64(len(req.Body)), ReceivedAt: req.ReceivedAt}
}

// dropsHeader reports whether the header may carry a secret. Of a source that could not be opened this is unknown, so
// every header of its requests is dropped.
func (s *source) dropsHeader(name string) bool { return s.receiver == nil || s.secret[name] }

// pathOf leaves out what stands before the path of a target that is a whole URL: a password, perhaps.
func pathOf(target string) string {
	scheme := strings.Index(target, "://")
	if scheme < 0 || strings.HasPrefix(target, "/") {
		return target
	}
	rest := target[scheme+3:]
	return rest[max(0, strings.IndexByte(rest, '/')):]
}

// withoutValues keeps the names of a query's parameters and leaves out their values, among which secrets travel.
func withoutValues(target string) string {
	path, query, ok := strings.Cut(target, "?")
	if !ok {
		return target
	}
	names := strings.Split(query, "&")
	for i, p := range names {
		name, _, hasValue := strings.Cut(p, "=")
		if names[i] = "…"; hasValue {
			names[i] = name + "=…"
		} else if p == "" {
			names[i] = ""
		}
	}
	return path + "?" + strings.Join(names, "&")
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
