package acs

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/acs"
)

// A file is one chunk of a recording. System.mu guards it.
type file struct {
	id        string // of the document
	content   Content
	version   int // counts changes
	createdAt time.Time
	metadata  metadata
}

// etag returns the ETag of the file.
func (f *file) etag() string {
	sum := fnv.New64a()
	sum.Write([]byte(f.id))
	sum.Write(binary.LittleEndian.AppendUint64(nil, f.content.Seed))
	return `"0x` + strings.ToUpper(strconv.FormatUint(sum.Sum64(), 16)) + `"`
}

// metadata is what the service tells of a chunk.
type metadata struct {
	ResourceID           string         `json:"resourceId"`
	CallID               string         `json:"callId"`
	ChunkDocumentID      string         `json:"chunkDocumentId"`
	ChunkIndex           int            `json:"chunkIndex"`
	ChunkStartTime       string         `json:"chunkStartTime"`
	ChunkDuration        float64        `json:"chunkDuration"` // ms
	PauseResumeIntervals []any          `json:"pauseResumeIntervals"`
	RecordingInfo        map[string]any `json:"recordingInfo"`
	Participants         []any          `json:"participants"`
}

// wanted is the data of an event of the control API: a recording.
type wanted struct {
	Bytes     *int64 `json:"bytes"`     // of all chunks together; 1,000,000
	Chunks    int    `json:"chunks"`    // 1
	Format    string `json:"format"`    // "Mp4", "Mp3" or "Wav"
	Schema    string `json:"schema"`    // "eventgrid" or "cloudevents", with a URL to notify
	Locations *bool  `json:"locations"` // true; false is the older form of events, without URLs
	Reversed  bool   `json:"reversed"`  // the event lists the chunks in the reverse order
	Seed      uint64 `json:"seed"`      // of the contents: that of a chunk is Seed plus its index; 0 is a random one
}

// maxChunks bounds the chunks of a recording.
const maxChunks = 1000

// formats are the values of recordingFormatType.
var formats = []string{"Mp4", "Mp3", "Wav"}

// schemas are the schemas of events, by the word for them in the control API.
var schemas = map[string]string{"": eventgrid.SchemaEventGrid, "eventgrid": eventgrid.SchemaEventGrid,
	"cloudevents": eventgrid.SchemaCloudEvents}

// readWanted reads and checks the data of an event, and completes it.
func readWanted(data map[string]any) (w wanted, err error) {
	text, err := json.Marshal(data)
	if err == nil && data != nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err = d.Decode(&w)
	}
	if err != nil {
		return w, fmt.Errorf("data: %w; there are bytes, chunks, format, schema, locations, reversed and seed", err)
	}
	size := int64(1_000_000)
	if w.Bytes == nil {
		w.Bytes = &size
	}
	if w.Chunks == 0 {
		w.Chunks = 1
	}
	if w.Format == "" {
		w.Format = formats[0]
	}
	if w.Seed == 0 {
		random := emulator.NewID()
		sum := fnv.New64a()
		sum.Write([]byte(random))
		w.Seed = sum.Sum64()
	}
	isFormat := func(format string) bool { return strings.EqualFold(format, w.Format) }
	i := slices.IndexFunc(formats, isFormat)
	switch {
	case *w.Bytes < 0:
		return w, fmt.Errorf("data: bytes is %d; it cannot be negative", *w.Bytes)
	case w.Chunks < 1 || w.Chunks > maxChunks:
		return w, fmt.Errorf("data: chunks is %d; use 1 to %d", w.Chunks, maxChunks)
	case i < 0:
		return w, fmt.Errorf("data: format is %q; use %s", w.Format, strings.Join(formats, ", "))
	case schemas[w.Schema] == "":
		return w, fmt.Errorf("data: schema is %q; use eventgrid or cloudevents", w.Schema)
	}
	w.Format = formats[i]
	return w, nil
}

// Happen lets a call be recorded: its files are there, and an event says so. It goes to the URL e.To, which is
// validated before, or without one to the event subscriptions of the resource. e.Data may have bytes (of all chunks
// together), chunks, format ("Mp4", "Mp3", "Wav"), schema ("eventgrid" or "cloudevents", with e.To), locations (false
// leaves the URLs of the files out, as older events do), reversed (the event lists the last chunk first) and seed.
// Without e.Base the event has no URLs.
func (s *System) Happen(e emulator.Event) (int, error) {
	if e.Resource != "" && !strings.EqualFold(strings.Trim(e.Resource, "/"), "recordings") {
		return 0, fmt.Errorf("resource %q %w; leave it out, or write recordings", e.Resource, emulator.ErrUnknown)
	}
	w, err := readWanted(e.Data)
	if err != nil {
		return 0, err
	}
	located := e.Base != "" && (w.Locations == nil || *w.Locations)
	message := s.record(w, e.Base, located)
	if e.To == "" {
		return s.grid.Publish(message)
	}
	if err := s.grid.PublishTo(e.To, schemas[w.Schema], e.Base, message); err != nil {
		return 0, err
	}
	return 1, nil
}

// record makes the files of a recording, and returns the event that announces them.
func (s *System) record(w wanted, base string, located bool) eventgrid.Message {
	now, call := s.now(), emulator.NewID()
	const bytesPerMillisecond = 250 // two megabits a second
	duration := max(1000, *w.Bytes/bytesPerMillisecond)
	start := now.Add(-time.Duration(duration)*time.Millisecond - time.Minute)
	var chunks []map[string]any
	s.mu.Lock()
	for i := range w.Chunks {
		size := *w.Bytes / int64(w.Chunks)
		if i == w.Chunks-1 {
			size = *w.Bytes - size*int64(i)
		}
		f := &file{id: "0-weu-d1-" + strings.ReplaceAll(emulator.NewID(), "-", ""), createdAt: now,
			content: Content{Seed: w.Seed + uint64(i), Size: size, Format: w.Format}}
		part := duration / int64(w.Chunks)
		f.metadata = metadata{ResourceID: emulator.NewID(), CallID: call, ChunkDocumentID: f.id, ChunkIndex: i,
			ChunkStartTime: formatTime(start.Add(time.Duration(part) * time.Duration(i) * time.Millisecond)),
			ChunkDuration:  float64(part), PauseResumeIntervals: []any{}, RecordingInfo: recordingInfo(w.Format),
			Participants: []any{map[string]any{"participantId": "4:+15555550100"}}}
		s.files[f.id] = f
		chunks = append(chunks, chunkOf(f, base, located, i == w.Chunks-1))
	}
	s.mu.Unlock()
	if w.Reversed {
		slices.Reverse(chunks)
	}
	data := map[string]any{"recordingStorageInfo": map[string]any{"recordingChunks": chunks},
		"recordingStartTime": formatTime(start), "recordingDurationMs": duration, "sessionEndReason": "CallEnded"}
	subject := "/recording/call/" + call
	if located {
		encoded := base64.RawURLEncoding.EncodeToString
		subject += "/serverCallId/" + encoded([]byte("https://conv.example.net/"+call)) +
			"/recordingId/" + encoded([]byte(emulator.NewID()))
		data["recordingContentType"], data["recordingChannelType"] = "AudioVideo", "Mixed"
		if w.Format != formats[0] {
			data["recordingContentType"] = "Audio"
		}
		data["recordingFormatType"] = w.Format
	}
	return eventgrid.Message{Resource: s.opts.Resource, Subject: subject, Type: acs.RecordingType, Data: data}
}

// chunkOf returns a file as an event lists it.
func chunkOf(f *file, base string, located, last bool) map[string]any {
	chunk := map[string]any{"documentId": f.id, "index": f.metadata.ChunkIndex,
		"endReason": "ChunkMaximumSizeExceeded"}
	if last {
		chunk["endReason"] = "SessionEnded"
	}
	if located {
		at := base + storagePrefix + f.id
		kind := "video"
		if f.content.Format != formats[0] {
			kind = "audio"
		}
		chunk["contentLocation"], chunk["metadataLocation"] = at+"/content/"+kind, at+"/content/acsmetadata"
		chunk["deleteLocation"] = at
	}
	return chunk
}

// recordingInfo describes the media of a format.
func recordingInfo(format string) map[string]any {
	info := map[string]any{"contentType": "mixed", "channelType": "audio", "format": strings.ToLower(format),
		"audioConfiguration": map[string]any{"sampleRate": 16000, "bitRate": 128000, "channels": 1}}
	if format == formats[0] {
		info["channelType"] = "audioVideo"
		info["videoConfiguration"] = map[string]any{"longerSideLength": 1920, "shorterSideLength": 1080,
			"framerate": 8, "bitRate": 1000000}
	}
	return info
}

// formatTime writes a time as the service does.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
