package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/action"
	"github.com/bellhop-gateway/bellhop/internal/blob"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/script/*.txtar. Besides testscript's own commands there are
//
//	bellhop ARG…        the program, within the test's process, which is faster than a process of its own;
//	                    'exec bellhop' starts one: for bench, and to read stdin
//	serve [FLAG…]       starts a server within the test's process, on a free port, with the data folder ./data. It may
//	                    deliver to this machine and runs until the script ends. $SERVER is its URL, server.log its log
//	serve-apart [FLAG…] is serve in a process of its own, for crash, freeze and commands that it runs
//	stop                stops that server cleanly, so that another can be started
//	away DURATION       makes the stopped server believe that it has been stopped for so long
//	kept NAME EVENT DESTINATION FILE
//	                    has the stopped server keep a file with the bytes of FILE, as an action does; without FILE it
//	                    is partial, with the bytes "part" of 9
//	crash               kills that server, as kill -9 does, so that another can be started
//	hang-up             sends that server SIGHUP; it is one of serve-apart
//	freeze, thaw        stop that server as a machine that is suspended does, and have it go on: it answers nobody
//	                    meanwhile
//	emulate SYSTEM [FLAG…]
//	                    starts a stand-in within the test's process, on a free port, until the script ends. $EMULATOR is
//	                    its URL, emulate.log what it prints. With --tls, http trusts its certificate from then on
//	http METHOD URL [BODY [HEADER…]]
//	                    makes a request. stdout is the status and the body
//	sign-in URL         opens the start page of a connection in a browser, pushes its button, and follows the redirects
//	                    to the authority and back. stdout is the last page
//	listen [NAME] PLAN BODY
//	                    starts a receiver. $RECEIVER is its URL; it stores each request in received/N.headers and
//	                    received/N.body. With a NAME, $NAME is the URL and NAME/ the folder.
//	                    PLAN is a list of statuses, separated by commas: one for each request, and the last for all
//	                    that follow. 429/2 adds Retry-After: 2, and hang does not answer.
//	                    BODY is the body of each answer, with escapes such as \x1b. In { } it is JSON, in which {n}
//	                    stands for the number of the request
//	certify NAME…       makes a certificate authority, ca.pem, and NAME.pem and NAME.key signed by it, for this machine
//	listen-tls NAME PLAN BODY
//	                    is listen with the certificate of server.pem. Clients must show a certificate signed by
//	                    ca.pem; its name is stored with the headers
//	await bellhop ARG…  repeats the command until it succeeds
//	await -lines N bellhop ARG…
//	                    … and its output has N lines
//	await -match PATTERN bellhop ARG…
//	                    … and its output matches. In place of bellhop there may be http
//	await grep PATTERN FILE
//	                    waits until FILE, or one of the files if it has a *, matches
//	await exists FILE   waits until FILE exists
//	await past TIME     waits until a time in RFC 3339 is over
//	repeat N… bellhop ARG…
//	                    runs the command once for each N, which stands for {} in its arguments
//	keep NAME [PATTERN] sets $NAME to the last output, or to the first group of PATTERN in it
//
// $README is the path of the repository's README, $EXAMPLES that of its examples.
//
// testscript's own stop, which ends a script as if it had passed, is forbidden: the command for a server is end.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || regexp.MustCompile(`(?m)^(\[.*\] *)?stop\b`).Match(text) {
			t.Errorf("%s stops before its end, %v", file, err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Values[serverKey{}] = &scriptServer{test: e.T().(errorReporter)}
			root, err := filepath.Abs("../..")
			e.Setenv("README", filepath.Join(root, "README.md"))
			e.Setenv("EXAMPLES", filepath.Join(root, "examples"))
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"bellhop": bellhopInScript, "repeat": repeatInScript, "keep": keepInScript, "await": awaitInScript,
			"serve": serveInScript, "serve-apart": serveApartInScript, "end": stopInScript, "crash": crashInScript,
			"away":   awayInScript,
			"kept":   keptInScript,
			"freeze": freezeInScript, "thaw": thawInScript, "hang-up": hangUpInScript,
			"emulate": emulateInScript, "http": httpInScript,
			"sign-in": signInInScript,
			"listen":  listenInScript, "certify": certifyInScript, "listen-tls": listenTLSInScript,
		},
	})
}

// bellhopInScript is the script command bellhop.
func bellhopInScript(ts *testscript.TestScript, neg bool, args []string) {
	err := runInScript(ts, ts.Stdout(), ts.Stderr(), args)
	switch {
	case err == nil && neg:
		ts.Fatalf("unexpected success")
	case err != nil && !neg:
		ts.Fatalf("unexpected failure: %v", err)
	}
}

// runInScript runs the program in the folder and the environment of a script.
func runInScript(ts *testscript.TestScript, stdout, stderr io.Writer, args []string) error {
	if len(args) > 0 && slices.Contains([]string{"serve", "bench", "prove"}, args[0]) {
		ts.Fatalf("bellhop %s needs a process of its own", args[0])
	}
	e := &env{getenv: ts.Getenv, stdin: strings.NewReader(""), stdout: stdout, stderr: stderr, dir: ts.MkAbs(".")}
	return run(context.Background(), e, args)
}

// repeatInScript is the script command repeat.
func repeatInScript(ts *testscript.TestScript, neg bool, args []string) {
	at := slices.Index(args, "bellhop")
	if at < 1 || neg {
		ts.Fatalf("usage: repeat N… bellhop ARG…")
	}
	for _, n := range args[:at] {
		var words []string
		for _, word := range args[at+1:] {
			words = append(words, strings.ReplaceAll(word, "{}", n))
		}
		ts.Check(runInScript(ts, ts.Stdout(), ts.Stderr(), words))
	}
}

// keepInScript is the script command keep.
func keepInScript(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 && len(args) != 2 {
		ts.Fatalf("usage: keep NAME [PATTERN]")
	}
	value := strings.TrimSpace(ts.ReadFile("stdout"))
	if len(args) == 2 {
		pattern, err := regexp.Compile(`(?m)` + args[1])
		ts.Check(err)
		m := pattern.FindStringSubmatch(value)
		if len(m) < 2 {
			ts.Fatalf("no match for %#q in stdout: %s", args[1], value)
		}
		value = m[1]
	}
	ts.Setenv(args[0], value)
}

// patience is how long something is waited for that is sure to happen on any machine. Nothing passes by being
// faster.
const patience = 2 * time.Minute

// awaitInScript is the script command await.
func awaitInScript(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: await [-lines N | -match PATTERN] bellhop ARG… | " +
			"await grep PATTERN FILE | await exists FILE | await past TIME")
	}
	var attempt func() error
	switch args[0] {
	case "grep":
		pattern, err := regexp.Compile(`(?m)` + args[1])
		ts.Check(err)
		attempt = func() error { return grepFiles(pattern, ts.MkAbs(args[2])) }
	case "exists":
		attempt = func() error {
			_, err := os.Stat(ts.MkAbs(args[1]))
			return err
		}
	case "past":
		at, err := time.Parse(time.RFC3339Nano, args[1])
		ts.Check(err)
		attempt = func() error {
			if now := time.Now(); !now.After(at) {
				return fmt.Errorf("it is %v", now)
			}
			return nil
		}
	default:
		attempt = awaitBellhop(ts, args)
	}
	// An attempt may be a whole command, so a long wait makes fewer of them.
	pause := 20 * time.Millisecond
	for deadline := time.Now().Add(patience); ; time.Sleep(pause) {
		pause = min(pause*3/2, 250*time.Millisecond)
		err := attempt()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("waited %v in vain: %v", patience, err)
		}
	}
}

// awaitBellhop returns the attempt of await for a bellhop command. The output of a successful attempt becomes the
// script's stdout and stderr.
func awaitBellhop(ts *testscript.TestScript, args []string) func() error {
	holds := func(string) bool { return true }
	switch args[0] {
	case "-lines":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		holds = func(output string) bool { return strings.Count(output, "\n") == n }
		args = args[2:]
	case "-match":
		pattern, err := regexp.Compile(`(?m)` + args[1])
		ts.Check(err)
		holds = pattern.MatchString
		args = args[2:]
	}
	if len(args) == 0 || args[0] != "bellhop" && args[0] != "http" {
		ts.Fatalf("await: neither bellhop nor http")
	}
	return func() error {
		var out, talk strings.Builder
		var err error
		if args[0] == "http" {
			requestInScript(ts, &out, args[1:])
		} else {
			err = runInScript(ts, &out, &talk, args[1:])
		}
		if err != nil {
			return err
		}
		if !holds(out.String()) {
			return fmt.Errorf("the last output is %s", out.String())
		}
		io.WriteString(ts.Stdout(), out.String())
		io.WriteString(ts.Stderr(), talk.String())
		return nil
	}
}

// grepFiles reports an error unless one of the files that glob names matches.
func grepFiles(pattern *regexp.Regexp, glob string) error {
	files, err := filepath.Glob(glob)
	for _, name := range files {
		text, readErr := os.ReadFile(name)
		if readErr == nil && pattern.Match(text) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%d files, no match for %#q", len(files), pattern)
}

// serverKey is the key of a script's scriptServer.
type serverKey struct{}

// A scriptServer is the server that a script started last.
type scriptServer struct {
	stop func() error  // nil before the first start
	kill func() error  // nil if it is not a process of its own
	test errorReporter // for errors after the script's end, when the script can report none
}

// errorReporter is the part of testing.T that a scriptServer needs.
type errorReporter interface {
	Errorf(format string, args ...any)
}

// serveInScript is the script command serve.
func serveInScript(ts *testscript.TestScript, _ bool, args []string) {
	getenv := func(name string) string {
		if name == datadir.AdminKeyVariable {
			return ts.Getenv(name)
		}
		return os.Getenv(name)
	}
	startInScript(ts, inside(getenv), args)
	ts.Value(serverKey{}).(*scriptServer).kill = nil
}

// serveApartInScript is the script command serve-apart.
func serveApartInScript(ts *testscript.TestScript, _ bool, args []string) {
	environ := os.Environ()
	for _, name := range []string{"PATH", "BELLHOP_ADMIN_KEY", "RECEIPTS"} {
		environ = append(environ, name+"="+ts.Getenv(name))
	}
	startInScript(ts, apart(environ), args)
}

// startInScript starts the server of a script.
func startInScript(ts *testscript.TestScript, start starter, args []string) {
	url, stop, err := startServer(ts.MkAbs("."), start, args...)
	server := ts.Value(serverKey{}).(*scriptServer)
	stop = sync.OnceValue(stop)
	killed := false
	ts.Defer(func() {
		if err := stop(); err != nil && !killed {
			server.test.Errorf("the server: %v", err)
		}
	})
	ts.Check(err)
	server.stop = stop
	server.kill = func() error {
		killed = true
		err := signalServer(ts, syscall.SIGKILL)
		stop() // waits for its end, which is an error
		return errors.Join(err, os.Remove(ts.MkAbs(serverFile)))
	}
	ts.Setenv("SERVER", url)
}

// stopInScript is the script command end. The name stop is that of a command of testscript, which ends the script.
func stopInScript(ts *testscript.TestScript, _ bool, _ []string) {
	server := ts.Value(serverKey{}).(*scriptServer)
	if server.stop == nil {
		ts.Fatalf("no server was started")
	}
	ts.Check(server.stop())
}

// awayInScript is the script command away.
func awayInScript(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: away DURATION")
	}
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	s := openStoreInScript(ts)
	_, err = s.Alive(context.Background(), time.Now().Add(-d))
	ts.Check(errors.Join(err, s.Close()))
}

// openStoreInScript opens the store of the stopped server of a script.
func openStoreInScript(ts *testscript.TestScript) store.Store {
	keys, err := store.LoadKeyRing(ts.MkAbs("data"), rand.Reader)
	ts.Check(err)
	s, err := sqlite.Open(sqlite.Options{Dir: ts.MkAbs("data"), Options: store.Options{Keys: keys, Now: time.Now,
		Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)}})
	ts.Check(err)
	return s
}

// keptInScript is the script command kept.
func keptInScript(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 && len(args) != 4 {
		ts.Fatalf("usage: kept NAME EVENT DESTINATION [FILE]")
	}
	s := openStoreInScript(ts)
	defer s.Close()
	folder, err := blob.OpenFolder(ts.MkAbs("data/files"))
	ts.Check(err)
	defer folder.Close()
	files := action.NewFiles(action.FilesOptions{Store: s, Storage: folder, Now: time.Now, Rand: rand.Reader,
		Logger: slog.New(slog.DiscardHandler)})
	ctx := context.Background()
	d, err := s.Destination(ctx, args[2])
	ts.Check(err)
	text, total := "part", int64(9)
	if len(args) == 4 {
		text = ts.ReadFile(args[3])
		total = int64(len(text))
	}
	f, err := files.Begin(ctx, bellhop.File{Name: args[0], EventID: args[1], DestinationID: d.ID, Total: total,
		ContentType: "video/mp4"})
	ts.Check(err)
	_, err = files.Append(ctx, f.ID, 0, strings.NewReader(text))
	ts.Check(err)
	if len(args) == 4 {
		_, err = files.Finish(ctx, f.ID)
		ts.Check(err)
	}
}

// crashInScript is the script command crash.
func crashInScript(ts *testscript.TestScript, _ bool, _ []string) {
	server := ts.Value(serverKey{}).(*scriptServer)
	if server.kill == nil {
		ts.Fatalf("no server was started")
	}
	ts.Check(server.kill())
}

// serverFile is where a script's server says who it is.
const serverFile = "data/server.json"

// readServer reads what the server of a script says about itself.
func readServer(ts *testscript.TestScript) (info datadir.Server, err error) {
	text, err := os.ReadFile(ts.MkAbs(serverFile))
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	return info, err
}

// signalServer sends a signal to the server of a script.
func signalServer(ts *testscript.TestScript, signal syscall.Signal) error {
	info, err := readServer(ts)
	if err != nil {
		return err
	}
	server, err := os.FindProcess(info.PID)
	if err != nil {
		return err
	}
	return server.Signal(signal)
}

// hangUpInScript is the script command hang-up.
func hangUpInScript(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(signalServer(ts, syscall.SIGHUP))
}

// freezeInScript is the script command freeze. A server that is frozen at the script's end is thawed, so that it
// stops.
func freezeInScript(ts *testscript.TestScript, _ bool, _ []string) {
	if ts.Value(serverKey{}).(*scriptServer).kill == nil {
		ts.Fatalf("start the server with serve-apart")
	}
	ts.Check(signalServer(ts, syscall.SIGSTOP))
	ts.Defer(func() { signalServer(ts, syscall.SIGCONT) })
	info, err := readServer(ts)
	ts.Check(err)
	// The signal has been sent, and each thread stops when it takes it. Where there is no /proc, nothing tells when.
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", info.PID))
		ts.Check(err)
		running := slices.ContainsFunc(threads, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && !strings.Contains(string(text), "\nState:\tT")
		})
		if !running {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the server does not stop")
		}
	}
}

// thawInScript is the script command thaw.
func thawInScript(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(signalServer(ts, syscall.SIGCONT))
}

// A starter starts the program in a folder; what it prints goes to output. stop has it end, and returns its error.
type starter func(dir string, output *os.File, args []string) (stop func() error, err error)

// inside starts the program within this process, which costs much less than a process of its own.
func inside(getenv func(string) string) starter {
	return func(dir string, output *os.File, args []string) (stop func() error, err error) {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			ended <- run(ctx, &env{getenv: getenv, stdin: strings.NewReader(""), stdout: output, stderr: output,
				dir: dir}, args)
		}()
		return func() error {
			cancel()
			return <-ended
		}, nil
	}
}

// apart starts the program in a process of its own. stop fails too if a race was found.
func apart(environ []string) starter {
	return func(dir string, output *os.File, args []string) (stop func() error, err error) {
		program := exec.Command("bellhop", args...)
		program.Dir, program.Env, program.Stdout, program.Stderr = dir, environ, output, output
		return func() error {
			program.Process.Signal(syscall.SIGTERM)
			return program.Wait()
		}, program.Start()
	}
}

// startServer starts a server on a free port, with its data in dir/data, which may deliver to this machine.
// It returns when the server can be called. stop stops it cleanly, and fails if anything went wrong.
func startServer(dir string, start starter, args ...string) (url string, stop func() error, err error) {
	log, err := os.OpenFile(filepath.Join(dir, "server.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return "", func() error { return nil }, err
	}
	end, err := start(dir, log,
		append([]string{"serve", "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0",
			"--allow-private"}, args...))
	if err != nil {
		return "", log.Close, err
	}
	stop = func() error {
		defer log.Close()
		if err := end(); err != nil {
			said, _ := os.ReadFile(log.Name())
			return fmt.Errorf("%w\n%s", err, said)
		}
		return nil
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		var info datadir.Server
		text, err := os.ReadFile(filepath.Join(dir, "data", "server.json"))
		if err == nil && json.Unmarshal(text, &info) == nil {
			return info.URL, stop, nil
		}
		if time.Now().After(deadline) {
			return "", stop, errors.New("the server does not start")
		}
	}
}

// ticketField is the field of the start page of a connection.
var ticketField = regexp.MustCompile(`name="ticket" value="([^"]+)"`)

// signInInScript is the script command sign-in.
func signInInScript(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: sign-in URL")
	}
	jar, err := cookiejar.New(nil)
	ts.Check(err)
	browser := &http.Client{Jar: jar}
	read := func(resp *http.Response, err error) (int, string) {
		ts.Check(err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		ts.Check(err)
		return resp.StatusCode, string(text)
	}
	status, text := read(browser.Get(args[0]))
	field := ticketField.FindStringSubmatch(text)
	if field != nil {
		page, _, _ := strings.Cut(args[0], "?")
		status, text = read(browser.PostForm(page, neturl.Values{"ticket": {field[1]}}))
	}
	io.WriteString(ts.Stdout(), text)
	if done := field != nil && status == http.StatusOK; done == neg {
		ts.Fatalf("the last page has status %d: %s", status, text)
	}
}

// emulateInScript is the script command emulate.
func emulateInScript(ts *testscript.TestScript, _ bool, args []string) {
	output, err := os.Create(ts.MkAbs("emulate.log"))
	ts.Check(err)
	stop, err := inside(os.Getenv)(ts.MkAbs("."), output, append(append([]string{"emulate"}, args...), "--listen",
		"127.0.0.1:0"))
	ts.Check(err)
	test := ts.Value(serverKey{}).(*scriptServer).test
	ts.Defer(func() {
		defer output.Close()
		if err := stop(); err != nil {
			said, _ := os.ReadFile(output.Name())
			test.Errorf("the stand-in: %v\n%s", err, said)
		}
	})
	at := regexp.MustCompile(` at (https?://\S+)\n`)
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(output.Name())
		ts.Check(err)
		// the control API is in the last line
		if m := at.FindSubmatch(text); m != nil && bytes.Contains(text, []byte("control API: ")) {
			ts.Setenv("EMULATOR", string(m[1]))
			if m := regexp.MustCompile(`NODE_EXTRA_CA_CERTS=(\S+)`).FindSubmatch(text); m != nil {
				ts.Setenv("NODE_EXTRA_CA_CERTS", string(m[1]))
			}
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the stand-in does not start: %s", text)
		}
	}
}

// httpInScript is the script command http.
func httpInScript(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: http METHOD URL [BODY [HEADER…]]")
	}
	requestInScript(ts, ts.Stdout(), args)
}

// requestInScript makes the request of a script, and writes the status and the body of the answer to w.
func requestInScript(ts *testscript.TestScript, w io.Writer, args []string) {
	method, address, rest := args[0], args[1], args[2:]
	body := ""
	if len(rest) > 0 {
		body, rest = rest[0], rest[1:]
	}
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	ts.Check(err)
	for _, line := range rest {
		name, value, _ := strings.Cut(line, ":")
		req.Header.Set(name, strings.TrimSpace(value))
	}
	client := http.DefaultClient
	if file := ts.Getenv("NODE_EXTRA_CA_CERTS"); file != "" {
		authority := x509.NewCertPool()
		authority.AppendCertsFromPEM([]byte(ts.ReadFile(file)))
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority}, DisableKeepAlives: true}
		client = &http.Client{Transport: transport}
	}
	res, err := client.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	ts.Check(err)
	fmt.Fprintf(w, "%d %s\n", res.StatusCode, text)
}

// listenInScript is the script command listen.
func listenInScript(ts *testscript.TestScript, _ bool, args []string) {
	startReceiver(ts, nil, args)
}

// startReceiver starts a receiver. It speaks TLS if cfg is not nil.
func startReceiver(ts *testscript.TestScript, cfg *tls.Config, args []string) {
	name, variable := "received", "RECEIVER"
	if len(args) == 3 {
		name, variable, args = args[0], args[0], args[1:]
	}
	if len(args) != 2 {
		ts.Fatalf("usage: listen [NAME] PLAN BODY")
	}
	reply, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	r := &scriptReceiver{folder: ts.MkAbs(name), reply: reply}
	for _, word := range strings.Split(args[0], ",") {
		answer, err := parseAnswer(word)
		ts.Check(err)
		r.plan = append(r.plan, answer)
	}
	ts.Check(os.MkdirAll(r.folder, 0o700))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	scheme := "http://"
	address := listener.Addr().String()
	if cfg != nil {
		scheme, listener = "https://", tls.NewListener(listener, cfg)
	}
	server := &http.Server{Handler: r, ErrorLog: log.New(io.Discard, "", 0)} // some TLS handshakes are meant to fail
	go server.Serve(listener)
	ts.Defer(func() { server.Close() })
	ts.Setenv(variable, scheme+address)
}

// A scriptReceiver answers by a plan and stores each request.
type scriptReceiver struct {
	folder string
	plan   []scriptAnswer
	reply  string
	count  atomic.Int64
}

// A scriptAnswer is the answer to one request. Status 0 is no answer at all.
type scriptAnswer struct {
	status     int
	retryAfter string
}

func parseAnswer(word string) (a scriptAnswer, err error) {
	if word == "hang" {
		return a, nil
	}
	status, retryAfter, _ := strings.Cut(word, "/")
	a.retryAfter = retryAfter
	a.status, err = strconv.Atoi(status)
	return a, err
}

func (r *scriptReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	n := int(r.count.Add(1))
	body, _ := io.ReadAll(req.Body)
	var headers bytes.Buffer
	fmt.Fprintf(&headers, "%s %s HTTP/1.1\r\nHost: %s\r\n", req.Method, req.RequestURI, req.Host)
	req.Header.Write(&headers)
	if req.TLS != nil && len(req.TLS.PeerCertificates) > 0 {
		fmt.Fprintf(&headers, "Client-Certificate: %s\r\n", req.TLS.PeerCertificates[0].Subject.CommonName)
	}
	r.store(strconv.Itoa(n)+".headers", headers.Bytes())
	r.store(strconv.Itoa(n)+".body", body)
	answer := r.plan[min(n, len(r.plan))-1]
	if answer.status == 0 {
		<-req.Context().Done()
		return
	}
	if answer.retryAfter != "" {
		w.Header().Set("Retry-After", answer.retryAfter)
	}
	reply := r.reply
	if strings.HasPrefix(reply, "{") {
		w.Header().Set("Content-Type", "application/json")
		reply = strings.ReplaceAll(reply, "{n}", strconv.Itoa(n))
	}
	w.WriteHeader(answer.status)
	io.WriteString(w, reply)
}

// store writes a file under another name first, so that a script that waits for it never sees a part of it.
func (r *scriptReceiver) store(name string, content []byte) {
	part := filepath.Join(r.folder, name+".part")
	os.WriteFile(part, content, 0o600)
	os.Rename(part, filepath.Join(r.folder, name))
}

// certifyInScript is the script command certify.
func certifyInScript(ts *testscript.TestScript, _ bool, args []string) {
	authority := newCertificate("an authority")
	authority.IsCA, authority.KeyUsage = true, x509.KeyUsageCertSign
	key := issue(ts, "ca", authority, authority, nil)
	for _, name := range args {
		issue(ts, name, newCertificate(name), authority, key)
	}
}

// newCertificate returns an unsigned certificate with this name.
func newCertificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotAfter:    time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// issue signs c with the key of parent, and writes it and its own key to files. If by is nil, c signs itself.
func issue(
	ts *testscript.TestScript, name string, c, parent *x509.Certificate, by *ecdsa.PrivateKey,
) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	ts.Check(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		0o600))
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	ts.Check(os.WriteFile(ts.MkAbs(name+".key"), keyPEM, 0o600))
	return key
}

// listenTLSInScript is the script command listen-tls.
func listenTLSInScript(ts *testscript.TestScript, _ bool, args []string) {
	own, err := tls.LoadX509KeyPair(ts.MkAbs("server.pem"), ts.MkAbs("server.key"))
	ts.Check(err)
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM([]byte(ts.ReadFile("ca.pem")))
	cfg := &tls.Config{
		Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted,
	}
	startReceiver(ts, cfg, args)
}
