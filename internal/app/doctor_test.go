package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/internal/doctor"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// checkup has a server look at itself, and returns what it found by the names of the checks.
func (r *running) checkup() (client.Checkup, map[string]client.Check) {
	r.t.Helper()
	code, body := r.call("GET", "/api/v1/doctor", "")
	if code != 200 {
		r.t.Fatalf("%d %s", code, body)
	}
	return readCheckup(r.t, body)
}

func readCheckup(t testing.TB, body string) (c client.Checkup, byName map[string]client.Check) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		t.Fatal(err)
	}
	byName = map[string]client.Check{}
	for _, check := range c.Checks {
		byName[check.Name] = check
	}
	return c, byName
}

// TestDoctor: a new server is well; each check is there, and its probe leaves nothing on record and no file behind.
func TestDoctor(t *testing.T) {
	r := run(t, options(t))
	c, checks := r.checkup()
	if c.TookMS <= 0 || c.At.IsZero() {
		t.Errorf("%+v", c)
	}
	for _, name := range []string{"version", "clock", "data_folder", "storage", "standby", "backup", "disk", "sync",
		"descriptors",
		"public_url", "certificate", "config_file", "traces", "keys", "secrets", "connections", "subscriptions",
		"sources", "destinations", "deliveries", "repairs"} {
		check, ok := checks[name]
		// a busy machine may be unwell
		ofMachine := slices.Contains([]string{"clock", "disk", "sync", "descriptors"}, name)
		if !ok || check.Message == "" || check.Title == "" || check.Nouns == nil ||
			!ofMachine && check.State != "ok" && check.State != "skipped" {
			t.Errorf("%s: %+v", name, check)
		}
		delete(checks, name)
	}
	if len(checks) > 0 {
		t.Errorf("further checks: %v", checks)
	}
	r.RefuseConfig()
	if _, checks := r.checkup(); checks["config_file"].State != "failed" || checks["config_file"].Remedy == "" {
		t.Errorf("a refused file: %+v", checks["config_file"])
	}
	if _, err := r.ApplyConfig(t.Context(), client.Config{}, false); err != nil {
		t.Fatal(err)
	}
	if _, checks := r.checkup(); checks["config_file"].State != "ok" {
		t.Errorf("an applied file: %+v", checks["config_file"])
	}
	left, err := filepath.Glob(filepath.Join(r.opts.Config.Data, "*.tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("files are left: %v %v", left, err)
	}
}

// TestDoctorReachesItself: through a proxy that passes the paths of sources on, a server recognises itself; its door
// sees nothing of that.
func TestDoctorReachesItself(t *testing.T) {
	var to string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !strings.HasPrefix(req.URL.Path, "/in/") {
			http.Error(w, "not published", http.StatusNotFound)
			return
		}
		ask, err := http.NewRequestWithContext(req.Context(), req.Method, to+req.URL.Path, nil)
		if err != nil {
			panic(err)
		}
		reply, err := http.DefaultTransport.RoundTrip(ask)
		if err != nil {
			panic(err)
		}
		defer reply.Body.Close()
		w.WriteHeader(reply.StatusCode)
		body := make([]byte, 1000)
		n, _ := reply.Body.Read(body)
		w.Write(body[:n])
	}))
	defer proxy.Close()
	r := run(t, options(t, func(o *Options) { o.Config.PublicURL = proxy.URL }))
	to = r.URL()
	// a provider finds no public URL at loopback, so the check is asked past its own refusal
	public := doctor.Public{URL: strings.Replace(proxy.URL, "127.0.0.1", "127.0.0.1.", 1), Prefix: "/in/",
		Client: &http.Client{Transport: rerouted(strings.TrimPrefix(proxy.URL, "http://"))}, Probes: &r.probes,
		Now: time.Now}
	f := public.Reach(t.Context())
	if f.State != doctor.OK || !strings.Contains(f.Message, "reached itself") {
		t.Errorf("%+v", f)
	}
	code, body := r.call("GET", "/api/v1/requests", "")
	if code != 200 || !strings.Contains(body, `"data":[]`) {
		t.Errorf("on record: %d %s", code, body)
	}
	if code, _ := r.call("GET", "/in/"+doctor.ProbePrefix+"guess", ""); code != 404 {
		t.Errorf("%d for a guess", code)
	}
}

// rerouted sends each request to one address.
type rerouted string

func (host rerouted) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Host = string(host)
	return http.DefaultTransport.RoundTrip(req)
}

// TestDoctorFinds: what is wrong with the nouns of a server is found with their names, and no secret of theirs.
func TestDoctorFinds(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusGone)
	}))
	defer receiver.Close()
	r := run(t, options(t, func(o *Options) { o.Config.AllowPrivate = true }))
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	for _, call := range []struct{ path, body string }{
		{"/api/v1/destinations", `{"name":"gone","type":"http","url":"` + receiver.URL + `","settings":{"secret":"` +
			secret +
			`"}}`},
		{"/api/v1/destinations", `{"name":"turning","type":"http","url":"` + receiver.URL +
			`/b","settings":{"secret":"` +
			secret + `"},"match":{"types":["never"]}}`},
		{"/api/v1/destinations/turning/rotate-secret", `{"grace":"1h"}`},
		{"/api/v1/keys", `{"name":"ci","scope":"read","expires_at":"` +
			time.Now().Add(48*time.Hour).UTC().Format(time.RFC3339) + `"}`},
		{"/api/v1/events", `{"type":"invoice.paid","data":{"password":"hunter2hunter2"}}`},
	} {
		if code, body := r.call("POST", call.path, call.body); code > 299 {
			t.Fatalf("%s: %d %s", call.path, code, body)
		}
	}
	var found client.Checkup
	var checks map[string]client.Check
	poll(t, "a destination that does not take its events", func() bool {
		found, checks = r.checkup()
		return checks["destinations"].State == "failed"
	})
	for name, want := range map[string]string{"destinations": "gone", "secrets": "turning", "keys": "ci"} {
		check := checks[name]
		if check.State == "ok" || check.Remedy == "" || len(check.Nouns) != 1 || check.Nouns[0].Name != want ||
			check.Nouns[0].ID == "" {
			t.Errorf("%s: %+v, want %s", name, check, want)
		}
	}
	text, err := json.Marshal(found)
	if err != nil || found.State != "failed" {
		t.Errorf("%s %v", text, err)
	}
	for _, hidden := range []string{secret, "hunter2", r.opts.AdminKey, receiver.URL} {
		if strings.Contains(string(text), hidden) {
			t.Errorf("%s is in %s", hidden, text)
		}
	}
}

// TestSettings: each setting is there with its value and where it came from, and no secret is.
func TestSettings(t *testing.T) {
	var dir string
	r := run(t, options(t, func(o *Options) {
		dir = o.Config.Data
		var err error
		o.Config, err = config.LoadFile("f.yaml",
			map[string]any{"retain": "90d", "ui-oidc-issuer": "https://id.example.com",
				"ui-oidc-client-id": "app", "ui-oidc-client-secret": "hunter2hunter2", "ui-roles": "viewer:groups=a"},
			func(name string) string { return map[string]string{"BELLHOP_MAX_ATTEMPTS": "100"}[name] },
			map[string]string{"listen": "127.0.0.1:0", "data": dir})
		if err != nil {
			t.Fatal(err)
		}
		o.Config.Locate("f.yaml", func(name string) int { return len(name) })
	}))
	code, body := r.call("GET", "/api/v1/settings", "")
	var info client.ServerInfo
	if err := json.Unmarshal([]byte(body), &info); err != nil || code != 200 {
		t.Fatalf("%d %s %v", code, body, err)
	}
	if strings.Contains(body, "hunter2") || strings.Contains(body, r.opts.AdminKey) {
		t.Errorf("a secret is in %s", body)
	}
	if info.Version != "test" || info.URL != r.URL() || info.PublicURL != r.URL() || info.Data != dir ||
		info.AdminKey != "admin.key" || info.UIURL != r.URL()+"/ui/" || time.Since(info.StartedAt.Time) > time.Hour {
		t.Errorf("%+v", info)
	}
	if len(info.Settings) != len(config.Settings()) {
		t.Errorf("%d settings, want %d", len(info.Settings), len(config.Settings()))
	}
	got := map[string]client.ServerSetting{}
	for _, s := range info.Settings {
		if s.Group == "" || s.Doc == "" || s.Kind == "" {
			t.Errorf("%+v", s)
		}
		s.Doc, s.Kind, s.Group = "", "", ""
		got[s.Name] = s
	}
	for name, want := range map[string]client.ServerSetting{
		"retain": {Name: "retain", Value: "90d", Default: "30d", Set: true, Changed: true, Origin: "file",
			Place: "f.yaml:6"},
		"listen": {Name: "listen", Value: "127.0.0.1:0", Default: "127.0.0.1:8080", Set: true, Changed: true,
			InUse: strings.TrimPrefix(r.URL(), "http://"), Origin: "flag", Place: "--listen"},
		"max-attempts": {Name: "max-attempts", Value: 100.0, Default: 8192.0, Set: true, Changed: true,
			Origin: "environment", Place: "BELLHOP_MAX_ATTEMPTS"},
		"log-level": {Name: "log-level", Value: "info", Default: "info", Set: true, Origin: "default"},
		"ui-oidc-client-secret": {Name: "ui-oidc-client-secret", Default: "", Secret: true, Set: true, Changed: true,
			Origin: "file", Place: "f.yaml:21"},
		"files-secret-key": {Name: "files-secret-key", Default: "", Secret: true, Origin: "default"},
	} {
		if got[name] != want {
			t.Errorf("%s: %+v\nwant %+v", name, got[name], want)
		}
	}
}

// TestCheckFolder: the folder of a stopped server is checked without a change to it, also after a crash; what is wrong
// with it is found, and a server that runs in it is left alone.
func TestCheckFolder(t *testing.T) {
	opts := options(t)
	dir := opts.Config.Data
	if IsStopped(dir) {
		t.Error("a folder that is not there is that of a stopped server")
	}
	r := run(t, opts)
	r.source("media")
	if IsStopped(dir) {
		t.Error("the server runs")
	}
	if _, err := CheckFolder(t.Context(), opts, dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a folder in use: %v", err)
	}
	crashed := t.TempDir() // with the log of a server that did not end
	for _, name := range []string{store.FileName, store.FileName + "-wal", store.KeyFileName, "admin.key"} {
		copyFile(t, filepath.Join(dir, name), filepath.Join(crashed, name))
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{dir, crashed} {
		before := filesOf(t, folder)
		if !IsStopped(folder) {
			t.Errorf("%s: not stopped", folder)
		}
		c, err := CheckFolder(t.Context(), opts, folder)
		if err != nil || len(c.Checks) < 7 {
			t.Errorf("%s: %+v %v", folder, c, err)
		}
		for _, check := range c.Checks {
			if check.State != "ok" && slices.Contains([]string{"data_folder", "key_files", "database"}, check.Name) {
				t.Errorf("%s: %+v", folder, check)
			}
		}
		after := filesOf(t, folder)
		for name, content := range before {
			if after[name] != content {
				t.Errorf("%s: %s has changed", folder, name)
			}
		}
	}
	for what, c := range map[string]struct {
		check string
		harm  func(path func(string) string) error
		want  string
	}{
		"others may write": {"data_folder", func(path func(string) string) error { return os.Chmod(path("."), 0o777) },
			"other users can write"},
		"a key for all": {"data_folder", func(path func(string) string) error {
			return os.Chmod(path("master.key"), 0o644)
		},
			"can be read or written by other users"},
		"no master key": {"key_files", func(path func(string) string) error { return os.Remove(path("master.key")) },
			"master.key is missing"},
		"another master key": {"key_files", func(path func(string) string) error {
			return os.WriteFile(path("master.key"), []byte("hunter2\n"), 0o600)
		}, "master key: "},
		"no database": {"database", func(path func(string) string) error {
			return os.WriteFile(path(store.FileName), []byte(strings.Repeat("garbage ", 4096)), 0o600)
		}, "not a database"},
		"a damaged page": {"database", func(path func(string) string) error {
			content, err := os.ReadFile(path(store.FileName))
			if err != nil {
				return err
			}
			for i := 8192 + 8; i < 3*8192; i++ {
				content[i] ^= 0x5a
			}
			return os.WriteFile(path(store.FileName), content, 0o600)
		}, ""},
	} {
		harmed := filepath.Join(t.TempDir(), "data")
		if err := os.Mkdir(harmed, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range filesOf(t, dir) {
			if err := os.WriteFile(filepath.Join(harmed, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.harm(func(name string) string { return filepath.Join(harmed, name) }); err != nil {
			t.Fatal(err)
		}
		found, err := CheckFolder(t.Context(), opts, harmed)
		text, _ := json.Marshal(found)
		_, checks := readCheckup(t, string(text))
		check := checks[c.check]
		if err != nil || found.State != "failed" || check.State != "failed" ||
			!strings.Contains(check.Message, c.want) ||
			check.Remedy == "" || strings.Contains(string(text), "hunter2") {
			t.Errorf("%s: %+v %v", what, check, err)
		}
	}
}

// filesOf returns the contents of the files in a folder, by name.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range list {
		if !entry.Type().IsRegular() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(content)
	}
	return files
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestToldTime: the clock is compared with the Date of the latest answer that came by https, and with no other.
func TestToldTime(t *testing.T) {
	date := "Mon, 30 Nov 2026 12:00:00 GMT"
	headers := map[string]string{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", date)
		for name, value := range headers {
			w.Header().Set(name, value)
		}
	}))
	defer server.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer plain.Close()
	var told toldTime
	c := told.through(server.Client())
	ask := func(url string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
	}
	ask(plain.URL)
	if host, _, _ := told.latest(); host != "" {
		t.Errorf("%s told the time without TLS", host)
	}
	ask(server.URL)
	host, theirs, at := told.latest()
	if host != "127.0.0.1" || theirs.Format(http.TimeFormat) != date || time.Since(at) > time.Minute {
		t.Errorf("%s %s %s", host, theirs, at)
	}
	date = "Mon, 30 Nov 2026 13:00:00 GMT"
	headers["Age"] = "3600"
	ask(server.URL)
	delete(headers, "Age")
	date = "soon"
	ask(server.URL)
	if _, again, _ := told.latest(); !again.Equal(theirs) {
		t.Errorf("%s of a cache, or of no date", again)
	}
	c.CloseIdleConnections()
}
