package ui

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/rogpeppe/go-internal/diff"
)

// maxCompared bounds each of two texts that are compared line by line.
const maxCompared = 256 << 10

// comparePage shows two events side by side: their facts, and where their headers and bodies differ.
type comparePage struct {
	Path    link // of the event
	Fields  form
	Offered []offeredEvent
	One     client.EventDetail
	Two     *client.EventDetail // nil if it is not chosen yet
	TwoPath link
	Facts   []comparedFact
	Headers difference
	Body    difference
	Command command
}

// An offeredEvent is an event with a link to its comparison.
type offeredEvent struct {
	client.Event
	To link
}

// maxOffered is how many events are offered for a comparison.
const maxOffered = 10

// A comparedFact is a fact of two events.
type comparedFact struct {
	Title    string
	One, Two string
}

// A difference is what differs between two texts, with some lines around it.
type difference struct {
	Same  bool
	Note  string // why it is not compared line by line; "" if it is
	Lines []diffLine
}

// A diffLine is a line of both texts, or of one of them.
type diffLine struct {
	Only string // "one", "two", "" for a line of both, "gap" for those that are left out
	Text lines
}

func (s *server) compareEvents(v *visit) error {
	one, err := s.API.Event(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	f := newForm(v.r.URL.Query(), field{Name: "with", Label: "With", Hint: "The id of an event."})
	page := comparePage{Path: link(Root + "events/" + url.PathEscape(one.ID)), One: one, Fields: f}
	with := strings.TrimSpace(f.get("with"))
	if with == "" {
		page.Offered = v.alike(one.Event)
		v.show(http.StatusOK, "compare", "Compare events", page)
		return nil
	}
	two, err := s.API.Event(v.ctx, with)
	refused, _ := asRefusal(err)
	if refused != nil && refused.Status == http.StatusNotFound {
		f.fault("with", "There is no event with this id.")
		v.show(http.StatusUnprocessableEntity, "compare", "Compare events", page)
		return nil
	}
	if err != nil {
		return err
	}
	page.Two, page.TwoPath = &two, link(Root+"events/"+url.PathEscape(two.ID))
	for _, fact := range []comparedFact{
		{"Received", utc(one.ReceivedAt), utc(two.ReceivedAt)}, {"Happened", utc(one.Time), utc(two.Time)},
		{"Type", one.Type, two.Type}, {"Subject", one.Subject, two.Subject}, {"Source", one.Source, two.Source},
		{"Provider's id", one.ProviderID, two.ProviderID}, {"Tenant", one.Tenant, two.Tenant},
		{"Content type", one.ContentType, two.ContentType}, {"Body's SHA-256", one.BodySHA256, two.BodySHA256},
	} {
		if fact.One != "" || fact.Two != "" {
			page.Facts = append(page.Facts, fact)
		}
	}
	bodies := [2][]byte{}
	for i, ev := range []client.EventDetail{one, two} {
		bodies[i], _, err = s.API.EventBody(v.ctx, ev.ID)
		if err != nil {
			return err
		}
	}
	page.Headers = differ(headerText(one), headerText(two))
	page.Body = differ(comparable(bodies[0]), comparable(bodies[1]))
	if page.Body.Same && !bytes.Equal(bodies[0], bodies[1]) {
		page.Body.Note = "They are the same but for white space."
	}
	page.Command = command{"diff <(bellhop events body " + quote(one.ID) + ") <(bellhop events body " +
		quote(two.ID) + ")", s.curl("", "/events/"+one.ID+"/body", "") + "\n" +
		s.curl("", "/events/"+two.ID+"/body", "")}
	v.show(http.StatusOK, "compare", "Compare events", page)
	return nil
}

// alike returns the newest events of the same source and type. Without them the page works too.
func (v *visit) alike(ev client.Event) (all []offeredEvent) {
	l, err := searched(v, func(ctx context.Context) (client.List[client.Event], error) {
		return v.API.Events(ctx, client.EventFilter{Source: ev.SourceID, Type: ev.Type},
			client.Page{Limit: maxOffered + 1})
	})
	if err != nil {
		return nil
	}
	for _, other := range l.Data {
		if other.ID != ev.ID && len(all) < maxOffered {
			all = append(all, offeredEvent{other, withQuery(Root+"events/"+url.PathEscape(ev.ID)+"/compare",
				url.Values{"with": {other.ID}})})
		}
	}
	return all
}

// headerText returns the headers of an event, one a line.
func headerText(ev client.EventDetail) string {
	var b strings.Builder
	for _, h := range sortedHeaders(ev.Headers) {
		b.WriteString(h.Name + ": " + h.Value + "\n")
	}
	return b.String()
}

// comparable returns a body in lines that can be compared: JSON and forms with a line for each value.
func comparable(body []byte) string {
	text, ok := prettyBody(body)
	if !ok {
		text = string(body)
	}
	return text
}

// differ compares two texts line by line.
func differ(one, two string) (d difference) {
	switch {
	case one == two:
		return difference{Same: true}
	case len(one) > maxCompared || len(two) > maxCompared:
		return difference{Note: "They differ. Texts of more than " + size(maxCompared) + " are not compared line by " +
			"line here; the command below does it."}
	}
	unified := diff.Diff("", []byte(ended(one)), "", []byte(ended(two)))
	for line := range strings.Lines(string(unified)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "@@ "):
			d.Lines = append(d.Lines, diffLine{Only: "gap"})
		case len(d.Lines) == 0: // the names of the two
		case strings.HasPrefix(line, "-"):
			d.Lines = append(d.Lines, diffLine{"one", lines(line[1:])})
		case strings.HasPrefix(line, "+"):
			d.Lines = append(d.Lines, diffLine{"two", lines(line[1:])})
		case strings.HasPrefix(line, " "):
			d.Lines = append(d.Lines, diffLine{"", lines(line[1:])})
		}
	}
	return d
}

// ended returns a text whose last line has an end, so that the comparison has nothing to say about it.
func ended(text string) string {
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}
