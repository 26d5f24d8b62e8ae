package acs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file knows what the download of a recording is at Communication Services: which calls there are for a chunk,
// what its metadata says, by which bytes its file begins, and what the answers mean.

var _ provider.Downloader = Provider{}

const (
	keeps      = 24 * time.Hour // how long Communication Services keeps a recording
	maxChunks  = 1000           // of one recording
	maxMissing = 100            // numbers of missing chunks that are listed
)

// DownloadInfo implements [provider.Downloader].
func (Provider) DownloadInfo() provider.DownloadInfo {
	return provider.DownloadInfo{
		Summary: "Downloads the files of a recorded call, and publishes an event once all of them are here.",
		Noun:    "recording", Path: "{{recording}}/{{index}}.{{ext}}", Keeps: keeps,
		Placeholders: []provider.Placeholder{
			{Name: "recording", Doc: "the id of the recording; of older events, of its first document"},
			{Name: "call", Doc: "the id of the call"},
			{Name: "document", Doc: "the id of the file at the system"},
			{Name: "date", Doc: "the day on which the recording began, in UTC"},
		},
		Settings: []provider.Setting{{Name: "api_version", Title: "API version", Example: apiVersion,
			Doc: "The version of the API, for events without locations. Default: `" + apiVersion + "`."}},
	}
}

// downloadSettings are the settings of one destination.
type downloadSettings struct {
	provider.DownloadSettings
	APIVersion string `json:"api_version"`
}

// apiVersionForm is the form of a version: a date, and what follows it.
var apiVersionForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(-[a-z0-9]{1,20})?$`)

// OpenDownload implements [provider.Downloader].
func (Provider) OpenDownload(settings json.RawMessage) (provider.Download, error) {
	var s downloadSettings
	if err := provider.DecodeSettings(settings, &s); err != nil {
		return nil, err
	}
	if s.APIVersion == "" {
		s.APIVersion = apiVersion
	}
	if !apiVersionForm.MatchString(s.APIVersion) {
		return nil, bellhop.Invalid("api_version", "use a version such as "+apiVersion)
	}
	return download{s}, nil
}

// A download is a [provider.Download].
type download struct{ settings downloadSettings }

// Common implements [provider.Download].
func (d download) Common() provider.DownloadSettings { return d.settings.DownloadSettings }

// Plan implements [provider.Download].
func (d download) Plan(ev *bellhop.Event) provider.DownloadPlan {
	if ev.Type != RecordingType {
		return provider.DownloadPlan{Skip: "it announces no recording"}
	}
	refused := func(why string) provider.DownloadPlan { return provider.DownloadPlan{Refused: why} }
	r, err := ParseRecording(ev.Body)
	if err != nil {
		return refused("the event lists no chunks of a recording that can be read")
	}
	if len(r.Chunks) > maxChunks {
		return refused(fmt.Sprintf("the event lists more than %d chunks", maxChunks))
	}
	at := ev.HappenedAt()
	if at.After(ev.ReceivedAt) { // a sender's clock cannot put the end of the retention off
		at = ev.ReceivedAt
	}
	plan := provider.DownloadPlan{At: at, Subject: cmp.Or(r.RecordingID, r.Chunks[0].DocumentID)}
	began := r.StartedAt
	if began.IsZero() {
		began = at
	}
	common := map[string]string{"recording": plan.Subject, "call": r.CallID, "date": began.UTC().Format(time.DateOnly)}
	seen, next := map[string]bool{}, 0
	for i, c := range r.Chunks {
		if i > 0 && c.Index == r.Chunks[i-1].Index {
			if c.DocumentID == r.Chunks[i-1].DocumentID {
				continue // the same chunk, listed twice
			}
			return refused(fmt.Sprintf("two chunks have the index %d", c.Index))
		}
		if seen[c.DocumentID] {
			return refused("one document is listed as two chunks")
		}
		seen[c.DocumentID] = true
		for ; next < c.Index && len(plan.Missing) < maxMissing; next++ {
			plan.Missing = append(plan.Missing, next)
		}
		next = c.Index + 1
		part, err := d.part(c, common)
		if err != nil {
			return refused("the id of a document is never called: " + err.Error())
		}
		if r.FormatType != "" {
			setFormat(&part, r.FormatType)
		}
		plan.Parts = append(plan.Parts, part)
	}
	return plan
}

// part returns one chunk: at its locations if the event has them, or else at the resource.
func (d download) part(c Chunk, common map[string]string) (provider.DownloadPart, error) {
	p := provider.DownloadPart{Index: c.Index, Values: map[string]string{"document": c.DocumentID}}
	for name, value := range common {
		p.Values[name] = value
	}
	path, err := provider.ResourcePath("recording/download/" + url.PathEscape(c.DocumentID))
	if err != nil {
		return p, err
	}
	query := "?api-version=" + d.settings.APIVersion
	p.Content = provider.Call{Method: http.MethodGet, Path: path + query}
	p.Metadata = provider.Call{Method: http.MethodGet, Path: path + "/metadata" + query}
	if c.ContentLocation != "" {
		p.Content = provider.Call{Method: http.MethodGet, Path: c.ContentLocation, Storage: true}
	}
	if c.MetadataLocation != "" {
		p.Metadata = provider.Call{Method: http.MethodGet, Path: c.MetadataLocation, Storage: true}
	}
	if c.DeleteLocation != "" {
		p.Delete = provider.Call{Method: http.MethodDelete, Path: c.DeleteLocation, Storage: true}
	}
	return p, nil
}

// A format is a kind of file: the end of its name, its content type, and whether a file begins so.
type format struct {
	end, contentType string
	begins           func(head []byte) bool
}

var formats = []format{
	{"mp4", "video/mp4", func(h []byte) bool { return len(h) >= 8 && string(h[4:8]) == "ftyp" }},
	{"mp3", "audio/mpeg", func(h []byte) bool {
		return strings.HasPrefix(string(h), "ID3") || len(h) >= 2 && h[0] == 0xff && h[1]&0xe0 == 0xe0
	}},
	{"wav", "audio/wav", func(h []byte) bool { return strings.HasPrefix(string(h), "RIFF") }},
}

// formatOf returns the format of that name, in any letter case; ok is false for an unknown one.
func formatOf(name string) (f format, ok bool) {
	i := slices.IndexFunc(formats, func(f format) bool { return strings.EqualFold(f.end, name) })
	if i < 0 {
		return f, false
	}
	return formats[i], true
}

// setFormat completes p by the name of a format. A file of an unknown one is called .bin.
func setFormat(p *provider.DownloadPart, name string) {
	p.Format, p.ContentType = "bin", "application/octet-stream"
	if f, ok := formatOf(name); ok {
		p.Format, p.ContentType = f.end, f.contentType
	}
}

// contradicts is the error of an answer that does not belong to its chunk.
func contradicts(message string) error {
	return &provider.APIError{Kind: provider.APIMismatch, Message: message}
}

// Describe implements [provider.Download]. The format is that of the event if it names one; metadata with another one
// contradicts it. Events and metadata that name none mean mp4, as the first version of the API did.
func (download) Describe(body []byte, p *provider.DownloadPart) error {
	o, err := readObject(body)
	document := o.text("chunkDocumentId")
	if err != nil || document == "" {
		return &provider.APIError{Kind: provider.APIForeign, Status: http.StatusOK,
			Message: "the answer is not the metadata of a recording"}
	}
	if document != p.Values["document"] {
		return contradicts("the metadata is that of another document")
	}
	if text := string(o.get("chunkIndex")); text != "" {
		index, err := strconv.ParseFloat(text, 64)
		if err != nil || index != float64(p.Index) {
			return contradicts(fmt.Sprintf("the metadata has another index than %d, which the event has", p.Index))
		}
	}
	info, _ := readObject(o.get("recordingInfo")) // without it there is no format
	name := info.text("format")
	told, known := formatOf(name)
	switch {
	case p.Format == "":
		setFormat(p, cmp.Or(name, "mp4"))
	case known && told.end != p.Format:
		return contradicts("the event says that the file is " + p.Format + ", the metadata that it is " + told.end)
	}
	return nil
}

// Check implements [provider.Download].
func (download) Check(head []byte, h http.Header, p *provider.DownloadPart) error {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	class, _, _ := strings.Cut(kind, "/")
	switch {
	case kind == "" || kind == "application/octet-stream" || class == "video" || class == "audio":
	default:
		return &provider.APIError{Kind: provider.APIForeign, Status: http.StatusOK,
			Message: "the answer is a page or a text, and no recording"}
	}
	f, ok := formatOf(p.Format)
	if ok && !f.begins(head) {
		return contradicts("the file does not begin as one of format " + f.end + " does")
	}
	return nil
}

// remedies say what to do about a signature that was refused, by the code of the error.
var remedies = map[string]string{
	"DateOutOfRange":    "check the clock of this machine",
	"SignatureMismatch": "set access_key of the connection to a key that the portal shows under Keys",
}

// Refused implements [provider.Download].
func (download) Refused(a provider.Answer, now time.Time) *provider.APIError {
	e := &provider.APIError{Status: a.Status, RetryAfter: provider.RetryAfter(a.Header, now)}
	o, err := readObject(a.Body)
	if err == nil && o.get("code") == nil {
		nested, nestedErr := readObject(o.get("error"))
		if nestedErr == nil {
			o = nested
		}
	}
	e.Code, e.Message = clip(o.text("code")), clip(o.text("message"))
	switch {
	case a.Status == http.StatusUnauthorized:
		e.Kind, e.Remedy = provider.APISignedOut, remedies[e.Code]
		if e.Remedy == "" {
			e.Remedy = "check access_key and endpoint of the connection, and the clock of this machine"
		}
	case a.Status == http.StatusForbidden:
		e.Kind, e.Remedy = provider.APIForbidden, "the access key is of another resource, or may not read recordings"
	case a.Status == http.StatusNotFound || a.Status == http.StatusGone:
		e.Kind = provider.APIGone
	case a.Status == http.StatusRequestTimeout, a.Status == http.StatusTooManyRequests, a.Status >= 500:
		e.Kind = provider.APITemporary
	case a.Status >= 300 && a.Status <= 399:
		e.Kind, e.Message = provider.APIForeign, "the answer is a redirect, which is not followed"
	case a.Status >= 400:
		e.Kind = provider.APIInvalid
	default:
		e.Kind, e.Message = provider.APIForeign, "the answer has a status that is not expected"
	}
	return e
}

// clip returns a text of the system as an error has it.
func clip(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return strings.ToValidUTF8(text[:min(len(text), provider.MaxAPIText)], "")
}
