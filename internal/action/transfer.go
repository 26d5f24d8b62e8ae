package action

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file downloads one file within one attempt. It goes on from the last durable byte after whatever ended an
// earlier try, and begins anew where the answers show that the file is another one by now. The semantics of ranges are
// those of RFC 9110, sections 13 and 14.

// Bounds of a transfer.
const (
	overlapBytes = 4096        // that are read again and compared, where no validator is known
	maxRestarts  = 3           // in one attempt, because the answers contradict each other
	maxResumes   = 200         // in one attempt, after connections that broke
	maxFruitless = 3           // tries in a row without a new byte
	checkpoint   = 8 << 20     // bytes of a large file after which an attempt ends, so that the validators are stored
	largeFile    = 64 << 20    // from this size on
	errorBytes   = 16 << 10    // that are read of an answer that is an error
	maxValidator = 200         // bytes of a validator
	maxLength    = int64(1e15) // bytes of a file that are believed
)

// A validator is what the later requests for the rest of a file compare.
type validator struct {
	ETag     string `json:"etag,omitempty"`     // a strong one, with its quotes
	Modified string `json:"modified,omitempty"` // the header Last-Modified
	MD5      string `json:"md5,omitempty"`      // of the whole file, in Base64
}

// ifRange returns the value of the header If-Range; "" if nothing can be compared.
func (v validator) ifRange() string {
	if v.ETag != "" {
		return v.ETag
	}
	return v.Modified
}

// validatorOf reads the validators of an answer. Content-MD5 counts only in one that has the whole file.
func validatorOf(h http.Header, whole bool) validator {
	v := validator{ETag: h.Get("Etag"), Modified: h.Get("Last-Modified")}
	if !strings.HasPrefix(v.ETag, `"`) || len(v.ETag) > maxValidator { // a weak one may not be in If-Range
		v.ETag = ""
	}
	if _, err := http.ParseTime(v.Modified); err != nil {
		v.Modified = ""
	}
	sum := h.Get("X-Ms-Blob-Content-Md5")
	if sum == "" && whole {
		sum = h.Get("Content-Md5")
	}
	raw, err := base64.StdEncoding.DecodeString(sum)
	if err == nil && len(raw) == md5.Size {
		v.MD5 = sum
	}
	return v
}

// A contentRange is the header Content-Range.
type contentRange struct {
	first, last int64 // both -1 in that of an answer 416
	total       int64 // -1 is "*"
}

// parseContentRange reads "bytes 5-9/10", "bytes 5-9/*" or "bytes */10".
func parseContentRange(text string) (r contentRange, ok bool) {
	unit, rest, _ := strings.Cut(text, " ")
	span, total, found := strings.Cut(strings.TrimSpace(rest), "/")
	if !strings.EqualFold(unit, "bytes") || !found {
		return r, false
	}
	number := func(text string) int64 {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil || int64(n) > maxLength {
			return -1
		}
		return int64(n)
	}
	r.total = number(total)
	if span == "*" {
		r.first, r.last = -1, -1
		return r, r.total >= 0
	}
	first, last, _ := strings.Cut(span, "-")
	r.first, r.last = number(first), number(last)
	return r, r.first >= 0 && r.last >= r.first && (r.total > r.last || total == "*")
}

// A transfer is the download of one file.
type transfer struct {
	*downloading
	part *provider.DownloadPart
	file bellhop.File
	seen *validator // of the bytes that are durable

	saved     bool  // seen is stored already
	anew      bool  // the next request is one for the whole file
	best      int64 // size that was reached in this attempt
	fruitless int   // tries in a row without a new byte
	restarted int
}

// How a request for a file ends, if neither the system nor the storage failed.
var (
	errSlice      = errors.New("the time of this attempt is over")
	errCheckpoint = errors.New("the progress is to be stored")
	errAnew       = errors.New("the answers contradict what is known of the file")
	errTooMuch    = errors.New("more came than was announced")
)

// A dropped is a body that ended early because of cause.
type dropped struct{ cause error }

func (d *dropped) Error() string { return "the connection broke: " + d.cause.Error() }

// An unstoredError is one of the storage of files.
type unstoredError struct{ cause error }

func (e *unstoredError) Error() string { return e.cause.Error() }
func (e *unstoredError) Unwrap() error { return e.cause }

// run downloads what is missing of the file, and makes it whole.
func (t *transfer) run() (bellhop.File, error) {
	t.best = t.file.Size
	for {
		err := error(nil)
		if whole := t.file.Size > 0 && t.file.Size == t.file.Total; whole && !t.anew {
			var f bellhop.File
			f, err = t.finish()
			if err == nil {
				return f, nil
			}
		} else {
			err = t.request()
		}
		var drop *dropped
		switch {
		case t.slice.Err() != nil && err != nil:
			return t.file, errSlice
		case errors.Is(err, errAnew):
			t.anew = true
			t.restarted++
			t.restarts++
			t.calls.metrics.resumes.WithLabelValues("contradiction").Inc()
			if t.restarted > maxRestarts {
				return t.file, &provider.APIError{Kind: provider.APIForeign,
					Message: "the answers to requests for the rest of the file contradict each other"}
			}
		case errors.As(err, &drop):
			t.resumes++
			t.calls.metrics.resumes.WithLabelValues("dropped").Inc()
			t.fruitless++
			if t.file.Size > t.best {
				t.best, t.fruitless = t.file.Size, 0
			}
			if t.fruitless > maxFruitless || t.resumes > maxResumes {
				return t.file, &provider.APIError{Kind: provider.APITemporary,
					Message: "the answers were cut off again and again"}
			}
		case err != nil:
			return t.file, err
		}
	}
}

// request makes one request for what is missing, and writes what comes. A nil error means that the file may be
// complete.
func (t *transfer) request() error {
	from, tail, err := t.begin()
	if err != nil {
		return err
	}
	call := t.part.Content
	call.Header = http.Header{"Accept-Encoding": {"identity"}} // ranges of a compressed form would be useless
	if from > 0 {
		call.Header.Set("Range", "bytes="+strconv.FormatInt(from-int64(len(tail)), 10)+"-")
		if condition := t.seen.ifRange(); condition != "" {
			call.Header.Set("If-Range", condition)
		}
	}
	answer, err := t.calls.open(t.slice, t.conn, share{}, call, t.check)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	at, total, err := t.place(answer, from, int64(len(tail)))
	if err != nil || at < 0 {
		return err
	}
	body := &fileSource{body: answer.Body, left: -1, until: -1, rest: resting{rests: &t.calls.rests, ctx: t.slice}}
	if total >= 0 {
		body.left = total - at
	}
	whole := at == 0 && (total < 0 || answer.Length == total)
	if at > 0 {
		err = body.skip(tail)
	} else {
		err = t.checkHead(body, answer.Header)
	}
	if err != nil {
		return err
	}
	found := validatorOf(answer.Header, whole)
	if at == 0 || t.seen.ifRange() == "" {
		*t.seen, t.saved = found, false
	}
	if err := t.announce(total); err != nil {
		return err
	}
	if !t.saved && total >= t.large && t.seen.ifRange() != "" {
		body.until = t.checkpoint
	}
	t.anew = false
	return t.write(body, at, total)
}

// begin returns from where to ask, and the bytes before that which are to come again, if no validator is known.
func (t *transfer) begin() (from int64, tail []byte, err error) {
	from = t.file.Size
	switch {
	case t.anew || t.seen.ifRange() == "" && from <= overlapBytes:
		return 0, nil, nil
	case t.seen.ifRange() != "":
		return from, nil, nil
	}
	stored, err := t.env.Files.Open(t.ctx, t.file.ID, from-overlapBytes)
	var known *bellhop.Error
	if errors.As(err, &known) && known.Code == bellhop.CodeConflict {
		return 0, nil, nil // the storage cannot show bytes of a partial file
	}
	if err != nil {
		return 0, nil, &unstoredError{err}
	}
	defer stored.Close()
	tail = make([]byte, overlapBytes)
	if _, err := io.ReadFull(stored, tail); err != nil {
		return 0, nil, &unstoredError{err}
	}
	return from, tail, nil
}

// check returns the error of an answer that is none to a request for a file.
func (t *transfer) check(answer provider.Stream) error {
	switch answer.Status {
	case http.StatusOK, http.StatusPartialContent, http.StatusPreconditionFailed,
		http.StatusRequestedRangeNotSatisfiable:
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, errorBytes))
	if err != nil {
		body = nil // the status says enough
	}
	return t.download.Refused(provider.Answer{Status: answer.Status, Header: answer.Header, Body: body}, t.env.Now())
}

// place says where the body of an answer belongs, and how long the file is: -1 if the answer does not say. from is
// where the file was asked for from, behind overlap bytes; 0 is the whole file. at is -1 if there is nothing to write.
func (t *transfer) place(answer provider.Stream, from, overlap int64) (at, total int64, err error) {
	r, ranged := parseContentRange(answer.Header.Get("Content-Range"))
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case answer.Status == http.StatusRequestedRangeNotSatisfiable && ranged && from > 0 && r.total == t.file.Size:
		return -1, 0, t.announce(r.total) // nothing is missing
	case answer.Status >= http.StatusBadRequest: // 412 and 416
		return 0, 0, errAnew
	case kind == "multipart/byteranges":
		return 0, 0, &provider.APIError{Kind: provider.APIForeign, Status: answer.Status,
			Message: "the answer has several ranges, which were not asked for"}
	case answer.Status == http.StatusOK && !ranged:
		if t.file.Size > 0 && !t.anew {
			t.calls.metrics.resumes.WithLabelValues("whole").Inc()
		}
		return 0, answer.Length, nil
	}
	tag := validatorOf(answer.Header, false).ETag
	switch {
	case !ranged || r.first != from-overlap,
		from > 0 && r.total >= 0 && t.file.Total >= 0 && r.total != t.file.Total,
		from > 0 && tag != "" && t.seen.ETag != "" && tag != t.seen.ETag:
		return 0, 0, errAnew
	case r.total < 0 && from > 0:
		r.total = t.file.Total
	}
	return from, r.total, nil
}

// checkHead reads the first bytes of a file and checks them. They are read again from body.
func (t *transfer) checkHead(body *fileSource, h http.Header) error {
	head := make([]byte, provider.DownloadHead)
	n := 0
	for n < len(head) {
		read, err := body.Read(head[n:])
		n += read
		if err == io.EOF {
			break
		}
		if err != nil {
			return body.end(err)
		}
	}
	body.again = head[:n]
	return t.download.Check(head[:n], h, t.part)
}

// announce stores how long the file is; below 0 it says nothing.
func (t *transfer) announce(total int64) error {
	if total < 0 || total == t.file.Total {
		return nil
	}
	f := t.file
	f.Total = total
	got, err := t.env.Files.Begin(t.ctx, f)
	if err != nil {
		return &unstoredError{err}
	}
	t.file = got
	return nil
}

// write stores the rest of body at a place of the file.
func (t *transfer) write(body *fileSource, at, total int64) error {
	size, err := t.env.Files.Append(t.ctx, t.file.ID, at, body)
	gained := max(0, size-at)
	t.fetched += gained
	t.calls.metrics.downloaded.Add(float64(gained))
	t.file.Size = size
	switch {
	case body.failed != nil:
		return body.end(body.failed)
	case err != nil:
		return &unstoredError{err}
	case total >= 0 && size < total:
		return &dropped{errors.New("the answer has less than the whole rest")}
	case total < 0:
		return t.announce(size)
	}
	return nil
}

// finish checks the file as a whole, as far as the system has told more than its length, and makes it whole.
func (t *transfer) finish() (bellhop.File, error) {
	if t.seen.MD5 != "" {
		stored, err := t.env.Files.Open(t.ctx, t.file.ID, 0)
		var known *bellhop.Error
		switch hidden := errors.As(err, &known) && known.Code == bellhop.CodeConflict; {
		case hidden: // the storage shows whole files alone
		case err != nil:
			return t.file, &unstoredError{err}
		default:
			sum := md5.New()
			_, err := io.Copy(sum, stored)
			stored.Close()
			if err != nil {
				return t.file, &unstoredError{err}
			}
			if base64.StdEncoding.EncodeToString(sum.Sum(nil)) != t.seen.MD5 {
				return t.file, errAnew
			}
		}
	}
	f, err := t.env.Files.Finish(t.ctx, t.file.ID)
	if err != nil {
		return t.file, &unstoredError{err}
	}
	return f, nil
}

// A fileSource reads the body of an answer within its bounds, and remembers why it ended.
type fileSource struct {
	body   io.Reader
	again  []byte // is read first, before body
	left   int64  // bytes that may come; -1 is any number
	until  int64  // bytes to read before a checkpoint; -1 reads all
	failed error  // of the last Read, but for io.EOF
	rest   resting
}

// Read implements [io.Reader]. It rests before it reads if that is due.
func (s *fileSource) Read(p []byte) (n int, err error) {
	s.rest.begin()
	defer func() { s.rest.end(n) }()
	if s.until == 0 {
		s.failed = errCheckpoint
		return 0, s.failed
	}
	if s.until > 0 && int64(len(p)) > s.until {
		p = p[:s.until]
	}
	defer func() {
		if s.until > 0 {
			s.until -= int64(n)
		}
	}()
	if len(s.again) > 0 {
		n = copy(p, s.again)
		s.again = s.again[n:]
		return n, nil
	}
	if s.left == 0 { // nothing more is to come
		n, err = s.body.Read(make([]byte, 1))
		if n > 0 {
			err = errTooMuch
		}
		if err != nil && err != io.EOF {
			s.failed = err
		}
		return 0, err
	}
	if s.left > 0 && int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err = s.body.Read(p)
	if s.left > 0 {
		s.left -= int64(n)
	}
	if err != nil && err != io.EOF {
		s.failed = err
	}
	return n, err
}

// skip reads the bytes that are there already, and compares them.
func (s *fileSource) skip(tail []byte) error {
	if len(tail) == 0 {
		return nil
	}
	if s.left >= 0 {
		s.left += int64(len(tail))
	}
	got := make([]byte, len(tail))
	_, err := io.ReadFull(s, got)
	switch {
	case s.failed != nil:
		return s.end(s.failed)
	case err != nil:
		return &dropped{err}
	case !bytes.Equal(got, tail):
		return errAnew
	}
	return nil
}

// end returns the error of a request whose body ended by err.
func (s *fileSource) end(err error) error {
	switch {
	case errors.Is(err, errCheckpoint):
		return err
	case errors.Is(err, errTooMuch):
		return errAnew
	}
	return &dropped{err}
}
