package main

import (
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
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/graph"
	"github.com/bellhop-gateway/bellhop/emulator/outlook"
	"github.com/bellhop-gateway/bellhop/emulator/sharepoint"
	"github.com/spf13/cobra"
)

// emulateFlags are the flags of emulate.
type emulateFlags struct {
	listen, certificate string
	tls, json           bool
	faults              []string
	speed               float64
	anyToken            bool
	page                bool
	reuseDetection      bool
	clamp               bool
}

// A standIn is what one argument of emulate stands for. Each has entra beside its systems, which issues their tokens.
type standIn struct {
	name, title string
	systems     []string
}

var standIns = []standIn{
	{"entra", "Microsoft Entra ID: sign-in and tokens", nil},
	{"graph", "Microsoft Graph: subscriptions, notifications, resources, delta", []string{"graph"}},
	{"outlook", "Outlook REST v2.0: push subscriptions, a mailbox", []string{"outlook"}},
	{"sharepoint", "SharePoint: list webhooks, items, change log", []string{"sharepoint"}},
	{"microsoft", "all of the above on one port", []string{"graph", "outlook", "sharepoint"}},
}

func newEmulateCommand(e *env) *cobra.Command {
	var names, list []string
	for _, s := range standIns {
		names, list = append(names, s.name), append(list, fmt.Sprintf("  %-11s %s", s.name, s.title))
	}
	f := &emulateFlags{}
	c := &cobra.Command{
		Use:   "emulate SYSTEM",
		Short: "Stand in for an outside system on this machine",
		Long: `Stand in for an outside system on this machine, until SIGINT or SIGTERM.

A stand-in plays the whole system on one port, under the paths of the real hosts, with its headers,
error bodies, retry schedule and expiry. Systems:

` + strings.Join(list, "\n") + `

The client "bellhop" with the secret "secret" is known in any tenant, and one user signs in without
a password. Give the URL of the stand-in as authority and API URL. Each call, and what the stand-in
sends, is printed as a line.

Something happens in a system by 'bellhop emulate event'; 'bellhop emulate fault' makes it misbehave,
and 'bellhop emulate calls' shows the calls whole. The same can be done by HTTP, under /_control/.
Faults: ` + strings.Join(emulator.FaultKinds(), ", ") + `.`,
		Example: `  bellhop emulate microsoft
  bellhop emulate graph --listen 127.0.0.1:9100 --fault throttle=3:10
  bellhop emulate event --at http://127.0.0.1:9100 --resource /me/events --change-type created`,
		ValidArgs: names,
		Args:      oneArgument("system"),
		RunE: func(c *cobra.Command, args []string) error {
			return emulate(c.Context(), e, f, args[0])
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:9100", "address and port")
	flags.BoolVar(&f.tls, "tls", false, "serve https, with a certificate authority that is made for this run")
	flags.StringVar(&f.certificate, "certificate", "",
		"a PEM file with certificates that the client \"bellhop\" may sign its assertions with")
	flags.StringArrayVar(&f.faults, "fault", nil,
		"a fault from the start: KIND, KIND=TIMES or KIND=TIMES:VALUE; may be repeated")
	flags.Float64Var(&f.speed, "speed", 1, "divides the pauses between attempts of a notification")
	flags.BoolVar(&f.anyToken, "any-token", false, "take every token, and calls without one")
	flags.BoolVar(&f.page, "page", false, "ask on the sign-in page instead of agreeing at once")
	flags.BoolVar(&f.reuseDetection, "reuse-detection", false, "revoke a refresh token that is used twice")
	flags.BoolVar(&f.clamp, "clamp", false, "bring an expiry that is too late forward instead of refusing it (graph)")
	flags.BoolVar(&f.json, "json", false, "print each call whole, as a line of JSON")
	c.AddCommand(newEmulateEventCommand(e), newEmulateFaultCommand(e), newEmulateCallsCommand(e))
	return c
}

// emulate serves a stand-in until ctx ends or a signal arrives.
func emulate(ctx context.Context, e *env, f *emulateFlags, name string) error {
	i := slices.IndexFunc(standIns, func(s standIn) bool { return s.name == name })
	if i < 0 {
		var names []string
		for _, s := range standIns {
			names = append(names, s.name)
		}
		return wrongUsage("there is no stand-in for '%s'; there are %s", name, strings.Join(names, ", "))
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	view := &callView{w: e.stdout, json: f.json}
	host := emulator.New(emulator.Options{Speed: f.speed, OnCall: view.print})
	defer host.Close()
	if err := addSystems(e, host, f, standIns[i].systems); err != nil {
		return err
	}
	for _, text := range f.faults {
		fault, err := emulator.ParseFault(text)
		if err == nil {
			err = host.Fault(fault)
		}
		if err != nil {
			return wrongUsage("--fault: %w", err)
		}
	}
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	if f.tls {
		base = "https://" + listener.Addr().String()
		files, err := os.MkdirTemp("", "bellhop-emulate-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(files)
		authority := filepath.Join(files, "ca.pem")
		certificate, err := newServerCertificate(authority)
		if err != nil {
			return err
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}})
		fmt.Fprintf(e.stderr, "certificate authority in %s\nNODE_EXTRA_CA_CERTS=%[1]s\n", authority)
	}
	var systems []string
	for _, s := range host.Systems() {
		systems = append(systems, s.Name())
	}
	fmt.Fprintf(e.stderr, "%s at %s\nclient '%s' with the secret '%s', in any tenant; control API at %[2]s/_control/\n",
		strings.Join(systems, ", "), base, entra.DefaultClient, entra.DefaultSecret)
	server := &http.Server{Handler: host, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// addSystems adds entra and the named systems to host.
func addSystems(e *env, host *emulator.Host, f *emulateFlags, names []string) error {
	opts := entra.Options{Page: f.page, ReuseDetection: f.reuseDetection}
	if f.certificate != "" {
		text, err := e.readFile(f.certificate)
		if err != nil {
			return wrongUsage("--certificate: %w", err)
		}
		client := entra.Client{ID: entra.DefaultClient, Secret: entra.DefaultSecret}
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if block.Type != "CERTIFICATE" {
				continue
			}
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return wrongUsage("--certificate: %w", err)
			}
			client.Certificates = append(client.Certificates, c)
		}
		if client.Certificates == nil {
			return wrongUsage("--certificate: %s has no certificate in PEM", f.certificate)
		}
		opts.Clients = []entra.Client{client}
	}
	tokens := entra.New(host, opts)
	host.Add(tokens)
	for _, name := range names {
		switch name {
		case "graph":
			host.Add(graph.New(host, tokens, graph.Options{AnyToken: f.anyToken, Clamp: f.clamp}))
		case "outlook":
			host.Add(outlook.New(host, tokens, outlook.Options{AnyToken: f.anyToken}))
		case "sharepoint":
			host.Add(sharepoint.New(host, tokens, sharepoint.Options{AnyToken: f.anyToken}))
		}
	}
	return nil
}

// A callView prints calls as they end.
type callView struct {
	mu   sync.Mutex
	w    io.Writer
	json bool
}

func (v *callView) print(c emulator.Call) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.json {
		json.NewEncoder(v.w).Encode(c)
		return
	}
	arrow, result := "<-", fmt.Sprint(c.Status)
	if c.Direction == emulator.CallOut {
		arrow = "->"
	}
	if c.Status == 0 {
		result = "no answer"
	}
	if c.Error != "" {
		result = c.Error
	}
	line := fmt.Sprintf("%s %-10s %s %s %s %s", c.At.Format("15:04:05"), c.System, arrow, c.Method, c.URL, result)
	if c.Attempt > 1 {
		line += fmt.Sprintf(", attempt %d", c.Attempt)
	}
	if c.Fault != "" {
		line += ", fault " + c.Fault
	}
	fmt.Fprintln(v.w, clean(line))
}

// newServerCertificate makes a certificate authority, writes its certificate to file, and returns a certificate of it
// for this machine. Its key is in memory alone.
func newServerCertificate(file string) (tls.Certificate, error) {
	now := time.Now()
	authority := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()),
		Subject:   pkix.Name{CommonName: "bellhop emulate"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(365 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano() + 1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, &leafKey.PublicKey, authorityKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authorityDER})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: leafKey}, os.WriteFile(file, text, 0o644)
}

// atFlag adds the flag by which the commands under emulate find a stand-in.
func atFlag(c *cobra.Command) *emulator.Remote {
	remote := new(emulator.Remote)
	c.Flags().StringVar(&remote.URL, "at", "http://127.0.0.1:9100", "URL of the stand-in")
	return remote
}

func newEmulateEventCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "event",
		Short: "Let something happen in a running stand-in",
		Long: `Let something happen in a running stand-in. The resource is stored or changed, and subscribers are
notified. The number of notifications is printed.`,
		Example: `  bellhop emulate event --resource /me/events --change-type created --data '{"subject":"Lens review"}'
  bellhop emulate event --system sharepoint --resource Documents --change-type updated`,
		Args: noArguments,
	}
	at := atFlag(c)
	var event emulator.Event
	c.Flags().StringVar(&event.Resource, "resource", "", "the collection or list, as the system names it")
	c.Flags().StringVar(&event.ChangeType, "change-type", "updated", "created, updated or deleted")
	c.Flags().StringVar(&event.System, "system", "", "of several systems on one port")
	data := c.Flags().String("data", "", "the item: a JSON object; @FILE reads it from a file")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if event.Resource == "" {
			return wrongUsage("missing --resource")
		}
		if *data != "" {
			text := []byte(*data)
			if name, ok := strings.CutPrefix(*data, "@"); ok {
				var err error
				if text, err = e.readFile(name); err != nil {
					return wrongUsage("--data: %w", err)
				}
			}
			if err := json.Unmarshal(text, &event.Data); err != nil {
				return wrongUsage("--data: it is no JSON object")
			}
		}
		notified, err := at.Happen(c.Context(), event)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "notifications: %d\n", notified)
		return err
	}
	return c
}

func newEmulateFaultCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "fault KIND[=TIMES[:VALUE]]",
		Short: "Make a running stand-in misbehave",
		Long: `Make a running stand-in misbehave. Kinds and their values:

  slow      the answer comes late, by VALUE (10s)
  error     the answer is an error with the status VALUE (500)
  throttle  the answer is 429; VALUE is Retry-After in seconds (1)
  drop      the call has its effect, but gets no answer
  duplicate a notification is sent twice
  reorder   a notification is sent after the next one
  silent    a notification is not sent
  missed    notifications were lost, and the system says so; VALUE is a subscription ("" is all)
  expire    subscriptions, or access tokens, end now; VALUE is one of them
  revoke    subscriptions, or refresh tokens, are taken back; VALUE is one of them
  clock     the clock moves by VALUE, such as 1h or -10m

TIMES is how many calls or notifications meet the fault: one by default, -1 for all until a reset.
'reset' in place of a kind forgets everything: faults, calls and the state of the systems.`,
		Example: `  bellhop emulate fault throttle=3:10 --system graph
  bellhop emulate fault revoke --system entra
  bellhop emulate fault reset`,
		Args: oneArgument("fault"),
	}
	at := atFlag(c)
	var system, path string
	c.Flags().StringVar(&system, "system", "", "of several systems on one port")
	c.Flags().StringVar(&path, "path", "", "only calls whose path and query contain this text")
	c.RunE = func(c *cobra.Command, args []string) error {
		if args[0] == "reset" {
			return at.Reset(c.Context())
		}
		fault, err := emulator.ParseFault(args[0])
		if err != nil {
			return &usageError{err}
		}
		fault.System, fault.Path = system, path
		return at.Fault(c.Context(), fault)
	}
	return c
}

func newEmulateCallsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:     "calls",
		Short:   "Show the calls of a running stand-in whole",
		Long:    "Show the calls of a running stand-in whole, oldest first: one line of JSON each.",
		Example: "  bellhop emulate calls --at http://127.0.0.1:9100",
		Args:    noArguments,
	}
	at := atFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		calls, err := at.Calls(c.Context())
		if err != nil {
			return err
		}
		for _, call := range calls {
			if _, err := fmt.Fprintln(e.stdout, string(call)); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}
