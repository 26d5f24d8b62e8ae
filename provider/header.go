package provider

import (
	"slices"
	"strings"
)

// reservedHeaders are those that frame a request, belong to one hop, claim where it came from or what it is meant for, or
// open doors that are not the destination's; in lower case. Of the last, the metadata services of clouds ask for one.
var (
	reservedHeaders = []string{
		"host", "content-length", "transfer-encoding", "content-encoding", "te", "trailer", "connection", "keep-alive", "upgrade",
		"http2-settings", "expect", "accept-encoding", "cookie", "cookie2", "forwarded", "via", "x-real-ip", "x-original-url",
		"x-rewrite-url", "x-http-method-override", "metadata", "metadata-flavor", "metadata-token", "x-metadata-token", "x-google-metadata-request",
	}
	reservedBeginnings = []string{"proxy-", "x-forwarded-", "webhook-", "svix-", "x-aws-ec2-metadata-", "bellhop-", "x-bellhop-"}
)

// ReservedHeader reports whether the settings of a destination may not name a header: it is set by Bellhop itself, or
// not for sending.
func ReservedHeader(name string) bool {
	lower := strings.ToLower(name)
	return slices.Contains(reservedHeaders, lower) || slices.ContainsFunc(reservedBeginnings, func(b string) bool { return strings.HasPrefix(lower, b) })
}
