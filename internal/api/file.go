package api

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Files reads and deletes the bytes of files. Its errors are *bellhop.Error where a person can act on them.
type Files interface {
	// OpenWhole returns the bytes of a whole file. The error is CodeConflict if they are not those that were kept.
	OpenWhole(ctx context.Context, f bellhop.File) (io.ReadSeekCloser, error)
	// Delete deletes a file. It is a conflict while the file is being written.
	Delete(ctx context.Context, idOrName string) error
}

func (s *server) files() {
	handle(s, op{http.MethodGet, "/files", "list-files", "List files", 0}, s.listFiles)
	handle(s, op{http.MethodGet, "/files/{id}", "show-file", "Show a file", 0}, s.showFile)
	handle(s, op{http.MethodDelete, "/files/{id}", "delete-file", "Delete a file", 0}, s.deleteFile)

	content := op{http.MethodGet, "/files/{id}/content", "get-file-content", "Get the bytes of a file", 0}.huma()
	bytes := map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString,
		Format: "binary"}}}
	content.Responses = map[string]*huma.Response{
		"200": {Description: "All bytes, with the content type of the file", Content: bytes},
	}
	register(s, content, s.fileContent)
	// after it, because the library adds the answer of errors to operations with at most one answer
	content.Responses["206"] = &huma.Response{Description: "The bytes that Range asked for", Content: bytes}
}

// listFilesInput narrows a list of files.
type listFilesInput struct {
	State       string `query:"state" enum:"partial,whole" doc:"Only those in this state"`
	Source      string `query:"source" doc:"Name or id of the source of the event, also of a deleted one"`
	Destination string `query:"destination" doc:"Name or id of the destination that made it, also of a deleted one"`
	Event       string `query:"event" doc:"Id of the event"`
	Owned
	Period
	Paging
}

func (s *server) listFiles(ctx context.Context, in *listFilesInput) (*listOutput[client.File], error) {
	sources, err := s.Catalog.SourceIDs(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	destinations, err := s.Catalog.DestinationIDs(ctx, in.Destination)
	if err != nil {
		return nil, err
	}
	filter := bellhop.FileFilter{State: bellhop.FileState(in.State), SourceIDs: sources, DestinationIDs: destinations,
		Tenant: in.Tenant, EventID: in.Event, Since: in.Since, Until: in.Until}
	list, next, err := s.Store.Files(ctx, filter, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, fileJSON), nil
}

func (s *server) showFile(ctx context.Context, in *one) (*tagged[client.File], error) {
	f, err := s.Store.File(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return taggedBy(f.UpdatedAt, fileJSON(f)), nil
}

// deleteFile deletes a file. A whole file does not change any more, and one that is being written is not deleted, so
// that its version needs no comparison but this one.
func (s *server) deleteFile(ctx context.Context, in *oneToDelete) (*none, error) {
	if in.IfMatch != "" {
		f, err := s.Store.File(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if err := in.check("file", f.UpdatedAt); err != nil {
			return nil, err
		}
	}
	return nil, s.Files.Delete(ctx, in.ID)
}

type fileContentInput struct {
	ID      string `path:"id" doc:"Its id or name" example:"fil_01h455vb4pex5vsknk08"`
	Range   string `header:"Range" doc:"The bytes to return, as in bytes=1000-"`
	IfRange string `header:"If-Range" doc:"The ETag of the file: if it has another one, all bytes are returned"`
}

// fileContent answers with bytes that a stranger wrote. The headers make a browser save them and run nothing in them.
func (s *server) fileContent(ctx context.Context, in *fileContentInput) (*huma.StreamResponse, error) {
	f, err := s.Store.File(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if f.State != bellhop.FileWhole {
		return nil, bellhop.Conflict("the file is partial, with " + progressOf(f) + " so far; its content can be " +
			"read once it is whole")
	}
	body, err := s.Files.OpenWhole(ctx, f)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		defer body.Close()
		s.serveFile(w, r, f, body)
	}}, nil
}

// progressOf says how much of a file is there.
func progressOf(f bellhop.File) string {
	if f.Total < 0 {
		return bellhop.Count(int(f.Size), "byte")
	}
	return fmt.Sprintf("%d of %d bytes", f.Size, f.Total)
}

// serveFile answers with the bytes of f, or with the ranges of it that r asks for.
func (s *server) serveFile(w http.ResponseWriter, r *http.Request, f bellhop.File, body io.ReadSeeker) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	if _, _, err := mime.ParseMediaType(f.ContentType); err == nil {
		h.Set("Content-Type", f.ContentType)
	}
	h.Set("Content-Disposition", "attachment")
	if named := mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(f.Name)}); named != "" {
		h.Set("Content-Disposition", named)
	}
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("ETag", `"`+f.SHA256+`"`)
	out := &contentWriter{ResponseWriter: w, control: http.NewResponseController(w)}
	in := &notedReader{ReadSeeker: body}
	http.ServeContent(out, r, "", f.UpdatedAt, in)
	if in.err != nil && r.Context().Err() == nil {
		s.log.Warn("file.unread", "file_id", f.ID, "file", f.Name, "error", in.err,
			"meaning", "the answer was cut off: its client asks for the rest")
	}
}

// contentTimeout is how long a client may take to receive the bytes of one write.
const contentTimeout = time.Minute

// A contentWriter writes the content of a file. Each write has a time limit of its own, because the whole may take
// long. It answers with a problem in place of the text of net/http.
type contentWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	refused bool
}

func (w *contentWriter) WriteHeader(status int) {
	if status != http.StatusRequestedRangeNotSatisfiable {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.refused = true
	h := w.Header()
	h.Del("Content-Disposition")
	h.Del("Content-Length")
	h.Set("Cache-Control", "no-store") // net/http has removed it
	writeProblem(w.ResponseWriter, newProblem(status, "the file does not have these bytes; Content-Range says how "+
		"many there are"))
}

func (w *contentWriter) Write(b []byte) (int, error) {
	if w.refused {
		return len(b), nil
	}
	w.control.SetWriteDeadline(time.Now().Add(contentTimeout))
	return w.ResponseWriter.Write(b)
}

// A notedReader keeps the error of a read.
type notedReader struct {
	io.ReadSeeker
	err error
}

func (r *notedReader) Read(p []byte) (int, error) {
	n, err := r.ReadSeeker.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// fileJSON returns f in its JSON form.
func fileJSON(f bellhop.File) client.File {
	shown := client.File{
		ID: f.ID, Name: f.Name, State: string(f.State), Size: f.Size, SHA256: f.SHA256, ContentType: f.ContentType,
		Source: f.Source, EventID: f.EventID, Destination: f.Destination, DestinationID: f.DestinationID,
		CreatedAt: client.Time{Time: f.CreatedAt}, UpdatedAt: client.Time{Time: f.UpdatedAt},
		ExpiresAt: client.Time{Time: f.ExpiresAt}, DueAt: client.Time{Time: f.DueAt},
	}
	if f.Total >= 0 {
		shown.Total = &f.Total
	}
	return shown
}
