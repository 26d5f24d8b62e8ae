package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// BackupOptions say what is in a backup. The zero value is everything.
type BackupOptions struct {
	WithoutKeys  bool // without master.key and admin.key: whoever has these can read the secrets in a backup
	WithoutFiles bool // without the files that actions keep
}

// A Backup is a copy of a server that somebody has made and kept.
type Backup struct {
	At    Time   `json:"at"` // what was stored by then is in it
	Bytes int64  `json:"bytes" minimum:"0"`
	To    string `json:"to" maxLength:"1024" example:"s3://backups/bellhop.tar.zst"` // where it was kept
}

// BackupArchive returns a backup of the server, which goes on serving: a tar that is compressed with Zstandard. The
// caller reads it to its end, keeps it, and then calls [Client.NoteBackup]. An archive that was cut short is an
// error of Read. The call has no time limit but that of ctx. The caller closes the result.
func (c *Client) BackupArchive(ctx context.Context, o BackupOptions) (io.ReadCloser, error) {
	unlimited := *c.http
	unlimited.Timeout = 0
	where := path("backup", "archive") + "?keys=" + strconv.FormatBool(!o.WithoutKeys) +
		"&files=" + strconv.FormatBool(!o.WithoutFiles)
	resp, err := c.do(ctx, &unlimited, http.MethodGet, where, http.Header{}, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		answer, err := io.ReadAll(io.LimitReader(resp.Body, maxProblemBytes))
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			return nil, fmt.Errorf("read the gateway's answer: %w", err)
		}
		return nil, newError(resp, answer)
	}
	return resp.Body, nil
}

// LatestBackup returns the backup that was noted last; At is zero if none was.
func (c *Client) LatestBackup(ctx context.Context) (Backup, error) {
	return get[Backup](ctx, c, path("backup"))
}

// NoteBackup notes a backup that was kept, so that the server knows how old the latest one is. It returns the latest.
func (c *Client) NoteBackup(ctx context.Context, b Backup) (Backup, error) {
	return post[Backup](ctx, c, path("backup"), b)
}
