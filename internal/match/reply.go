package match

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
)

// A Reply makes the answers of a source. It is safe for concurrent use.
type Reply struct {
	status   int
	kind     string // "" is by the type of the template's result
	body     []byte
	template *Template // nil sends body
}

// replyDialect is that of a template of replies, for which a sender waits.
var replyDialect = func() dialect {
	d := template
	d.steps = MaxReplySteps
	return d
}()

// OpenReply checks r and compiles its template. The errors are [bellhop.CodeInvalid].
func OpenReply(r bellhop.SourceReply) (*Reply, error) {
	made := &Reply{status: cmp.Or(r.Status, http.StatusOK), kind: r.ContentType, body: []byte(r.Body)}
	if r.Template == "" && made.kind == "" {
		made.kind = textType
	}
	var errs []error
	invalid := func(path, message string) { errs = append(errs, bellhop.Invalid(path, message)) }
	empty := made.status == http.StatusNoContent || made.status == http.StatusResetContent
	if made.status < 200 || made.status > 299 {
		invalid("status", "use 200 to 299: a sender would repeat what is stored already")
	}
	if empty && (r.Body != "" || r.Template != "") {
		invalid("status", fmt.Sprintf("an answer %d has no body: leave body and template out", made.status))
	}
	if err := bellhop.CheckHeader("Content-Type", r.ContentType); err != nil {
		invalid("content_type", err.Error())
	}
	if len(r.Body) > bellhop.MaxSourceReplyBytes {
		invalid("body", fmt.Sprintf("at most %d bytes", bellhop.MaxSourceReplyBytes))
	}
	if r.Template != "" {
		if r.Body != "" {
			invalid("template", "body is set too; leave one of them out")
		}
		t, err := compileTemplate(replyDialect, r.Template)
		if err != nil {
			errs = append(errs, bellhop.Join("template", err))
		}
		made.template = t
	}
	return made, bellhop.Join("", errs...)
}

// Reads reports whether the answer depends on the event.
func (r *Reply) Reads() bool { return r.template != nil }

// Status returns the status of all answers.
func (r *Reply) Status() int { return r.status }

// Answer returns the body of the answer to a request whose first event is ev, and its content type; "" goes with no
// body. The error is one line, written for the author of the template.
func (r *Reply) Answer(ev *bellhop.Event) (body []byte, contentType string, err error) {
	if r.template == nil {
		if len(r.body) == 0 {
			return nil, "", nil
		}
		return r.body, r.kind, nil
	}
	v, err := r.template.Render(ev)
	if err == nil {
		body, contentType, err = EncodeResult(v)
	}
	if err == nil && len(body) > bellhop.MaxSourceReplyBytes {
		err = fmt.Errorf("the answer is too large: at most %d bytes", bellhop.MaxSourceReplyBytes)
	}
	if err != nil {
		return nil, "", err
	}
	return body, cmp.Or(r.kind, contentType), nil
}

// textType is the content type of a text.
const textType = "text/plain; charset=utf-8"

// EncodeResult returns the body for the result v of a template, and its content type. A text is the body as it is; any
// other result is encoded as JSON.
func EncodeResult(v any) (body []byte, contentType string, err error) {
	if text, ok := v.(string); ok {
		return []byte(text), textType, nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, "", fmt.Errorf("what it gives cannot be written as JSON: %w", err)
	}
	if b.Len() > bellhop.MaxBatchBytes {
		return nil, "", errors.New("what it gives is too large: at most 1 MiB of JSON")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), "application/json", nil
}
