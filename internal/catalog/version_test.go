package catalog

import (
	"errors"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestChangeMeanwhile: a change that another one overtook begins with the noun anew, so that neither is lost.
func TestChangeMeanwhile(t *testing.T) {
	s := &shelf{}
	c := newCatalog(s, &opener{})
	d, err := c.CreateDestination(t.Context(), bellhop.Destination{Name: "d", URL: "https://x.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	slower := func(before bellhop.Destination) (DestinationChange, error) {
		before.Concurrency++
		return DestinationChange{After: before}, nil
	}
	overtaken := 0
	s.meanwhile = func() {
		if overtaken++; overtaken < changeTries {
			s.d.StateReason, s.d.UpdatedAt = "ended", s.d.UpdatedAt.Add(time.Second)
			s.d.Concurrency += 100
		}
	}
	after, err := c.UpdateDestination(t.Context(), "d", slower)
	if err != nil || after.Concurrency != d.Concurrency+100*(changeTries-1)+1 || after.StateReason != "ended" {
		t.Errorf("%v: %+v", err, after)
	}
	if !after.UpdatedAt.After(d.UpdatedAt.Add((changeTries - 1) * time.Second)) {
		t.Errorf("the version does not grow: %v, %v", d.UpdatedAt, after.UpdatedAt)
	}

	s.meanwhile = func() { s.d.UpdatedAt = s.d.UpdatedAt.Add(time.Second) }
	before := s.d.Concurrency
	_, err = c.UpdateDestination(t.Context(), "d", slower)
	var e *bellhop.Error
	if !errors.As(err, &e) || e.Code != bellhop.CodeChanged || s.d.Concurrency != before {
		t.Errorf("a change that is always overtaken: %v, %d", err, s.d.Concurrency)
	}

	s.meanwhile = nil
	refuse := func(bellhop.Destination) (DestinationChange, error) {
		return DestinationChange{}, bellhop.Changed("destination")
	}
	_, err = c.UpdateDestination(t.Context(), "d", refuse)
	if !errors.As(err, &e) || e.Code != bellhop.CodeChanged {
		t.Errorf("a change that its caller refuses: %v", err)
	}
}
