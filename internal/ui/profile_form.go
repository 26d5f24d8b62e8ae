package ui

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file is the form of a notification profile: a destination of type boro or slack, in the words of Boro. A
// profile is tried as it is entered, before it is stored and afterwards.

// profileForm is the page that creates or changes a profile.
type profileForm struct {
	entry
	profileRow
	Kind    client.DestinationType
	IsNew   bool
	Signing bool // the kind can sign requests and send custom headers, as Boro does
	Headers []headerRow
	Wrong   string // what is wrong with the headers as a whole
	Path    link   // of the profile, or of the list
	Action  link
	Whole   link // the page of the destination
	Try     *client.Try
	Command command
}

// A headerRow is a custom header of the form.
type headerRow struct {
	N           int
	Name, Value typed
	Error       string
}

// freeRows is how many empty rows for headers a form has at least. Saving it makes room for more.
const freeRows = 3

// profileNotices are the types of events that a new profile is for.
const profileNotices = "boro.*"

// profileEntry returns the form of a profile, with the values of one that is stored.
func profileEntry(kind client.DestinationType, d client.Destination, isNew bool) entry {
	stored := map[string]field{}
	for _, f := range settingFields("settings.", kind.Settings, d.Settings) {
		stored[strings.TrimPrefix(f.Name, "settings.")] = f
	}
	take := func(label string, names ...string) (fields form) {
		for _, name := range names {
			f, ok := stored[name]
			if !ok {
				continue
			}
			if label != "" {
				f.Label = label
			}
			fields = append(fields, f)
		}
		return fields
	}
	texts := destinationTexts(d)
	on := func(is bool) typed {
		if is {
			return "1"
		}
		return ""
	}
	u := field{Name: "url", Label: "URL", Kind: "text", IsRequired: isNew, Value: typed(texts["url"]),
		Hint: "Where notifications are sent: `https://noc.example.com/alarms`."}
	if kind.SecretURL {
		u.Secret, u.IsSet, u.Value, u.Kind = true, !isNew, "", "secret"
		u.Hint = "That of an incoming webhook: `https://hooks.slack.com/services/…`. It is a secret: whoever has " +
			"it can post there."
	}
	row := profileOf(d)
	first := form{
		{Name: "name", Label: "Profile", Kind: "text", IsRequired: true, Value: typed(texts["name"])},
		{Name: "enabled", Label: "Enable Webhook notifications", Kind: "check", Value: on(isNew || row.Enabled),
			Hint: "While it is off, notifications wait; they are sent once it is on again."}, u}
	if _, signs := stored["secret_key"]; signs {
		first = append(first, field{Name: "sign", Label: "Sign requests", Kind: "check", Value: on(isNew || row.Signs),
			Hint: "Each request has the header `Authorization: APIAuth-HMAC-SHA256 <profile id>:<signature>`."})
		first = append(first, take("", "profile_id")...)
		first[len(first)-1].Hint = "It stands before the signature. Default: the name of the profile."
		first = append(first, take("", "secret_key")...)
		first[len(first)-1].Hint = "64 hexadecimal digits. The receiver needs the same key to check signatures."
	}
	types := texts["match.types"]
	if isNew {
		types = profileNotices
	}
	wants := form{{Name: "match.types", Label: "Types", Kind: "lines", Rows: 2, Value: typed(types),
		Hint: "Of the events that are sent, one a line: a whole type, or a beginning and `*`. Empty is every type."},
		{Name: "match.sources", Label: "Sources", Kind: "lines", Rows: 2, Value: typed(texts["match.sources"]),
			Hint: "One name a line. Empty is every source."}}
	wants = append(wants, take("", "levels", "triggers")...)
	return entry{ETag: d.ETag, Groups: groups{{Fields: first},
		{Title: "Which notifications", Fields: wants},
		{Title: "Further settings", Fields: take("", "key_encoding", "colour", "channel", "username"), Shut: true}}}
}

// newProfileForm returns the form of a profile of that kind; d is zero for a new one.
func (v *visit) newProfileForm(kind client.DestinationType, d client.Destination) profileForm {
	isNew := d.ID == ""
	page := profileForm{entry: profileEntry(kind, d, isNew), profileRow: profileOf(d), Kind: kind, IsNew: isNew,
		Path: Root + "profiles", Action: Root + "profiles/new"}
	page.Signing = page.Groups.has("sign")
	stored, ok := d.Settings["headers"].(map[string]any)
	if ok {
		for _, name := range slices.Sorted(maps.Keys(stored)) {
			page.Headers = append(page.Headers, headerRow{Name: typed(name), Value: typed(valueText(stored[name]))})
		}
	}
	page.addRows()
	if isNew {
		words := "destinations create NAME --type " + quote(kind.Name) + " --url URL"
		if page.Signing {
			words += " --set profile_id=ID --set secret_key=@FILE"
		}
		page.Command = v.post(words+" --types "+quote(profileNotices), "/destinations", `{"name":"NAME","type":"`+
			kind.Name+`","url":"URL","match":{"types":["`+profileNotices+`"]}}`)
		return page
	}
	page.Path, page.Whole = profilePath(d), destinationPath(d)
	page.Action = page.Path
	page.Command = v.patch("destinations update "+quote(d.Name)+" --url URL", "/destinations/"+d.ID, `{"url":"URL"}`)
	return page
}

// addRows adds empty rows for headers, and numbers all of them.
func (p *profileForm) addRows() {
	if !p.Signing {
		return
	}
	for range freeRows {
		p.Headers = append(p.Headers, headerRow{})
	}
	for i := range p.Headers {
		p.Headers[i].N = i + 1
	}
}

// profilePath returns the path of the page of a profile.
func profilePath(d client.Destination) link { return link(Root + "profiles/" + url.PathEscape(d.ID)) }

// readProfile fills the form with what was posted, and returns the changes that it asks for. The form has what is
// wrong with it.
func (v *visit) readProfile(page *profileForm) (map[string]any, error) {
	made, err := v.read(&page.entry, "profile "+page.ID+" of "+page.Kind.Name)
	if err != nil {
		return nil, err
	}
	page.readHeaders(v.r.PostForm)
	changes := page.Groups.destinationChanges(page.Destination, v.Now())
	settings, ok := changes["settings"].(map[string]any)
	if !ok {
		settings = map[string]any{}
	}
	if page.Signing {
		page.readHeaderChanges(settings)
		unused := page.readSigning(v.r.PostForm, settings)
		if unused { // nothing of it is kept or shown
			page.Kept, made = "", nil
			for i := range page.Groups[0].Fields {
				page.Groups[0].Fields[i].IsKept = false
			}
		}
	}
	delete(changes, "settings")
	if len(settings) > 0 {
		changes["settings"] = settings
	}
	v.made = made
	return changes, nil
}

// readSigning puts what signs requests into settings. It reports that a key was entered although requests are not to
// be signed.
func (p *profileForm) readSigning(posted url.Values, settings map[string]any) (unused bool) {
	key := "settings.secret_key"
	if p.Groups.get("sign") != "" {
		if settings["profile_id"] == nil && p.Groups.get("settings.profile_id") == "" {
			settings["profile_id"] = p.Groups.get("name")
		}
		return false
	}
	delete(settings, "profile_id")
	delete(settings, "secret_key")
	for _, name := range []string{"profile_id", "secret_key"} {
		if p.Settings[name] != nil {
			settings[name] = nil
		}
	}
	if posted.Get(key) != "" || posted.Get("make:"+key) != "" {
		p.Groups.fault(key, "switch Sign requests on to use a key")
		return true
	}
	return false
}

// readHeaders fills the rows with what was posted, in its order, and puts an error at each that is no header.
func (p *profileForm) readHeaders(posted url.Values) {
	if !p.Signing {
		return
	}
	p.Headers = nil
	seen := map[string]bool{}
	for i := 1; i <= maxHeaderRows; i++ {
		row := headerRow{Name: typed(strings.TrimSpace(posted.Get("header-name-" + strconv.Itoa(i)))),
			Value: typed(strings.TrimSpace(posted.Get("header-value-" + strconv.Itoa(i))))}
		lower := strings.ToLower(string(row.Name))
		switch {
		case row.Name == "" && row.Value == "":
			continue
		case row.Name == "":
			row.Error = "Give the field a name."
		case row.Value == "":
			row.Error = "Give the field a value, or remove its name."
		case seen[lower]:
			row.Error = "This field is there twice."
		}
		seen[lower] = true
		p.Headers = append(p.Headers, row)
	}
	p.addRows()
}

// maxHeaderRows bounds the rows that are read.
const maxHeaderRows = 100

// readHeaderChanges puts the headers into settings if they differ from those that are stored.
func (p *profileForm) readHeaderChanges(settings map[string]any) {
	headers := map[string]any{}
	for _, row := range p.Headers {
		if row.Name != "" {
			headers[string(row.Name)] = string(row.Value)
		}
	}
	stored, _ := p.Settings["headers"].(map[string]any)
	if maps.EqualFunc(headers, stored, func(a, b any) bool { return a == b }) {
		return
	}
	settings["headers"] = without(headers, p.Settings["headers"], false)
}

// fault puts an error of the API at its field.
func (p *profileForm) fault(name, message string) bool {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "destination."), "changes.")
	rest, ok := strings.CutPrefix(name, "settings.headers")
	if !ok || !p.Signing {
		return p.Groups.fault(name, message)
	}
	for i := range p.Headers {
		if strings.EqualFold("."+string(p.Headers[i].Name), rest) {
			p.Headers[i].Error = sentence(message)
			return true
		}
	}
	p.Wrong = strings.TrimSpace(p.Wrong + " " + sentence(message))
	return true
}

// Invalid reports whether something is wrong with the form.
func (p *profileForm) Invalid() bool {
	return p.Wrong != "" || p.Groups.Invalid() ||
		slices.ContainsFunc(p.Headers, func(row headerRow) bool { return row.Error != "" })
}

// showProfileForm shows the form.
func (v *visit) showProfileForm(status int, page profileForm) error {
	title := "New profile for a URL"
	switch {
	case !page.IsNew:
		title = "Profile " + page.Name
	case page.Kind.Name == "slack":
		title = "New profile for Slack"
	}
	v.show(status, "profile", title, page)
	return nil
}

// profileKind returns the type of destinations of that name, if they are profiles.
func (v *visit) profileKind(name string) (client.DestinationType, error) {
	if !slices.Contains(profileTypes, name) {
		return client.DestinationType{}, &client.Error{Status: http.StatusNotFound, Code: "not_found",
			Detail: "there is no such kind of profiles: use boro or slack"}
	}
	return v.destinationType(name)
}

func (s *server) newProfile(v *visit) error {
	name := v.r.URL.Query().Get("kind")
	if name == "" {
		v.show(http.StatusOK, "choose", "New profile", choosing{Noun: "profile", Plural: Root + "profiles",
			Text: "Who gets the notifications?", Choices: []kindChoice{
				{"A URL", "A system that takes the notifications of Boro, signed or not, with custom headers.",
					Root + "profiles/new?kind=boro"},
				{"Slack", "A channel, by the URL of an incoming webhook.", Root + "profiles/new?kind=slack"}}})
		return nil
	}
	kind, err := v.profileKind(name)
	if err != nil {
		return err
	}
	return v.showProfileForm(http.StatusOK, v.newProfileForm(kind, client.Destination{}))
}

// createProfile creates what was entered, or tries it: the button says which.
func (s *server) createProfile(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	kind, err := v.profileKind(cmp.Or(v.r.PostForm.Get("kind"), profileTypes[0]))
	if err != nil {
		return err
	}
	page := v.newProfileForm(kind, client.Destination{})
	members, err := v.readProfile(&page)
	if err != nil {
		return err
	}
	if page.Invalid() {
		return v.showProfileForm(http.StatusUnprocessableEntity, page)
	}
	n, err := newDestinationOf(kind.Name, members)
	if again, err := v.returnsProfile(&page, err); again || err != nil {
		return err
	}
	if v.r.PostForm.Get("do") == "try" {
		t, err := s.API.TryDestination(v.ctx, n, nil)
		return v.triedProfile(page, t, err)
	}
	n.Paused = page.Groups.get("enabled") == "" // from the first event on
	d, err := s.API.CreateDestination(v.ctx, n)
	if again, err := v.returnsProfile(&page, err); again || err != nil {
		return err
	}
	return v.savedProfile(d, page, "created")
}

// savedProfile ends the saving of a profile: it is switched on if its form says so, now that it is as the form says,
// and shown with what was made for it.
func (v *visit) savedProfile(d client.Destination, page profileForm, notice string) error {
	var err error
	warnings := d.Warnings
	if page.Groups.get("enabled") != "" && (d.State == "paused" || d.State == "disabled") {
		d, err = v.API.ResumeDestination(v.ctx, d.ID)
	}
	if v.refused(err) {
		return v.showsProfile(statusOfRefusal(err), d.ID, warnings)
	}
	if err != nil {
		return err
	}
	if len(v.made) > 0 || len(warnings) > 0 {
		status := http.StatusOK
		if page.IsNew {
			status = http.StatusCreated
		}
		return v.showsProfile(status, d.ID, warnings)
	}
	return v.back(string(profilePath(d)), notice)
}

// returnsProfile shows the form again if err says what is wrong with it.
func (v *visit) returnsProfile(page *profileForm, err error) (again bool, _ error) {
	err = acceptErrors(page, err)
	switch {
	case page.Invalid():
		return true, v.showProfileForm(http.StatusUnprocessableEntity, *page)
	case v.overtaken(err, &page.entry, page.Destination.ETag), v.refused(err):
		return true, v.showProfileForm(statusOfRefusal(err), *page)
	}
	return false, err
}

// triedProfile shows the form with what came back from a try.
func (v *visit) triedProfile(page profileForm, t client.Try, err error) error {
	if again, err := v.returnsProfile(&page, err); again || err != nil {
		return err
	}
	page.Try = &t
	return v.showProfileForm(http.StatusOK, page)
}

// profile returns the destination of the path, with its type, or leads to its page if it is no profile.
func (v *visit) profile(idOrName string) (d client.Destination, kind client.DestinationType, elsewhere bool,
	err error) {
	d, err = v.API.Destination(v.ctx, idOrName)
	if err != nil {
		return d, kind, false, err
	}
	if !slices.Contains(profileTypes, d.Type) {
		return d, kind, true, v.back(string(destinationPath(d)), "")
	}
	kind, err = v.destinationType(d.Type)
	return d, kind, false, err
}

func (s *server) showProfile(v *visit) error {
	return v.showsProfile(http.StatusOK, v.r.PathValue("id"), nil)
}

// showsProfile shows a profile as it is stored.
func (v *visit) showsProfile(status int, idOrName string, warnings []string) error {
	d, kind, elsewhere, err := v.profile(idOrName)
	if elsewhere || err != nil {
		return err
	}
	d.Warnings = warnings
	return v.showProfileForm(status, v.newProfileForm(kind, d))
}

// updateProfile stores what was entered, or tries it: the button says which.
func (s *server) updateProfile(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	d, kind, elsewhere, err := v.profile(v.r.PathValue("id"))
	if elsewhere || err != nil {
		return err
	}
	page := v.newProfileForm(kind, d)
	changes, err := v.readProfile(&page)
	if err != nil {
		return err
	}
	if page.Invalid() {
		return v.showProfileForm(http.StatusUnprocessableEntity, page)
	}
	if v.r.PostForm.Get("do") == "try" {
		t, err := s.API.TryChanges(v.ctx, d.ID, changes, nil)
		return v.triedProfile(page, t, err)
	}
	if page.Groups.get("enabled") == "" && d.State == "active" {
		changes["paused"] = true // at once with the rest, so that nothing is sent as the rest says
	}
	if len(changes) > 0 || page.ETag != d.ETag { // even if only Enable differs from what the form showed
		d, err = s.API.IfMatch(page.ETag).UpdateDestination(v.ctx, d.ID, changes)
		if again, err := v.returnsProfile(&page, err); again || err != nil {
			return err
		}
	}
	return v.savedProfile(d, page, "saved")
}

func (s *server) enableProfile(v *visit) error {
	d, err := s.API.ResumeDestination(v.ctx, v.r.PathValue("id"))
	return v.switchedProfile(d, err, "resumed")
}

func (s *server) disableProfile(v *visit) error {
	d, err := s.API.PauseDestination(v.ctx, v.r.PathValue("id"))
	return v.switchedProfile(d, err, "paused")
}

// switchedProfile ends an action that enables or disables a profile, whose error is err.
func (v *visit) switchedProfile(d client.Destination, err error, notice string) error {
	if v.refused(err) {
		return v.showsProfile(statusOfRefusal(err), v.r.PathValue("id"), nil)
	}
	if err != nil {
		return err
	}
	return v.back(string(profilePath(d)), notice)
}
