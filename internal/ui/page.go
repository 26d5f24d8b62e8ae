package ui

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

//go:embed templates/*.html
var templateFiles embed.FS

// navigation lists the pages that every page links to, in their order.
var navigation = []navigationLink{
	{"", "Overview"}, {"live", "Live"}, {"events", "Events"}, {"deliveries", "Deliveries"}, {"requests", "Requests"},
	{"series", "Over time"}, {"sources", "Sources"}, {"destinations", "Destinations"},
}

// more lists the further pages, which every page links to from a menu.
var more = []navigationLink{
	{"profiles", "Profiles"},
	{"connections", "Connections"}, {"subscriptions", "Subscriptions"}, {"repairs", "Repairs"},
	{"files", "Files"}, {"tenants", "Tenants"}, {"keys", "Keys"},
	{"portal-links", "Portal links"}, {"settings", "Settings"},
}

// moreFor returns the further pages that a person may look at.
func moreFor(p Person) []navigationLink {
	return slices.DeleteFunc(slices.Clone(more), func(l navigationLink) bool {
		switch l.Path {
		case "keys", "portal-links":
			return !p.Administers()
		case "settings":
			return !p.Administers() || p.Tenant != ""
		}
		return false
	})
}

// A navigationLink is a page, by the first element of its path below /ui.
type navigationLink struct{ Path, Title string }

// notices are what pages say after an action, by the value of ?did=. They have no values, because anybody can make a
// link with any of them.
var notices = map[string]string{
	"signed-out": "You are signed out.",
	"replayed":   "The event is being delivered again.",
	"again":      "The action runs again. What is here already is used.",
	"published":  "The event is stored. Below are its deliveries.",
	"retried":    "The delivery is due now.",
	"cancelled":  "The delivery is cancelled.",
	"created":    "It is created.",
	"rotated":    "The new secret is accepted, and so is the old one until it is dropped.",
	"dropped":    "The old secret is accepted no more.",
	"saved":      "It is saved.",
	"deleted":    "It is deleted.",
	"disabled":   "It is disabled: requests at its URL are answered with 404.",
	"enabled":    "It is enabled.",
	"tested":     "The test message is on its way. Below is its delivery.",
	"paused":     "It is paused. Its deliveries wait until it is resumed.",
	"resigned":   "The new secret signs from now on.",
	"resumed":    "It is resumed.",
	"renewed":    "The registration is renewed.",
	"ended":      "The registration at the provider is ended until it is resumed.",
	"registered": "The registration is made again.",
	"revoked":    "The key is revoked.",
	"unlinked":   "The link is revoked, and its visit has ended.",
	"forgotten":  "The tokens are forgotten.",
	"begun":      "It has begun. Look again to see how far it is.",
	"undone":     "It is undone: nothing was changed.",
	"stopped":    "It is stopped. What it has changed so far stays.",
}

// A frame is what every page has around its own part.
type frame struct {
	Title   string
	Section string // the first element of the path
	Links   []navigationLink
	More    []navigationLink
	Further string // the title of this page, if it is one of More
	Person  Person
	Display display
	Notice  string
	Problem string
	Made    []shownSecret // this once
	Here    typed         // the path and the query of this page
	Now     time.Time
	Ends    client.Time // the visit of a portal, at the latest
	Page    any         // what the template of the page shows
}

// show writes a page by the template of that name.
func (v *visit) show(status int, name, title string, page any) {
	root, links, around := Root, navigation, "frame"
	if v.portal != nil {
		root, links, around = PortalRoot, portalNavigation, "portal-frame"
	}
	section, _, _ := strings.Cut(strings.TrimPrefix(v.r.URL.Path, root), "/")
	f := frame{Title: title, Section: section, Links: links, More: moreFor(v.person),
		Further: furtherTitle(section),
		Person:  v.person, Display: v.display,
		Notice: notices[v.r.URL.Query().Get("did")], Problem: v.problem, Made: v.made, Now: v.Now(), Page: page,
		Here: typed(here(v.r)), Ends: client.Time{Time: v.person.Ends}}
	var b bytes.Buffer
	err := pages[name].ExecuteTemplate(&b, around, f)
	if err != nil {
		v.log.Error("ui.failed", "page", name, "error", err)
		http.Error(v.w, "this page cannot be shown; the log of the server has the cause",
			http.StatusInternalServerError)
		return
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	v.w.Write(b.Bytes())
}

// furtherTitle returns the title of the page of a section, if that is one of more.
func furtherTitle(section string) string {
	i := slices.IndexFunc(more, func(l navigationLink) bool { return l.Path == section })
	if i < 0 {
		return ""
	}
	return more[i].Title
}

// here returns the page that r shows, to come back to: without a notice, and the first page if r is no GET.
func here(r *http.Request) string {
	if r.Method != http.MethodGet {
		return Root
	}
	query := r.URL.Query()
	query.Del("did")
	u := url.URL{Path: r.URL.Path, RawQuery: query.Encode()}
	return returnPath(u.RequestURI())
}

// pages are the templates by the name of the page. Each has the frame and the parts that pages share.
var pages = parsePages()

func parsePages() map[string]*template.Template {
	shared := template.New("").Funcs(functions)
	template.Must(shared.ParseFS(templateFiles, "templates/frame.html", "templates/portal_frame.html",
		"templates/parts.html"))
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		panic(err)
	}
	all := map[string]*template.Template{}
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".html")
		if name == "frame" || name == "portal_frame" || name == "parts" {
			continue
		}
		t := template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, "templates/"+file.Name()))
		showValues(t)
		all[name] = t
	}
	return all
}

// functions are what templates call. shown is added to every value that is printed: see shown.go.
var functions = template.FuncMap{
	"shown": shown, "static": staticPath, "utc": utc, "iso": iso, "size": size, "count": count, "state": stateOf,
	"took": took, "pieces": pieces, "fullStop": fullStop, "reply": replyOf, "place": requestPlace,
	"bytes":   func(n int) string { return size(int64(n)) },
	"because": because,
	"first":   func(n int, text string) string { return clip(text, n) }, "prose": prose,
	"title": func(text string) string { return strings.ToUpper(text[:1]) + text[1:] },
	"words": func(text string) string { return strings.ReplaceAll(text, "_", " ") },
}

// A display is how a person wants pages to look. It is in a cookie, the one thing that is kept in the browser beside
// the session.
type display struct {
	Theme string // "light" or "dark"; "" is that of the system
	Times string // "utc"; "" is local time
	Keys  string // "off": single keys do nothing; "" is on
}

const displayCookie = "bellhop-display"

// readDisplay returns the display of the cookie of r.
func readDisplay(r *http.Request) display {
	c, err := r.Cookie(displayCookie)
	if err != nil {
		return display{}
	}
	return parseDisplay(c.Value)
}

// parseDisplay reads "theme-times-keys". A value that it does not know is the default.
func parseDisplay(text string) display {
	words := strings.Split(text, "-")
	known := func(n int, values ...string) string {
		if n < len(words) && slices.Contains(values, words[n]) {
			return words[n]
		}
		return ""
	}
	return display{known(0, "light", "dark"), known(1, "utc"), known(2, "off")}
}

// String returns what parseDisplay reads.
func (d display) String() string { return d.Theme + "-" + d.Times + "-" + d.Keys }

// setDisplay stores the display that was chosen, and leads back to the page.
func (s *server) setDisplay(v *visit) error {
	chosen := parseDisplay(v.r.PostFormValue("theme") + "-" + v.r.PostFormValue("times") + "-" +
		v.r.PostFormValue("keys"))
	c := &http.Cookie{Name: displayCookie, Value: chosen.String(), Path: Root, MaxAge: 365 * 24 * 3600, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: s.hosts.of(v.r) == byHTTPS}
	http.SetCookie(v.w, c)
	return v.back(returnPath(v.r.PostFormValue("back")), "")
}
