package blob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/minio/minio-go/v7"
)

// fullCodes are what services answer when a quota, or their disks, are full.
var fullCodes = []string{"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "StorageFull",
	"InsufficientStorage", "InsufficientCapacity", "StorageQuotaExceeded", "BucketQuotaExceeded"}

// remedies say what to do about an answer of the service, by its code. The words of the service itself are not shown:
// some of them repeat the key.
var remedies = map[string]string{
	"InvalidAccessKeyId": "it does not know the access key: check --files-access-key",
	"SignatureDoesNotMatch": "it refuses the signature: check --files-secret-key, and whether it belongs to " +
		"the access key",
	"AccessDenied": "it denies access: give the access key this permission for the bucket and the " +
		"prefix",
	"AllAccessDisabled": "it has disabled access to the bucket",
	"NoSuchBucket":      "there is no such bucket: make it, or name another one with --files",
	"InvalidBucketName": "that cannot be the name of a bucket: name another one with --files",
	"RequestTimeTooSkewed": "its clock and ours differ by more than it allows: set the clock of this " +
		"machine",
	"AuthorizationHeaderMalformed":       "the bucket is in another region: set --files-region",
	"PermanentRedirect":                  "the bucket is elsewhere: set --files-region, or --files-endpoint",
	"IllegalLocationConstraintException": "the bucket is in another region: set --files-region",
	"ExpiredToken":                       "the access key has expired: set another with --files-access-key",
	"MethodNotAllowed":                   "it does not allow this: is it a service that speaks S3?",
	"NotImplemented":                     "it cannot do this",
}

// is reports whether err is an answer of the service with one of these codes.
func is(err error, codes ...string) bool {
	return err != nil && slices.Contains(codes, minio.ToErrorResponse(err).Code)
}

// bucketFault says what could not be done in a bucket, and what to do. Our own errors keep their words.
func bucketFault(bucket, host, what string, err error) error {
	if err == nil {
		return nil
	}
	begin := fmt.Sprintf("cannot %s in the bucket %s at %s: ", what, bucket, host)
	answer := minio.ToErrorResponse(err)
	switch {
	case errors.Is(err, ErrLost), errors.Is(err, ErrTaken), errors.Is(err, ErrFull), errors.Is(err, ErrUnreachable):
		return fmt.Errorf("%s%w", begin, err)
	case slices.Contains(fullCodes, answer.Code) || answer.StatusCode == http.StatusInsufficientStorage:
		return fmt.Errorf("%s%w (%s): make room there, or raise the quota", begin, ErrFull, answer.Code)
	case remedies[answer.Code] != "":
		return fmt.Errorf("%s%s (%s)", begin, remedies[answer.Code], answer.Code)
	case answer.StatusCode == http.StatusForbidden || answer.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%s%s (%d)", begin, remedies["AccessDenied"], answer.StatusCode)
	case answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("%s%w: it answers %d: try again later", begin, ErrUnreachable, answer.StatusCode)
	case answer.Code != "":
		return fmt.Errorf("%sit answers %d %s", begin, answer.StatusCode, answer.Code)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s%w", begin, err)
	}
	var unreached *url.Error // it names the URL
	if errors.As(err, &unreached) {
		return fmt.Errorf("%s%w: %w", begin, ErrUnreachable, unreached.Err)
	}
	return fmt.Errorf("%s%w", begin, err)
}
