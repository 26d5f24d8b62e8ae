package cloudevents

import (
	"encoding/base64"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/go-json-experiment/json/jsontext"
)

// appendJSON appends the event in the JSON format.
func (c *content) appendJSON(b []byte) []byte {
	if c.whole != nil {
		return append(b, c.whole...)
	}
	b = append(b, '{')
	for i, a := range c.attributes {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendMember(b, a.name, a.text)
	}
	if len(c.data) > 0 {
		b = appendMember(append(b, ','), "datacontenttype", c.contentType)
		b = c.appendData(append(b, ','))
	}
	return append(b, '}')
}

// appendData writes JSON as it is, other text as a string, and all else in Base64: JSON that strict readers refuse
// among it, so that nobody refuses the event for it.
func (c *content) appendData(b []byte) []byte {
	kind, parameters, _ := mime.ParseMediaType(c.contentType)
	switch {
	case isJSON(kind) && strictjson.Embeddable(c.data):
		return append(append(b, `"data":`...), c.data...)
	case isText(kind) && isUTF8(parameters["charset"]) && utf8.Valid(c.data):
		return appendMember(b, "data", string(c.data))
	}
	return append(base64.StdEncoding.AppendEncode(append(b, `"data_base64":"`...), c.data), '"')
}

func appendMember(b []byte, name, text string) []byte {
	b = appendText(b, name)
	return appendText(append(b, ':'), text)
}

func appendText(b []byte, text string) []byte {
	b, _ = jsontext.AppendQuote(b, text) // its error is about UTF-8 alone, which it has replaced
	return b
}

func isJSON(kind string) bool {
	return kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json")
}

func isText(kind string) bool {
	return !isJSON(kind) && strings.HasPrefix(kind, "text/") || kind == "application/xml" || strings.HasSuffix(kind, "+xml")
}

// isUTF8 reports whether text in charset, as a media type names it, is UTF-8.
func isUTF8(charset string) bool {
	return charset == "" || strictjson.EqualFold(charset, "utf-8") || strictjson.EqualFold(charset, "us-ascii")
}
