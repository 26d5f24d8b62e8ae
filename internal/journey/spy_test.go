package journey

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A spy uses the gateway with canaries for secrets and keeps everything that comes out of it.
type spy struct {
	t       *testing.T
	g       *gateway
	secrets cage
	bodies  cage // what may be in the database and at the API, and not in logs
	urls    cage // of destinations: shown with them, and nowhere else

	answers map[string][]byte // what was answered, headers and all, by what was asked
}

// ask calls the gateway and keeps the answer.
func (s *spy) ask(method, target, body string, header http.Header) (status int, answer []byte) {
	s.t.Helper()
	req, err := http.NewRequest(method, *s.g.url.Load()+target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	res, err := probing.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	answer, _ = io.ReadAll(res.Body)
	key := fmt.Sprintf("answer %d to %s %.40s #%d", res.StatusCode, method, target, len(s.answers))
	s.answers[key] = fmt.Appendf(nil, "%v\n%s", res.Header, answer)
	return res.StatusCode, answer
}

// api calls the API with the key. want is the status; 0 is any but our own fault.
func (s *spy) api(method, path, body string, want int) []byte {
	s.t.Helper()
	status, answer := s.ask(method, "/api/v1"+path, body, http.Header{"Authorization": {"Bearer " + s.g.key()}, "Content-Type": {"application/json"}})
	if want != 0 && status != want || status >= 500 {
		s.t.Errorf("%s %s: answered %d, want %d: %s", method, path, status, want, answer)
	}
	return answer
}

// settled reports whether nothing is owed.
func (s *spy) settled() bool {
	st, err := s.g.client().Stats(s.t.Context())
	return err == nil && st.Deliveries["pending"]+st.Deliveries["leased"] == 0
}

var anyID = regexp.MustCompile(`"id":"((?:src|dst|evt|dlv|req)_[^"]+)"`)

// readAll reads every list and every single noun of the API, and what needs no key.
func (s *spy) readAll() {
	for _, noun := range []string{"sources", "destinations", "events", "deliveries", "requests", "providers"} {
		list := s.api("GET", "/"+noun, "", 200)
		for _, m := range anyID.FindAllSubmatch(list, -1) {
			s.api("GET", "/"+noun+"/"+string(m[1]), "", 200)
		}
	}
	s.api("GET", "/stats", "", 200)
	for _, path := range []string{"/metrics", "/openapi.json", "/healthz", "/readyz", "/", "/api/v1"} {
		s.ask("GET", path, "", nil)
	}
}

// search looks for the canaries in everything that came out, and returns in how many places.
func (s *spy) search() (places int) {
	look := func(where string, text []byte, cages ...*cage) {
		places++
		for _, c := range cages {
			for _, name := range c.escaped(text) {
				s.t.Errorf("in %s: %s", where, name)
			}
		}
	}
	for asked, answer := range s.answers {
		look(asked, answer, &s.secrets)
		if strings.Contains(asked, "/metrics") || strings.Contains(asked, "/in/") {
			look(asked, answer, &s.bodies)
		}
		if !strings.Contains(asked, "/destinations") {
			look(asked, answer, &s.urls)
		}
	}
	look("the log", []byte(s.g.log()), &s.secrets, &s.bodies, &s.urls)
	// The search can see: what is no secret is in the database.
	inFiles := false
	err := filepath.WalkDir(s.g.dir, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		if err != nil || entry.IsDir() || name == "admin.key" || name == "master.key" {
			return err
		}
		text, err := os.ReadFile(path)
		look("file "+name, text, &s.secrets)
		inFiles = inFiles || len(s.bodies.escaped(text)) > 0
		return err
	})
	if err != nil || !inFiles {
		s.t.Errorf("the bodies were not found in the files of %s, where they must be: this search sees nothing (%v)", s.g.dir, err)
	}
	return places
}
