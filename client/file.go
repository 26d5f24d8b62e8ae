package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A File is bytes that an action keeps: a recording, an asset.
type File struct {
	ID            string `json:"id" example:"fil_01h455vb4pex5vsknk08"`
	Name          string `json:"name" example:"call-1/0.mp4"`
	State         string `json:"state" example:"whole" enum:"partial,whole"`
	Size          int64  `json:"size"`
	Total         *int64 `json:"total"`  // that was announced; nil if nobody said
	SHA256        string `json:"sha256"` // in hexadecimal; "" of a partial file
	ContentType   string `json:"content_type" example:"video/mp4"`
	Source        string `json:"source"`
	EventID       string `json:"event_id"`
	Destination   string `json:"destination"`
	DestinationID string `json:"destination_id"`
	CreatedAt     Time   `json:"created_at"`
	UpdatedAt     Time   `json:"updated_at"`
	ExpiresAt     Time   `json:"expires_at"` // when it is deleted; zero: with its event
	DueAt         Time   `json:"due_at"`     // when the provider deletes its own copy; zero if not known

	// ETag names this version, for [Client.IfMatch]; "" in a list.
	ETag string `json:"-"`
}

func (f *File) setETag(tag string) { f.ETag = tag }

// A FileFilter narrows a list of files. Zero fields do not narrow.
type FileFilter struct {
	State       string // partial or whole
	Source      string // name or id
	Destination string // name or id
	Event       string // id
	Tenant      string
	Since       time.Time
	Until       time.Time
}

// Files lists the files.
func (c *Client) Files(ctx context.Context, f FileFilter, page Page) (List[File], error) {
	return list[File](ctx, c, path("files"), page, url.Values{
		"state": {f.State}, "source": {f.Source}, "destination": {f.Destination}, "event": {f.Event},
		"since": {moment(f.Since)}, "until": {moment(f.Until)}, "tenant": {f.Tenant},
	})
}

// File returns the file of that id or name.
func (c *Client) File(ctx context.Context, idOrName string) (File, error) {
	return get[File](ctx, c, path("files", idOrName))
}

// DeleteFile deletes a file with its bytes.
func (c *Client) DeleteFile(ctx context.Context, idOrName string) error {
	return c.call(ctx, http.MethodDelete, path("files", idOrName), nil, nil)
}

// A FileContent is the bytes of a whole file, from Offset on.
type FileContent struct {
	io.ReadCloser
	Offset int64
}

// FileContent returns the bytes of a whole file from an offset on. Unless sha256 is "", it must be that of the file:
// if the file has another, all of its bytes are returned, with Offset 0. The call has no time limit but that of ctx.
// The caller closes the result.
func (c *Client) FileContent(ctx context.Context, idOrName string, offset int64, sha256 string) (*FileContent, error) {
	header := http.Header{}
	if offset > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		if sha256 != "" {
			header.Set("If-Range", `"`+sha256+`"`)
		}
	}
	unlimited := *c.http
	unlimited.Timeout = 0
	resp, err := c.do(ctx, &unlimited, http.MethodGet, path("files", idOrName, "content"), header, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		answer, err := io.ReadAll(io.LimitReader(resp.Body, maxProblemBytes))
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			return nil, fmt.Errorf("read the gateway's answer: %w", err)
		}
		return nil, newError(resp, answer)
	}
	content := &FileContent{ReadCloser: resp.Body}
	if resp.StatusCode == http.StatusPartialContent {
		begin, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("Content-Range"), "bytes "), "-")
		if content.Offset, err = strconv.ParseInt(begin, 10, 64); err != nil {
			resp.Body.Close()
			return nil, errors.New("the gateway's answer does not say which bytes it has")
		}
	}
	return content, nil
}

// maxProblemBytes bounds the answer to a call that failed.
const maxProblemBytes = 1 << 20
