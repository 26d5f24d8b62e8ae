package bench

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
)

type object = map[string]any

// createNouns makes the sources and destinations of the streams through the API, and pauses those that are to wait.
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

// destination is the i-th, as the API takes it.
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
	d := object{"name": s.source + "-" + strconv.Itoa(i), "type": "http", "url": s.receiver.url(i), "settings": format, "match": match,
		"concurrency": s.concurrency, "retry": object{"schedule": s.schedule()}}
	if s.batch > 0 {
		d["batch"] = object{"max_events": s.batch, "max_wait": "1s"}
	}
	return d
}

// schedule ends within defaultPatience; but nothing is given up that is owed to a destination in trouble.
func (l *load) schedule() []string {
	if l.source == troubleName {
		return []string{"5s", "5s", "5s", "5s", "1h", "1h", "1h", "1h"}
	}
	return []string{"1s", "1s", "2s", "5s"}
}

// resume has everything come due that was held.
func (s *stream) resume(ctx context.Context, a *api) error {
	for _, id := range s.paused {
		if err := a.call(ctx, http.MethodPost, "/destinations/"+id+"/resume", nil, nil); err != nil {
			return err
		}
	}
	return nil
}
