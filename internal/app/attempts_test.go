//go:build unix

package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/generic"
)

// TestEveryAttemptSendsTheSame: the first attempt is made from memory, a later one from the table. Both send the
// same bytes, for every format that has times, whichever way the event came in.
func TestEveryAttemptSendsTheSame(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	bodies := map[string][]string{} // by path
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		bodies[r.URL.Path] = append(bodies[r.URL.Path], string(body)+r.Header.Get("Ce-Time"))
		mu.Unlock()
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer receiver.Close()
	out := filepath.Join(t.TempDir(), "out")
	r := run(t, options(t, func(o *Options) {
		o.Config.AllowPrivate, o.Config.AllowExec = true, true
		o.Providers = []provider.Provider{generic.Provider{}, cloudevents.Provider{}, eventgrid.Provider{}}
	}))
	r.source("shop")
	command, _ := json.Marshal([]string{"sh", "-c",
		`{ echo $BELLHOP_EVENT_TIME $BELLHOP_EVENT_RECEIVED_AT; cat; echo; } >>` + out + `; exit 1`})
	for name, rest := range map[string]string{
		"envelope": `"settings":{"format":"envelope"}`,
		"template": `"settings":{"format":"template","template":{"body":"string(time) + \" \" + string(received_at)"}}`,
		"where": `"settings":{"format":"envelope"},"match":{"where":"time == date(string(time.Format(` +
			`\"2006-01-02T15:04:05.999999Z07:00\")))"}`, // wants only times of whole microseconds
		"cloudevents": `"type":"cloudevents","handshake":"none","settings":{"source":"/b"}`,
		"binary":      `"type":"cloudevents","handshake":"none","settings":{"source":"/b","mode":"binary"}`,
		"eventgrid":   `"type":"eventgrid","handshake":"none","settings":{"topic":"/t"}`,
		"exec":        `"type":"exec","concurrency":1,"settings":{"command":` + string(command) + `}`,
	} {
		url := `"url":"` + receiver.URL + "/" + name + `",`
		if name == "exec" {
			url = ""
		}
		code, answer := r.call("POST", "/api/v1/destinations",
			`{"name":"`+name+`",`+url+`"retry":{"schedule":"none"},`+rest+`}`)
		if code != http.StatusCreated {
			t.Fatalf("%s: %d %s", name, code, answer)
		}
	}
	dead := func() (ids []string) {
		_, answer := r.call("GET", "/api/v1/deliveries?state=dead&limit=250", "")
		var list struct {
			Data []struct {
				ID       string `json:"id"`
				Attempts int    `json:"attempts"`
			} `json:"data"`
		}
		if err := json.Unmarshal([]byte(answer), &list); err != nil {
			t.Fatal(err)
		}
		for _, d := range list.Data {
			ids = append(ids, fmt.Sprint(d.ID, " ", d.Attempts))
		}
		return ids
	}
	const events, destinations = 3, 7
	for _, publish := range []struct{ path, body string }{
		{"/api/v1/events", `{"type":"order.paid","data":{}}`},
		{"/api/v1/events", `{"type":"order.paid","data":{},"time":"2026-03-29T03:59:59.123456789+02:00"}`},
		{"/in/shop", `{"type":"order.paid"}`},
	} {
		if code, answer := r.call("POST", publish.path, publish.body); code >= 300 {
			t.Fatal(code, answer)
		}
	}
	poll(t, "a dead delivery of each event to each destination",
		func() bool { return len(dead()) == events*destinations })
	first := dead()
	for _, d := range first {
		id, _, _ := strings.Cut(d, " ")
		if code, answer := r.call("POST", "/api/v1/deliveries/"+id+"/retry", ""); code != 200 {
			t.Fatal(code, answer)
		}
	}
	poll(t, "a second attempt of each", func() bool {
		again := dead()
		return len(again) == events*destinations && strings.Count(strings.Join(again, "\n")+"\n", " 2\n") == len(again)
	})
	lines, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	bodies["/exec"] = strings.Split(strings.TrimSpace(strings.ReplaceAll(string(lines), "Z\n{", "Z {")), "\n")
	if len(bodies) != destinations {
		t.Errorf("%d destinations got anything, want %d", len(bodies), destinations)
	}
	for path, sent := range bodies {
		times := map[string]int{}
		for _, body := range sent {
			times[body]++
		}
		if len(sent) != 2*events || len(times) != events {
			t.Errorf("%s: %d attempts sent %d different bodies, want %d and %d: %q", path, len(sent), len(times),
				2*events, events, sent)
		}
	}
}

// TestAllowLocalhost: a server started with --allow localhost delivers to http://localhost, whichever loopback address
// the receiver listens on, and to no private address.
func TestAllowLocalhost(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "127.0.0.2:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", address)
			if err != nil {
				t.Skip("this machine has no such address:", err)
			}
			got := make(chan string, 16)
			receiver := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got <- r.Host
			})}
			go receiver.Serve(listener)
			t.Cleanup(func() { receiver.Close() })
			cfg, err := config.Load("", func(string) string { return "" }, map[string]string{"allow": "localhost"})
			if err != nil {
				t.Fatal(err)
			}
			r := run(t, options(t, func(o *Options) { o.Config.Allow = cfg.Allow }))
			_, port, _ := net.SplitHostPort(listener.Addr().String())
			host := "localhost"
			if address == "127.0.0.2:0" {
				host = "127.0.0.2"
			}
			url := "http://" + host + ":" + port + "/"
			if code, body := r.call("POST", "/api/v1/destinations",
				`{"name":"here","url":"`+url+`","settings":{"format":"raw"}}`); code != http.StatusCreated {
				t.Fatal(code, body)
			}
			if code, body := r.call("POST", "/api/v1/destinations",
				`{"name":"there","url":"http://10.0.0.1/","settings":{"format":"raw"}}`); code == http.StatusCreated {
				t.Errorf("a private address: %d %s", code, body)
			}
			r.call("POST", "/api/v1/events", `{"type":"order.paid","data":{}}`)
			select {
			case at := <-got:
				if at != host+":"+port {
					t.Errorf("sent to the host %s", at)
				}
			case <-time.After(30 * time.Second):
				t.Error("nothing was delivered")
			}
		})
	}
}
