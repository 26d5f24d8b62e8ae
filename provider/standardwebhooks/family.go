package standardwebhooks

import (
	"net/http"

	"github.com/bellhop-gateway/bellhop"
)

// A family is what the names of a request's three headers begin with, in canonical form. Families are never mixed.
type family string

const (
	familyWebhook family = "Webhook-"
	familySvix    family = "Svix-"
)

func (f family) id() string        { return string(f) + "Id" }
func (f family) timestamp() string { return string(f) + "Timestamp" }
func (f family) signature() string { return string(f) + "Signature" }

// readFamily reads the setting header_family; where it says nothing, it is standard.
func readFamily(text string, standard family) (family, error) {
	switch text {
	case "":
		return standard, nil
	case "webhook":
		return familyWebhook, nil
	case "svix":
		return familySvix, nil
	}
	return "", bellhop.Invalid("header_family", "there are webhook and svix")
}

// only returns the headers of h that are of the family, or h itself if any will do.
func (f family) only(h http.Header) http.Header {
	if f == "" {
		return h
	}
	kept := make(http.Header, 3)
	for _, name := range []string{f.id(), f.timestamp(), f.signature()} {
		if values := h.Values(name); len(values) > 0 {
			kept[name] = values
		}
	}
	return kept
}
