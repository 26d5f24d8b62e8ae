package ui

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Bounds of a body that a page shows unless the whole is asked for.
const (
	maxShownBytes = 64 << 10 // of a text
	maxHexBytes   = 8 << 10
	maxIndent     = 64 // levels of JSON; deeper JSON is shown as it is, because the indent would be most of the page
)

// A bodyView is the body of an event or a request as a page shows it, in one of the views of its tabs.
type bodyView struct {
	View      string // "pretty", "raw" or "hex"
	Tabs      []tab
	Text      lines
	Size      int64
	Note      string // why it is not shown as was asked
	Cut       string // how much of it is shown; "" is all
	Whole     link   // the same page with the whole body
	Download  link   // "" if it cannot be downloaded
	SHA256    string
	MediaType string
}

// A tab is one of several views of a page.
type tab struct {
	Title   string
	To      link
	Current bool
}

// showBody returns the body at a path of a page, in the view that is asked for: "" is the first that makes sense.
func showBody(body []byte, path, view string, whole bool) bodyView {
	b := bodyView{View: view, Size: int64(len(body))}
	isText := utf8.Valid(body)
	if view != "pretty" && view != "raw" && view != "hex" {
		b.View = "pretty"
		if !isText {
			b.View = "hex"
		}
	}
	limit := maxShownBytes
	if b.View == "hex" {
		limit = maxHexBytes
	}
	switch b.View {
	case "pretty":
		text, ok := prettyBody(body)
		if !ok {
			b.Note = "This body is neither JSON nor a form. It is shown as it is."
			text = string(body)
		}
		b.Text, b.Cut = cutText(text, limit, whole)
	case "raw":
		if !isText {
			b.Note = `This body is not UTF-8. Other bytes are shown as \xff.`
		}
		b.Text, b.Cut = cutText(string(body), limit, whole)
	case "hex":
		shown := body
		if len(shown) > limit && !whole {
			shown = shown[:limit]
			b.Cut = fmt.Sprintf("the first %s of %s", size(int64(limit)), size(b.Size))
		}
		b.Text = lines(hex.Dump(shown))
	}
	for _, each := range []struct{ title, view string }{{"Pretty", "pretty"}, {"Raw", "raw"}, {"Hex", "hex"}} {
		b.Tabs = append(b.Tabs, tab{each.title, link(path + "?body=" + each.view), each.view == b.View})
	}
	b.Whole = link(path + "?body=" + b.View + "&whole=1")
	return b
}

// cutText returns at most limit bytes of text, whole characters, and says if that is not all.
func cutText(text string, limit int, whole bool) (cut lines, said string) {
	if len(text) <= limit || whole {
		return lines(text), ""
	}
	end := limit
	for end > limit-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return lines(text[:end]), fmt.Sprintf("the first %s of %s", size(int64(limit)), size(int64(len(text))))
}

// prettyBody returns JSON with line breaks, with every number and text as it was sent, and a form as one line for each
// value. ok is false if body is neither.
func prettyBody(body []byte) (text string, ok bool) {
	trimmed := bytes.TrimSpace(body)
	if json.Valid(trimmed) && depth(trimmed) <= maxIndent {
		var b bytes.Buffer
		err := json.Indent(&b, trimmed, "", "  ")
		return b.String(), err == nil
	}
	if json.Valid(trimmed) {
		return string(trimmed), true
	}
	return prettyForm(string(trimmed))
}

// depth returns how many levels of objects and lists valid JSON has.
func depth(document []byte) (deepest int) {
	level, inText := 0, false
	for i := 0; i < len(document); i++ {
		switch c := document[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

// prettyForm returns the values of a URL-encoded form, one a line, in their order.
func prettyForm(text string) (pretty string, ok bool) {
	if !strings.Contains(text, "=") || strings.ContainsAny(text, " \n\t<>{}\"") {
		return "", false
	}
	var b strings.Builder
	for pair := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(pair, "=")
		plainName, err := url.QueryUnescape(name)
		plainValue, err2 := url.QueryUnescape(value)
		if err != nil || err2 != nil {
			return "", false
		}
		fmt.Fprintf(&b, "%s = %s\n", plainName, plainValue)
	}
	return b.String(), true
}
