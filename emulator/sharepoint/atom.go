package sharepoint

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A caller that does not ask for JSON, such as a browser, gets Atom: an entry for one object and a feed for many,
// with the properties in XML.

const (
	atomHead   = `<?xml version="1.0" encoding="utf-8"?>`
	atomSpaces = `xmlns="http://www.w3.org/2005/Atom" xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices" ` +
		`xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"`
	atomScheme = "http://schemas.microsoft.com/ado/2007/08/dataservices/scheme"
)

// writeAtom answers with objects of a type: an entry if many is false.
func writeAtom(w http.ResponseWriter, status int, uri, odataType string, many bool, objects []map[string]any) {
	kind := "entry"
	if many {
		kind = "feed"
	}
	var b strings.Builder
	b.WriteString(atomHead)
	if many {
		fmt.Fprintf(&b, `<feed %s><id>%s</id><title />`, atomSpaces, escape(uri))
	}
	for _, o := range objects {
		spaces := " " + atomSpaces
		if many {
			spaces = ""
		}
		fmt.Fprintf(&b, `<entry%s><id>%s</id><category term="%s" scheme="%s" /><title />`+
			`<content type="application/xml"><m:properties>`, spaces, escape(uri), escape(odataType), atomScheme)
		writeProperties(&b, o)
		b.WriteString(`</m:properties></content></entry>`)
	}
	if many {
		b.WriteString(`</feed>`)
	}
	w.Header().Set("Content-Type", "application/atom+xml;type="+kind+";charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprint(w, b.String())
}

// writeProperties writes the members of an object, in the order of their names. A name that XML does not allow is left
// out.
func writeProperties(b *strings.Builder, o map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if strings.ContainsFunc(name, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
		}) || name == "" || name[0] >= '0' && name[0] <= '9' {
			continue
		}
		switch v := o[name].(type) {
		case nil:
			fmt.Fprintf(b, `<d:%s m:null="true" />`, name)
		case map[string]any:
			fmt.Fprintf(b, `<d:%s>`, name)
			writeProperties(b, v)
			fmt.Fprintf(b, `</d:%s>`, name)
		case int:
			fmt.Fprintf(b, `<d:%s m:type="Edm.Int32">%s</d:%[1]s>`, name, strconv.Itoa(v))
		default:
			kind := ""
			if name == "Id" {
				kind = ` m:type="Edm.Guid"`
			}
			fmt.Fprintf(b, `<d:%s%s>%s</d:%[1]s>`, name, kind, escape(fmt.Sprint(v)))
		}
	}
}

// writeAtomError answers with an error in XML.
func writeAtomError(w http.ResponseWriter, e *apiError) {
	w.Header().Set("Content-Type", "application/xml;charset=utf-8")
	w.WriteHeader(e.status)
	fmt.Fprintf(w, atomHead+`<m:error xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">`+
		`<m:code>%s</m:code><m:message xml:lang="en-US">%s</m:message></m:error>`, escape(e.code), escape(e.value))
}

func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) // a strings.Builder takes everything
	return b.String()
}
