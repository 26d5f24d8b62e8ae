package bellhop

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestLeaseToken: a token names its delivery and its attempt.
func TestLeaseToken(t *testing.T) {
	token := LeaseToken("dlv_01h455vb4pex5vsknk1200", 7, "SECRET")
	if token != "lse_01h455vb4pex5vsknk1200_7_SECRET" {
		t.Error(token)
	}
	id, attempt, ok := ParseLeaseToken(token)
	if id != "dlv_01h455vb4pex5vsknk1200" || attempt != 7 || !ok {
		t.Error(id, attempt, ok)
	}
	for _, text := range []string{"", "lse_", "lse_a_7", "lse_a_7_", "lse__7_S", "lse_a_0_S", "lse_a_-1_S",
		"lse_a_+1_S", "lse_a_07_S", "lse_a_7_S_", "dlv_a_7_S", "lse_a_2147483648_S"} {
		if _, _, ok := ParseLeaseToken(text); ok {
			t.Errorf("%q is taken for a token", text)
		}
	}
}

// FuzzLeaseToken: what is taken for a token is one, and whatever the text, an ack that it does not allow has words.
func FuzzLeaseToken(f *testing.F) {
	for _, text := range []string{"", "lse_a_1_S", "lse_b_2_S", "lse_a_9_S", "lse_\x00_1_\x7f"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, attempt, ok := ParseLeaseToken(text)
		if ok && (attempt < 1 || LeaseToken(id, attempt, text[strings.LastIndexByte(text, '_')+1:]) != text) {
			t.Errorf("%q was read as %s, %d", text, id, attempt)
		}
		err := LeaseOver(text, &Delivery{ID: "dlv_a", State: DeliveryPending},
			[]Attempt{{Number: 1}, {Number: 2, Error: ErrorNacked}, {Number: 3, Error: "timeout", Detail: "late"}})
		var e *Error
		if !errors.As(err, &e) || e.Error() == "" || (e.Code == CodeInvalid) == ok {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// TestPullBounds: a pull and a nack have bounds.
func TestPullBounds(t *testing.T) {
	day, more, past := MaxNackDelay, MaxNackDelay+1, -time.Second
	for i, c := range []struct {
		err   error
		paths string
	}{
		{Pull{Max: 1}.Check(), ""},
		{Pull{Max: MaxPullMax, Wait: MaxPullWait}.Check(), ""},
		{Pull{Max: 0, Wait: -1}.Check(), "max wait"},
		{Pull{Max: MaxPullMax + 1, Wait: MaxPullWait + 1}.Check(), "max wait"},
		{Nack{}.Check(), ""},
		{Nack{Delay: &day, Detail: strings.Repeat("x", MaxAnswerDetail)}.Check(), ""},
		{Nack{Delay: &more, Detail: strings.Repeat("x", MaxAnswerDetail+1)}.Check(), "delay detail"},
		{Nack{Delay: &past}.Check(), "delay"},
	} {
		var paths []string
		var e *Error
		if errors.As(c.err, &e) {
			for _, f := range e.Fields {
				paths = append(paths, f.Path)
			}
		}
		if got := strings.Join(paths, " "); got != c.paths {
			t.Errorf("%d: at fault are %q, want %q", i, got, c.paths)
		}
	}
}
