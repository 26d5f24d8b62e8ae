package microsoft

import (
	"net/url"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// FetchBodies are the values of [FetchOptions].Body: the forms in which a fetch may ask for bodies.
var FetchBodies = []string{"text", "html"}

// PlainKeys returns a path in lower case, with keys as segments: "users/1/messages/2" for "Users('1')/Messages('2')".
func PlainKeys(path string) string { return strings.ToLower(KeysAsSegments(path)) }

// KeysAsSegments returns a path with keys as segments, and without slashes around it: "Users/1/Messages/2" for
// "/Users('1')/Messages('2')".
func KeysAsSegments(path string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.Trim(path, "/"), "('", "/"), "')", "")
}

// FetchOptions are the settings that fetches from Graph and from Outlook have in common.
type FetchOptions struct {
	provider.FetchSettings
	Select   string `json:"select"`
	Expand   string `json:"expand"`
	Body     string `json:"body"`
	Timezone string `json:"timezone"`
}

// Common implements [provider.Fetch].
func (o *FetchOptions) Common() provider.FetchSettings { return o.FetchSettings }

// Version implements [provider.Fetch]: the ETag of a resource.
func (o *FetchOptions) Version(body []byte) string {
	return strictjson.FindKey(strictjson.TrimBOM(body), "@odata.etag")
}

// CheckOptions returns a bellhop.CodeInvalid error for each setting that cannot be sent.
func (o *FetchOptions) CheckOptions() error {
	_, body := provider.OneOf("body", o.Body, "", FetchBodies...)
	errs := []error{body, checkNames("select", o.Select), checkNames("expand", o.Expand)}
	if len(o.Timezone) > 64 || !provider.Printable(o.Timezone) && o.Timezone != "" ||
		strings.ContainsAny(o.Timezone, `"\`) {
		errs = append(errs, bellhop.Invalid("timezone",
			"use the name of a time zone, such as UTC or Pacific Standard Time"))
	}
	return bellhop.Join("", errs...)
}

// checkNames checks a list of names of properties, with commas between them. It is escaped when it is sent.
func checkNames(path, text string) error {
	if text == "" || len(text) <= 1024 && provider.Printable(text) {
		return nil
	}
	return bellhop.Invalid(path, "use names of properties with commas between them, such as subject,start")
}

// Query returns the query of a call, with its question mark; "" if there is none.
func (o *FetchOptions) Query() string {
	var parts []string
	for _, p := range [][2]string{{"$select", o.Select}, {"$expand", o.Expand}} {
		if p[1] != "" {
			parts = append(parts, p[0]+"="+strings.ReplaceAll(url.QueryEscape(p[1]), "+", "%20"))
		}
	}
	if parts == nil {
		return ""
	}
	return "?" + strings.Join(parts, "&")
}

// Prefer returns the value of the header Prefer of a call, with more preferences after those of o; "" if there are
// none.
func (o *FetchOptions) Prefer(more ...string) string {
	var parts []string
	for _, p := range [][2]string{{"outlook.body-content-type", o.Body}, {"outlook.timezone", o.Timezone}} {
		if p[1] != "" {
			parts = append(parts, p[0]+`="`+p[1]+`"`)
		}
	}
	return strings.Join(append(parts, more...), ", ")
}
