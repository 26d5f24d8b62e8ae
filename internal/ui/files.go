package ui

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) files() {
	s.page("/files", viewer, s.listFiles)
	s.page("/files/{id}", viewer, s.showFile)
	s.page("/files/{id}/content", viewer, s.sendFile)
	s.page("/files/{id}/play", viewer, s.playFile)
	s.act("/files/{id}/again", operator, s.fetchAgain)
	s.page("/files/{id}/delete", operator, s.askDeleteFile)
	s.act("/files/{id}/delete", operator, s.deleteFile)
}

// filesPage is what the list of files shows.
type filesPage struct {
	listing
	Tabs     []tab
	Narrowed bool
	Rows     []client.File
	Partial  bool // one of them is being written: the page looks again by itself
}

// fileStates are the tabs of the list.
var fileStates = []option{{"", "All"}, {"whole", "Whole"}, {"partial", "In part"}}

func (s *server) listFiles(v *visit) error {
	query := v.r.URL.Query()
	f := newForm(query,
		field{Name: "source", Label: "Source", Known: v.sourceNames()},
		field{Name: "destination", Label: "Action", Known: v.destinationNames(), Hint: "The destination that keeps " +
			"them"},
		field{Name: "event", Label: "Event", Hint: "The id of an event"},
		field{Name: "since", Label: "Since", Hint: whenHint},
		field{Name: "until", Label: "Until", Hint: whenHint},
		field{Name: "state", Label: "State", Kind: "hidden"})
	f = append(f, v.tenantFilter()...)
	filter := client.FileFilter{State: f.get("state"), Source: f.get("source"), Destination: f.get("destination"),
		Event: f.get("event"), Tenant: f.get("tenant"), Since: f.when("since", v.Now()), Until: f.when("until",
			v.Now())}
	var l client.List[client.File]
	if !f.Invalid() {
		var err error
		l, err = s.API.Files(v.ctx, filter, client.Page{Cursor: query.Get("cursor")})
		err = f.accepts(err)
		if err != nil {
			return err
		}
	}
	partial := slices.ContainsFunc(l.Data, func(file client.File) bool { return file.State == "partial" })
	v.show(statusOf(f), "files", "Files", filesPage{Rows: l.Data, Partial: partial,
		Narrowed: f.Narrowed() || filter.State != "",
		Tabs:     tabs(query, Root+"files", "state", fileStates),
		listing: newListing(v.r, Root+"files", f, l, s.get("files", "/files",
			flagValue{"state", "state", filter.State},
			flagValue{"source", "source", filter.Source}, flagValue{"destination", "destination", filter.Destination},
			flagValue{"event", "event", filter.Event}, flagValue{"tenant", "tenant", filter.Tenant},
			flagValue{"since", "since", iso(client.Time{Time: filter.Since})},
			flagValue{"until", "until", iso(client.Time{Time: filter.Until})}))})
	return nil
}

// filePage is what the page of a file shows.
type filePage struct {
	client.File
	Path    link
	Whole   bool
	Total   string // that was announced, in words; "" if nobody said
	Percent string // how much is here; "" if that is not known
	Plays   string // "audio" or "video", if the page plays it
	Get     command
	Again   command
	Show    command
}

func (s *server) showFile(v *visit) error { return v.showsFile(http.StatusOK) }

// fetchAgain has the action run again on the event of a file. What is here is used, what is missing is fetched.
func (s *server) fetchAgain(v *visit) error {
	file, err := s.API.File(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	made, err := s.API.ReplayEvent(v.ctx, file.EventID, file.DestinationID)
	if v.refused(err) {
		return v.showsFile(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	if len(made) == 0 {
		return v.back(string(filePath(file)), "")
	}
	return v.back(Root+"deliveries/"+url.PathEscape(made[0].ID), "again")
}

// showsFile shows the file of the path.
func (v *visit) showsFile(status int) error {
	s := v.server
	file, err := s.API.File(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	page := filePage{File: file, Path: filePath(file), Whole: file.State == "whole",
		Again: s.post("replay "+quote(file.EventID)+" --to "+quote(file.Destination),
			"/events/"+file.EventID+"/replay", jsonOf(map[string]string{"destination": file.Destination})),
		Get:  s.get("files get "+quote(file.ID), "/files/"+file.ID+"/content"),
		Show: s.get("files show "+quote(file.ID), "/files/"+file.ID)}
	if file.Total != nil {
		page.Total = size(*file.Total)
		if *file.Total > 0 {
			page.Percent = strconv.FormatInt(100*file.Size / *file.Total, 10) + " %"
		}
	}
	plays := playedAs(file)
	if page.Whole {
		page.Plays = plays
	}
	if plays != "" { // also while the file is not whole: the page takes the player in when it is
		v.w.Header().Set("Content-Security-Policy", policy+"; media-src 'self'")
	}
	v.show(status, "file", "File "+file.Name, page)
	return nil
}

// playedTypes are the media types that pages play, and the element that does. A browser decodes them and runs nothing
// in them.
var playedTypes = map[string]string{
	"audio/aac": "audio", "audio/mp4": "audio", "audio/mpeg": "audio", "audio/ogg": "audio", "audio/wav": "audio",
	"audio/webm": "audio", "audio/x-wav": "audio",
	"video/mp4": "video", "video/ogg": "video", "video/webm": "video",
}

// mediaType returns the media type of a file, without parameters and in lower case.
func mediaType(file client.File) string {
	kind, _, _ := strings.Cut(file.ContentType, ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// playedAs returns the element that plays a file; "" if no page plays it.
func playedAs(file client.File) string { return playedTypes[mediaType(file)] }

// filePath returns the path of the page of a file.
func filePath(f client.File) link { return link(Root + "files/" + url.PathEscape(f.ID)) }

// sendFile sends the bytes of a whole file to be saved. What it is was told by a stranger, so no browser shows it or
// runs anything in it.
func (s *server) sendFile(v *visit) error {
	file, err := s.wholeFile(v)
	if err != nil {
		return err
	}
	return v.sends(file, "application/octet-stream", "attachment")
}

// playFile sends the bytes of a whole file to the element that plays it. Its media type is one of playedTypes:
// whatever the bytes are, a browser takes them for nothing else.
func (s *server) playFile(v *visit) error {
	file, err := s.wholeFile(v)
	if err != nil {
		return err
	}
	if playedAs(file) == "" {
		return &client.Error{Status: http.StatusUnsupportedMediaType,
			Detail: "a file of this media type is not played here: download it"}
	}
	return v.sends(file, mediaType(file), "inline")
}

// wholeFile returns the file of the path, which must be whole.
func (s *server) wholeFile(v *visit) (client.File, error) {
	file, err := s.API.File(v.ctx, v.r.PathValue("id"))
	if err == nil && file.State != "whole" {
		err = &client.Error{Status: http.StatusConflict, Detail: "the file is not whole yet"}
	}
	return file, err
}

// sends sends the bytes of a file that the browser asks for: so an interrupted download goes on, and a player jumps.
func (v *visit) sends(file client.File, contentType, disposition string) error {
	asked, partial := rangeOf(v.r, file)
	content, err := v.API.FileContent(v.ctx, file.ID, asked.from, file.SHA256)
	if err != nil {
		return err
	}
	if content.Offset != asked.from { // the file changed: all of it comes
		asked, partial = byteRange{content.Offset, file.Size - 1}, content.Offset > 0
	}
	size := asked.last + 1 - asked.from
	h := v.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", disposition+`; filename="`+fileName(file.Name)+`"`)
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("Accept-Ranges", "bytes")
	h.Set("ETag", `"`+safeName(file.SHA256)+`"`)
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	if partial {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", asked.from, asked.last, file.Size))
		v.w.WriteHeader(http.StatusPartialContent)
	}
	if v.r.Method == http.MethodGet {
		_, err = io.CopyN(patientWriter{v.w, http.NewResponseController(v.w)}, content, size)
	}
	err = errors.Join(err, content.Close())
	if err != nil { // the answer has begun: the browser sees that it is not whole
		v.log.Info("ui.download_ended", "file", file.ID, "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// A patientWriter writes the body of a download, whose time has no bound as long as the browser takes it.
type patientWriter struct {
	w    io.Writer
	rest *http.ResponseController
}

// downloadWait is how long a browser may take nothing.
const downloadWait = time.Minute

func (p patientWriter) Write(b []byte) (int, error) {
	err := p.rest.SetWriteDeadline(time.Now().Add(downloadWait))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.w.Write(b)
}

// A byteRange is a part of a file, both ends included.
type byteRange struct{ from, last int64 }

// rangeOf returns which bytes of a file a browser asks for: "bytes=1024-" or "bytes=0-1". partial is false for the
// whole file. Any other range is the whole file, which HTTP allows, and so is one of another version.
func rangeOf(r *http.Request, file client.File) (asked byteRange, partial bool) {
	whole := byteRange{0, file.Size - 1}
	ifRange := r.Header.Get("If-Range")
	if ifRange != "" && ifRange != `"`+safeName(file.SHA256)+`"` {
		return whole, false
	}
	text, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	from, last, dash := strings.Cut(text, "-")
	asked.from, asked.last = number(from), file.Size-1
	if last != "" {
		asked.last = min(asked.last, number(last))
	}
	if !ok || !dash || asked.from < 0 || asked.from >= file.Size || asked.last < asked.from {
		return whole, false
	}
	return asked, true
}

// number reads a whole number; -1 is none.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// fileName returns the last part of the name of a file, of letters, digits, dots and dashes.
func fileName(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, name)
	safe = strings.TrimLeft(safe[max(0, len(safe)-120):], ".") // the end has the kind of the file
	return cmp.Or(safe, "file")
}

func (s *server) askDeleteFile(v *visit) error { return v.asksDeleteFile(http.StatusOK) }

func (v *visit) asksDeleteFile(status int) error {
	file, err := v.API.File(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.show(status, "delete", "Delete file "+file.Name, deletion{Noun: "file", Name: file.Name, Plural: Root + "files",
		Path: filePath(file), Text: "Its bytes are deleted here. The provider's own copy stays.",
		Command: v.command("DELETE", "files delete "+quote(file.ID), "/files/"+file.ID, "")})
	return nil
}

func (s *server) deleteFile(v *visit) error {
	err := s.API.DeleteFile(v.ctx, v.r.PathValue("id"))
	if v.refused(err) {
		return v.asksDeleteFile(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	return v.back(Root+"files", "deleted")
}
