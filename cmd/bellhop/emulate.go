package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
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
	"syscall"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/acs"
	"github.com/bellhop-gateway/bellhop/emulator/ams"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/eventgrid"
	"github.com/bellhop-gateway/bellhop/emulator/graph"
	"github.com/bellhop-gateway/bellhop/emulator/outlook"
	"github.com/bellhop-gateway/bellhop/emulator/sharepoint"
	"github.com/spf13/cobra"
)

// emulateFlags are the flags of emulate.
type emulateFlags struct {
	listen, certificate string
	tls, json           bool
	tlsNames            []string
	faults              []string
	speed               float64
	anyToken            bool
	brief               bool

	entra      entra.Options
	graph      graph.Options
	grid       eventgrid.Options
	sharepoint sharepoint.Options
	ams        ams.Options
	acs        acs.Options
	accessKeys []string
	pageSize   int
	webhooks   webhookFlags
}

// A standIn is what one argument of emulate stands for. The systems of Microsoft have entra beside them, which issues
// their tokens.
type standIn struct {
	name, title string
	systems     []string
	noTokens    bool // without entra
}

var standIns = []standIn{
	{name: "entra", title: "Microsoft Entra ID: sign-in and tokens"},
	{name: "graph", title: "Microsoft Graph: subscriptions, notifications, resources, delta",
		systems: []string{"graph"}},
	{name: "outlook", title: "Outlook REST v2.0: push subscriptions, a mailbox", systems: []string{"outlook"}},
	{name: "sharepoint", title: "SharePoint: list webhooks, items, change log", systems: []string{"sharepoint"}},
	{name: "eventgrid", title: "Azure Event Grid: event subscriptions, topics, deliveries",
		systems: []string{"eventgrid"}},
	{name: "ams", title: "Media Services v2: assets, jobs, locators, signed notifications", systems: []string{"ams"}},
	{name: "acs", title: "Communication Services: call recordings, downloads, events by Event Grid",
		systems: []string{"eventgrid", "acs"}},
	{name: "microsoft", title: "all of the above on one port",
		systems: []string{"graph", "outlook", "sharepoint", "eventgrid", "ams", "acs"}},
	{name: "boro", title: "Elecard Boro: signed alarms of video streams", systems: []string{"boro"}, noTokens: true},
	{name: "slack", title: "Slack: incoming webhooks, which check and show messages", systems: []string{"slack"},
		noTokens: true},
	{name: "github", title: "GitHub: signed webhooks", systems: []string{"github"}, noTokens: true},
	{name: "stripe", title: "Stripe: signed webhooks", systems: []string{"stripe"}, noTokens: true},
	{name: "standardwebhooks", title: "a sender of Standard Webhooks", systems: []string{"standardwebhooks"},
		noTokens: true},
}

func newEmulateCommand(e *env) *cobra.Command {
	var names, list []string
	for _, s := range standIns {
		names, list = append(names, s.name), append(list, fmt.Sprintf("  %-16s %s", s.name, s.title))
	}
	f := &emulateFlags{}
	c := &cobra.Command{
		Use:   "emulate SYSTEM",
		Short: "Stand in for an outside system on this machine",
		Long: `Stand in for an outside system on this machine, until SIGINT or SIGTERM.

A stand-in plays the whole system on one port, under the paths of the real hosts, with its headers,
error bodies, retry schedule and expiry. Systems:

` + strings.Join(list, "\n") + `

At Microsoft, the client "bellhop" with the secret "secret" is known in any tenant, one user signs
in without a password, and the access key of acs is Base64 of "secret", c2VjcmV0. Give the URL of
the stand-in as authority and API URL. boro, github, stripe and standardwebhooks send to the URL of
--to, signed with --secret. Each call, and what the stand-in sends, is printed: who called what, the
status, and what was sent and answered, with secrets masked; of slack, the message as Slack shows
it.

Something happens in a system by 'bellhop emulate event'; 'bellhop emulate fault' makes it misbehave,
and 'bellhop emulate calls' shows the calls whole. The same can be done by HTTP, under /_control/.
Faults, which 'bellhop emulate fault --help' explains:
` + strings.Join(wrap(strings.Join(emulator.FaultKinds(), ", ")+".", 100), "\n"),
		Example: `  bellhop emulate microsoft
  bellhop emulate graph --listen 127.0.0.1:9100 --fault throttle=3:10
  bellhop emulate event --at http://127.0.0.1:9100 --resource /me/events --change-type created
  bellhop emulate eventgrid --speed 60
  bellhop emulate boro --to http://127.0.0.1:8080/in/alarms --secret @key.txt --set profile_id=265
  bellhop emulate slack --channel alarms --channel releases`,
		ValidArgs: names,
		Args:      oneArgument("system"),
		RunE: func(c *cobra.Command, args []string) error {
			return emulate(c.Context(), e, f, args[0])
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:9100", "address and port")
	flags.BoolVar(&f.tls, "tls", false, "serve https, with a certificate authority that is made for this run")
	flags.StringSliceVar(&f.tlsNames, "tls-name", nil,
		"with --tls, a further name of the server, such as eu-storage.asm.skype.com; may be repeated")
	flags.StringVar(&f.certificate, "certificate", "",
		"a PEM file with certificates that the client \"bellhop\" may sign its assertions with")
	flags.StringArrayVar(&f.faults, "fault", nil,
		"a fault from the start: KIND, KIND=TIMES or KIND=TIMES:VALUE; may be repeated")
	flags.Float64Var(&f.speed, "speed", 1, "divides the pauses between attempts of a notification")
	flags.BoolVar(&f.anyToken, "any-token", false, "take every token, and calls without one; of acs, without a "+
		"signature")
	flags.BoolVar(&f.entra.Page, "page", false, "ask on the sign-in page instead of agreeing at once")
	flags.BoolVar(&f.entra.ReuseDetection, "reuse-detection", false, "revoke a refresh token that is used twice")
	flags.BoolVar(&f.entra.AssertionOnce, "assertion-once", false,
		"refuse a client assertion that was used before; MSAL for Node uses one for ten minutes")
	flags.DurationVar(&f.entra.Lifetime, "token-lifetime", 3599*time.Second, "of an access token")
	flags.BoolVar(&f.graph.Clamp, "clamp", false,
		"bring an expiry that is too late forward instead of refusing it (graph)")
	flags.BoolVar(&f.graph.KeepExpiry, "keep-expiry", false, "answer a renewal without renewing (graph)")
	flags.IntVar(&f.graph.OutlookMinutes, "outlook-minutes", 10080,
		"the longest life of subscriptions to messages, events and contacts (graph)")
	flags.IntVar(&f.graph.Quota, "quota", 1000, "subscriptions of one application to one resource (graph)")
	flags.IntVar(&f.pageSize, "page-size", 0,
		"entries of a page of a list; 0 is as many as the system has (graph, outlook, eventgrid, ams)")
	flags.BoolVar(&f.grid.HTTPSOnly, "https-only", false, "refuse endpoints with an http URL (eventgrid)")
	flags.BoolVar(&f.grid.AlwaysValidate, "always-validate", false,
		"make a handshake after every change of an event subscription, not only of its endpoint (eventgrid)")
	flags.StringVar(&f.grid.Region, "region", "westeurope", "of topics and operations (eventgrid)")
	flags.StringSliceVar(&f.ams.Contributors, "contributor", nil,
		"the id of a client that has the role Contributor on the account; any client has it if none is named (ams)")
	flags.IntVar(&f.ams.Policies, "policies", 1_000_000, "access policies that the account may have (ams)")
	flags.IntVar(&f.ams.Locators, "locators", 5, "locators that an asset may have (ams)")
	flags.DurationVar(&f.ams.Pace, "pace", time.Second, "between the steps of a job, of which it has seven (ams)")
	flags.DurationVar(&f.ams.Lag, "lag", 0, "how much later than it is told a job shows its changes (ams)")
	flags.StringSliceVar(&f.accessKeys, "access-key",
		[]string{base64.StdEncoding.EncodeToString([]byte(acs.DefaultSecret))},
		"an access key of the resource, in Base64; may be repeated (acs)")
	flags.DurationVar(&f.acs.Retention, "retention", 24*time.Hour, "of recordings (acs)")
	flags.BoolVar(&f.sharepoint.ExactExpiry, "exact-expiry", false,
		"refuse an expiry beyond 180 days; otherwise 90 minutes more are taken (sharepoint)")
	flags.BoolVar(&f.sharepoint.ExpiredFails, "expired-changes-fail", false,
		"answer a change token that is too old with an error instead of no changes (sharepoint)")
	flags.IntVar(&f.sharepoint.MinuteLimit, "minute-limit", 0,
		"calls of an application in a minute, with the headers RateLimit; 0 sets no limit (sharepoint)")
	f.webhooks.add(c)
	flags.BoolVar(&f.brief, "brief", false, "print one line for each call, without what was sent and answered")
	flags.BoolVar(&f.json, "json", false, "print each call whole, as a line of JSON")
	c.AddCommand(newEmulateEventCommand(e), newEmulateFaultCommand(e), newEmulateCallsCommand(e),
		newEmulateDeadLettersCommand(e))
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
		return wrongUsage("there is no stand-in for '%s'; there are %s%s", name, strings.Join(names, ", "),
			didYouMean(name, "", names))
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	view := &callView{w: e.stdout, json: f.json, brief: f.brief}
	host := emulator.New(emulator.Options{Speed: f.speed, OnCall: view.print})
	defer host.Close()
	view.show = host.Show
	if err := addSystems(e, host, f, standIns[i]); err != nil {
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
		certificate, err := newServerCertificate(authority, f.tlsNames)
		if err != nil {
			return err
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}})
		fmt.Fprintf(e.stderr, "certificate authority in %s\nNODE_EXTRA_CA_CERTS=%[1]s\nSSL_CERT_FILE=%[1]s\n",
			authority)
	}
	var systems []string
	for _, s := range host.Systems() {
		systems = append(systems, s.Name())
	}
	fmt.Fprintf(e.stderr, "%s at %s\n", strings.Join(systems, ", "), base)
	if !standIns[i].noTokens {
		fmt.Fprintf(e.stderr, "client '%s' with the secret '%s', in any tenant\n", entra.DefaultClient,
			entra.DefaultSecret)
	}
	fmt.Fprintf(e.stderr, "%scontrol API: %s/_control/\n", hints(host, base), base)
	server := &http.Server{Handler: host, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// addSystems adds the systems of a stand-in to host.
func addSystems(e *env, host *emulator.Host, f *emulateFlags, what standIn) error {
	if what.noTokens {
		for _, name := range what.systems {
			s, err := newWebhookSystem(e, host, &f.webhooks, name)
			if err != nil {
				return err
			}
			host.Add(s)
		}
		return nil
	}
	opts := f.entra
	f.graph.AnyToken, f.sharepoint.AnyToken, f.grid.AnyToken = f.anyToken, f.anyToken, f.anyToken
	f.graph.PageSize, f.grid.PageSize = f.pageSize, f.pageSize
	f.ams.AnyToken, f.ams.PageSize = f.anyToken, f.pageSize
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
	var grid *eventgrid.System
	for _, name := range what.systems {
		switch name {
		case "graph":
			host.Add(graph.New(host, tokens, f.graph))
		case "outlook":
			host.Add(outlook.New(host, tokens, outlook.Options{AnyToken: f.anyToken, PageSize: f.pageSize}))
		case "ams":
			host.Add(ams.New(host, tokens, f.ams))
		case "sharepoint":
			host.Add(sharepoint.New(host, tokens, f.sharepoint))
		case "eventgrid":
			grid = eventgrid.New(host, tokens, f.grid)
			host.Add(grid)
		case "acs": // behind eventgrid
			if err := f.readAccessKeys(); err != nil {
				return err
			}
			host.Add(acs.New(host, grid, f.acs))
		}
	}
	return nil
}

// readAccessKeys reads the access keys of acs.
func (f *emulateFlags) readAccessKeys() error {
	f.acs.AnyKey = f.anyToken
	for _, text := range f.accessKeys {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) == 0 {
			return wrongUsage("--access-key: a key is no Base64, as the portal shows an access key")
		}
		f.acs.Keys = append(f.acs.Keys, key)
	}
	if f.acs.Retention <= 0 {
		return wrongUsage("--retention: use a length of time such as 24h")
	}
	return nil
}

// newServerCertificate makes a certificate authority, writes its certificate to file, and returns a certificate of it
// for this machine and the names. Its key is in memory alone.
func newServerCertificate(file string, names []string) (tls.Certificate, error) {
	now := time.Now()
	authority := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()),
		Subject:   pkix.Name{CommonName: "bellhop emulate"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(365 * 24 * time.Hour), IsCA: true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano() + 1),
		Subject:   pkix.Name{CommonName: "localhost"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		DNSNames:    append([]string{"localhost"}, names...),
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
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey,
		authorityKey)
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
