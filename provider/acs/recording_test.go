package acs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/acs"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// events returns the events of a sample.
func events(t testing.TB, path string) [][]byte {
	t.Helper()
	items, err := eventgrid.Items([]byte(providertest.ReadFile(t, "testdata/"+path)))
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// withLocations returns c with the URLs that the samples have.
func withLocations(c acs.Chunk) acs.Chunk {
	base := "https://us-storage.asm.skype.com/v1/objects/" + c.DocumentID
	c.ContentLocation, c.MetadataLocation, c.DeleteLocation = base+"/content/video", base+"/content/acsmetadata", base
	return c
}

const document = "0-eus-d12-801b3f3fc462fe8a01e6810cbff729b"

var (
	long = acs.Recording{
		CallID:       "36cf910b-932c-4101-a443-04e11a98aba5",
		ServerCallID: "aHR0cHM6Ly9jb252LmV4YW1wbGUubmV0L2NvbnYvYWJj",
		RecordingID:  "eyJQbGF0Zm9ybUVuZHBvaW50SWQiOiJ0ZXN0In0",
		StartedAt:    time.Date(2026, 11, 22, 5, 1, 2, 608975500, time.UTC),
		Duration:     3*time.Hour + 12*time.Minute,
		EndReason:    "CallEnded",
		ContentType:  "AudioVideo", ChannelType: "Mixed", FormatType: "Mp4",
		Chunks: []acs.Chunk{
			withLocations(acs.Chunk{DocumentID: document + "8", Index: 0, EndReason: "ChunkMaximumSizeExceeded"}),
			withLocations(acs.Chunk{DocumentID: document + "9", Index: 1, EndReason: "ChunkMaximumSizeExceeded"}),
			withLocations(acs.Chunk{DocumentID: document + "a", Index: 2, EndReason: "SessionEnded"}),
		},
	}
	older = acs.Recording{
		CallID:    "36cf910b-932c-4101-a443-04e11a98aba5",
		StartedAt: time.Date(2026, 11, 22, 8, 15, 10, 608975500, time.UTC),
		Duration:  6620 * time.Millisecond,
		EndReason: "InitiatorLeft",
		Chunks:    []acs.Chunk{{DocumentID: document + "8", Index: 0, EndReason: "SessionEnded"}},
	}
)

func TestParseRecording(t *testing.T) {
	for path, want := range map[string][]acs.Recording{
		"samples/recording-file-status-updated.json":                {long},
		"samples/recording-chunks-out-of-order.json":                {long},
		"samples/recording-file-status-updated-older-shape.json":    {older},
		"samples/batch-two-recordings.json":                         {long, older},
		"cloudevents/recording-file-status-updated-cloudevent.json": {long},
	} {
		for i, event := range events(t, path) {
			got, err := acs.ParseRecording(event)
			if err != nil || !reflect.DeepEqual(got, want[i]) {
				t.Errorf("%s: got %+v, %v\nwant %+v", path, got, err, want[i])
			}
		}
	}
}

func TestParseRecordingEdgeCases(t *testing.T) {
	event := func(subject, data string) string {
		return fmt.Sprintf(`{"subject":%q,"eventType":%q,"data":%s}`, subject, acs.RecordingType, data)
	}
	chunks := func(list string) string { return `{"recordingStorageInfo":{"recordingChunks":` + list + `}}` }
	one := chunks(`[{"documentId":"d","index":0}]`)
	for _, c := range []struct {
		name, event string
		check       func(r acs.Recording) bool // nil: ParseRecording returns an error
	}{
		{"little", event("", one), func(r acs.Recording) bool {
			return reflect.DeepEqual(r, acs.Recording{Chunks: []acs.Chunk{{DocumentID: "d"}}})
		}},
		{"slashes in an id", event("/recording/call/a/serverCallId/b/c//d/recordingId/e/", one),
			func(r acs.Recording) bool {
				return r.CallID == "a" && r.ServerCallID == "b/c//d" && r.RecordingID == "e/"
			}},
		{"a long duration", event("", strings.Replace(one, "{", `{"recordingDurationMs":9223372036854,`, 1)),
			func(r acs.Recording) bool {
				return r.Duration == 9223372036854*time.Millisecond
			}},
		{"too long a duration", event("", strings.Replace(one, "{", `{"recordingDurationMs":9223372036854775807,`, 1)),
			func(r acs.Recording) bool { return r.Duration == 0 }},
		{"no time", event("", strings.Replace(one, "{",
			`{"recordingStartTime":"now","recordingDurationMs":"1","sessionEndReason":1,`, 1)),
			func(r acs.Recording) bool {
				return r.StartedAt.IsZero() && r.Duration == 0 && r.EndReason == ""
			}},
		{"E15 a path for an id", event("", chunks(`[{"documentId":"../../x","index":0}]`)),
			func(r acs.Recording) bool { return r.Chunks[0].DocumentID == "../../x" }},
		{"a gap, and one index twice",
			event("",
				chunks(`[{"documentId":"c","index":7},{"documentId":"a","index":1},{"documentId":"b","index":1}]`)),
			func(r acs.Recording) bool {
				return r.Chunks[0].DocumentID == "a" && r.Chunks[1].DocumentID == "b" && r.Chunks[2].Index == 7
			}},
		{"data encoded twice", event("", providertest.JSON(one)), func(r acs.Recording) bool {
			return len(r.Chunks) == 1
		}},
		{"names in Pascal case", event("", chunks(`[{"DocumentId":"d","Index":3}]`)), func(r acs.Recording) bool {
			return r.Chunks[0].DocumentID == "d" && r.Chunks[0].Index == 3
		}},
		{"two spellings", event("", chunks(`[{"DocumentId":"d","documentID":"e","index":0}]`)), nil},
		{"a member that is not read twice", event("", chunks(`[{"documentId":"d","a":1,"a":2,"index":0}]`)),
			func(r acs.Recording) bool { return r.Chunks[0].DocumentID == "d" }},
		{"no chunks", event("", chunks("[]")), nil},
		{"chunks null", event("", chunks("null")), nil},
		{"chunks an object", event("", chunks("{}")), nil},
		{"a chunk null", event("", chunks("[null]")), nil},
		{"no documentId", event("", chunks(`[{"index":0}]`)), nil},
		{"no index", event("", chunks(`[{"documentId":"d"}]`)), nil},
		{"an index of text", event("", chunks(`[{"documentId":"d","index":"0"}]`)), nil},
		{"an index below 0", event("", chunks(`[{"documentId":"d","index":-1}]`)), nil},
		{"a huge index", event("", chunks(`[{"documentId":"d","index":2147483648}]`)), nil},
		{"half an index", event("", chunks(`[{"documentId":"d","index":0.5}]`)), nil},
		{"no storage", event("", "{}"), nil},
		{"data null", event("", "null"), nil},
		{"no data", `{"eventType":"` + acs.RecordingType + `"}`, nil},
		{"another type", `{"eventType":"Microsoft.Communication.CallEnded","data":` + one + `}`, nil},
		{"an array", "[" + event("", one) + "]", nil},
		{"N01 documentId twice", event("", chunks(`[{"documentId":"d","documentId":"e","index":0}]`)), nil},
		{"not JSON", "x", nil},
	} {
		r, err := acs.ParseRecording([]byte(c.event))
		switch {
		case c.check == nil && !errors.Is(err, provider.ErrBody):
			t.Errorf("%s: got %+v, %v", c.name, r, err)
		case c.check != nil && (err != nil || !c.check(r)):
			t.Errorf("%s: got %+v, %v", c.name, r, err)
		}
	}
}

// FuzzParseRecording checks that a recording has chunks, sorted by index.
func FuzzParseRecording(f *testing.F) {
	files, _ := filepath.Glob("testdata/samples/*")
	for _, file := range files {
		for _, event := range events(f, strings.TrimPrefix(file, "testdata"+string(os.PathSeparator))) {
			f.Add(event)
		}
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		r, err := acs.ParseRecording(event)
		if err != nil {
			return
		}
		for i, c := range r.Chunks {
			if c.DocumentID == "" || i > 0 && c.Index < r.Chunks[i-1].Index {
				t.Errorf("chunk %d of %+v", i, r.Chunks)
			}
		}
		if len(r.Chunks) == 0 || r.Duration < 0 {
			t.Errorf("got %+v", r)
		}
	})
}
