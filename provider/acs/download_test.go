package acs_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/acs"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

func openDownload(t testing.TB, settings string) provider.Download {
	t.Helper()
	d, err := acs.Provider{}.OpenDownload([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// announced returns the event that announces a recording with these chunks, in JSON.
func announced(chunks, more string) *bellhop.Event {
	return &bellhop.Event{ID: "evt_1", Type: acs.RecordingType, ReceivedAt: providertest.Now, Time: providertest.Now,
		Body: []byte(`{"eventType":"` + acs.RecordingType + `","subject":"/recording/call/c1","data":{` + more +
			`"recordingStorageInfo":{"recordingChunks":[` + chunks + `]}}}`)}
}

// TestPlan shows which calls are made for the chunks of an event: at their locations, or at the resource.
func TestPlan(t *testing.T) {
	t.Parallel()
	d := openDownload(t, `{"connection":"calls","api_version":"2023-10-15"}`)
	body := providertest.ReadFile(t, "testdata/samples/recording-file-status-updated-older-shape.json")
	plan := d.Plan(&bellhop.Event{Type: acs.RecordingType, ReceivedAt: providertest.Now,
		Body: []byte(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(body), "["), "]"))})
	if len(plan.Parts) != 1 || plan.Refused != "" {
		t.Fatalf("%+v", plan)
	}
	p := plan.Parts[0]
	document := p.Values["document"]
	if p.Content.Path != "/recording/download/"+document+"?api-version=2023-10-15" || p.Content.Storage ||
		p.Metadata.Path != "/recording/download/"+document+"/metadata?api-version=2023-10-15" ||
		p.Delete.Method != "" || p.Format != "" || plan.Subject != document || !plan.At.Equal(providertest.Now) {
		t.Errorf("%+v", plan)
	}
	plan = d.Plan(announced(
		`{"documentId":"b","index":3,"contentLocation":"https://x.asm.skype.com/b","metadataLocation":"https://x.asm.skype.com/m","deleteLocation":"https://x.asm.skype.com/d"},
		{"documentId":"a/b?c","index":1,"contentLocation":"https://x.asm.skype.com/a"},{"documentId":"b","index":3}`,
		`"recordingFormatType":"Mp4","recordingStartTime":"2026-11-21T23:59:59Z",`))
	if len(plan.Parts) != 0 || !strings.Contains(plan.Refused, "encoded slash") ||
		strings.Contains(plan.Refused, "a/b") {
		t.Errorf("a hostile id: %+v", plan)
	}
	plan = d.Plan(announced(
		`{"documentId":"b","index":3,"contentLocation":"https://x.asm.skype.com/b","metadataLocation":"https://x.asm.skype.com/m","deleteLocation":"https://x.asm.skype.com/d"},
		{"documentId":"a","index":1},{"documentId":"b","index":3}`,
		`"recordingFormatType":"Mp4","recordingStartTime":"2026-11-21T23:59:59Z",`))
	if len(plan.Parts) != 2 || !reflect.DeepEqual(plan.Missing, []int{0, 2}) {
		t.Fatalf("%+v", plan)
	}
	last := plan.Parts[1]
	want := provider.DownloadPart{Index: 3, Format: "mp4", ContentType: "video/mp4",
		Values:   map[string]string{"recording": "a", "call": "c1", "document": "b", "date": "2026-11-21"},
		Metadata: provider.Call{Method: "GET", Path: "https://x.asm.skype.com/m", Storage: true},
		Content:  provider.Call{Method: "GET", Path: "https://x.asm.skype.com/b", Storage: true},
		Delete:   provider.Call{Method: "DELETE", Path: "https://x.asm.skype.com/d", Storage: true}}
	if !reflect.DeepEqual(last, want) {
		t.Errorf("%+v, want %+v", last, want)
	}
	late := announced(`{"documentId":"b","index":0}`, "")
	late.Time = late.ReceivedAt.AddDate(1, 0, 0)
	if plan := d.Plan(late); !plan.At.Equal(late.ReceivedAt) {
		t.Errorf("an event of the future puts the end off: %v", plan.At)
	}
}

// TestPlanRefused shows events for which nothing is called.
func TestPlanRefused(t *testing.T) {
	t.Parallel()
	d := openDownload(t, `{"connection":"calls"}`)
	for chunks, want := range map[string]string{
		``:                                  "no chunks",
		`{"index":0}`:                       "no chunks",
		`{"documentId":"a"}`:                "no chunks",
		`{"documentId":"a","index":-1}`:     "no chunks",
		`{"documentId":"..","index":0}`:     "never called",
		`{"documentId":"a\\b","index":0}`:   "never called",
		`{"documentId":"%2e%2e","index":0}`: "never called",
		`{"documentId":"a","index":1},{"documentId":"b","index":1}`: "two chunks have " +
			"the index 1",
		`{"documentId":"a","index":1},{"documentId":"a","index":2}`:                            "one document",
		strings.Repeat(`{"documentId":"a","index":1},`, 1000) + `{"documentId":"a","index":1}`: "more than 1000",
	} {
		if plan := d.Plan(announced(chunks, "")); !strings.Contains(plan.Refused, want) || plan.Parts != nil {
			t.Errorf("%.60s: %+v", chunks, plan)
		}
	}
	if plan := d.Plan(&bellhop.Event{Type: "Microsoft.Communication.CallEnded"}); plan.Skip == "" {
		t.Errorf("%+v", plan)
	}
	far := d.Plan(announced(`{"documentId":"a","index":2000000000}`, ""))
	if len(far.Missing) != 100 || len(far.Parts) != 1 {
		t.Errorf("%d missing, %+v", len(far.Missing), far.Parts)
	}
	for settings, path := range map[string]string{`{"api_version":"a&b=c"}`: "api_version", `{"paths":"x"}`: "paths"} {
		_, err := acs.Provider{}.OpenDownload([]byte(settings))
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

// TestDescribe shows what the metadata completes, and when it contradicts the event.
func TestDescribe(t *testing.T) {
	t.Parallel()
	d := openDownload(t, `{"connection":"calls"}`)
	for name, c := range map[string]struct {
		body, format string
		want         string // the format
		kind         provider.APIErrorKind
	}{
		"a sample": {providertest.ReadFile(t, "testdata/api/recording-metadata.json"), "", "mp4", ""},
		"numbers of another kind": {
			`{"chunkDocumentId":"0-eus-d12-801b3f3fc462fe8a01e6810cbff729b8","chunkIndex":0.0,` +
				`"chunkDuration":1800000.0,"recordingInfo":{"format":"wav","audioConfiguration":{"sampleRate":"16000"}}}`, "", "wav", ""},
		"no format": {`{"chunkDocumentId":"0-eus-d12-801b3f3fc462fe8a01e6810cbff729b8"}`, "", "mp4", ""},
		"another format": {
			`{"chunkDocumentId":"0-eus-d12-801b3f3fc462fe8a01e6810cbff729b8","recordingInfo":{"format":"avi"}}`, "",
			"bin", ""},
		"the format of the event": {
			`{"chunkDocumentId":"0-eus-d12-801b3f3fc462fe8a01e6810cbff729b8","recordingInfo":{"format":"MP4"}}`,
			"mp4", "mp4", ""},
		"not that of the event": {
			`{"chunkDocumentId":"0-eus-d12-801b3f3fc462fe8a01e6810cbff729b8","recordingInfo":{"format":"mp3"}}`,
			"mp4", "", provider.APIMismatch},
		"another document": {`{"chunkDocumentId":"0-eus-d12-801B3F3FC462FE8A01E6810CBFF729B8","chunkIndex":0}`, "", "",
			provider.APIMismatch},
		"another index": {`{"chunkDocumentId":"0-eus-d12-801b3f3fc462fe8a01e6810cbff729b8","chunkIndex":1}`, "", "",
			provider.APIMismatch},
		"no index": {`{"chunkDocumentId":"0-eus-d12-801b3f3fc462fe8a01e6810cbff729b8","chunkIndex":"x"}`, "", "",
			provider.APIMismatch},
		"a page":     {`<html>`, "", "", provider.APIForeign},
		"other JSON": {`{"value":[]}`, "", "", provider.APIForeign},
	} {
		p := provider.DownloadPart{Format: c.format,
			Values: map[string]string{"document": "0-eus-d12-801b3f3fc462fe8a01e6810cbff729b8"}}
		err := d.Describe([]byte(c.body), &p)
		var e *provider.APIError
		if errors.As(err, &e) != (c.kind != "") || c.kind != "" && e.Kind != c.kind || c.kind == "" &&
			p.Format != c.want {
			t.Errorf("%s: %v, %+v", name, err, p)
		}
	}
}

// TestCheck shows by which bytes a file of a format begins.
func TestCheck(t *testing.T) {
	t.Parallel()
	d := openDownload(t, `{"connection":"calls"}`)
	for _, c := range []struct {
		format, contentType, head string
		kind                      provider.APIErrorKind
	}{
		{"mp4", "video/mp4", "\x00\x00\x00\x18ftypmp42", ""},
		{"mp4", "application/octet-stream", "\x00\x00\x00\x20ftypisom", ""},
		{"mp4", "", "\x00\x00\x00\x20ftypisom", ""},
		{"mp3", "audio/mp3", "ID3\x04", ""},
		{"mp3", "audio/mpeg", "\xff\xfb\x90\x00", ""},
		{"wav", "audio/wav; x=y", "RIFF\x00\x00\x00\x00WAVE", ""},
		{"bin", "video/x", "anything", ""},
		{"mp4", "video/mp4", "RIFF\x00\x00\x00\x00WAVE", provider.APIMismatch},
		{"mp4", "video/mp4", "", provider.APIMismatch},
		{"mp3", "audio/mp3", "\x00\x00\x00\x18ftyp", provider.APIMismatch},
		{"wav", "audio/wav", "RIF", provider.APIMismatch},
		{"mp4", "text/html; charset=utf-8", "<html>", provider.APIForeign},
		{"mp4", "application/json", "\x00\x00\x00\x18ftypmp42", provider.APIForeign},
	} {
		err := d.Check([]byte(c.head), http.Header{"Content-Type": {c.contentType}},
			&provider.DownloadPart{Format: c.format})
		var e *provider.APIError
		if errors.As(err, &e) != (c.kind != "") || c.kind != "" && e.Kind != c.kind {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestRefused shows what each status means, and that the check which failed is named.
func TestRefused(t *testing.T) {
	t.Parallel()
	d := openDownload(t, `{"connection":"calls"}`)
	for _, c := range []struct {
		status int
		body   string
		kind   provider.APIErrorKind
		text   string
	}{
		{400, `{"code":"BadRequest","message":"documentId is not valid","target":"documentId","details":[]}`,
			provider.APIInvalid, "400 BadRequest: documentId is not valid"},
		{401, `{"status":401,"code":"DateOutOfRange","message":"The date is out."}`, provider.APISignedOut,
			"clock of this machine"},
		{401, `{"status":401,"code":"SignatureMismatch","message":"No."}`, provider.APISignedOut,
			"401 SignatureMismatch: No: set access_key"},
		{401, ``, provider.APISignedOut, "check access_key and endpoint"},
		{403, `{"error":{"code":"Denied","message":"no rights"}}`, provider.APIForbidden, "403 Denied: no rights: " +
			"the access key"},
		{404, `not JSON`, provider.APIGone, "404"},
		{408, ``, provider.APITemporary, "408"},
		{429, ``, provider.APITemporary, "429"},
		{500, `{"code":"a\u0000b","message":"` + strings.Repeat("x", 600) + `"}`, provider.APITemporary, "500 a b"},
		{302, ``, provider.APIForeign, "redirect"},
		{405, ``, provider.APIInvalid, "405"},
		{204, ``, provider.APIForeign, "not expected"},
	} {
		e := d.Refused(provider.Answer{Status: c.status, Body: []byte(c.body),
			Header: http.Header{"Retry-After": {"7"}}},
			time.Now())
		if e.Kind != c.kind || !strings.Contains(e.Error(), c.text) || e.RetryAfter != 7*time.Second ||
			len(e.Message) > provider.MaxAPIText {
			t.Errorf("%d: %+v", c.status, e)
		}
	}
}

// FuzzDescribe reads any metadata and any error.
func FuzzDescribe(f *testing.F) {
	f.Add([]byte(`{"chunkDocumentId":"a","chunkIndex":0,"recordingInfo":{"format":"mp4"}}`))
	f.Add([]byte(`{"error":{"code":"x","message":"y"}}`))
	d := openDownload(f, `{"connection":"calls"}`)
	f.Fuzz(func(t *testing.T, body []byte) {
		p := provider.DownloadPart{Values: map[string]string{"document": "a"}}
		err := d.Describe(body, &p)
		var e *provider.APIError
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%v is no APIError", err)
		}
		if err == nil && (p.Format == "" || !provider.Alphanumeric(p.Format, "")) {
			t.Errorf("the format is %q", p.Format)
		}
		if e := d.Refused(provider.Answer{Status: 400, Body: body}, time.Now()); len(
			e.Message) > provider.MaxAPIText ||
			len(e.Code) > provider.MaxAPIText {
			t.Errorf("too long: %+v", e)
		}
	})
}
