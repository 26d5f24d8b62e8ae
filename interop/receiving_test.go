package interop

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// A receiverProgram is one of docs/RECEIVING.md.
type receiverProgram struct {
	language string // of its code block
	file     string // its name
	command  []string
	shell    bool   // it is run once for each request, and not as a server
	of       string // the page or folder that has it
	folder   string // of a Go program with packages of Bellhop; "" is none
}

var receiverPrograms = []receiverProgram{
	{language: "go", file: "main.go", command: []string{"go"}},
	{language: "javascript", file: "receiver.mjs", command: []string{"node"}},
	{language: "python", file: "receiver.py", command: []string{"python3"}},
	{language: "java", file: "Receiver.java", command: []string{"java"}},
	{language: "ruby", file: "receiver.rb", command: []string{"ruby"}},
	{language: "php", file: "receiver.php", command: []string{"php"}},
	{language: "sh", file: "receiver.sh", command: []string{"sh"}, shell: true},
}

// TestReceiving runs the programs of docs/RECEIVING.md: they verify deliveries of a live server, drop repeats, and
// refuse what is changed or old.
func TestReceiving(t *testing.T) {
	page, err := os.ReadFile("../docs/RECEIVING.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range receiverPrograms {
		t.Run(p.language, func(t *testing.T) {
			if _, err := exec.LookPath(p.command[0]); err != nil {
				t.Skipf("there is no %s", p.command[0])
			}
			code, ok := codeBlock(string(page), p.language)
			if !ok {
				t.Fatal("the page has no such program")
			}
			p.of = "docs/RECEIVING.md"
			p.test(t, code)
		})
	}
}

// codeBlock returns the first code block of a language.
func codeBlock(page, language string) (code string, ok bool) {
	_, rest, ok := strings.Cut(page, "\n```"+language+"\n")
	code, _, closed := strings.Cut(rest, "\n```\n")
	return code + "\n", ok && closed
}

func (p receiverProgram) test(t *testing.T, code string) {
	folder := t.TempDir()
	if p.language == "javascript" { // where its library is found
		folder = filepath.Join(nodeFolder, "receiving")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(folder) })
	}
	file := filepath.Join(folder, p.file)
	if err := os.WriteFile(file, []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	to, said := p.start(t, file)
	name := p.of + ": " + p.language
	g := sharedGateway(t)
	captured := make(chan call, 10)
	// Bellhop delivers to a server in between, which passes each request on and keeps it.
	between := listenHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		c := readCall(t, r)
		captured <- c
		w.WriteHeader(resend(t, to, c.header, c.body))
	})
	s := g.openSource(t)
	var first call
	check(t, name, deliver, "a delivery is verified, with every byte of its body", func(t *testing.T) {
		const body = `{"type":"invoice.paid","text":"Grüße, 世界"}`
		d := s.newDestination(t, "http", between, settings{"format": "standard", "secret": standardSecret})
		s.post(t, "application/json", body)
		d.waitUntilDelivered(t)
		first = <-captured
		if got, want := said(), "new "+first.header.Get("Webhook-Id")+" "+body; got != want {
			t.Errorf("it prints %q, want %q", got, want)
		}
	})
	if first.header == nil {
		return
	}
	if !p.shell {
		check(t, name, deliver, "a repeat is answered and dropped", func(t *testing.T) {
			if status := resend(t, to, first.header, first.body); status/100 != 2 {
				t.Errorf("answered %d", status)
			}
			if got := said(); got != "repeat "+first.header.Get("Webhook-Id") {
				t.Errorf("it prints %q", got)
			}
		})
	}
	for what, change := range map[string]func(h http.Header) []byte{
		"a changed body":       func(http.Header) []byte { return append(first.body, ' ') },
		"another id":           func(h http.Header) []byte { h.Set("Webhook-Id", "evt_other"); return first.body },
		"an old timestamp":     func(h http.Header) []byte { h.Set("Webhook-Timestamp", "1700000000"); return first.body },
		"a timestamp in words": func(h http.Header) []byte { h.Set("Webhook-Timestamp", "now"); return first.body },
		"no signature":         func(h http.Header) []byte { h.Set("Webhook-Signature", "v1,"); return first.body },
		"an old request, well signed": func(h http.Header) []byte {
			at := time.Now().Add(-time.Hour)
			h.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
			h.Set("Webhook-Signature", signStandard(t, h.Get("Webhook-Id"), at, first.body))
			return first.body
		},
	} {
		check(t, name, deliver, what+" is refused", func(t *testing.T) {
			h := first.header.Clone()
			if status := resend(t, to, h, change(h)); status != http.StatusUnauthorized {
				t.Errorf("answered %d", status)
			}
		})
	}
	check(t, name, deliver, "one of two signatures is enough", func(t *testing.T) {
		h, at, second := first.header.Clone(), time.Now(), []byte(`{"n":2}`)
		h.Set("Webhook-Id", "evt_second")
		h.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
		h.Set("Webhook-Signature", "v1,b3RoZXI= "+signStandard(t, "evt_second", at, second))
		if status := resend(t, to, h, second); status/100 != 2 {
			t.Errorf("answered %d", status)
		}
		if got := said(); got != "new evt_second "+string(second) {
			t.Errorf("it prints %q", got)
		}
	})
}

// start runs the program until the test ends, and returns its URL. said waits for the next line that it prints about a
// request.
func (p receiverProgram) start(t *testing.T, file string) (to string, said func() string) {
	to, said, _ = p.run(t, file)
	return to, said
}

// run is start, with a function that kills the program.
func (p receiverProgram) run(t *testing.T, file string) (to string, said func() string, kill func()) {
	lines := make(chan string, 100)
	said = func() string {
		select {
		case line := <-lines:
			return line
		case <-time.After(waitLimit):
			return "nothing"
		}
	}
	if p.shell {
		return listenHTTP(t, func(w http.ResponseWriter, r *http.Request) {
			c := readCall(t, r)
			run := exec.Command(p.command[0], file)
			run.Stdin = strings.NewReader(string(c.body))
			run.Env = append(os.Environ(), "WEBHOOK_SECRET="+standardSecret,
				"HTTP_WEBHOOK_ID="+c.header.Get("Webhook-Id"), "HTTP_WEBHOOK_TIMESTAMP="+c.header.Get("Webhook-Timestamp"),
				"HTTP_WEBHOOK_SIGNATURE="+c.header.Get("Webhook-Signature"))
			out, err := run.Output()
			if err != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			lines <- strings.TrimSuffix(string(out), "\n")
			w.WriteHeader(http.StatusNoContent)
		}), said, func() {}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(address)
	run := exec.Command(p.command[0], append(slices.Clone(p.command[1:]), file)...)
	switch p.language {
	case "go": // `go run` would leave the program behind
		program := filepath.Join(t.TempDir(), "receiver")
		build := exec.Command("go", "build", "-o", program, file)
		if p.folder != "" {
			build = exec.Command("go", "build", "-C", "..", "-o", program, p.folder)
		}
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		run = exec.Command(program)
	case "php":
		run = exec.Command("php", "-S", address, file)
	}
	run.Env = append(os.Environ(), "WEBHOOK_SECRET="+standardSecret, "PORT="+port, "TMPDIR="+t.TempDir(),
		"INBOX="+cmp.Or(os.Getenv("INBOX"), filepath.Join(t.TempDir(), "inbox")))
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	run.Stderr = &complaints
	killWithTest(run)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		run.Process.Kill()
		run.Wait()
	})
	t.Cleanup(kill)
	go func() {
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			if line := scanner.Text(); strings.HasPrefix(line, "new ") || strings.HasPrefix(line, "repeat ") {
				lines <- line
			}
		}
	}()
	if !waitFor(func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	}) {
		t.Fatalf("it does not listen: %s", complaints.String())
	}
	return "http://" + address + "/", said, kill
}

// readCall returns a request with its body.
func readCall(t *testing.T, r *http.Request) call {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Errorf("read a request: %v", err)
	}
	return call{r.Method, r.Header.Clone(), body}
}

// resend posts a body with the signature of a request, and returns the status of the answer.
func resend(t *testing.T, to string, header http.Header, body []byte) int {
	r, err := http.NewRequest(http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0
	}
	for _, name := range []string{"Content-Type", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		r.Header.Set(name, header.Get(name))
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// signStandard returns the signature of a message.
func signStandard(t *testing.T, id string, at time.Time, body []byte) string {
	library, err := standardwebhooks.NewWebhook(standardSecret)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := library.Sign(id, at, body)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}
