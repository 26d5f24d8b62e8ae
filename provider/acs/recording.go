package acs

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// RecordingType is the type of the event that lists the files of a recording.
const RecordingType = "Microsoft.Communication.RecordingFileStatusUpdated"

// A Recording is the content of an event of [RecordingType]. Microsoft may add values to EndReason and the types at
// any time.
type Recording struct {
	CallID       string
	ServerCallID string // "" in older events
	RecordingID  string // "" in older events

	StartedAt   time.Time     // zero if the event does not say
	Duration    time.Duration // 0 if the event does not say
	EndReason   string        // of the session: "CallEnded", "InitiatorLeft", …
	ContentType string        // "AudioVideo" or "Audio"; "" in older events
	ChannelType string        // "Mixed" or "Unmixed"; "" in older events
	FormatType  string        // "Mp4", "Mp3" or "Wav"; "" in older events

	Chunks []Chunk // at least one, sorted by Index
}

// A Chunk is one file of a recording.
type Chunk struct {
	DocumentID string // opaque; case matters
	Index      int    // from 0
	EndReason  string // "SessionEnded", "ChunkMaximumSizeExceeded", …

	// URLs of the file, of its metadata, and for its deletion; "" in older events. They are copied from the event
	// unchecked: check them before you send a request there, above all a signed one.
	ContentLocation, MetadataLocation, DeleteLocation string
}

// ParseRecording reads an event of [RecordingType], in Event Grid's schema or as a CloudEvent: the body of an
// event that this package's provider received. The error is provider.ErrBody if event has another type or no
// chunks, or if a chunk has no documentId or no valid index. Any other member may be absent or of another kind,
// and then counts as empty. Source:
// https://learn.microsoft.com/en-us/azure/event-grid/communication-services-voice-video-events#microsoftcommunicationrecordingfilestatusupdated
func ParseRecording(event []byte) (Recording, error) {
	var r Recording
	e, err := readObject(event)
	if err != nil {
		return r, err
	}
	if kind := cmp.Or(e.text("eventType"), e.text("type")); kind != RecordingType {
		return r, fmt.Errorf("%w: the type is not %s", provider.ErrBody, RecordingType)
	}
	data, err := readObject(strictjson.Unwrap(e.get("data")))
	if err != nil {
		return r, fmt.Errorf("in data: %w", err)
	}
	r.readSubject(e.text("subject"))
	r.StartedAt = provider.Time(data.text("recordingStartTime"))
	r.Duration = milliseconds(data.get("recordingDurationMs"))
	r.EndReason = data.text("sessionEndReason")
	r.ContentType = data.text("recordingContentType")
	r.ChannelType = data.text("recordingChannelType")
	r.FormatType = data.text("recordingFormatType")
	r.Chunks, err = readChunks(data.get("recordingStorageInfo"))
	return r, err
}

// readSubject reads "/recording/call/CALL/serverCallId/ID/recordingId/ID". An id is in a form of Base64 and may
// contain slashes.
func (r *Recording) readSubject(subject string) {
	var id *string
	for part := range strings.SplitSeq(subject, "/") {
		switch part {
		case "call":
			id = &r.CallID
		case "serverCallId":
			id = &r.ServerCallID
		case "recordingId":
			id = &r.RecordingID
		default:
			if id == nil {
				continue
			}
			if *id != "" {
				part = "/" + part
			}
			*id += part
		}
	}
}

// readChunks returns the chunks sorted by index; the event may list them in any order.
func readChunks(storage []byte) ([]Chunk, error) {
	info, err := readObject(storage)
	if err != nil {
		return nil, fmt.Errorf("in recordingStorageInfo: %w", err)
	}
	items, err := strictjson.Items(info.get("recordingChunks"), provider.MaxItems)
	if err == nil && len(items) == 0 {
		err = fmt.Errorf("%w: the list is empty", provider.ErrBody)
	}
	chunks := make([]Chunk, len(items))
	for i := 0; i < len(items) && err == nil; i++ {
		chunks[i], err = readChunk(items[i])
	}
	if err != nil {
		return nil, fmt.Errorf("in recordingChunks: %w", err)
	}
	slices.SortStableFunc(chunks, func(a, b Chunk) int { return cmp.Compare(a.Index, b.Index) })
	return chunks, nil
}

func readChunk(item []byte) (Chunk, error) {
	o, err := readObject(item)
	if err != nil {
		return Chunk{}, err
	}
	c := Chunk{
		DocumentID: o.text("documentId"), EndReason: o.text("endReason"), ContentLocation: o.text("contentLocation"),
		MetadataLocation: o.text("metadataLocation"), DeleteLocation: o.text("deleteLocation"),
	}
	index, err := strconv.ParseUint(string(o.get("index")), 10, 31)
	c.Index = int(index)
	if err != nil || c.DocumentID == "" {
		return Chunk{}, fmt.Errorf("%w: a chunk without documentId or index", provider.ErrBody)
	}
	return c, nil
}

// milliseconds returns 0 for a value that is not a whole number or that overflows a Duration.
func milliseconds(value []byte) time.Duration {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(time.Millisecond) {
		return 0
	}
	return time.Duration(n) * time.Millisecond
}

// An object holds the members of a JSON object as they are written. These events are too rare for the map's cost to
// matter.
type object map[string][]byte

// readObject reads an object. A member that occurs twice has an empty value, which no reader accepts.
func readObject(value []byte) (object, error) {
	o := object{}
	err := strictjson.Object(value, func(name, value []byte) {
		if o[string(name)] != nil {
			value = []byte{}
		}
		o[string(name)] = value
	})
	return o, err
}

// text returns the text of the named member, or "" if it is not a text.
func (o object) text(name string) string {
	text, _ := strictjson.Text(o.get(name))
	return text
}

// get returns the value of the named member, as it is written. If there is none, the name may be in another letter
// case, as the readers of Microsoft's own libraries allow.
func (o object) get(name string) []byte {
	if value := o[name]; value != nil {
		return value
	}
	var found []byte
	for other, value := range o {
		switch {
		case !strictjson.EqualFold(other, name):
		case found != nil: // two spellings, neither of which is the name itself
			return nil
		default:
			found = value
		}
	}
	return found
}
