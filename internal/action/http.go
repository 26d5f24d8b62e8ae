package action

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// HTTPFetch fetches a URL that an expression makes of the event, from one of the hosts that the destination
// allows. See docs/FETCH.md.
type HTTPFetch struct {
	Calls *Calls
	// Compile compiles an expression in the language of templates. Its error is bellhop.CodeInvalid with an empty
	// path.
	Compile func(text string) (Expression, error)
	// Plain returns an API that calls whole URLs without credentials.
	Plain func(env provider.Env) provider.API
}

// An Expression evaluates a compiled expression over an event. The result is nil, a bool, a number, a text, a time, or
// lists and objects of these, which encoding/json writes. It is safe for concurrent use.
type Expression = func(ctx context.Context, ev *bellhop.Event) (any, error)

const httpFetch = "http.fetch"

// fetchMethods are the values of the setting method.
var fetchMethods = []string{http.MethodGet, http.MethodPost}

// Info describes the destinations of type http.fetch.
func (HTTPFetch) Info() provider.Info {
	return provider.Info{
		Name: httpFetch, Title: "Fetch a URL",
		Concurrency: fetchConcurrency, Timeout: fetchTimeout, Errors: callErrors,
		Summary: "Fetches a URL that an expression makes of the event, from a list of hosts, and publishes the " +
			"answer as an event http.fetched; or http.gone, if the answer is 404 or 410.",
		SendSettings: []provider.Setting{
			{Name: "url", Title: "URL", Required: true, Example: `"https://api.example.com/orders/" + data.id`,
				Doc: "An expression that gives the URL, in the language of templates: it sees `data`, `type`, " +
					"`subject`, `source`, `headers`, `time`, `id` and `tenant`."},
			{Name: "hosts", Title: "Hosts", Kind: provider.KindList, Required: true, Example: `["api.example.com"]`,
				Doc: "The only hosts that are called: each a name, or a name and a port, letter for letter."},
			{Name: connectionSetting, Title: "Connection", Example: "work",
				Doc: "The connection, by name or id, whose credentials go with calls to the origin of its " +
					"`api_url`, and to no other host. Default: none."},
			{Name: "method", Title: "Method", Example: "POST", Choices: fetchMethods,
				Doc: "`GET` or `POST`. Default: `GET`."},
			{Name: "body", Title: "Body", Example: `{"id": data.id}`,
				Doc: "An expression that gives the body of a `POST`: a text as it is, anything else as JSON. " +
					"Default: none."},
			{Name: "headers", Title: "Headers", Kind: provider.KindObject, Secret: true,
				Example: `{"X-Api-Key":"…"}`, Doc: "Headers of each call, such as a key."},
			provider.FoldSetting,
		},
	}
}

type httpSettings struct {
	URL        string            `json:"url"`
	Hosts      []string          `json:"hosts"`
	Connection string            `json:"connection"`
	Method     string            `json:"method"`
	Body       string            `json:"body"`
	Headers    map[string]string `json:"headers"`
	Fold       string            `json:"fold"`
}

// OpenAction checks the settings of d, compiles its expressions, and checks that its connection exists.
func (x HTTPFetch) OpenAction(env provider.ActionEnv, d bellhop.Destination) (provider.Performer, error) {
	if env.Publish == nil {
		return nil, bellhop.Invalid("type", "this server takes no events from actions")
	}
	var s httpSettings
	err := provider.DecodeSettings(d.Settings, &s)
	f := &httpFetcher{method: s.Method, hosts: s.Hosts, header: http.Header{},
		chained: len(d.Match.Types) > 0, plain: provider.Connection{API: x.Plain(env.Env)}}
	every, foldErr := readFold(s.Fold)
	err = bellhop.Join("settings", err, f.compile(s, x.Compile), checkHosts(s.Hosts), f.setHeaders(s.Headers), foldErr)
	if s.Connection != "" {
		conn, connErr := openConnection(env, s.Connection)
		err = bellhop.Join("", err, bellhop.Join("settings", connErr))
		f.conn = &conn
	}
	if err != nil {
		return nil, err
	}
	f.work = work{name: "http", action: httpFetch, env: env, calls: x.Calls, destination: d,
		log: env.Logger.With("component", "action"), folds: folds{clock: newClock(env.Now), every: every}}
	return f, nil
}

// An httpFetcher is the Performer of one destination.
type httpFetcher struct {
	work
	url     Expression
	body    Expression // nil is none
	method  string
	hosts   []string
	header  http.Header
	chained bool // the destination chooses events by their types, so that those of other actions are meant
	conn    *provider.Connection
	plain   provider.Connection // makes calls without credentials
}

// compile reads the settings that say what is called.
func (f *httpFetcher) compile(s httpSettings, compile func(string) (Expression, error)) error {
	var urlErr, bodyErr, methodErr error
	if s.URL == "" {
		urlErr = bellhop.Invalid("url", `required: an expression, such as "https://api.example.com/orders/" + data.id`)
	} else {
		f.url, urlErr = compile(s.URL)
		urlErr = bellhop.Join("url", urlErr)
	}
	f.method, methodErr = provider.OneOf("method", s.Method, http.MethodGet, fetchMethods...)
	switch {
	case s.Body != "" && f.method != http.MethodPost:
		bodyErr = bellhop.Invalid("body", "goes with method POST; leave it out, or set method")
	case s.Body != "":
		f.body, bodyErr = compile(s.Body)
		bodyErr = bellhop.Join("body", bodyErr)
	}
	return bellhop.Join("", urlErr, methodErr, bodyErr)
}

// maxHosts is the largest number of hosts of a destination.
const maxHosts = 50

// checkHosts checks the hosts that a destination may call.
func checkHosts(hosts []string) error {
	if len(hosts) == 0 || len(hosts) > maxHosts {
		return bellhop.Invalid("hosts", fmt.Sprintf(`required: 1 to %d hosts, such as ["api.example.com"]`, maxHosts))
	}
	var errs []error
	for i, host := range hosts {
		u, err := url.Parse("https://" + host + "/")
		if err != nil || host == "" || u.Host != host || u.Path != "/" || strings.Contains(host, "*") {
			errs = append(errs, bellhop.Invalid(fmt.Sprintf("hosts[%d]", i),
				"use the name of a host, or a name and a port, such as api.example.com:8443"))
		}
	}
	return bellhop.Join("", errs...)
}

// setHeaders checks and keeps the headers of each call.
func (f *httpFetcher) setHeaders(headers map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		err := bellhop.CheckHeader(name, headers[name])
		switch {
		case err != nil:
			errs = append(errs, bellhop.Invalid("headers."+name, err.Error()))
		case bellhop.FramingHeader(name):
			errs = append(errs, bellhop.Invalid("headers."+name, "is set by Bellhop itself; leave it out"))
		}
		f.header.Set(name, headers[name])
	}
	return bellhop.Join("", errs...)
}

// LeavesOut implements [provider.Selector]: the results of this action are never fetched for.
func (*httpFetcher) LeavesOut(ev *bellhop.Event) bool { return strings.HasPrefix(ev.Type, "http.") }

// Perform fetches the URL that ev gives.
func (f *httpFetcher) Perform(ctx context.Context, ev *bellhop.Event, at provider.AttemptInfo) provider.ActionResult {
	switch {
	case ev.Header.Get(bellhop.CauseHeader) != "" && f.LeavesOut(ev):
		return f.skip(madeByAction)
	case ev.Header.Get(bellhop.CauseHeader) != "" && !f.chained:
		return f.skip(madeByAction + "; name its type in the match to fetch for it")
	}
	address, body, kind, err := f.render(ctx, ev)
	if err != nil && ctx.Err() != nil {
		return provider.ActionResult{Cut: true}
	} else if err != nil {
		return f.refuse(err.Error())
	}
	target, err := f.allowed(address)
	if err != nil {
		return f.refuse(err.Error())
	}
	conn, err := f.connectionFor(ctx, target)
	if err != nil {
		return failure(ctx, conn, err)
	}
	header := f.header.Clone()
	if kind != "" && header.Get("Content-Type") == "" {
		header.Set("Content-Type", kind)
	}
	sum := sha256.Sum256([]byte(f.method + " " + target.String() + "\n" + string(body)))
	key := hex.EncodeToString(sum[:])
	return f.run(ctx, ev, at, fetching{
		key: key, resource: target.Scheme + "://" + target.Host + target.EscapedPath(), way: key,
		conn: conn, of: share{key: strings.ToLower(target.Host)},
		call:    provider.Call{Method: f.method, Path: target.String(), Header: header, Body: body},
		check:   func(a provider.Answer) error { return checkHTTP(a, f.env.Now()) },
		version: func([]byte) string { return "" },
	})
}

// render evaluates the expressions over ev.
func (f *httpFetcher) render(ctx context.Context, ev *bellhop.Event) (address string, body []byte, kind string,
	err error) {
	v, err := f.url(ctx, ev)
	if err != nil {
		return "", nil, "", fmt.Errorf("url: %w", err)
	}
	address, ok := v.(string)
	if !ok {
		return "", nil, "", errors.New("url: the expression gives no text")
	}
	if f.body == nil {
		return address, nil, "", nil
	}
	if v, err = f.body(ctx, ev); err != nil {
		return "", nil, "", fmt.Errorf("body: %w", err)
	}
	if text, ok := v.(string); ok {
		return address, []byte(text), "text/plain; charset=utf-8", nil
	}
	body, err = json.Marshal(v)
	if err != nil {
		return "", nil, "", errors.New("body: what the expression gives cannot be written as JSON")
	}
	return address, body, "application/json", nil
}

// maxURL is the longest URL that is called, in bytes.
const maxURL = 4096

// allowed reads the URL that an event gave. A stranger may have written parts of it, so its host must be one of the
// list, and its path must not climb. The error does not repeat the URL.
func (f *httpFetcher) allowed(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > maxURL || u.Opaque != "" || u.Host == "" || u.Scheme != "https" &&
		u.Scheme != "http":
		return nil, errors.New("url: the expression gives no http or https URL, or one that is too long")
	case u.User != nil || u.Fragment != "":
		return nil, errors.New("url: the URL has a user name or a fragment")
	case !f.lists(u):
		return nil, errors.New("url: the host of the URL is not one of hosts")
	case climbs(u.EscapedPath()):
		return nil, errors.New("url: the path of the URL has a segment . or .., or a control character")
	}
	return u, nil
}

// lists reports whether the host of u is one of the list. A host without a port in the list means the port that
// belongs to the scheme.
func (f *httpFetcher) lists(u *url.URL) bool {
	standard := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	port := u.Port()
	if port == "" {
		port = standard
	}
	return slices.ContainsFunc(f.hosts, func(host string) bool {
		if strings.EqualFold(host, u.Hostname()) || strings.EqualFold(host, "["+u.Hostname()+"]") {
			return port == standard
		}
		return strings.EqualFold(host, net.JoinHostPort(u.Hostname(), port))
	})
}

// climbs reports whether a path has a segment that leads upwards, also if it is percent-encoded, even twice, or has a
// control character.
func climbs(path string) bool {
	for range 4 {
		for segment := range strings.FieldsFuncSeq(path, func(c rune) bool { return c == '/' || c == '\\' }) {
			if segment == "." || segment == ".." {
				return true
			}
		}
		if strings.ContainsFunc(path, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return true
		}
		next, err := url.PathUnescape(path)
		if err != nil || next == path {
			return false
		}
		path = next
	}
	return true
}

// connectionFor returns the connection in whose name target is called. Only the origin of its API gets its
// credentials.
func (f *httpFetcher) connectionFor(ctx context.Context, target *url.URL) (provider.Connection, error) {
	if f.conn == nil {
		return f.plain, nil
	}
	base, err := f.conn.BaseURL(ctx)
	if err != nil {
		return *f.conn, err
	}
	if provider.SameOrigin(base, target) {
		return *f.conn, nil
	}
	return f.plain, nil
}

// checkHTTP returns nil if the answer of a server is what was asked for. Its texts repeat nothing of the answer.
func checkHTTP(a provider.Answer, now time.Time) error {
	e := &provider.APIError{
		Kind:       provider.APIInvalid,
		Status:     a.Status,
		RetryAfter: provider.RetryAfter(a.Header, now),
		Message:    http.StatusText(a.Status),
	}
	switch {
	case a.Status >= 200 && a.Status <= 299:
		return nil
	case a.Status >= 300 && a.Status <= 399:
		e.Kind, e.Message = provider.APIForeign, "the answer is a redirect, which is not followed"
	case a.Status == http.StatusUnauthorized:
		e.Kind = provider.APISignedOut
	case a.Status == http.StatusForbidden:
		e.Kind = provider.APIForbidden
	case a.Status == http.StatusNotFound || a.Status == http.StatusGone:
		e.Kind = provider.APIGone
	case a.Status >= 500 || slices.Contains([]int{http.StatusRequestTimeout, http.StatusConflict, http.StatusLocked,
		http.StatusTooEarly, http.StatusTooManyRequests}, a.Status):
		e.Kind = provider.APITemporary
	}
	return e
}
