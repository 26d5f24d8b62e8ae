package ams

import (
	"encoding/base64"
	"encoding/json"
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

// An entity is one of a set, as its fields. A time among them is written in the caller's form.
type entity struct {
	set, kind string // "NotificationEndPoints", "NotificationEndPoint"
	id        string
	fields    map[string]any
}

// uri returns the address of the entity.
func (e *entity) uri(r *http.Request) string {
	return emulator.BaseURL(r) + "/api/" + e.set + "('" + strings.ReplaceAll(url.QueryEscape(e.id), "+", "%20") + "')"
}

// shown returns the entity in the form that the caller asks for, without what is around it.
func (e *entity) shown(r *http.Request) map[string]any {
	out := maps.Clone(e.fields)
	for name, value := range out {
		at, ok := value.(time.Time)
		switch {
		case !ok:
		case isVerbose(r.Header, "Accept"):
			out[name] = "/Date(" + strconv.FormatInt(at.UnixMilli(), 10) + ")/"
		default:
			out[name] = at.UTC().Format("2006-01-02T15:04:05.0000000Z")
		}
	}
	if isVerbose(r.Header, "Accept") {
		out["__metadata"] = map[string]any{"id": e.uri(r), "uri": e.uri(r), "type": typePrefix + e.kind}
	}
	return out
}

// writeOne answers with one entity.
func writeOne(w http.ResponseWriter, r *http.Request, status int, e *entity) {
	out := e.shown(r)
	if isVerbose(r.Header, "Accept") {
		out = map[string]any{"d": out}
	} else {
		out["odata.metadata"] = emulator.BaseURL(r) + "/api/$metadata#" + e.set + "/@Element"
	}
	setContentType(w, r)
	emulator.WriteJSON(w, status, out)
}

// writeValue answers a function with its result.
func writeValue(w http.ResponseWriter, r *http.Request, function, value string) {
	out := map[string]any{"odata.metadata": emulator.BaseURL(r) + "/api/$metadata#Edm.String", "value": value}
	if isVerbose(r.Header, "Accept") {
		out = map[string]any{"d": map[string]any{function: value}}
	}
	setContentType(w, r)
	emulator.WriteJSON(w, http.StatusOK, out)
}

// filter is the one kind of filter that is played: a name or an id that equals a text.
var filter = regexp.MustCompile(`(?i)^\s*(Name|Id)\s+eq\s+'((?:[^']|'')*)'\s*$`)

// writeList answers with the entities of a set that the query chooses: by $filter, $skip and $top, in pages.
func (s *System) writeList(w http.ResponseWriter, r *http.Request, set string, all []*entity) error {
	q := r.URL.Query()
	if text := q.Get("$filter"); text != "" {
		m := filter.FindStringSubmatch(text)
		if m == nil {
			return failed(http.StatusBadRequest, "The $filter is not supported: use Name eq '…' or Id eq '…'.")
		}
		field := "Name"
		if strings.EqualFold(m[1], "id") {
			field = "Id"
		}
		kept := all[:0:0]
		for _, e := range all {
			if e.fields[field] == strings.ReplaceAll(m[2], "''", "'") {
				kept = append(kept, e)
			}
		}
		all = kept
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
		next = emulator.BaseURL(r) + "/api/" + set + "?" + q.Encode()
	}
	list := []map[string]any{}
	for _, e := range all {
		list = append(list, e.shown(r))
	}
	out := map[string]any{"odata.metadata": emulator.BaseURL(r) + "/api/$metadata#" + set, "value": list}
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

// protectionKey answers which certificate protects keys, and the certificate. Names of parameters are taken in any
// letter case: the documentation and the SDK write them differently.
func (s *System) protectionKey(w http.ResponseWriter, r *http.Request, function string) error {
	param := func(name string) string {
		for given, values := range r.URL.Query() {
			if strings.EqualFold(given, name) {
				return values[0]
			}
		}
		return ""
	}
	if function == "GetProtectionKeyId" {
		n, err := strconv.Atoi(param("contentKeyType"))
		if err != nil || n < 0 {
			return failed(http.StatusBadRequest, "The parameter 'contentKeyType' is missing or not a number.")
		}
		writeValue(w, r, function, s.thumbprint)
		return nil
	}
	id, quoted := strings.CutPrefix(param("protectionKeyId"), "'")
	id, closed := strings.CutSuffix(id, "'")
	switch {
	case !quoted || !closed:
		return failed(http.StatusBadRequest, "The parameter 'protectionKeyId' is missing or not in single quotes.")
	case !strings.EqualFold(id, s.thumbprint):
		return failed(http.StatusNotFound, "The protection key was not found.")
	}
	writeValue(w, r, function, base64.StdEncoding.EncodeToString(s.certificate))
	return nil
}

// readObject reads the JSON object of a call's body, as texts by member. What verbose JSON has beside the members of
// an entity is left out, if the body announces that it is verbose.
func readObject(r *http.Request, kind string) (map[string]json.RawMessage, error) {
	var in map[string]json.RawMessage
	if json.NewDecoder(r.Body).Decode(&in) != nil || in == nil {
		return nil, failed(http.StatusBadRequest, "The body is not a JSON object.")
	}
	if in["__metadata"] != nil && isVerbose(r.Header, "Content-Type") {
		delete(in, "__metadata")
	}
	if in["__metadata"] != nil {
		return nil, noProperty("__metadata", kind)
	}
	return in, nil
}

func noProperty(name, kind string) *apiError {
	return failed(http.StatusBadRequest, "The property '%s' does not exist on type '%s%s'. Make sure to only use "+
		"property "+
		"names that are defined by the type.", name, typePrefix, kind)
}

// readNumber reads a whole number, which may be in quotes.
func readNumber(raw json.RawMessage) (int, bool) {
	n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	return n, err == nil
}
