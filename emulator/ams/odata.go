package ams

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// This file reads and writes the two JSON forms of OData v3: light and verbose.

// typePrefix begins the names of entity types.
const typePrefix = "Microsoft.Cloud.Media.Vod.Rest.Data.Models."

// isVerbose reports whether a header asks for, or announces, verbose JSON.
func isVerbose(h http.Header, name string) bool {
	return strings.Contains(strings.ReplaceAll(strings.ToLower(h.Get(name)), " ", ""), "odata=verbose")
}

// writeError answers with an error.
func writeError(w http.ResponseWriter, r *http.Request, e *apiError) {
	name := "odata.error"
	if isVerbose(r.Header, "Accept") {
		name = "error"
	}
	setContentType(w, r)
	emulator.WriteJSON(w, e.status, map[string]any{name: map[string]any{"code": "",
		"message": map[string]any{"lang": "en-US", "value": e.message}}})
}

func setContentType(w http.ResponseWriter, r *http.Request) {
	form := "minimalmetadata;streaming=true"
	if isVerbose(r.Header, "Accept") {
		form = "verbose"
	}
	w.Header().Set("Content-Type", "application/json;odata="+form+";charset=utf-8")
}

// An entity is one of a set, as its fields. A time, a localTime and a collection among them are written in the
// caller's form.
type entity struct {
	of     *kind
	id     string
	fields map[string]any
}

// A localTime is a time that JSON light shows without a zone. It is UTC.
type localTime time.Time

// never is the null of a time that is not known yet.
func never(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return localTime(at)
}

// A collection is a list of complex values of a type: a list in JSON light, and an object in verbose JSON.
type collection struct {
	kind   string
	values []map[string]any
}

// uri returns the address of the entity.
func (e *entity) uri(r *http.Request) string {
	return emulator.BaseURL(r) + "/api/" + e.of.set + "('" + strings.ReplaceAll(url.QueryEscape(e.id), "+", "%20") +
		"')"
}

// shown returns the entity in the form that the caller asks for, without what is around it.
func (e *entity) shown(r *http.Request) map[string]any {
	verbose := isVerbose(r.Header, "Accept")
	out := maps.Clone(e.fields)
	for name, value := range out {
		out[name] = inForm(value, verbose)
	}
	if verbose {
		out["__metadata"] = map[string]any{"id": e.uri(r), "uri": e.uri(r), "type": typePrefix + e.of.name}
		for name := range e.of.links {
			out[name] = map[string]any{"__deferred": map[string]any{"uri": e.uri(r) + "/" + name}}
		}
	}
	return out
}

// inForm returns a field in one of the two forms.
func inForm(value any, verbose bool) any {
	switch v := value.(type) {
	case time.Time:
		if !verbose {
			return v.UTC().Format("2006-01-02T15:04:05.0000000Z")
		}
		return "/Date(" + strconv.FormatInt(v.UnixMilli(), 10) + ")/"
	case localTime:
		if !verbose {
			return time.Time(v).UTC().Format("2006-01-02T15:04:05.999")
		}
		return inForm(time.Time(v), true)
	case collection:
		list := []map[string]any{}
		for _, value := range v.values {
			list = append(list, maps.Clone(value))
			for name, member := range value {
				list[len(list)-1][name] = inForm(member, verbose)
			}
		}
		if !verbose {
			return list
		}
		return map[string]any{"__metadata": map[string]any{"type": "Collection(" + typePrefix + v.kind + ")"},
			"results": list}
	}
	return value
}

// writeOne answers with one entity.
func writeOne(w http.ResponseWriter, r *http.Request, status int, e *entity) {
	out := e.shown(r)
	if isVerbose(r.Header, "Accept") {
		out = map[string]any{"d": out}
	} else {
		out["odata.metadata"] = emulator.BaseURL(r) + "/api/$metadata#" + e.of.set + "/@Element"
	}
	setContentType(w, r)
	emulator.WriteJSON(w, status, out)
}

// writeValue answers a function, or the reading of one property, with its value.
func writeValue(w http.ResponseWriter, r *http.Request, function string, value any) {
	kind := "Edm.String"
	if _, ok := value.(int); ok {
		kind = "Edm.Int32"
	}
	out := map[string]any{"odata.metadata": emulator.BaseURL(r) + "/api/$metadata#" + kind, "value": value}
	if isVerbose(r.Header, "Accept") {
		out = map[string]any{"d": map[string]any{function: value}}
	}
	setContentType(w, r)
	emulator.WriteJSON(w, http.StatusOK, out)
}

// filter is the one kind of filter that is played: a name or an id that equals a text.
var filter = regexp.MustCompile(`(?i)^\s*(Name|Id|AssetId|ParentAssetId)\s+eq\s+'((?:[^']|'')*)'\s*$`)

// filtered returns the entities of a set that a $filter chooses. Ids are compared in any letter case.
func filtered(of *kind, all []*entity, text string) ([]*entity, error) {
	if text == "" {
		return all, nil
	}
	m := filter.FindStringSubmatch(text)
	if m == nil {
		return nil, failed(http.StatusBadRequest, "The $filter is not supported: use Name eq '…', Id eq '…' or "+
			"AssetId eq '…'.")
	}
	want := strings.ReplaceAll(m[2], "''", "'")
	kept := all[:0:0]
	for _, e := range all {
		for name, value := range e.fields {
			text, isText := value.(string)
			if strings.EqualFold(name, m[1]) && isText &&
				(text == want || !strings.EqualFold(name, "Name") && strings.EqualFold(text, want)) {
				kept = append(kept, e)
			}
		}
	}
	if strings.HasSuffix(strings.ToLower(m[1]), "assetid") && of != locators && of != files {
		return nil, noProperty(m[1], of.name)
	}
	return kept, nil
}

// writeList answers with the entities of a set that the query chooses: by $filter, $skip and $top, in pages.
func (s *System) writeList(w http.ResponseWriter, r *http.Request, of *kind, all []*entity) error {
	q := r.URL.Query()
	all, err := filtered(of, all, q.Get("$filter"))
	if err != nil {
		return err
	}
	skip, err := count(q, "$skip", 0)
	if err != nil {
		return err
	}
	top, err := count(q, "$top", len(all))
	if err != nil {
		return err
	}
	all = all[min(skip, len(all)):]
	all = all[:min(top, len(all))]
	next := ""
	if len(all) > s.opts.PageSize {
		all = all[:s.opts.PageSize]
		q.Set("$skip", strconv.Itoa(skip+s.opts.PageSize))
		if top >= s.opts.PageSize && q.Has("$top") {
			q.Set("$top", strconv.Itoa(top-s.opts.PageSize))
		}
		next = emulator.BaseURL(r) + "/api/" + afterAPI(r.URL.EscapedPath()) + "?" + q.Encode()
	}
	list := []map[string]any{}
	for _, e := range all {
		list = append(list, e.shown(r))
	}
	out := map[string]any{"odata.metadata": emulator.BaseURL(r) + "/api/$metadata#" + of.set, "value": list}
	nextName := "odata.nextLink"
	inner := out
	if isVerbose(r.Header, "Accept") {
		nextName, inner = "__next", map[string]any{"results": list}
		out = map[string]any{"d": inner}
	}
	if next != "" {
		inner[nextName] = next
	}
	setContentType(w, r)
	emulator.WriteJSON(w, http.StatusOK, out)
	return nil
}

// count returns the whole number of a parameter, or otherwise if it is not there.
func count(q url.Values, name string, otherwise int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, failed(http.StatusBadRequest, "The value of %s is not a whole number.", name)
	}
	return n, nil
}

// protectionKey answers which certificate protects keys, and the certificate.
func (s *System) protectionKey(w http.ResponseWriter, r *http.Request, function string) error {
	if function == "GetProtectionKeyId" {
		n, err := strconv.Atoi(parameter(r, "contentKeyType"))
		if err != nil || n < 0 {
			return failed(http.StatusBadRequest, "The parameter 'contentKeyType' is missing or not a number.")
		}
		writeValue(w, r, function, s.protection().thumbprint)
		return nil
	}
	id, quoted := strings.CutPrefix(parameter(r, "protectionKeyId"), "'")
	id, closed := strings.CutSuffix(id, "'")
	switch {
	case !quoted || !closed:
		return failed(http.StatusBadRequest, "The parameter 'protectionKeyId' is missing or not in single quotes.")
	case !strings.EqualFold(id, s.protection().thumbprint):
		return failed(http.StatusNotFound, "The protection key was not found.")
	}
	writeValue(w, r, function, base64.StdEncoding.EncodeToString(s.protection().certificate))
	return nil
}
