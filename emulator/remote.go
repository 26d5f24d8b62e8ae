package emulator

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Remote is a host in another process, which is reached by its control API.
type Remote struct {
	URL string // of the host: "http://127.0.0.1:9100"
}

// remoteClient does not check certificates: those of a stand-in are of an authority that is made for one run, and
// nothing that is sent to its control API is secret.
var remoteClient = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
	TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

// maxRemote bounds the answer of a control API.
const maxRemote = 256 << 20

// Happen is [Host.Happen].
func (r Remote) Happen(ctx context.Context, e Event) (notified int, err error) {
	var got struct{ Notified *int }
	if err = r.call(ctx, http.MethodPost, "event", e, &got); err == nil && got.Notified == nil {
		err = r.notHost()
	}
	if err != nil {
		return 0, err
	}
	return *got.Notified, nil
}

// Fault is [Host.Fault].
func (r Remote) Fault(ctx context.Context, f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	return r.call(ctx, http.MethodPost, "fault", f, nil)
}

// Reset is [Host.Reset].
func (r Remote) Reset(ctx context.Context) error {
	return r.call(ctx, http.MethodPost, "reset", struct{}{}, nil)
}

// Calls returns the latest calls as JSON, oldest first.
func (r Remote) Calls(ctx context.Context) ([]json.RawMessage, error) { return r.list(ctx, "calls") }

// DeadLetters returns what the systems could not deliver as JSON, oldest first: see [Host.DeadLetters].
func (r Remote) DeadLetters(ctx context.Context) ([]json.RawMessage, error) {
	return r.list(ctx, "dead-letters")
}

// list reads a list of the control API.
func (r Remote) list(ctx context.Context, path string) ([]json.RawMessage, error) {
	var got struct{ Data []json.RawMessage }
	if err := r.call(ctx, http.MethodGet, path, nil, &got); err != nil {
		return nil, err
	}
	if got.Data == nil {
		return nil, r.notHost()
	}
	return got.Data, nil
}

func (r Remote) notHost() error { return fmt.Errorf("%s answers, but is no stand-in", r.URL) }

// call makes a call of the control API and decodes its answer into out, unless out is nil.
func (r Remote) call(ctx context.Context, method, path string, in, out any) error {
	base, err := url.Parse(r.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return fmt.Errorf("%q is no URL of a stand-in, such as http://127.0.0.1:9100", r.URL)
	}
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(r.URL, "/")+controlPrefix+path,
		bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := remoteClient.Do(req)
	if err != nil {
		return fmt.Errorf("no stand-in answers: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxRemote))
	if err != nil {
		return err
	}
	var failed struct{ Error string }
	switch {
	case res.StatusCode != http.StatusOK && json.Unmarshal(answer, &failed) == nil && failed.Error != "":
		return errors.New(failed.Error)
	case res.StatusCode != http.StatusOK, out != nil && json.Unmarshal(answer, out) != nil:
		return r.notHost()
	}
	return nil
}
