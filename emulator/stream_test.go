package emulator

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// filer is a toy whose answers to GET are files of two parts, the second of which a fault cuts off.
type filer struct{ toy }

func (f *filer) Streams(r *http.Request) bool { return r.Method == http.MethodGet }
func (f *filer) OwnFaults() []string          { return []string{FaultCut} }

func (f *filer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cut := f.host.Meet(w, r, f.name, FaultCut)
	w.Header().Set("Content-Length", "10")
	io.WriteString(w, "first")
	if cut.Kind != "" {
		Abort(w)
		return
	}
	io.WriteString(w, "other")
}

// TestStreams shows answers that are sent as they are made: they are logged with their length before they end.
func TestStreams(t *testing.T) {
	t.Parallel()
	host := New(Options{})
	defer host.Close()
	system := &filer{toy{host: host, name: "filer"}}
	host.Add(&toy{host: host, name: "toy"}, system)
	server := httptest.NewServer(host)
	defer server.Close()
	get := func() (body string, bytes int64, call Call, err error) {
		t.Helper()
		var text []byte
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(httptest.NewRequest("GET", server.URL+
			"/filer/x", nil))
		if err == nil {
			defer res.Body.Close()
			text, err = io.ReadAll(res.Body)
		}
		calls := host.Calls()
		call = calls[len(calls)-1]
		return string(text), call.AnswerBytes, call, err
	}
	if body, n, call, err := get(); body != "firstother" || n != 10 || call.AnswerBody != nil || err != nil {
		t.Errorf("%q, %d, %+v, %v", body, n, call, err)
	}
	if err := host.Fault(Fault{Kind: FaultCut, Value: "5"}); err != nil {
		t.Fatal(err)
	}
	if body, n, call, err := get(); body != "first" || n != 5 || call.Fault != FaultCut || err == nil {
		t.Errorf("cut: %q, %d, %+v, %v", body, n, call, err)
	}
	host.Fault(Fault{Kind: FaultDrop})
	if body, n, call, err := get(); body != "" || n != 10 || call.Status != 0 || err == nil {
		t.Errorf("dropped: %q, %d, %+v, %v", body, n, call, err)
	}
	host.Fault(Fault{Kind: FaultError, Value: "html"})
	if body, _, call, err := get(); !strings.Contains(body, "Sign in") || call.AnswerBody == nil || err != nil {
		t.Errorf("a page: %q, %+v, %v", body, call, err)
	}
	if err := host.Fault(Fault{Kind: FaultCut, Value: "5", System: "toy"}); err == nil {
		t.Error("a system without files takes cut")
	}
	if err := host.Fault(Fault{Kind: FaultChange}); err == nil {
		t.Error("a fault that no system makes is taken")
	}
}
