package blob

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// An Object is one object of a bucket that is written or read as a whole, such as a backup. It is no file of a
// Storage.
type Object struct {
	Bucket, Key string
	Endpoint    string // scheme and host; "" is Amazon's
	Region      string
	AccessKey   string
	SecretKey   string
	Session     string            // a token that goes with temporary keys; "" is none
	Transport   http.RoundTripper // required
}

// ParseObject returns the bucket and the key of a URL s3://BUCKET/KEY.
func ParseObject(text string) (bucket, key string, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.Trim(u.Path, "/") == "" || strings.HasSuffix(u.Path, "/") {
		return "", "", errors.New("write it as s3://BUCKET/KEY")
	}
	return u.Host, strings.TrimPrefix(u.Path, "/"), nil
}

// streamPart is the size of a part of an object whose length nobody knows, which is held in memory: 10,000 of them are
// 320 GiB.
const streamPart = 32 << 20

func (o Object) client() (*minio.Client, error) {
	host, secure := "s3.amazonaws.com", true
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
			strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
			return nil, errors.New("AWS_ENDPOINT_URL: use the scheme and host of the service, such as " +
				"https://minio.example.com:9000")
		}
		host, secure = u.Host, u.Scheme == "https"
	}
	return minio.New(host, &minio.Options{Creds: credentials.NewStaticV4(o.AccessKey, o.SecretKey, o.Session),
		Secure: secure, Region: o.Region, Transport: o.Transport, MaxRetries: tries})
}

// Write writes the object, of which nothing is there before r has ended.
func (o Object) Write(ctx context.Context, r io.Reader, contentType string) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	_, err = c.PutObject(ctx, o.Bucket, o.Key, r, -1, minio.PutObjectOptions{ContentType: contentType,
		PartSize: streamPart, NumThreads: 1})
	if err != nil {
		return o.fault(c, "write "+o.Key, err)
	}
	return nil
}

// Read returns the bytes of the object. The caller closes them.
func (o Object) Read(ctx context.Context) (io.ReadCloser, error) {
	c, err := o.client()
	if err != nil {
		return nil, err
	}
	object, err := c.GetObject(ctx, o.Bucket, o.Key, minio.GetObjectOptions{})
	if err == nil {
		_, err = object.Stat()
	}
	if err != nil {
		return nil, o.fault(c, "read "+o.Key, err)
	}
	return object, nil
}

// fault is bucketFault with the variables of the environment in place of the settings of the server.
func (o Object) fault(c *minio.Client, what string, err error) error {
	err = bucketFault(o.Bucket, c.EndpointURL().Host, what, err)
	return namedFault{err, strings.NewReplacer("--files-access-key", "AWS_ACCESS_KEY_ID", "--files-secret-key",
		"AWS_SECRET_ACCESS_KEY", "--files-region", "AWS_REGION", "--files-endpoint", "AWS_ENDPOINT_URL",
		" with --files", "").Replace(err.Error())}
}

// A namedFault is an error in other words.
type namedFault struct {
	error
	text string
}

func (f namedFault) Error() string { return f.text }
func (f namedFault) Unwrap() error { return f.error }
