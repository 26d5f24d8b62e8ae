package ingest

import (
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// The reasons on record of requests that are answered 404.
const (
	reasonUnknown  = "unknown_source"
	reasonDisabled = "disabled"
)

// maxNameBytes bounds how much of an unknown source's name is on record.
const maxNameBytes = 128

// noSource answers a request whose path is not that of a source, and records it. disabled is the source if it is
// disabled, else nil: the sender gets the same answer in both cases.
//
// The record has neither headers nor a body, because only an opened source knows what of them is secret. Of the path
// it has the name alone: what follows may be a secret.
func (d *Door) noSource(w http.ResponseWriter, r *http.Request, disabled *source, at time.Time) {
	if disabled != nil {
		d.noteRefused(disabled, &provider.Request{Method: r.Method, Target: r.RequestURI, Header: r.Header,
			RemoteAddr: r.RemoteAddr, ReceivedAt: at}, http.StatusNotFound, reasonDisabled)
	}
	answer(w, http.StatusNotFound, nil)
	defer discard(w, r)
	d.metrics.unknown.Inc()
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), Prefix)
	if !ok {
		return // an unclean path elsewhere
	}
	name, rest, longer := strings.Cut(path, "/")
	record := bellhop.Request{
		RequestName: clean(name), Outcome: bellhop.RequestRefused, Status: http.StatusNotFound, Reason: reasonUnknown,
		Method: clip(r.Method, 32), RemoteAddr: r.RemoteAddr, ReceivedAt: at,
	}
	record.Target = Prefix + record.RequestName
	if longer {
		record.Target += "/"
	}
	if rest != "" {
		record.Target += "…"
	}
	if r.URL.RawQuery != "" {
		record.Target += "?…"
	}
	switch {
	case disabled != nil:
		record.RequestName, record.SourceID, record.Source = "", disabled.ID, disabled.Name
		record.Reason, record.Detail = reasonDisabled, "the source is disabled"
	case rest != "" && (*d.sources.Load())[name] != nil:
		record.Detail = "the path is longer than that of a source: remove what follows the name"
	default:
		record.Detail = "there is no source with this name; upper and lower case differ"
	}
	d.opts.Store.Note(record)
	d.log.write(slog.LevelInfo, "request.refused", record.SourceID, record.Source, "request_name", record.RequestName,
		"status", record.Status, "reason", record.Reason, "remote_addr", record.RemoteAddr)
}

// clean returns the first maxNameBytes of a name that a stranger chose, as text without control characters.
func clean(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(clip(name, maxNameBytes), "?"))
}
