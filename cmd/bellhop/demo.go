package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/acs"
	"github.com/bellhop-gateway/bellhop/emulator/ams"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/slack"
	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/spf13/cobra"
)

// This file runs the demonstration: a server, the stand-ins and a receiver in one process, and the steps of the
// stories one after another. What the stories tell is in demo_stories.go.

func newDemoCommand(e *env) *cobra.Command {
	var once bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Tell five stories on this machine: server, stand-ins and receiver in one process",
		Long: `Tell five stories on this machine. They need no account, no network and no settings.

The command starts a server with a data folder of its own, stand-ins for the outside systems, and a
receiver that checks signatures. Then it runs the commands that it prints, as a user would, and shows
what comes of them. Each story ends with a signed delivery and a message in Slack.

Afterwards the server and the stand-ins go on until SIGINT or SIGTERM, so that you can look around in
another terminal. The data folder is removed at the end. With --once the command ends after the last
story: with exit status 0 if every story came to its end, otherwise 1.`,
		Example: `  bellhop demo
  bellhop demo --once`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return demo(c.Context(), e, once) },
	}
	c.Flags().BoolVar(&once, "once", false, "end after the last story")
	return c
}

// demo tells the stories. Unless once is set, it then serves until ctx ends or a signal arrives.
func demo(ctx context.Context, e *env, once bool) (err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	folder, err := os.MkdirTemp("", "bellhop-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	s, err := newStage(ctx, e, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.introduce()
	begun := time.Now()
	for i, story := range stories {
		if err := s.tell(ctx, i+1, story); err != nil && ctx.Err() == nil {
			s.showLog()
			return err
		}
		if ctx.Err() != nil {
			return nil // a signal
		}
	}
	fmt.Fprintf(e.stdout, "\nFive stories in %.1f s, %d signed deliveries.\n", time.Since(begun).Seconds(),
		s.receiver.taken())
	if once {
		return nil
	}
	fmt.Fprintf(e.stdout, "The server and the stand-ins go on until you press Ctrl+C. In another terminal:\n\n"+
		"  export %s\n  bellhop events\n  bellhop deliveries\n  bellhop subscriptions\n", s.exports())
	<-ctx.Done()
	return nil
}

// demoSecrets are the variables whose values are not printed.
var demoSecrets = []string{"SECRET", "BORO_KEY", "SIGNING_KEY", "CODE"}

// A stage is where the stories are told.
type stage struct {
	e        *env
	data     string // folder of the server
	log      string // file of the server
	server   string // URL
	standIns string // URL
	receiver *signedReceiver
	vars     map[string]string // that commands may use, such as SERVER for $SERVER
	closers  []func() error    // undo newStage, the last one first
}

// newStage starts the server, the stand-ins and the receiver, with their files in folder.
func newStage(ctx context.Context, e *env, folder string) (_ *stage, err error) {
	key := make([]byte, 64)
	rand.Read(key)
	s := &stage{e: e, data: filepath.Join(folder, "data"), log: filepath.Join(folder, "server.log"),
		vars: map[string]string{"SECRET": "whsec_" + base64.StdEncoding.EncodeToString(key[:32]), "CODE": rand.Text(),
			"BORO_KEY": hex.EncodeToString(key[32:]), "SIGNING_KEY": base64.StdEncoding.EncodeToString(key)}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := s.startServer(ctx); err != nil {
		return nil, err
	}
	if err := s.startStandIns(); err != nil {
		return nil, err
	}
	if s.receiver, err = newSignedReceiver(e, s.vars["SECRET"]); err != nil {
		return nil, err
	}
	s.vars["RECEIVER"], err = s.serve(s.receiver, "127.0.0.1:0")
	return s, err
}

// startServer starts a server as 'bellhop serve --allow 127.0.0.1' does, and waits until it serves.
func (s *stage) startServer(ctx context.Context) error {
	logFile, err := os.Create(s.log)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, logFile.Close)
	var a *app.App
	for _, address := range []string{"127.0.0.1:8080", "127.0.0.1:0"} { // the second if the first is taken
		var cfg config.Config
		cfg, err = config.Load("", func(string) string { return "" },
			map[string]string{"data": s.data, "allow": "127.0.0.1", "listen": address})
		if err == nil {
			a, err = app.New(ctx, app.Options{Config: cfg, Providers: all.Providers(), Connectors: all.Connectors(),
				Version: version(), Logger: newLogger(logFile, cfg.LogLevel, cfg.LogFormat)})
		}
		if err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	s.server = a.URL()
	s.vars["SERVER"] = s.server
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(running) }()
	s.closers = append(s.closers, func() error {
		stop()
		return <-ended
	})
	return nil
}

// startStandIns starts the stand-ins on one port.
func (s *stage) startStandIns() (err error) {
	host := emulator.New(emulator.Options{Speed: demoSpeed})
	s.closers = append(s.closers, func() error {
		host.Close()
		return nil
	})
	flags := &emulateFlags{
		entra: entra.Options{DeviceInterval: time.Second}, ams: ams.Options{Pace: 100 * time.Millisecond},
		acs: acs.Options{Retention: 24 * time.Hour},
		webhooks: webhookFlags{channels: []string{slack.DefaultChannel}, to: s.server + "/in/alarms",
			secret: s.vars["BORO_KEY"]},
	}
	for _, system := range standIns {
		if !slices.Contains(demoSystems, system.name) {
			continue
		}
		if err := addSystems(s.e, host, flags, system); err != nil {
			return err
		}
	}
	s.standIns, err = s.serve(host, "127.0.0.1:9100")
	s.vars["STANDINS"] = s.standIns
	s.vars["CHANNEL"] = s.standIns + slack.WebhookPath(slack.DefaultChannel)
	return err
}

// serve serves h until the end: at address, or at any other if that one is taken. It returns the URL.
func (s *stage) serve(h http.Handler, address string) (url string, err error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(listener)
	s.closers = append(s.closers, server.Close)
	return "http://" + listener.Addr().String(), nil
}

// close undoes newStage.
func (s *stage) close() (err error) {
	for i := len(s.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, s.closers[i]())
	}
	return err
}

// introduce prints where everything is.
func (s *stage) introduce() {
	fmt.Fprintf(s.e.stdout, "server      %s, data in %s\nstand-ins   %s\nreceiver    %s, checks each signature\n\n"+
		"The commands can be run in another terminal too, after:\n  export %s\n",
		s.server, s.data, s.standIns, s.vars["RECEIVER"], s.exports())
}

// exports returns the variables that lead the commands of another terminal here.
func (s *stage) exports() string { return "BELLHOP_DATA=" + s.data + " BELLHOP_AT=" + s.standIns }

// showLog prints the end of the server's log on stderr.
func (s *stage) showLog() {
	text, _ := os.ReadFile(s.log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	fmt.Fprintf(s.e.stderr, "The end of the server's log:\n%s\n", strings.Join(lines[max(0, len(lines)-20):], "\n"))
}

// A story is told in steps.
type story struct {
	title string
	steps []step
}

// A step is a command.
type step struct {
	text    string // what it does, or what it shows
	command string // as in a shell: bellhop with arguments in single quotes or without, or curl with a URL; with $NAME
	// want is a regular expression for what the command prints. A command that succeeds and prints something else is
	// repeated. The line that matches is shown. "" takes everything.
	want string
	keep string // the name of a variable for the first group of want; "" is none
}

// stepTimeout is how long a command is repeated.
const stepTimeout = 20 * time.Second

// tell runs the steps of one story. For each it prints the text, the command, the time that it took and what came of
// it.
func (s *stage) tell(ctx context.Context, number int, story story) error {
	fmt.Fprintf(s.e.stdout, "\n%d. %s\n", number, story.title)
	for _, step := range story.steps {
		begun := time.Now()
		fmt.Fprintf(s.e.stdout, "\n   %s\n   $ %s\n", step.text, s.expand(step.command, demoSecrets...))
		shown, err := s.perform(ctx, step)
		if err != nil {
			return fmt.Errorf("story %d: %s: %w", number, step.text, err)
		}
		fmt.Fprintf(s.e.stdout, "   %8s  %s\n", time.Since(begun).Round(time.Millisecond), shown)
	}
	return nil
}

// perform runs the command of a step until it prints what the step wants, and returns the line with that.
func (s *stage) perform(ctx context.Context, step step) (shown string, err error) {
	args, want := splitCommand(s.expand(step.command)), regexp.MustCompile(step.want)
	for deadline := time.Now().Add(stepTimeout); ; {
		text, err := s.run(ctx, args)
		found := want.FindStringSubmatchIndex(text)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err == nil && found != nil:
			if step.keep != "" {
				s.vars[step.keep] = text[found[2]:found[3]]
			}
			return excerpt(text, found[0], found[1]), nil
		case err != nil || time.Now().After(deadline):
			return "", fmt.Errorf("it printed: %.2000s", text)
		}
		pauseFor(ctx, 20*time.Millisecond) // an end of ctx is seen by the next run
	}
}

// run runs a command, and returns what it printed.
func (s *stage) run(ctx context.Context, args []string) (text string, err error) {
	var out bytes.Buffer
	if args[0] == "curl" {
		err = fetch(ctx, &out, args[1])
	} else {
		err = run(ctx, &env{getenv: s.getenv, stdin: strings.NewReader(""), stdout: &out, stderr: &out}, args[1:])
	}
	return strings.TrimSpace(out.String()), err
}

// fetch writes what is at url, which is on this machine.
func fetch(ctx context.Context, w io.Writer, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := egress.NewLocal().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, io.LimitReader(resp.Body, 1<<20))
	return err
}

// excerpt returns the line of text around the bytes from begin to end, or those bytes alone if it is long.
func excerpt(text string, begin, end int) string {
	from := strings.LastIndexByte(text[:begin], '\n') + 1
	line, _, _ := strings.Cut(text[from:], "\n")
	if line = strings.Join(strings.Fields(line), " "); len(line) <= 120 {
		return line
	}
	return text[begin:end]
}

// getenv leads commands to the server and the stand-ins of the stage.
func (s *stage) getenv(name string) string {
	return map[string]string{"BELLHOP_DATA": s.data, "BELLHOP_AT": s.standIns}[name]
}

// expand puts the variables of the stage in the place of $NAME, except those of secret.
func (s *stage) expand(text string, secret ...string) string {
	return os.Expand(text, func(name string) string {
		value, known := s.vars[name]
		for _, hidden := range secret {
			known = known && name != hidden
		}
		if !known {
			return "$" + name
		}
		return value
	})
}

// splitCommand splits arguments at blanks, except within single quotes.
func splitCommand(text string) (args []string) {
	var arg strings.Builder
	begun, quoted := false, false
	for _, c := range text {
		switch {
		case c == '\'':
			begun, quoted = true, !quoted
		case c != ' ' || quoted:
			begun = true
			arg.WriteRune(c)
		case begun:
			args = append(args, arg.String())
			arg.Reset()
			begun = false
		}
	}
	if begun {
		args = append(args, arg.String())
	}
	return args
}

// A signedReceiver takes requests whose Standard Webhooks signature is right, and refuses others.
type signedReceiver struct {
	now      func() time.Time
	receiver provider.Receiver

	mu    sync.Mutex
	count int // guarded by mu
}

// newSignedReceiver returns a receiver with a secret, whsec_….
func newSignedReceiver(e *env, secret string) (*signedReceiver, error) {
	p, err := findProvider("standardwebhooks")
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(map[string]string{"secret": secret})
	if err != nil {
		return nil, err
	}
	env := e.providerEnv(time.Time{})
	receiver, err := provider.Open(p, env, settings)
	return &signedReceiver{now: env.Now, receiver: receiver}, err
}

// taken returns the number of requests with a right signature.
func (r *signedReceiver) taken() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

func (r *signedReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 4<<20))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	_, err = r.receiver.Receive(req.Context(), &provider.Request{Method: req.Method, Target: req.RequestURI,
		Header: req.Header, Body: body, RemoteAddr: req.RemoteAddr, ReceivedAt: r.now()})
	if err != nil {
		http.Error(w, "the signature is wrong", http.StatusUnauthorized)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
}
