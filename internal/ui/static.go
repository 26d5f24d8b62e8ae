package ui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

//go:embed static/*
var staticFiles embed.FS

// contentTypes are those of the files of static, by the end of the name.
var contentTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml"}

// staticVersion is a hash of all files of static. It is in their paths, so that modules find each other by relative
// names and browsers keep them for good.
var staticVersion = hashOf(staticFiles)

func hashOf(files fs.FS) string {
	h := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		h.Write([]byte(path + "\x00"))
		h.Write(content)
		return err
	})
	if err != nil {
		panic(err)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// staticPath returns the path of a file of static.
func staticPath(file string) link { return link(Root + "static/" + staticVersion + "/" + file) }

// serveStatic serves a file of this version. It needs no session: the files are the same for everybody.
func serveStatic(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	content, err := staticFiles.ReadFile("static/" + name)
	dot := strings.LastIndexByte(name, '.')
	if err != nil || dot < 0 || r.PathValue("version") != staticVersion {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentTypes[name[dot:]])
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}
