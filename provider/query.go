package provider

import (
	"net/url"
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
)

// Query returns the values of the parameter name in the query of target, decoded, in their order. Names are told
// apart by case. What is not percent-encoded as it should be is taken as it stands.
func Query(target, name string) []string {
	return query(target, func(key string) bool { return key == name })
}

// QueryFold is [Query] without regard to the case of names.
func QueryFold(target, name string) []string {
	return query(target, func(key string) bool { return strictjson.EqualFold(key, name) })
}

func query(target string, wanted func(key string) bool) []string {
	_, query, _ := strings.Cut(target, "?")
	var values []string
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if wanted(unescape(key)) {
			values = append(values, unescape(value))
		}
	}
	return values
}

func unescape(text string) string {
	plain, err := url.QueryUnescape(text)
	if err != nil {
		return text
	}
	return plain
}
