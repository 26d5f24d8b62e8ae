package ams

import (
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// This file publishes the output assets of jobs. Each effect is one that a repeat finds: the access policy by its name
// and terms, and the locator by an id that follows from asset and policy.

// The access policy of locators. An account may have a million policies, so there is one for all of them.
const (
	defaultPolicy  = "bellhop-read-30d"
	policyLifetime = 30 * 24 * time.Hour
	permissionRead = 1
)

// Facts about locators.
const (
	streaming    = 2                // the type of those of an origin
	clockSkew    = 5 * time.Minute  // by which they begin before now
	spared       = 24 * time.Hour   // by which one that is reused may end earlier than a new one
	usableWithin = 40 * time.Second // after its creation
)

type publishSettings struct {
	Connection string `json:"connection"`
	Policy     string `json:"policy"`
}

// A publishing is the Work of one destination of type ams.publish.
type publishing struct {
	env    provider.Env
	policy string

	making sync.Mutex // held while the policy is looked up and made, so that two attempts do not make two
}

func openPublishing(env provider.Env, raw json.RawMessage) (provider.Work, error) {
	var s publishSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	if s.Policy == "" {
		s.Policy = defaultPolicy
	}
	if len(s.Policy) > maxName || !provider.Printable(s.Policy) {
		return nil, bellhop.Invalid("policy", "use a name in ASCII, such as "+defaultPolicy)
	}
	return &publishing{env: env, policy: s.Policy}, nil
}

// Skip implements [provider.Work]. The end of a task is not the end of its job.
func (p *publishing) Skip(ev *bellhop.Event) string {
	j, ok := readJobState(ev)
	if !ok || !strings.EqualFold(j.state, "Finished") {
		return "it is no notification that a job has finished"
	}
	return ""
}

// The entities, in JSON light.
type (
	job struct {
		ID    string `json:"Id"`
		Name  string
		State *int
	}
	asset struct {
		ID   string `json:"Id"`
		Name string
	}
	file struct {
		Name      string
		IsPrimary bool
	}
	accessPolicy struct {
		ID                string `json:"Id,omitempty"`
		Name              string
		DurationInMinutes float64
		Permissions       int
	}
	locator struct {
		ID             string `json:"Id,omitempty"`
		AccessPolicyID string `json:"AccessPolicyId,omitempty"`
		AssetID        string `json:"AssetId,omitempty"`
		StartTime      string `json:",omitempty"`
		Type           int
		Name           string `json:",omitempty"`
		Path           string `json:",omitempty"`
		Expires        string `json:"ExpirationDateTime,omitempty"`
	}
)

// The states of a job.
const (
	stateFinished = 3
	stateError    = 4
	stateCanceled = 5
)

// Do implements [provider.Work].
func (p *publishing) Do(ctx context.Context, t *provider.Task) (provider.WorkDone, error) {
	told, _ := readJobState(t.Event) // as in Skip
	a := account{now: p.env.Now, random: p.env.Rand, api: t.API}
	var j job
	if err := a.do(ctx, http.MethodGet, pathOf(jobs, told.job), nil, &j); err != nil {
		return provider.WorkDone{}, microsoft.NothingThere(err, "the job was deleted, or it is one of another "+
			"account than "+
			"that of the connection")
	}
	switch {
	case j.State == nil:
		return provider.WorkDone{}, noID(false)
	case *j.State == stateError || *j.State == stateCanceled:
		return provider.WorkDone{}, final("the account says that the job has failed or was canceled", "")
	case *j.State != stateFinished:
		return waitFor(t, final("the account does not show yet that the job has finished", ""))
	}
	outputs, err := listOf[asset](ctx, &a, pathOf(jobs, told.job)+"/OutputMediaAssets")
	switch {
	case err != nil:
		return provider.WorkDone{}, err
	case len(outputs) == 0:
		return waitFor(t, final("the job has no output asset", ""))
	}
	manifests := make([]string, len(outputs))
	found := 0
	for i, out := range outputs {
		files, err := listOf[file](ctx, &a, pathOf(assets, out.ID)+"/Files")
		switch {
		case err != nil:
			return provider.WorkDone{}, err
		case len(files) == 0:
			return waitFor(t, final("the output asset has no files", ""))
		}
		manifests[i] = manifestOf(files)
		if manifests[i] != "" {
			found++
		}
	}
	if found == 0 {
		return provider.WorkDone{}, final("the job has an asset without a manifest: none of its files ends in .ism",
			"encode it by a preset that makes several bitrates, such as Adaptive Streaming")
	}
	var done provider.WorkDone
	if found < len(outputs) {
		done.Why = fmt.Sprintf("%d output assets without a manifest were left out", len(outputs)-found)
	}
	for i, out := range outputs {
		if manifests[i] == "" {
			continue
		}
		ev, err := p.publish(ctx, &a, told.job, out, manifests[i])
		if err != nil {
			return done, err // the assets before it are published
		}
		done.Events = append(done.Events, provider.Made{Key: "published|" + told.job + "|" + out.ID, Event: ev})
	}
	return done, nil
}

// manifestOf returns the name of the server manifest among files: the primary one of several, else the first by name;
// "" if there is none.
func manifestOf(files []file) string {
	files = slices.DeleteFunc(files, func(f file) bool { return !strings.EqualFold(path.Ext(f.Name), ".ism") })
	if len(files) == 0 {
		return ""
	}
	return slices.MinFunc(files, func(a, b file) int {
		switch {
		case a.IsPrimary && !b.IsPrimary:
			return -1
		case b.IsPrimary && !a.IsPrimary:
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	}).Name
}

// urls are the addresses of one asset, by the form of its stream.
type urls struct {
	Smooth string `json:"smooth"`
	HLSv4  string `json:"hls_v4"`
	HLSv3  string `json:"hls_v3"`
	DASH   string `json:"dash"`
}

// A published is the body of an event ams.asset.published.
type published struct {
	Job         string `json:"job"`
	Asset       string `json:"asset"`
	Name        string `json:"name"` // of the asset
	Locator     string `json:"locator"`
	ExpiresAt   string `json:"expires_at"`
	URLs        urls   `json:"urls"`      // https
	URLsHTTP    urls   `json:"urls_http"` // the same, for players that cannot do https
	UsableAfter string `json:"usable_after"`
}

// publish makes sure that an asset has a streaming locator, and returns the event that says where it is.
func (p *publishing) publish(ctx context.Context, a *account, jobID string, out asset,
	manifest string) (ev bellhop.Event, err error) {
	l, isNew, err := p.locate(ctx, a, out.ID)
	if err != nil {
		return ev, err
	}
	secure, plain, err := urlsOf(l.Path, manifest)
	if err != nil {
		return ev, err
	}
	usable := a.now()
	if isNew {
		usable = usable.Add(usableWithin)
	}
	body, err := json.Marshal(published{Job: jobID, Asset: out.ID, Name: out.Name, Locator: l.ID,
		ExpiresAt: second(microsoft.ParseTime(l.Expires)), URLs: secure, URLsHTTP: plain, UsableAfter: second(usable)})
	if err != nil {
		panic(fmt.Sprintf("bellhop: write an event: %v", err)) // of texts
	}
	return bellhop.Event{Type: typePublished, Subject: out.ID, ContentType: "application/json", Body: body}, nil
}

// second writes a time to the second, in UTC.
func second(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// urlsOf returns the addresses of an asset, by https and by http. base is the path of its locator.
func urlsOf(base, manifest string) (secure, plain urls, err error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return secure, plain, &provider.APIError{Kind: provider.APIForeign, Message: "the path of the streaming " +
			"locator is no URL"}
	}
	at := func(scheme string) urls {
		whole := scheme + "://" + u.Host + strings.TrimSuffix(u.EscapedPath(), "/") + "/" + url.PathEscape(manifest) +
			"/manifest"
		return urls{Smooth: whole, HLSv4: whole + "(format=m3u8-aapl)", HLSv3: whole + "(format=m3u8-aapl-v3)",
			DASH: whole + "(format=mpd-time-csf)"}
	}
	return at("https"), at("http"), nil
}

// locate returns a streaming locator of an asset that is valid for 30 days less a day at least. One that is there is
// reused, whoever made it; otherwise one is made under an id that follows from asset and policy. isNew reports that it
// may not be usable yet.
func (p *publishing) locate(ctx context.Context, a *account, assetID string) (l locator, isNew bool, err error) {
	there, err := listOf[locator](ctx, a, pathOf(assets, assetID)+"/Locators")
	if err != nil {
		return l, false, err
	}
	now := a.now()
	for _, other := range there {
		if other.outlives(now) && (l.ID == "" ||
			microsoft.ParseTime(other.Expires).After(microsoft.ParseTime(l.Expires))) {
			l = other
		}
	}
	if l.ID != "" {
		return l, false, nil
	}
	policyID, err := p.findPolicy(ctx, a)
	if err != nil {
		return l, false, err
	}
	wanted := locator{ID: locatorID(assetID, policyID), AccessPolicyID: policyID, AssetID: assetID, Type: streaming,
		StartTime: second(now.Add(-clockSkew)), Name: "bellhop"}
	err = a.do(ctx, http.MethodPost, locators, &wanted, &l)
	var conflict *provider.APIError
	switch {
	case errors.As(err, &conflict) && conflict.Status == http.StatusConflict:
		l, err = p.found(ctx, a, wanted, conflict)
	case err == nil && (l.ID == "" || microsoft.ParseTime(l.Expires).IsZero()):
		err = noID(true)
	}
	return l, true, err
}

// outlives reports whether the locator streams now, and for about as long as a new one would.
func (l *locator) outlives(now time.Time) bool {
	return l.ID != "" && l.Type == streaming && !microsoft.ParseTime(l.StartTime).After(now) &&
		!microsoft.ParseTime(l.Expires).Before(now.Add(policyLifetime-clockSkew-spared))
}

// found returns the locator that refused the creation of wanted, because it is there already: a crash came after an
// earlier creation. One that ends soon is prolonged. If it is not there, the asset has all the locators it may have.
func (p *publishing) found(ctx context.Context, a *account, wanted locator, conflict *provider.APIError) (l locator,
	err error) {
	err = a.do(ctx, http.MethodGet, pathOf(locators, wanted.ID), nil, &l)
	var gone *provider.APIError
	switch {
	case errors.As(err, &gone) && gone.Kind == provider.APIGone:
		conflict.Kind = provider.APITemporary // until somebody deletes one
		conflict.Remedy = "delete a locator of the asset: none of them can be reused"
		return l, conflict
	case err != nil:
		return l, err
	case !strings.EqualFold(l.AssetID, wanted.AssetID) || l.Type != streaming:
		return l, final("the id of the streaming locator is in use for something else", "")
	case l.outlives(a.now()):
		return l, nil
	}
	until := second(a.now().Add(policyLifetime - clockSkew))
	err = a.do(ctx, "MERGE", pathOf(locators, wanted.ID), map[string]string{"ExpirationDateTime": until}, nil)
	l.Expires = until
	return l, err
}

// findPolicy returns the id of the access policy, which it makes if the account has none with that name and these
// terms.
func (p *publishing) findPolicy(ctx context.Context, a *account) (id string, err error) {
	p.making.Lock()
	defer p.making.Unlock()
	there, err := listOf[accessPolicy](ctx, a, policies+named(p.policy))
	if err != nil {
		return "", err
	}
	for _, other := range there {
		if other.ID != "" && other.DurationInMinutes == policyLifetime.Minutes() &&
			other.Permissions == permissionRead {
			return other.ID, nil
		}
	}
	var made accessPolicy
	err = a.do(ctx, http.MethodPost, policies, &accessPolicy{Name: p.policy,
		DurationInMinutes: policyLifetime.Minutes(), Permissions: permissionRead}, &made)
	var full *provider.APIError
	switch {
	case errors.As(err, &full) && full.Status == http.StatusForbidden && full.Kind == provider.APIInvalid:
		full.Kind = provider.APITemporary // until somebody deletes some
		full.Remedy = "reuse or delete access policies: the account allows no more of them, and has none called " +
			p.policy + " for reading and 30 days"
	case err == nil && made.ID == "":
		err = noID(true)
	}
	return made.ID, err
}

// locatorSpace is the name space of the ids of locators.
var locatorSpace = [16]byte{0x5b, 0x1f, 0x0c, 0x52, 0x7d, 0x0e, 0x4c, 0x36, 0x9a, 0x4b, 0x0d, 0x2e, 0x6f, 0x81, 0x33,
	0xc7}

// locatorID returns the id of the locator of an asset under a policy: a UUID of version 5 (RFC 9562).
func locatorID(assetID, policyID string) string {
	sum := sha1.Sum(slices.Concat(locatorSpace[:], []byte(strings.ToLower(assetID+"|"+policyID))))
	return "nb:lid:UUID:" + provider.NewGUID([16]byte(sum[:16]), 5)
}
