// Package ams is a stand-in for the account API of Azure Media Services v2: assets and their files, jobs and tasks
// that move through their states, access policies and locators, notification endpoints, the certificate for which
// their signing keys are encrypted, and the signed notifications that the account sends to them.
//
// Its paths are those of an account's REST API, at or below /api/, in any letter case, in JSON light or verbose, and
// /api/$batch; Atom is not played. The shared host of old, media.windows.net, is played below /media.windows.net/API/:
// it leads to the account by 301. Tokens come from the stand-in of package entra, for the resource [Resource].
//
// No media is encoded: a job takes seven steps of [Options.Pace], more with more tasks, by the clock of the host, and
// then has output assets with the files that an encoder would write. [System.Happen] moves a job by hand. From the
// start there is one asset, "harbour tour", to submit. Sources:
// https://learn.microsoft.com/azure/media-services/previous/media-services-rest-how-to-use,
// https://learn.microsoft.com/rest/api/media/operations/notificationendpoint,
// https://learn.microsoft.com/rest/api/media/operations/azure-media-services-rest-api-reference
package ams

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
)

// Resource is the audience of tokens for the account API.
const Resource = "https://rest.media.azure.net"

// The account of every stand-in, as its notifications name it.
const (
	AccountName = "contosoams"
	AccountID   = "0f8fad5b-d9cb-469f-a165-70867728950e"
)

// Options change the stand-in.
type Options struct {
	AnyToken bool // every bearer token is taken, and none is needed
	// Contributors are the ids of the clients that have the role Contributor on the account; others are refused. Nil
	// is every client.
	Contributors []string
	PageSize     int             // of lists; 0 is 1,000
	Key          *rsa.PrivateKey // of the account's certificate; nil makes one
	Policies     int             // access policies that the account may have; 0 is 1,000,000
	Locators     int             // locators that an asset may have; 0 is 5
	Pace         time.Duration   // between the steps of a job; 0 is a second
	// Lag is how long after a change of a job its entity, and the list of its output assets, show it; notifications
	// come at once.
	Lag time.Duration
}

// A System is the stand-in. It is safe for concurrent use.
type System struct {
	host       *emulator.Host
	tokens     *entra.System
	opts       Options
	protection func() *protection // the first call makes it

	mu        sync.Mutex // guards the fields below, and all that they hold
	endpoints []*endpoint
	assets    []*asset
	policies  []*policy
	locators  []*locator
	jobs      []*job
	told      map[string]string // of tasks that belong to no job here, by id: the latest state
}

// New returns a stand-in on host, with tokens of tokens.
func New(host *emulator.Host, tokens *entra.System, opts Options) *System {
	opts.PageSize = cmp.Or(opts.PageSize, 1000)
	opts.Policies = cmp.Or(opts.Policies, 1_000_000)
	opts.Locators = cmp.Or(opts.Locators, 5)
	opts.Pace = cmp.Or(opts.Pace, time.Second)
	made := host.Now()
	s := &System{host: host, tokens: tokens, opts: opts,
		protection: sync.OnceValue(func() *protection { return newProtection(opts.Key, made) })}
	s.Reset()
	return s
}

// A protection is the key for which the signing keys of endpoints are encrypted, and its certificate.
type protection struct {
	key         *rsa.PrivateKey
	certificate []byte // DER
	thumbprint  string // SHA-1 of the certificate, in upper-case hex: the id of the protection key
}

// newProtection returns a certificate for key, and makes a key if that is nil, which takes a tenth of a second or
// several.
func newProtection(key *rsa.PrivateKey, now time.Time) *protection {
	p := &protection{key: key}
	var err error
	if p.key == nil {
		if p.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err) // crypto/rand ends the program first
		}
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()),
		Subject: pkix.Name{CommonName: AccountName}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(2, 0, 0),
		KeyUsage: x509.KeyUsageKeyEncipherment}
	if p.certificate, err = x509.CreateCertificate(rand.Reader, template, template, p.key.Public(),
		p.key); err != nil {
		panic(fmt.Sprintf("emulator/ams: make a certificate: %v", err)) // of an RSA key and a template of our own
	}
	sum := sha1.Sum(p.certificate)
	p.thumbprint = strings.ToUpper(hex.EncodeToString(sum[:]))
	return p
}

// Name returns "ams".
func (s *System) Name() string { return "ams" }

// now is the time of the clock of this system.
func (s *System) now() time.Time { return s.host.NowOf(s.Name()) }

// Reset forgets everything but the certificate, and makes the first asset again.
func (s *System) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints, s.told = nil, map[string]string{}
	s.assets, s.policies, s.locators, s.jobs = nil, nil, nil, nil
	s.addAsset(FirstAsset, "harbour tour", "harbour tour.mp4")
}

// sharedPrefix is the prefix of the paths of the shared host, in lower case.
const sharedPrefix = "/media.windows.net/"

// elsewhere are the segments below /api/ that are other systems' paths: Outlook's version, and Event Grid's topic.
var elsewhere = []string{"v2.0", "events"}

// Owns reports whether path is one of the account API or of the shared host.
func (s *System) Owns(path string) bool {
	lower := strings.ToLower(path)
	if strings.HasPrefix(lower, sharedPrefix) {
		return true
	}
	rest, ok := strings.CutPrefix(lower+"/", "/api/")
	first, _, _ := strings.Cut(rest, "/")
	return ok && !slices.Contains(elsewhere, first)
}

// An apiError is an error in the form of OData. Media Services leaves its code empty.
type apiError struct {
	status  int
	message string
}

func (e *apiError) Error() string { return e.message }

func failed(status int, format string, args ...any) *apiError {
	return &apiError{status, fmt.Sprintf(format, args...)}
}

// Errors of calls.
var (
	errNoToken  = failed(http.StatusUnauthorized, "Unauthorized: no valid bearer token was presented.")
	errExpired  = failed(http.StatusUnauthorized, "Unauthorized: the access token has expired.")
	errAudience = failed(http.StatusUnauthorized, "Unauthorized: the access token is not for %s.", Resource)
	errRole     = failed(http.StatusForbidden, "Forbidden: the principal is neither Contributor nor Owner of the "+
		"account %s.",
		AccountName)
	errNotFound = failed(http.StatusNotFound, "Resource Not Found")
)

// busy is what the service says when it is overloaded.
const busy = "Server is busy. More than 10 requests per second can be throttled."

// messages are those of errors that are asked for by Fail.
var messages = map[int]string{
	http.StatusForbidden:           "The account is disabled.",
	http.StatusConflict:            "The entity is in use.",
	http.StatusTooManyRequests:     busy,
	http.StatusInternalServerError: "An error occurred while processing this request.",
	http.StatusServiceUnavailable:  busy,
}

// Fail answers with an error in the form of Media Services.
func (s *System) Fail(w http.ResponseWriter, r *http.Request, status int) {
	s.setHeaders(w, r)
	e := failed(status, "%s", messages[status])
	switch {
	case status == http.StatusUnauthorized:
		e = errNoToken
	case status == http.StatusNotFound:
		e = errNotFound
	case e.message == "":
		e.message = http.StatusText(status)
	}
	writeError(w, r, e)
}

// setHeaders sets the headers of every answer.
func (s *System) setHeaders(w http.ResponseWriter, r *http.Request) {
	id := emulator.NewID()
	w.Header().Set("Request-Id", id)
	w.Header().Set("X-Ms-Request-Id", id)
	w.Header().Set("Dataserviceversion", "3.0;")
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	if given := r.Header.Get("X-Ms-Client-Request-Id"); given != "" {
		w.Header().Set("X-Ms-Client-Request-Id", given)
	}
}

// ServeHTTP answers a call.
func (s *System) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.setHeaders(w, r)
	if len(r.URL.Path) >= len(sharedPrefix) && strings.EqualFold(r.URL.Path[:len(sharedPrefix)], sharedPrefix) {
		w.Header().Set("Location", emulator.BaseURL(r)+"/api/"+afterAPI(r.URL.RequestURI()))
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	err := s.authenticate(r)
	if err == nil {
		err = checkVersions(r)
	}
	if err == nil {
		err = s.serve(w, r)
	}
	var known *apiError
	switch {
	case errors.As(err, &known):
		writeError(w, r, known)
	case err != nil:
		writeError(w, r, failed(http.StatusInternalServerError, "%s", err))
	}
}

var apiPart = regexp.MustCompile(`(?i)/api/`)

// afterAPI returns what follows "/api/" in a path, in any letter case; "" if nothing does.
func afterAPI(path string) string {
	at := apiPart.FindStringIndex(path)
	if at == nil {
		return ""
	}
	return path[at[1]:]
}

// authenticate checks the call's token, and the role of its application.
func (s *System) authenticate(r *http.Request) error {
	claims, err := s.tokens.Authenticate(r, Resource, emulator.BaseURL(r))
	switch {
	case err != nil && s.opts.AnyToken:
		return nil
	case errors.Is(err, entra.ErrExpired), errors.Is(err, entra.ErrEarly):
		return errExpired
	case errors.Is(err, entra.ErrAudience):
		return errAudience
	case err != nil:
		return errNoToken
	}
	isApp := func(id string) bool { return strings.EqualFold(id, claims.App) }
	if s.opts.Contributors != nil && !slices.ContainsFunc(s.opts.Contributors, isApp) {
		return errRole
	}
	return nil
}

var (
	apiVersion  = regexp.MustCompile(`^2\.1?[0-9]$`)
	dataVersion = regexp.MustCompile(`^[123]\.0 *(;.*)?$`)
)

// checkVersions checks the headers that say which version of the API and of OData the caller speaks.
func checkVersions(r *http.Request) error {
	version := r.Header.Get("X-Ms-Version")
	switch {
	case version == "":
		return failed(http.StatusBadRequest, "The header 'x-ms-version' is missing.")
	case !apiVersion.MatchString(version):
		return failed(http.StatusBadRequest, "The value of the header 'x-ms-version' is not supported.")
	}
	for _, name := range []string{"DataServiceVersion", "MaxDataServiceVersion"} {
		if value := r.Header.Get(name); value != "" && !dataVersion.MatchString(value) {
			return failed(http.StatusBadRequest, "The header '%s' has a version that is not supported.", name)
		}
	}
	return nil
}

var (
	_ emulator.System  = (*System)(nil)
	_ emulator.Faulter = (*System)(nil)
)
