package bellhop

import (
	"bytes"
	"encoding/json"
	"io"
	"time"
)

// facts is what a Where sees. The names are a public promise.
type facts struct {
	Data    any               `expr:"data"`
	Type    string            `expr:"type"`
	Subject string            `expr:"subject"`
	Source  string            `expr:"source"`
	Headers map[string]string `expr:"headers"`
	Time    time.Time         `expr:"time"`

	Weigh func(v any) any    `expr:"weigh()"` // of a meter, as are the next two; see where.go
	Scan  func(v any) any    `expr:"scan()"`
	Add   func(a, b any) any `expr:"add()"`
}

func newFacts(ev *Event) facts {
	f := facts{Type: ev.Type, Subject: ev.Subject, Source: ev.Source, Time: ev.HappenedAt(), Data: decode(ev.Body)}
	f.Headers = make(map[string]string)
	for name, values := range ev.Header.HTTP() {
		f.Headers[name] = values[0]
	}
	return f
}

// decode returns body as JSON, its whole numbers as int so that they can be compared without loss; nil if it is not JSON.
func decode(body []byte) any {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	if _, err := d.Token(); err != io.EOF { // something follows
		return nil
	}
	return plainNumbers(v)
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return int(i)
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
	}
	return v
}
