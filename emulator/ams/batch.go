package ams

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"strings"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// This file answers $batch, by which the SDK submits a job: one changeset that makes the job and its tasks. A
// changeset has its effect as a whole or not at all.

// A part is one request of a batch.
type part struct {
	method, target string
	header         http.Header
	body           []byte
	contentID      string
}

// A changeset is what a changeset has made so far. System.mu guards it.
type changeset struct {
	jobs  map[string]*job // that are not submitted yet, by Content-ID
	order []*job
}

// A recorder keeps the answer to one request of a batch.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{header: http.Header{}, status: http.StatusOK} }

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// serveBatch answers a batch.
func (s *System) serveBatch(w http.ResponseWriter, r *http.Request) error {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" || params["boundary"] == "" || r.Method != http.MethodPost {
		return failed(http.StatusBadRequest, "A batch is a POST of multipart/mixed.")
	}
	var out bytes.Buffer
	answers := multipart.NewWriter(&out)
	if err := answers.SetBoundary("batchresponse_" + emulator.NewID()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	reader := multipart.NewReader(r.Body, params["boundary"])
	for count := 0; ; count++ {
		p, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) && count > 0 {
			break
		} else if err != nil {
			return failed(http.StatusBadRequest, "The batch cannot be read.")
		}
		if err := s.serveBatchPart(answers, r, p); err != nil {
			return err
		}
	}
	answers.Close()
	w.Header().Set("Content-Type", "multipart/mixed; boundary="+answers.Boundary())
	w.WriteHeader(http.StatusAccepted)
	w.Write(out.Bytes())
	return nil
}

// serveBatchPart answers one part of a batch: a request, or a changeset.
func (s *System) serveBatchPart(answers *multipart.Writer, r *http.Request, p *multipart.Part) error {
	kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/http":
		one, err := readPart(p, p.Header)
		if err != nil {
			return err
		}
		return writePart(answers, one, s.servePart(r, one, nil))
	case err != nil || kind != "multipart/mixed" || params["boundary"] == "":
		return failed(http.StatusBadRequest, "A part of a batch is application/http or multipart/mixed.")
	}
	var inner bytes.Buffer
	results := multipart.NewWriter(&inner)
	if err := results.SetBoundary("changesetresponse_" + emulator.NewID()); err != nil {
		return err
	}
	parts, err := readParts(multipart.NewReader(p, params["boundary"]))
	if err != nil {
		return err
	}
	set := &changeset{jobs: map[string]*job{}}
	refused := s.serveChangeset(results, r, parts, set)
	if refused != nil { // the whole changeset is answered by the one error
		return writePart(answers, part{}, refused)
	}
	results.Close()
	to, err := answers.CreatePart(textproto.MIMEHeader{"Content-Type": {"multipart/mixed; boundary=" +
		results.Boundary()}})
	if err == nil {
		_, err = to.Write(inner.Bytes())
	}
	return err
}

// serveChangeset answers the requests of a changeset, and submits the jobs that it makes. It returns the answer that
// refuses all of it, or nil.
func (s *System) serveChangeset(results *multipart.Writer, r *http.Request, parts []part,
	set *changeset) *recorder {
	var answers []*recorder
	for _, one := range parts {
		answer := s.servePart(r, one, set)
		if answer.status >= 300 {
			return answer
		}
		answers = append(answers, answer)
	}
	for _, j := range set.order {
		if err := s.submit(j); err != nil {
			return s.refusal(r, parts[0], err)
		}
	}
	for i, answer := range answers {
		if err := writePart(results, parts[i], answer); err != nil {
			return s.refusal(r, parts[i], err)
		}
	}
	return nil
}

// readParts reads the requests of a changeset.
func readParts(reader *multipart.Reader) (parts []part, err error) {
	for {
		p, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		} else if err != nil {
			return nil, failed(http.StatusBadRequest, "The changeset cannot be read.")
		}
		one, err := readPart(p, p.Header)
		if err != nil {
			return nil, err
		}
		parts = append(parts, one)
	}
}

// readPart reads a request. It has no length of its own: its body ends with the part.
func readPart(r io.Reader, outer textproto.MIMEHeader) (p part, err error) {
	reader := textproto.NewReader(bufio.NewReader(r))
	line, err := reader.ReadLine()
	for err == nil && line == "" {
		line, err = reader.ReadLine()
	}
	words := strings.Fields(line)
	header, headerErr := reader.ReadMIMEHeader()
	if err != nil || len(words) != 3 || headerErr != nil && !errors.Is(headerErr, io.EOF) {
		return p, failed(http.StatusBadRequest, "A request of the batch cannot be read.")
	}
	p = part{method: words[0], target: words[1], header: http.Header(header)}
	p.body, err = io.ReadAll(reader.R)
	p.contentID = p.header.Get("Content-Id")
	if p.contentID == "" {
		p.contentID = outer.Get("Content-Id")
	}
	return p, err
}

// reference matches the reference to what an earlier request of a changeset has made: "/$1/Tasks".
var reference = regexp.MustCompile(`/\$([A-Za-z0-9_-]+)/([A-Za-z]+)$`)

// servePart answers one request. set is nil outside of a changeset.
func (s *System) servePart(r *http.Request, p part, set *changeset) *recorder {
	to, err := url.Parse(p.target)
	if err != nil {
		return s.refusal(r, p, errNotFound)
	}
	inner := r.Clone(r.Context())
	inner.Method, inner.URL, inner.Header = p.method, to, p.header.Clone()
	answer := newRecorder()
	at, m := placeOf(p.target), reference.FindStringSubmatch(to.Path)
	k := kinds[at.set]
	switch {
	case set != nil && m != nil && m[2] == tasks.set && p.method == http.MethodPost:
		j := set.jobs[m[1]]
		if j == nil {
			return s.refusal(r, p, failed(http.StatusNotFound, "The reference '$%s' is not known.", m[1]))
		}
		made, err := s.make(tasks, p.body, p.header, func(s *System, in *input) (*entity, error) {
			if err := s.addTask(j, in); err != nil {
				return nil, err
			}
			return j.tasks[len(j.tasks)-1].entity(s.now()), nil
		})
		return s.created(answer, inner, made, err)
	case set != nil && at.set == jobs.set && at.id == "" && p.method == http.MethodPost:
		made, err := s.make(jobs, p.body, p.header, func(s *System, in *input) (*entity, error) {
			j, err := s.createJob(in)
			if err != nil {
				return nil, err
			}
			set.jobs[p.contentID], set.order = j, append(set.order, j)
			return j.entity(s.now()), nil
		})
		return s.created(answer, inner, made, err)
	case k == nil || set != nil:
		return s.refusal(r, p, failed(http.StatusBadRequest, "Only jobs and their tasks can be in a changeset here."))
	}
	if err := s.serveKind(answer, inner, k, at, p.body); err != nil {
		return s.refusal(r, p, err)
	}
	return answer
}

// created answers a creation.
func (s *System) created(answer *recorder, r *http.Request, made *entity,
	err error) *recorder {
	if err != nil {
		return s.refusal(r, part{header: r.Header}, err)
	}
	answer.Header().Set("Location", made.uri(r))
	writeOne(answer, r, http.StatusCreated, made)
	return answer
}

// refusal answers a request of a batch with an error.
func (s *System) refusal(r *http.Request, p part, err error) *recorder {
	known := failed(http.StatusInternalServerError, "%s", err)
	errors.As(err, &known)
	inner := r.Clone(r.Context())
	inner.Header = p.header.Clone()
	answer := newRecorder()
	writeError(answer, inner, known)
	return answer
}

// writePart writes an answer as a part of the answer to a batch.
func writePart(to *multipart.Writer, p part, answer *recorder) error {
	header := textproto.MIMEHeader{"Content-Type": {"application/http"}, "Content-Transfer-Encoding": {"binary"}}
	w, err := to.CreatePart(header)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "HTTP/1.1 %d %s\r\n", answer.status, http.StatusText(answer.status))
	if p.contentID != "" {
		fmt.Fprintf(w, "Content-ID: %s\r\n", p.contentID)
	}
	for _, name := range []string{"Content-Type", "Location"} {
		if value := answer.Header().Get(name); value != "" {
			fmt.Fprintf(w, "%s: %s\r\n", name, value)
		}
	}
	_, err = fmt.Fprintf(w, "\r\n%s", answer.body.Bytes())
	return err
}
