package ingest

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// sampleAddr is the remote address of samples: this machine.
const sampleAddr = "127.0.0.1:0"

// sampleTime bounds how long a sample is received: a source may fetch keys for it.
const sampleTime = 20 * time.Second

// Sample has the source of that id receive a request that the gateway made itself, as if its provider had sent it with
// that query. All of it is as for a request from outside: the proof, the limits, the record and the deliveries. Its
// events and its record have the SampleHeader. Subscriptions are told nothing, for no provider has called. The error
// is CodeNotFound if there is no such source, and CodeConflict if the source takes no requests.
func (d *Door) Sample(ctx context.Context, sourceID, query string, r provider.OutboundRequest) (bellhop.Sampled,
	error) {
	var sampled bellhop.Sampled
	found := (*d.sources.Load())[sourceID]
	switch {
	case found == nil:
		return sampled, bellhop.NotFound("source", sourceID)
	case found.Disabled:
		return sampled, bellhop.Conflict("source " + found.Name + " is disabled and answers 404: enable it first")
	}
	src := *found
	src.sample = &sampled
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	method := r.Method
	if method == "" {
		method = http.MethodPost
	}
	target := Prefix + src.Name
	if query != "" {
		target += "?" + query
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+target, bytes.NewReader(r.Body))
	if err != nil {
		return sampled, err
	}
	req.RequestURI, req.RemoteAddr = target, sampleAddr
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	req.Header.Set(bellhop.SampleHeader, "true")
	answer := sampleAnswer{header: http.Header{}}
	d.serve(&answer, req, &src, d.opts.Env.Now())
	sampled.Status, sampled.Header, sampled.Body = answer.status, answer.header, answer.body.Bytes()
	return sampled, nil
}

// noteSample notes in a sample what was stored of it.
func noteSample(sample *bellhop.Sampled, got bellhop.Accepted, events []bellhop.Event) {
	for i := range events {
		sample.EventIDs = append(sample.EventIDs, events[i].ID)
	}
	sample.Duplicate, sample.RequestID = got.Duplicates > 0, got.RequestID
}

// note stores the record of a request without an event. That of a sample is on disk when note returns, so that whoever
// sent it can look at it.
func (d *Door) note(src *source, record *bellhop.Request) {
	if src.sample == nil {
		d.opts.Store.Note(*record)
		return
	}
	if record.Outcome == bellhop.RequestRefused {
		src.sample.Reason, src.sample.Detail = record.Reason, record.Detail
	}
	got, err := d.opts.Store.Accept(context.Background(), record, nil, nil)
	if err != nil {
		d.opts.Store.Note(*record)
		return
	}
	src.sample.RequestID = got.RequestID
}

// A sampleAnswer keeps the answer to a sample.
type sampleAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *sampleAnswer) Header() http.Header { return a.header }

func (a *sampleAnswer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *sampleAnswer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}
