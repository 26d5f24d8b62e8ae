package journey

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// liar makes this test binary a gateway that acknowledges before it keeps: it runs the program with its arguments, and
// stands before it.
var liar = flag.String("liar", "", "be a gateway that loses events: the program to stand before")

// lateness is how long the liar waits after its answer before it passes a request on.
const lateness = 50 * time.Millisecond

// lie runs the program and answers requests at its door before it has them. Its clients find the liar in place of the
// program. It returns the exit status.
func lie(program string, args []string) int {
	dir := ""
	for i, arg := range args {
		if arg == "--data" {
			dir = args[i+1]
		}
	}
	file := filepath.Join(dir, "server.json")
	os.Remove(file)
	c := exec.Command(program, args...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	dieWithUs(c)
	if err := c.Start(); err != nil {
		return 1
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		c.Process.Signal(syscall.SIGTERM)
	}()
	var info struct {
		URL string `json:"url"`
		PID int    `json:"pid"`
	}
	if !poll(startWithin, func() bool {
		text, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(text, &info) == nil
	}) {
		return 1
	}
	to, err := url.Parse(info.URL)
	if err != nil {
		return 1
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/in/") {
			proxy.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.WriteHeader(http.StatusAccepted)
		time.AfterFunc(lateness, func() {
			again, err := http.NewRequest(r.Method, to.String()+r.URL.Path, bytes.NewReader(body))
			if err == nil {
				again.Header = r.Header
				if res, err := http.DefaultClient.Do(again); err == nil {
					res.Body.Close()
				}
			}
		})
	}))
	info.URL, info.PID = "http://"+listener.Addr().String(), os.Getpid()
	text, err := json.Marshal(info)
	if err != nil || os.WriteFile(file+".liar", text, 0o600) != nil || os.Rename(file+".liar", file) != nil {
		return 1
	}
	if c.Wait() != nil {
		return 1
	}
	return 0
}
