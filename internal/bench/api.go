package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// An api is a client of the few calls of Bellhop's API that the bench needs.
type api struct {
	url, key string
	client   *http.Client
}

// openAPI returns a client with the key that the process made in its folder.
func openAPI(p *process) (*api, error) {
	key, err := os.ReadFile(filepath.Join(p.dir, "admin.key"))
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: newTransport(1)}
	return &api{url: p.url + "/api/v1", key: strings.TrimSpace(string(key)), client: client}, nil
}

func (a *api) close() { a.client.CloseIdleConnections() }

// create creates a noun and returns its id.
func (a *api) create(ctx context.Context, path string, noun any) (id string, err error) {
	var made struct{ ID string }
	err = a.call(ctx, http.MethodPost, path, noun, &made)
	return made.ID, err
}

// pending returns the number of deliveries that are pending or leased.
func (a *api) pending(ctx context.Context) (int64, error) {
	var stats struct{ Deliveries map[string]int64 }
	err := a.call(ctx, http.MethodGet, "/stats", nil, &stats)
	return stats.Deliveries["pending"] + stats.Deliveries["leased"], err
}

// call sends in as JSON, unless it is nil, and decodes the reply into out, unless that is nil.
func (a *api) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if in == nil {
		body = nil
	}
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.key)
	req.Header.Set("Content-Type", "application/json")
	res, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, bytes.TrimSpace(reply))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(reply, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

type object = map[string]any

// createNouns creates the sources and destinations of the streams, and pauses the destinations of held streams.
func createNouns(ctx context.Context, p *process, streams []*stream, secret string) error {
	a, err := openAPI(p)
	if err != nil {
		return err
	}
	defer a.close()
	for _, s := range streams {
		if err := s.create(ctx, a, secret); err != nil {
			return err
		}
	}
	return nil
}

// create creates the source and destinations of the stream.
func (s *stream) create(ctx context.Context, a *api, secret string) error {
	source := object{"name": s.source, "provider": "generic", "settings": object{"scheme": "none"}}
	switch {
	case s.spread:
		source["settings"] = object{"scheme": "none", "type_header": typeHeader}
	case s.options.Sign:
		source = object{"name": s.source, "provider": "standardwebhooks", "settings": object{"secret": secret}}
	}
	if _, err := a.create(ctx, "/sources", source); err != nil {
		return err
	}
	for i := range s.destinations {
		id, err := a.create(ctx, "/destinations", s.destination(i, secret))
		if err != nil {
			return err
		}
		s.made.Add(1)
		if s.held {
			s.paused = append(s.paused, id)
			if err := a.call(ctx, http.MethodPost, "/destinations/"+id+"/pause", nil, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// destination returns destination i in the form of the API.
func (s *stream) destination(i int, secret string) object {
	match := object{"sources": []string{s.source}}
	if s.spread {
		match["types"] = []string{fmt.Sprintf("%s%0*d", typeStart, typeDigits, i)}
	}
	if s.where != "" {
		match["where"] = s.where
	}
	format := object{"format": "raw"}
	switch {
	case s.options.Sign:
		format = object{"format": "standard", "secret": secret}
	case s.envelope:
		format = object{"format": "envelope"}
	}
	d := object{"name": s.source + "-" + strconv.Itoa(i), "type": "http", "url": s.receiver.url(i), "settings": format,
		"match": match, "concurrency": s.concurrency, "retry": object{"schedule": s.schedule()}}
	if s.batch > 0 {
		d["batch"] = object{"max_events": s.batch, "max_wait": "1s"}
	}
	return d
}

// schedule returns the retry schedule of the destinations. Its pauses are shorter than defaultPatience, so that a
// delivery which a busy machine failed to make arrives all the same. That of hanging destinations is long, so that no
// delivery to them is given up.
func (l *load) schedule() []string {
	if l.hangs {
		return []string{"5s", "5s", "5s", "5s", "1h", "1h", "1h", "1h"}
	}
	return []string{"1s", "1s", "2s", "5s", "5s", "5s", "5s", "5s"}
}

// resume resumes the paused destinations, so that everything held comes due.
func (s *stream) resume(ctx context.Context, a *api) error {
	for _, id := range s.paused {
		if err := a.call(ctx, http.MethodPost, "/destinations/"+id+"/resume", nil, nil); err != nil {
			return err
		}
	}
	return nil
}
