package bellhop

import "time"

// facts is what a Where sees. The names are a public promise.
type facts struct {
	Data    any               `expr:"data"`
	Type    string            `expr:"type"`
	Subject string            `expr:"subject"`
	Source  string            `expr:"source"`
	Headers map[string]string `expr:"headers"`
	Time    time.Time         `expr:"time"`

	metering
}

// metering is what a metered expression calls; see meter.go. Nobody can write names like these.
type metering struct {
	Weigh   func(v any) any                       `expr:"weigh()"`
	Fathom  func(v any) any                       `expr:"fathom()"`
	Scan    func(v any, times int) any            `expr:"scan()"`
	Add     func(a, b any) any                    `expr:"add()"`
	Matches func(text, pattern any) (bool, error) `expr:"matches()"`
}

// templateFacts is what a Template sees. The names are a public promise.
type templateFacts struct {
	facts
	ID         string    `expr:"id"`
	Tenant     string    `expr:"tenant"`
	ReceivedAt time.Time `expr:"received_at"`
	Body       string    `expr:"body"`

	making
}

// making is what a Template may call to make texts, in place of the builtins of these names, which count nothing.
type making struct {
	Join    func(list any, glue ...any) (string, error) `expr:"join"`
	Replace func(text, old, with any) (string, error)   `expr:"replace"`
}

// set makes f those of ev, as far as they are read.
func (f *templateFacts) set(ev *Event, r reads) {
	f.Type, f.Subject, f.Source, f.Time = ev.Type, ev.Subject, ev.Source, ev.HappenedAt()
	f.ID, f.Tenant, f.ReceivedAt = ev.ID, ev.Tenant, ev.ReceivedAt
	if r.data {
		f.Data = decode(ev.Body, r.members)
	}
	if r.body {
		f.Body = string(ev.Body)
	}
	if r.headers {
		f.Headers = make(map[string]string)
		for name, values := range ev.Header.HTTP() {
			f.Headers[name] = values[0]
		}
	}
}
