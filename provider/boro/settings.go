package boro

import (
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// maxProfileID bounds a profile's id in bytes; Boro's are short numbers.
const maxProfileID = 128

// checkProfileID lets through what can stand in front of the colon in an Authorization header.
func checkProfileID(id string) error {
	switch {
	case id == "":
		return bellhop.Invalid("profile_id", "required: the id of the notification profile in Boro, such as 265")
	case len(id) > maxProfileID || !provider.Visible(id) || strings.Contains(id, ":"):
		return bellhop.Invalid("profile_id", "use the id of the notification profile in Boro, such as 265")
	}
	return nil
}

// decodeKeys returns the bytes that secrets may stand for, by key_encoding: "hex", "raw", or "auto" for both.
func decodeKeys(secrets provider.Secrets, encoding string) ([][]byte, error) {
	const path = "secret_key"
	var as []signature.KeyEncoding
	switch encoding {
	case "", "hex":
		as = []signature.KeyEncoding{signature.KeyHex}
	case "raw":
		as = []signature.KeyEncoding{signature.Text}
	case "auto":
		as = []signature.KeyEncoding{signature.KeyHex, signature.Text}
	default:
		return nil, bellhop.Invalid("key_encoding", "use hex, raw or auto")
	}
	if err := secrets.Check(path); err != nil {
		return nil, err
	}
	var keys [][]byte
	var errs []error
	for i, text := range secrets {
		for _, enc := range as {
			key, err := signature.DecodeKey(text, enc)
			switch {
			case err == nil:
				keys = append(keys, key)
			case encoding != "auto": // there, a text that is not hex is the key itself
				errs = append(errs, bellhop.Invalid(secrets.Path(path, i), err.Error()))
			}
		}
	}
	return keys, bellhop.Join("", errs...)
}

// readEncoding returns the ways in which a hash may be written, by the setting at path: "base64", "hex", or "auto"
// for both.
func readEncoding(path, text string) ([]signature.Encoding, error) {
	switch text {
	case "", "base64":
		return []signature.Encoding{signature.Base64}, nil
	case "hex":
		return []signature.Encoding{signature.Hex}, nil
	case "auto":
		return []signature.Encoding{signature.Base64, signature.Hex}, nil
	}
	return nil, bellhop.Invalid(path, "use base64, hex or auto")
}

func (s *settings) checkPaths() error {
	var errs []error
	if s.PathPrefix != "" && (!isPath(s.PathPrefix) || strings.HasSuffix(s.PathPrefix, "/")) {
		errs = append(errs, bellhop.Invalid("path_prefix", "use a path that begins with / and does not end in it, such as /hooks"))
	}
	if s.Path != "" && !isPath(s.Path) {
		errs = append(errs, bellhop.Invalid("path", "use a path that begins with /, such as /alarms/boro, without a query"))
	}
	if s.Path != "" && s.PathPrefix != "" {
		errs = append(errs, bellhop.Invalid("path_prefix", "leave it out where path is set; that is the whole path"))
	}
	return bellhop.Join("", errs...)
}

func isPath(text string) bool {
	return strings.HasPrefix(text, "/") && provider.Visible(text) && !strings.ContainsAny(text, "?#")
}
