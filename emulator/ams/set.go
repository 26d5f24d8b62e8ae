package ams

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// A kind is one entity set: how it is called, and what can be done with its entities. The functions are called with
// s.mu held. One that is nil is not allowed.
type kind struct {
	set, name string // "Assets", "Asset"
	prefix    string // begins the ids: "nb:cid:UUID:"
	all       func(s *System) []*entity
	create    func(s *System, in *input) (*entity, error)
	update    func(s *System, id string, in *input) error // properties that are absent stay
	remove    func(s *System, id string) error
	links     map[string]link // of each entity, by name: "Files"
	value     string          // the one property that can be read alone: "State"
}

// A link leads from an entity to those of another set.
type link struct {
	to   func() *kind // a function, because kinds link to one another
	one  bool         // it leads to one entity
	from func(s *System, id string) []*entity
}

// The kinds. The initialization of kinds sets them, because kinds that link to one another cannot initialize each
// other.
var endpoints, assets, files, processors, policies, locators, jobs, tasks *kind

var kinds = func() map[string]*kind {
	endpoints = &kind{set: "NotificationEndPoints", name: "NotificationEndPoint", prefix: "nb:nepid:UUID:",
		all: (*System).allEndpoints, create: (*System).createEndpoint, update: (*System).renameEndpoint,
		remove: (*System).removeEndpoint}
	assets = &kind{set: "Assets", name: "Asset", prefix: "nb:cid:UUID:", all: (*System).allAssets,
		create: (*System).createAsset, update: (*System).updateAsset, remove: (*System).removeAsset}
	files = &kind{set: "Files", name: "AssetFile", prefix: "nb:cid:UUID:", all: (*System).allFiles,
		create: (*System).createFile, update: (*System).updateFile, remove: (*System).removeFile}
	processors = &kind{set: "MediaProcessors", name: "MediaProcessor", prefix: "nb:mpid:UUID:",
		all: (*System).allProcessors}
	policies = &kind{set: "AccessPolicies", name: "AccessPolicy", prefix: "nb:pid:UUID:", all: (*System).allPolicies,
		create: (*System).createPolicy, remove: (*System).removePolicy}
	locators = &kind{set: "Locators", name: "Locator", prefix: "nb:lid:UUID:", all: (*System).allLocators,
		create: (*System).createLocator, update: (*System).updateLocator, remove: (*System).removeLocator}
	jobs = &kind{set: "Jobs", name: "Job", prefix: "nb:jid:UUID:", all: (*System).allJobs, value: "State",
		create: (*System).createWholeJob, remove: (*System).removeJob}
	tasks = &kind{set: "Tasks", name: "Task", prefix: "nb:tid:UUID:", all: (*System).allTasks, value: "State"}

	of := func(k **kind) func() *kind { return func() *kind { return *k } }
	assets.links = map[string]link{"Files": {to: of(&files), from: (*System).filesOf},
		"Locators": {to: of(&locators), from: (*System).locatorsOf}}
	locators.links = map[string]link{"AccessPolicy": {to: of(&policies), one: true, from: (*System).policyOf},
		"Asset": {to: of(&assets), one: true, from: (*System).assetOf}}
	jobs.links = map[string]link{"Tasks": {to: of(&tasks), from: (*System).tasksOf},
		"InputMediaAssets":  {to: of(&assets), from: (*System).inputsOf},
		"OutputMediaAssets": {to: of(&assets), from: (*System).outputsOf}}
	byName := map[string]*kind{}
	for _, k := range []*kind{endpoints, assets, files, processors, policies, locators, jobs, tasks} {
		byName[k.set] = k
	}
	return byName
}()

// A place is what follows /api/ in the path of a call: "Assets('…')/Files".
type place struct {
	set, id string // id is "" for the set itself
	link    string // what follows, without parentheses
}

// pathForm is the form of such a path. Parentheses without an id may be left out.
var pathForm = regexp.MustCompile(`^([$A-Za-z]+)(?:\(\)|\('((?:[^']|'')*)'\))?(?:/([A-Za-z]+)(?:\(\))?)?/?$`)

// placeOf reads the path of an address; it is the zero place for one that is none of the API.
func placeOf(address string) place {
	u, err := url.Parse(address)
	if err != nil {
		return place{}
	}
	m := pathForm.FindStringSubmatch(afterAPI(u.Path))
	if m == nil {
		return place{}
	}
	return place{set: m[1], id: strings.ReplaceAll(m[2], "''", "'"), link: m[3]}
}

// serve answers an authenticated call.
func (s *System) serve(w http.ResponseWriter, r *http.Request) error {
	at := placeOf(r.URL.Path)
	switch at.set {
	case "":
		return errNotFound
	case "GetProtectionKeyId", "GetProtectionKey", "CancelJob":
		if r.Method != http.MethodGet {
			return notAllowed(r.Method)
		}
		if at.set == "CancelJob" {
			return s.cancelJob(w, r)
		}
		return s.protectionKey(w, r, at.set)
	case "$batch":
		return s.serveBatch(w, r)
	}
	k := kinds[at.set]
	if k == nil {
		return failed(http.StatusNotFound, "Resource not found for the segment '%s'.", at.set)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return failed(http.StatusBadRequest, "The body cannot be read.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	return s.serveKind(w, r, k, at, body)
}

func notAllowed(method string) *apiError {
	return failed(http.StatusMethodNotAllowed, "The method %s is not allowed here.", method)
}

// method returns the method of a call. A POST may carry another one in its header.
func method(r *http.Request) string {
	tunneled := r.Header.Get("X-Http-Method")
	if tunneled != "" && r.Method == http.MethodPost {
		return strings.ToUpper(tunneled)
	}
	return r.Method
}

// serveKind answers a call of an entity set. The caller holds s.mu.
func (s *System) serveKind(w http.ResponseWriter, r *http.Request, k *kind, at place, body []byte) error {
	method := method(r)
	if at.id == "" {
		switch {
		case at.link != "":
			return errNotFound
		case method == http.MethodGet:
			return s.writeList(w, r, k, k.all(s))
		case method == http.MethodPost && k.create != nil:
			made, err := s.make(k, body, r.Header, k.create)
			if err == nil {
				w.Header().Set("Location", made.uri(r))
				writeOne(w, r, http.StatusCreated, made)
			}
			return err
		}
		return notAllowed(method)
	}
	e := find(k.all(s), at.id)
	switch {
	case e == nil:
		return errNotFound
	case at.link != "":
		return s.serveLink(w, r, e, at.link)
	case method == http.MethodGet:
		writeOne(w, r, http.StatusOK, e)
		return nil
	case (method == "MERGE" || method == http.MethodPatch) && k.update != nil:
		in, err := readInput(body, r.Header, k.name)
		if err == nil {
			err = k.update(s, e.id, in)
		}
		if err != nil {
			return err
		}
	case method == http.MethodDelete && k.remove != nil:
		if err := k.remove(s, e.id); err != nil {
			return err
		}
	default:
		return notAllowed(method)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// make creates an entity of a call's body. The caller holds s.mu.
func (s *System) make(k *kind, body []byte, header http.Header,
	create func(s *System, in *input) (*entity, error)) (*entity, error) {
	in, err := readInput(body, header, k.name)
	if err != nil {
		return nil, err
	}
	return create(s, in)
}

// serveLink answers the reading of what an entity links to, or of its one property. The caller holds s.mu.
func (s *System) serveLink(w http.ResponseWriter, r *http.Request, e *entity, name string) error {
	l, ok := e.of.links[name]
	switch {
	case r.Method != http.MethodGet:
		return notAllowed(r.Method)
	case name == e.of.value && name != "":
		writeValue(w, r, name, e.fields[name])
		return nil
	case !ok:
		return failed(http.StatusNotFound, "Resource not found for the segment '%s'.", name)
	}
	linked := l.from(s, e.id)
	switch {
	case l.one && len(linked) == 0:
		return errNotFound
	case l.one:
		writeOne(w, r, http.StatusOK, linked[0])
		return nil
	}
	return s.writeList(w, r, l.to(), linked)
}

// find returns the entity of an id, in any letter case, or nil.
func find(all []*entity, id string) *entity {
	i := slices.IndexFunc(all, func(e *entity) bool { return strings.EqualFold(e.id, id) })
	if i < 0 {
		return nil
	}
	return all[i]
}
