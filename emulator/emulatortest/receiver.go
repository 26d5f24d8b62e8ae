package emulatortest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Receiver is a server that answers handshakes and takes notifications.
type Receiver struct {
	// HookURL is the URL of the server. Any path below it is taken.
	HookURL string

	t    testing.TB
	hook *httptest.Server
	got  chan Notification

	mu     sync.Mutex
	answer func(token string) (status int, body string) // mu guards it, and refuse
	refuse []int
}

// A Notification is one that a stand-in sent.
type Notification struct {
	Target string // path and query
	Header http.Header
	Text   []byte
	Body   map[string]any   // of Text
	Items  []map[string]any // of the member "value"
}

func newReceiver(t testing.TB) *Receiver {
	r := &Receiver{t: t, got: make(chan Notification, 1000),
		answer: func(token string) (int, string) { return http.StatusOK, token }}
	r.hook = httptest.NewServer(http.HandlerFunc(r.receive))
	t.Cleanup(r.hook.Close)
	r.HookURL = r.hook.URL
	return r
}

// AnswerHandshakes has handshakes answered by what answer makes of their token. At first the token is echoed with 200.
func (r *Receiver) AnswerHandshakes(answer func(token string) (status int, body string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// RefuseNext has the next notifications answered with these statuses. They are not passed on.
func (r *Receiver) RefuseNext(statuses ...int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = append(r.refuse, statuses...)
}

func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) {
	for name, values := range req.URL.Query() {
		if strings.EqualFold(name, "validationToken") {
			r.mu.Lock()
			answer := r.answer
			r.mu.Unlock()
			status, body := answer(values[0])
			w.WriteHeader(status)
			io.WriteString(w, body)
			return
		}
	}
	n := Notification{Target: req.RequestURI, Header: req.Header.Clone()}
	var body struct{ Value []map[string]any }
	text, err := io.ReadAll(req.Body)
	n.Text = text
	if err == nil {
		err = json.Unmarshal(text, &n.Body)
	}
	if err == nil {
		json.Unmarshal(text, &body) // some systems have another "value", or none
	}
	if err != nil {
		r.t.Errorf("a notification is no JSON object: %v", err)
	}
	n.Items = body.Value
	r.mu.Lock()
	status := http.StatusAccepted
	if len(r.refuse) > 0 {
		status, r.refuse = r.refuse[0], r.refuse[1:]
	}
	r.mu.Unlock()
	w.WriteHeader(status)
	if status == http.StatusAccepted {
		r.got <- n
	}
}

// Next returns the next notification that was accepted. It ends the test if none comes.
func (r *Receiver) Next() Notification {
	r.t.Helper()
	select {
	case n := <-r.got:
		return n
	case <-time.After(patience):
		r.t.Fatal("no notification came")
		return Notification{}
	}
}
