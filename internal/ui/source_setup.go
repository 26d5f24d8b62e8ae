package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file has the last steps of a new source: what to do at the provider, and the wait for the first event. It also
// tries a source by a sample, and replaces its secrets.

func (s *server) sourceSetup() {
	s.page("/sources/{id}/setup", viewer, s.setUpSource)
	s.act("/sources/{id}/sample", operator, s.sampleSource)
	s.act("/sources/{id}/rotate", admin, s.rotateSource)
	s.act("/sources/{id}/drop", admin, s.dropSourceSecret)
}

// maxArrivals bounds the rows of what came to a source.
const maxArrivals = 20

// An arrival is something that came to a source: an event, or a request on record.
type arrival struct {
	ID            string
	At            client.Time
	Kind          string // "event" or "request"
	State         string
	What          string // the type of the event, or the answer to the request
	To            link
	Detail        string
	Explanation   explanation
	Check         link // the action that has the source read a refused request again
	RequestStatus int
	IsSample      bool // the gateway sent it
}

// setupPage is what the last steps of a new source show.
type setupPage struct {
	sourceURL
	client.Source
	Provider client.Provider
	Path     link
	Here     link // this page
	Steps    []string
	Paste    []paste
	Arrivals []arrival
	Live     link
	Slow     bool // there was no time to find the newest events
	Samples  form
	Sample   *client.Sample // that was sent just now
	Answer   lines          // to the sample
	Sent     lines          // the body of the sample
	Command  command        // sends a sample
}

// A paste is a text to paste at the provider.
type paste struct {
	Title string
	Text  lines
}

// A sourceURL is the URL that a provider calls, as pages show it.
type sourceURL struct {
	FullURL string
	Fills   string // the setting whose value stands in braces in the URL; "" if none does
}

// urlOf returns the URL of a source, with a secret that was made just now in its place.
func (v *visit) urlOf(src client.Source) sourceURL {
	u := sourceURL{FullURL: src.URL}
	if src.URLQuery == "" {
		return u
	}
	name, placeholder, _ := strings.Cut(src.URLQuery, "=")
	u.Fills = strings.Trim(placeholder, "{}")
	if made := v.madeOf[u.Fills]; made != "" {
		return sourceURL{FullURL: src.URL + "?" + name + "=" + url.QueryEscape(made)}
	}
	u.FullURL += "?" + src.URLQuery
	return u
}

// noteMade notes that a secret was made for a setting, so that the page can show it in its place.
func (v *visit) noteMade(setting, text string) {
	if v.madeOf == nil {
		v.madeOf = map[string]string{}
	}
	v.madeOf[setting] = text
}

// pasteFor returns the texts to paste at a provider, with the URL of a source, and with the secrets that were made
// just now.
func (v *visit) pasteFor(p client.Provider, src client.Source) []paste {
	pairs := []string{"https://YOUR-HOST/in/SOURCE", src.URL}
	for setting, made := range v.madeOf {
		pairs = append(pairs, "{"+setting+"}", made)
	}
	fill := strings.NewReplacer(pairs...)
	var filled []paste
	for _, text := range p.Paste {
		filled = append(filled, paste{text.Title, lines(fill.Replace(text.Text))})
	}
	return filled
}

func (s *server) setUpSource(v *visit) error {
	src, err := s.API.Source(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.setsUpSource(http.StatusOK, src, nil)
}

// setsUpSource shows the last steps of a new source, with what became of a sample.
func (v *visit) setsUpSource(status int, src client.Source, sample *client.Sample) error {
	known, err := v.providerOf(src.Provider)
	if err != nil {
		return err
	}
	path := sourcePath(src)
	kind := v.r.PostFormValue("type")
	page := setupPage{sourceURL: v.urlOf(src), Source: src, Provider: known, Path: path, Here: path + "/setup",
		Steps: stepsFor(known.Setup, src.URL), Paste: v.pasteFor(known, src), Sample: sample,
		Samples: samplesForm(known, kind), Live: v.liveStream(flagValue{"", "kinds",
			"event.accepted,request.refused,request.handshake"}, flagValue{"", "source", src.ID})}
	if sample != nil {
		page.Answer, page.Sent = lines(sample.Body), lines(sample.Request.Body)
	}
	words, body := "sources sample "+quote(src.Name), "{}"
	if kind != "" {
		words, body = words+" --type "+quote(kind), jsonOf(client.NewSample{Type: kind})
	}
	page.Command = v.post(words, "/sources/"+src.ID+"/sample", body)
	page.Arrivals, page.Slow, err = v.arrivals(src)
	if err != nil {
		return err
	}
	v.show(status, "source_setup", "Set up "+src.Name, page)
	return nil
}

// samplesForm returns the field that chooses a sample; none if the provider has no samples.
func samplesForm(p client.Provider, chosen string) form {
	if len(p.Samples) == 0 {
		return nil
	}
	f := field{Name: "type", Label: "Send a sample as " + p.Title + " would", Kind: "choice", Value: typed(chosen)}
	for _, s := range p.Samples {
		label := s.Title
		if s.Type != "handshake" {
			label += " (" + s.Type + ")"
		}
		f.Choices = append(f.Choices, option{s.Type, label})
	}
	return form{f}
}

// arrivals returns what came to a source, the newest first.
func (v *visit) arrivals(src client.Source) (rows []arrival, slow bool, err error) {
	events, slow, err := v.newestOf(src)
	if err != nil {
		return nil, slow, err
	}
	for _, ev := range events {
		rows = append(rows, arrival{ID: ev.ID, At: ev.ReceivedAt, Kind: "event", State: "accepted", What: ev.Type,
			Detail: ev.Subject, IsSample: ev.Sample, To: link(Root + "events/" + url.PathEscape(ev.ID))})
	}
	requests, err := v.API.Requests(v.ctx, client.RequestFilter{Source: src.ID}, client.Page{Limit: maxArrivals})
	if err != nil {
		return nil, slow, err
	}
	for _, r := range requests.Data {
		if r.Outcome == "accepted" { // its events are among the rows
			continue
		}
		to := link(Root + "requests/" + url.PathEscape(r.ID))
		row := arrival{ID: r.ID, At: r.ReceivedAt, Kind: "request", State: r.Outcome, To: to, Detail: r.Detail,
			RequestStatus: r.Status, What: r.Reason}
		if r.Outcome != "handshake" {
			row.Explanation, row.Check = explanations[r.Reason], to+"/verify"
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b arrival) int { return b.At.Compare(a.At.Time) })
	return rows[:min(len(rows), maxArrivals)], slow, nil
}

// sampleSource sends a source what its provider would send.
func (s *server) sampleSource(v *visit) error {
	src, err := s.API.Source(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	sample, err := s.API.SampleSource(v.ctx, src.ID, client.NewSample{Type: v.r.PostFormValue("type")})
	if v.refused(err) {
		return v.setsUpSource(statusOfRefusal(err), src, nil)
	}
	if err != nil {
		return err
	}
	return v.setsUpSource(http.StatusOK, src, &sample)
}

// A rotation is a secret of a source that can be replaced while the old one is still accepted.
type rotation struct {
	Setting client.Setting
	SetAt   client.Time
	Both    bool // an old one is accepted, too
	Fields  form
}

// rotationsOf returns the secrets of a source that can be replaced.
func rotationsOf(p client.Provider, src client.Source) (list []rotation) {
	for _, s := range p.Settings {
		mask, ok := src.Settings[s.Name].(map[string]any)
		if !ok || !s.Secret || !s.Many || mask["set"] != true {
			continue
		}
		hint := "Empty has one made, which is shown once."
		if s.Make == "" {
			hint = p.Title + " makes this secret. Have it make a new one, and copy it here."
		}
		list = append(list, rotation{Setting: s, SetAt: maskTime(mask), Both: mask["count"] != nil,
			Fields: form{{Name: "secret:" + s.Name, Label: "New: " + s.Title, Kind: "secret", Secret: true, Hint: hint,
				IsRequired: s.Make == ""}}})
	}
	return list
}

// rotateSource gives a source a new secret. One that was made is shown once.
func (s *server) rotateSource(v *visit) error {
	setting := v.r.PostFormValue("setting")
	order := client.SourceRotation{Secret: strings.TrimSpace(v.r.PostFormValue("secret:" + setting)),
		Setting: setting}
	rotated, err := s.API.IfMatch(v.r.PostFormValue("etag")).RotateSourceSecret(v.ctx, v.r.PathValue("id"), order)
	if v.refused(err) {
		return v.showsSourceAgain(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	if rotated.Secret == "" {
		return v.back(string(sourcePath(rotated.Source)), "rotated")
	}
	title := rotated.Setting
	known, err := v.providerOf(rotated.Provider)
	if err != nil {
		return err
	}
	for _, s := range known.Settings {
		if s.Name == rotated.Setting {
			title = s.Title
		}
	}
	v.made = []shownSecret{{title, rotated.Secret}}
	v.noteMade(rotated.Setting, rotated.Secret)
	return v.showsSource(http.StatusOK, rotated.Source)
}

// dropSourceSecret leaves a source its newest secret.
func (s *server) dropSourceSecret(v *visit) error {
	rotated, err := s.API.IfMatch(v.r.PostFormValue("etag")).DropOldSecret(v.ctx, v.r.PathValue("id"),
		client.DroppedSecret{Setting: v.r.PostFormValue("setting")})
	if v.refused(err) {
		return v.showsSourceAgain(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	return v.back(string(sourcePath(rotated.Source)), "dropped")
}

// showsSourceAgain shows the source of the path as it is.
func (v *visit) showsSourceAgain(status int) error {
	src, err := v.API.Source(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.showsSource(status, src)
}
