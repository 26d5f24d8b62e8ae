package slack

import (
	"html"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file reads mrkdwn, Slack's markup of text.
// Source: https://docs.slack.dev/messaging/formatting-message-text

// A style is how a span is shown.
type style int

// The styles.
const (
	bare   style = iota
	bold         // *text*
	italic       // _text_
	struck       // ~text~
	code         // `text`
	pre          // ```text```
	link         // <url|text>
	named        // <@U1>, <#C1>, <!here>
)

// A span is a piece of text in one style.
type span struct {
	style style
	text  string // without escapes; of a link, what is shown
	url   string // of a link
	inner []span // of bold, italic and struck
}

// markers are the characters around text in a style.
var markers = map[byte]style{'*': bold, '_': italic, '~': struck}

// Bounds of the search for the end of a style, so that any text is read in little time.
const (
	maxSpan  = 3000
	maxDepth = 8 // of styles within styles
)

// readMrkdwn returns the spans of a text.
func readMrkdwn(text string) []span { return readSpans(text, maxDepth) }

func readSpans(text string, depth int) []span {
	var spans []span
	begin := 0 // of the bare text before i
	for i := 0; i < len(text); {
		s, n := spanAt(text, i, depth)
		if n == 0 {
			i++
			continue
		}
		if begin < i {
			spans = append(spans, span{text: unescape(text[begin:i])})
		}
		spans = append(spans, s)
		i += n
		begin = i
	}
	if begin < len(text) {
		spans = append(spans, span{text: unescape(text[begin:])})
	}
	return spans
}

// spanAt returns the span that begins at text[i], and its length; 0 if none does.
func spanAt(text string, i, depth int) (s span, n int) {
	rest := text[i:min(len(text), i+maxSpan)]
	switch c := rest[0]; {
	case strings.HasPrefix(rest, "```"):
		if end := strings.Index(rest[3:], "```"); end > 0 {
			return span{style: pre, text: unescape(rest[3 : 3+end])}, end + 6
		}
	case c == '`':
		if end := strings.IndexAny(rest[1:], "`\n"); end > 0 && rest[1+end] == '`' {
			return span{style: code, text: unescape(rest[1 : 1+end])}, end + 2
		}
	case c == '<':
		if end := strings.IndexAny(rest, ">\n"); end > 1 && rest[end] == '>' {
			if s, ok := reference(rest[1:end]); ok {
				return s, end + 1
			}
		}
	case markers[c] != bare && depth > 0 && atBoundary(text[:i], false):
		if end := closing(rest, c); end > 0 {
			return span{style: markers[c], inner: readSpans(rest[1:end], depth-1)}, end + 1
		}
	}
	return span{}, 0
}

// closing returns the place of the marker that ends a style which begins at rest[0]; 0 if there is none on its line.
// There is no blank inside of either marker, and no letter outside of them.
func closing(rest string, marker byte) int {
	if len(rest) < 3 || rest[1] == ' ' || rest[1] == marker {
		return 0
	}
	for i := 2; i < len(rest) && rest[i] != '\n'; i++ {
		if rest[i] == marker && rest[i-1] != ' ' && atBoundary(rest[i+1:], true) {
			return i
		}
	}
	return 0
}

// atBoundary reports whether no letter or digit is at the end of text, or at its begin.
func atBoundary(text string, begin bool) bool {
	r, _ := utf8.DecodeLastRuneInString(text)
	if begin {
		r, _ = utf8.DecodeRuneInString(text)
	}
	return text == "" || !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

// reference reads what is between < and >: a link, or the name of a user, of a channel or of everybody in one.
func reference(text string) (span, bool) {
	target, label, _ := strings.Cut(text, "|")
	shown := unescape(label)
	switch {
	case strings.HasPrefix(target, "@"), strings.HasPrefix(target, "#"):
		if shown == "" {
			shown = target[1:]
		}
		return span{style: named, text: target[:1] + strings.TrimLeft(shown, "@#")}, true
	case strings.HasPrefix(target, "!date^"):
		return span{text: shown}, true
	case strings.HasPrefix(target, "!"):
		if shown == "" {
			shown = "@" + target[1:]
		}
		return span{style: named, text: shown}, true
	case isLink(target):
		if shown == "" {
			shown = strings.TrimPrefix(unescape(target), "mailto:")
		}
		return span{style: link, text: shown, url: unescape(target)}, true
	}
	return span{}, false
}

// isLink reports whether Slack shows a URL as a link that can be followed.
func isLink(url string) bool {
	for _, scheme := range []string{"http://", "https://", "mailto:"} {
		if len(url) > len(scheme) && strings.EqualFold(url[:len(scheme)], scheme) {
			return true
		}
	}
	return false
}

// unescape undoes Slack's three escapes. Other escapes of HTML are shown as they are.
var unescape = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace

// plainText writes spans as plain text.
func plainText(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		switch s.style {
		case bold, italic, struck:
			b.WriteString(plainText(s.inner))
		case code:
			b.WriteString("`" + s.text + "`")
		case pre:
			b.WriteString("\n" + strings.Trim(s.text, "\n") + "\n")
		case link:
			b.WriteString(s.text)
			if s.url != s.text && s.url != "mailto:"+s.text {
				b.WriteString(" (" + s.url + ")")
			}
		case named:
			b.WriteString(s.text)
		default:
			b.WriteString(withEmoji(s.text))
		}
	}
	return b.String()
}

// tags are the elements of HTML by style.
var tags = map[style]string{bold: "b", italic: "i", struck: "s", code: "code", pre: "pre", named: "mark"}

// htmlText writes spans as HTML, escaped.
func htmlText(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		tag := tags[s.style]
		switch {
		case s.inner != nil:
			b.WriteString("<" + tag + ">" + htmlText(s.inner) + "</" + tag + ">")
		case s.style == link:
			b.WriteString(anchor(s.url, s.text, ""))
		case tag != "":
			b.WriteString("<" + tag + ">" + html.EscapeString(s.text) + "</" + tag + ">")
		default:
			b.WriteString(strings.ReplaceAll(html.EscapeString(withEmoji(s.text)), "\n", "<br>"))
		}
	}
	return b.String()
}

// anchor writes a link; of a URL that is none to follow, its text alone.
func anchor(url, text, class string) string {
	if !isLink(url) {
		return html.EscapeString(text)
	}
	if class != "" {
		class = ` class="` + class + `"`
	}
	return `<a rel="noreferrer" href="` + html.EscapeString(url) + `"` + class + ">" + html.EscapeString(text) + "</a>"
}

var emojiName = regexp.MustCompile(`:[a-z0-9_+-]{1,40}:`)

// withEmoji shows the names of the emoji that messages of machines often have as the emoji.
func withEmoji(text string) string {
	return emojiName.ReplaceAllStringFunc(text, func(name string) string {
		if shown := emoji[strings.Trim(name, ":")]; shown != "" {
			return shown
		}
		return name
	})
}

var emoji = map[string]string{
	"red_circle": "🔴", "large_orange_circle": "🟠", "large_yellow_circle": "🟡", "large_green_circle": "🟢",
	"large_blue_circle": "🔵", "white_circle": "⚪", "black_circle": "⚫", "warning": "⚠️", "rotating_light": "🚨",
	"white_check_mark": "✅", "heavy_check_mark": "✔️", "x": "❌", "no_entry": "⛔", "exclamation": "❗", "question": "❓",
	"information_source": "ℹ️", "bell": "🔔", "no_bell": "🔕", "fire": "🔥", "boom": "💥", "zap": "⚡", "eyes": "👀",
	"tada": "🎉", "rocket": "🚀", "hourglass": "⌛", "stopwatch": "⏱️", "link": "🔗", "movie_camera": "🎥", "tv": "📺",
	"telephone_receiver": "📞", "calendar": "📆", "date": "📅", "email": "📧", "memo": "📝", "page_facing_up": "📄",
	"file_folder": "📁", "lock": "🔒", "key": "🔑", "wave": "👋", "+1": "👍", "-1": "👎", "thumbsup": "👍",
	"thumbsdown": "👎", "arrow_right": "➡️", "arrow_up": "⬆️", "arrow_down": "⬇️", "chart_with_upwards_trend": "📈",
	"wrench": "🔧", "robot_face": "🤖", "sos": "🆘",
}
