package app

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/backup"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

// A folder of any landed version opens. storedFolders has a backup of one of each schema, made by the program of its
// time. To add that of the present schema, before a migration is added:
//
//	go test ./internal/app -run TestStoredFolders -make-folder
const storedFolders = "../store/sqlite/testdata/folders"

var makeFolder = flag.Bool("make-folder", false, "store a folder of the present schema, with every noun")

// the destination of the stored folders whose receiver is that of the test
const folderReceiver = "receiver"

// fillFolder makes one of every noun, and deliveries in every state that lasts.
func fillFolder(r *running) {
	ctx := r.t.Context()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/dead" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer receiver.Close()
	do := func(method, path, body string) string {
		r.t.Helper()
		code, answer := r.call(method, path, body)
		if code > 299 {
			r.t.Fatalf("%s %s: %d %s", method, path, code, answer)
		}
		return answer
	}
	do("POST", "/api/v1/tenants", `{"name":"acme","limits":{"destinations":9}}`)
	do("POST", "/api/v1/sources", `{"name":"open","provider":"generic","settings":{"scheme":"none"}}`)
	do("POST", "/api/v1/sources", `{"name":"shop","provider":"github","expect_every":"24h","tenant":"acme",`+
		`"settings":{"secret":"a-long-secret-of-a-shop"}}`)
	destination := func(name, path, more string) {
		r.t.Helper()
		do("POST", "/api/v1/destinations", `{"name":"`+name+`","type":"http","url":"`+receiver.URL+path+
			`","match":{"sources":["open"]},"retry":{"schedule":["1s"]}`+more+`}`)
	}
	destination("taken", "/", `,"settings":{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`)
	destination("dead", "/dead", `,"settings":{"format":"raw"},"access":{"username":"u","password":"a-word"}`)
	destination(folderReceiver, "/", `,"settings":{"format":"raw"},"paused":true,"rate":{"per_second":50}`)
	for n := range 3 {
		do("POST", "/in/open", fmt.Sprintf(`{"n":%d}`, n))
	}
	if code, _ := r.call("POST", "/in/shop", `{}`); code < 400 {
		r.t.Fatal("a request without a signature was accepted")
	}
	do("POST", "/api/v1/events", `{"type":"invoice.paid","data":{"n":4}}`)
	poll(r.t, "three dead deliveries", func() bool {
		return strings.Count(do("GET", "/api/v1/deliveries?state=dead", ""), `"id":"dlv_`) == 3
	})
	poll(r.t, "three delivered ones", func() bool {
		return strings.Count(do("GET", "/api/v1/deliveries?state=delivered", ""), `"id":"dlv_`) == 3
	})
	poll(r.t, "the event of the first dead one", func() bool {
		return strings.Count(do("GET", "/api/v1/events", ""), `"id":"evt_`) == 5
	})
	do("POST", "/api/v1/deliveries/retry", `{"destination":"dead"}`)
	do("POST", "/api/v1/keys", `{"name":"ci","scope":"read"}`)
	do("POST", "/api/v1/portal-links", `{"tenant":"acme","rights":"read"}`)
	do("POST", "/api/v1/connections", `{"name":"work","provider":"graph","settings":{"tenant":"contoso",`+
		`"client_id":"app","authority":"`+receiver.URL+`","api_url":"`+receiver.URL+`","grant":"user"}}`)
	events, _, err := r.store.Events(ctx, bellhop.EventFilter{}, bellhop.Page{Limit: 1})
	if err != nil {
		r.t.Fatal(err)
	}
	destinations, _, err := r.store.Destinations(ctx, bellhop.DestinationFilter{}, bellhop.Page{Limit: 1})
	if err != nil {
		r.t.Fatal(err)
	}
	now := bellhop.StoredTime(time.Now())
	f, err := r.store.BeginFile(ctx, bellhop.File{ID: "fil_01h455vb4pex5vsknk08", Name: "call/0.txt", Total: 4,
		EventID: events[0].ID, DestinationID: destinations[0].ID, CreatedAt: now, UpdatedAt: now})
	if err != nil {
		r.t.Fatal(err)
	}
	sum := "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	if err := r.store.SaveFile(ctx, f.ID, bellhop.FileProgress{Size: 4}); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.store.FinishFile(ctx, f.ID, sum, now.AddDate(100, 0, 0)); err != nil {
		r.t.Fatal(err)
	}
	path := filepath.Join(r.opts.Config.Data, filesFolder, "call", "0.txt")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("test"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	cursor := bellhop.Cursor{Value: "a position", SavedAt: now}
	if err := r.store.SaveCursor(ctx, destinations[0].ID, "/delta", cursor); err != nil {
		r.t.Fatal(err)
	}
	if err := r.store.SaveCertificateFile(ctx, "acme/ca/users/default.key", []byte("a key"), now); err != nil {
		r.t.Fatal(err)
	}
}

// unpackFolder unpacks a stored folder as it is, and returns where.
func unpackFolder(t testing.TB, archive string) (dir string) {
	t.Helper()
	content, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = backup.Extract(context.Background(), bytes.NewReader(content), nil,
		func(name string, _ int64) (io.WriteCloser, error) { return createIn(dir, name) })
	if err != nil {
		t.Fatalf("%s: %v", archive, err)
	}
	return dir
}

// TestStoredFolders opens the folder of each landed schema with the program of today, reads every noun, accepts events
// and delivers, those from before the upgrade too.
func TestStoredFolders(t *testing.T) {
	t.Parallel()
	known, err := sqlite.KnownSchema()
	if err != nil {
		t.Fatal(err)
	}
	name := func(schema int) string { return filepath.Join(storedFolders, fmt.Sprintf("%04d.tar.zst", schema)) }
	private := func(o *Options) {
		o.Config.AllowPrivate, o.Providers, o.Connectors = true, all.Providers(), all.Connectors()
	}
	if *makeFolder {
		r := run(t, options(t, private))
		fillFolder(r)
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		var archive bytes.Buffer
		if err := BackupFolder(t.Context(), "test", r.opts.Config.Data, client.BackupOptions{}, &archive); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name(known), archive.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for schema := 1; schema <= known; schema++ {
		if _, err := os.Stat(name(schema)); err != nil {
			if schema < known { // that of the present one is made before the next one comes
				t.Errorf("there is no stored folder of schema %d", schema)
			}
			continue
		}
		t.Run(filepath.Base(name(schema)), func(t *testing.T) {
			t.Parallel()
			dir := unpackFolder(t, name(schema))
			before := time.Now()
			useFolder(t, run(t, options(t, private, func(o *Options) {
				o.Config.Data, o.Config.Retain = dir, 0 // however old the folder is
			})), before)
		})
	}
}

// useFolder uses a server in a stored folder, which was started after before.
func useFolder(t *testing.T, r *running, before time.Time) {
	var received atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { received.Add(1) }))
	defer receiver.Close()
	for list, want := range map[string][]string{
		"tenants": {"acme"}, "sources": {"open", "shop"}, "destinations": {"dead", folderReceiver, "taken"},
		"keys": {"ci"}, "connections": {"work"}, "files": {"call/0.txt"},
		"repairs": {""}, "requests": {""}, // a link to a portal has ended by now, and may be gone
		"events":     {"", "", "", "", ""}, // three of the source, one of the API, and one of the gateway itself
		"deliveries": {"", "", "", "", "", "", "", "", ""},
	} {
		path := "/api/v1/" + list
		if list == "events" { // the gateway has published further ones by now, such as that a source is silent
			path += "?until=" + before.UTC().Format(time.RFC3339Nano)
		}
		code, body := r.call("GET", path, "")
		var got struct{ Data []struct{ ID, Name string } }
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 {
			t.Errorf("%s: %d %s", list, code, body)
			continue
		}
		var names []string
		for _, each := range got.Data {
			names = append(names, each.Name)
			if shown, answer := r.call("GET", "/api/v1/"+list+"/"+each.ID, ""); shown != 200 {
				t.Errorf("%s %s: %d %s", list, each.ID, shown, answer)
			}
		}
		slices.Sort(names)
		if !slices.Equal(names, want) {
			t.Errorf("%s: %q, want %q", list, names, want)
		}
	}
	if err := r.store.CheckSecrets(t.Context()); err != nil {
		t.Error(err)
	}
	if code, body := r.call("GET", "/api/v1/files/call%2F0.txt/content", ""); code != 200 || body != "test" {
		t.Errorf("the file: %d %s", code, body)
	}
	if code, body := r.call("GET", "/api/v1/doctor", ""); code != 200 {
		t.Errorf("doctor: %d %s", code, body)
	}
	if code, body := r.call("PATCH", "/api/v1/destinations/"+folderReceiver,
		`{"url":"`+receiver.URL+`","paused":false}`); code != 200 {
		t.Fatal(code, body)
	}
	if code, body := r.call("POST", "/in/open", `{"n":9}`); code > 299 {
		t.Fatal(code, body)
	}
	poll(t, "the three deliveries of before, and a new one", func() bool { return received.Load() >= 4 })
}
