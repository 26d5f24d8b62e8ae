package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file has the form of a source: made of the settings of its provider, for a new one and for a change.

// newSource asks for the provider, or shows the form for it.
func (s *server) newSource(v *visit) error {
	name := v.r.URL.Query().Get("provider")
	all, err := s.API.Providers(v.ctx)
	if err != nil {
		return err
	}
	if name == "" {
		page := choosing{Noun: "source", Plural: Root + "sources", Text: "Step 1 of 4: which system will call it?"}
		for _, p := range all {
			page.Choices = append(page.Choices, kindChoice{p.Title, p.Summary,
				link(Root + "sources/new?provider=" + url.QueryEscape(p.Name))})
		}
		v.show(http.StatusOK, "choose", "New source", page)
		return nil
	}
	known, err := v.providerOf(name)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(p client.Provider) bool { return p.Name == name }) {
		return noSuchKind("provider", "sources/new")
	}
	return v.showSourceForm(http.StatusOK, known, nil, sourceEntry(known, client.Source{}, v.person.Tenant == ""))
}

// noSuchKind is the error of the page of a new noun whose kind is not known here; below is the path of the known ones.
func noSuchKind(kind, below string) error {
	return &client.Error{Status: http.StatusNotFound, Code: "not_found",
		Detail: "there is no such " + kind + "; " + Root + below + " lists them"}
}

// sourceEntry returns the form of a source, with the values of one that is stored.
func sourceEntry(p client.Provider, src client.Source, tenants bool) entry {
	first := form{{Name: "name", Label: "Name", Value: typed(src.Name), IsRequired: true, Kind: "text",
		Hint: "The last part of its URL: letters, digits, dots, dashes and underscores."}}
	more := form{
		{Name: "expect_every", Label: "Expect an event every", Value: typed(src.ExpectEvery), Kind: "text",
			Hint: "A length of time such as 24h: if nothing comes for so long, bellhop.source.silent is published."},
		{Name: "max_body_bytes", Label: "Largest body, in bytes", Kind: "text",
			Hint: "At most 33554432. Default: the provider's, mostly 1 MiB."},
	}
	if src.MaxBodyBytes > 0 {
		more[1].Value = typed(strconv.FormatInt(src.MaxBodyBytes, 10))
	}
	more = append(more, retentionFields(src.Retention)...)
	more = append(more, replyFields(src.Reply)...)
	if tenants && src.ID == "" {
		more = append(more, field{Name: "tenant", Label: "Tenant", Kind: "text",
			Hint: "Whose source it is. It cannot be changed. Default: nobody's."})
	}
	required, optional := split(settingFields("settings.", p.Settings, src.Settings))
	return entry{ETag: src.ETag, Groups: groups{{Fields: append(first, required...)},
		{Title: "Further settings of " + p.Title, Fields: optional}, {Title: "More", Fields: more}}}
}

// retentionFields returns the fields of how long, and how much of, the events of a source is kept.
func retentionFields(r *client.Retention) form {
	f := form{
		{Name: "retention.age", Label: "Keep events for", Kind: "text",
			Hint: "A length of time such as 168h. Default: what the server says."},
		{Name: "retention.max_bytes", Label: "Keep at most, in bytes", Kind: "text",
			Hint: "Of bodies and headers. The oldest events go first, and none whose delivery is pending."},
	}
	if r == nil {
		return f
	}
	f[0].Value = typed(r.Age)
	if r.MaxBytes > 0 {
		f[1].Value = typed(strconv.FormatInt(r.MaxBytes, 10))
	}
	return f
}

// retention returns what was typed of it; nil if nothing was.
func (f groups) retention() *client.Retention {
	r := client.Retention{Age: f.get("retention.age"), MaxBytes: f.whole("retention.max_bytes")}
	if r == (client.Retention{}) {
		return nil
	}
	return &r
}

// sameRetention reports whether two retentions are the same.
func sameRetention(a, b *client.Retention) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// retentionChange returns the merge patch by which a source has that retention.
func retentionChange(r *client.Retention) any {
	if r == nil {
		return nil
	}
	change := map[string]any{"age": nil, "max_bytes": r.MaxBytes}
	if r.Age != "" {
		change["age"] = r.Age
	}
	return change
}

// replyFields returns the fields of the answer of a source's own.
func replyFields(r *client.Reply) form {
	f := form{
		{Name: "reply.status", Label: "Answer: status", Kind: "text",
			Hint: "Of the answer to a request whose events are stored, 200 to 299. Default: the provider's."},
		{Name: "reply.content_type", Label: "Answer: content type", Kind: "text", Hint: "Such as `text/xml`."},
		{Name: "reply.body", Label: "Answer: body", Kind: "lines", Rows: 3, Hint: "The same for every request."},
		{Name: "reply.template", Label: "Answer: template", Kind: "lines", Rows: 3,
			Hint: "In place of a body: an expression that makes one of the event, such as `{\"text\": data.text}`."},
	}
	if r == nil {
		return f
	}
	if r.Status != 0 {
		f[0].Value = typed(strconv.Itoa(r.Status))
	}
	f[1].Value, f[2].Value, f[3].Value = typed(r.ContentType), typed(r.Body), typed(r.Template)
	return f
}

// reply returns the answer that was typed; nil if none was.
func (f groups) reply() *client.Reply {
	r := client.Reply{Status: int(f.whole("reply.status")), ContentType: f.get("reply.content_type"),
		Body: f.get("reply.body"), Template: f.get("reply.template")}
	if r == (client.Reply{}) {
		return nil
	}
	return &r
}

// split returns the fields that a form shows at once, which may be required, are secret or set, and the others.
func split(fields []field) (first, others form) {
	for _, f := range fields {
		if f.IsRequired || f.Secret || f.Value != "" || strings.Contains(f.Hint, "Required") {
			first = append(first, f)
		} else {
			others = append(others, f)
		}
	}
	return first, others
}

// sourceForm is the page that creates or changes a source.
type sourceForm struct {
	entry
	Provider client.Provider
	Source   *client.Source // that is changed; nil for a new one
	Path     link           // of the source, or of the list
	Action   link
	Command  command
}

func (v *visit) showSourceForm(status int, p client.Provider, src *client.Source, e entry) error {
	page := sourceForm{entry: e, Provider: p, Source: src, Path: Root + "sources", Action: Root + "sources/new"}
	title := "New source of " + p.Title
	if src == nil {
		page.Command = v.post("sources create NAME --provider "+quote(p.Name)+settingFlags(p.Settings), "/sources",
			`{"name":"NAME","provider":"`+p.Name+`","settings":{…}}`)
	} else {
		title = "Change source " + src.Name
		page.Path = sourcePath(*src)
		page.Action = page.Path + "/edit"
		page.Command = v.patch("sources update "+quote(src.Name)+" --set SETTING=VALUE", "/sources/"+src.ID,
			`{"settings":{"SETTING":"VALUE"}}`)
	}
	v.show(status, "source_form", title, page)
	return nil
}

// settingFlags returns the flags of a command for the settings that are required. A secret comes from the environment.
func settingFlags(settings []client.Setting) (flags string) {
	for _, s := range settings {
		switch {
		case s.Secret && s.Required:
			flags += " --set " + s.Name + "=env:" + strings.ToUpper(s.Name)
		case s.Required:
			flags += " --set " + s.Name + "=VALUE"
		}
	}
	return flags
}

func (s *server) createSource(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	known, err := v.providerOf(v.r.PostForm.Get("provider"))
	if err != nil {
		return err
	}
	e := sourceEntry(known, client.Source{}, v.person.Tenant == "")
	made, err := v.read(&e, "source of "+known.Name)
	if err != nil {
		return err
	}
	n := client.NewSource{Name: e.Groups.get("name"), Provider: known.Name, Settings: e.Groups.settings("settings.",
		nil),
		ExpectEvery: e.Groups.get("expect_every"), MaxBodyBytes: e.Groups.whole("max_body_bytes"),
		Tenant: e.Groups.get("tenant"), Reply: e.Groups.reply(), Retention: e.Groups.retention()}
	if e.Groups.Invalid() {
		return v.showSourceForm(http.StatusUnprocessableEntity, known, nil, e)
	}
	src, err := s.API.CreateSource(v.ctx, n)
	err = e.Groups.accepts(err)
	switch {
	case e.Groups.Invalid():
		v.made = made
		return v.showSourceForm(http.StatusUnprocessableEntity, known, nil, e)
	case v.refused(err):
		v.made = made
		return v.showSourceForm(statusOfRefusal(err), known, nil, e)
	case err != nil:
		return err
	case len(made) > 0 || len(src.Warnings) > 0:
		v.made = made
		return v.setsUpSource(http.StatusCreated, src, nil)
	}
	return v.back(string(sourcePath(src)+"/setup"), "created")
}

// source returns the source of the path with its provider.
func (v *visit) source() (src client.Source, p client.Provider, err error) {
	src, err = v.API.Source(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return src, p, err
	}
	p, err = v.providerOf(src.Provider)
	return src, p, err
}

func (s *server) editSource(v *visit) error {
	src, p, err := v.source()
	if err != nil {
		return err
	}
	return v.showSourceForm(http.StatusOK, p, &src, sourceEntry(p, src, false))
}

func (s *server) updateSource(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	src, p, err := v.source()
	if err != nil {
		return err
	}
	e := sourceEntry(p, src, false)
	made, err := v.read(&e, "source "+src.ID)
	if err != nil {
		return err
	}
	changes := e.Groups.changes(map[string]string{"name": src.Name, "expect_every": src.ExpectEvery})
	if size := e.Groups.whole("max_body_bytes"); size != src.MaxBodyBytes {
		changes["max_body_bytes"] = size
	}
	if kept := e.Groups.retention(); !sameRetention(kept, src.Retention) {
		changes["retention"] = retentionChange(kept)
	}
	if reply := e.Groups.reply(); !sameReply(reply, src.Reply) {
		changes["reply"] = replyChange(reply)
	}
	settings := e.Groups.settings("settings.", src.Settings)
	if len(settings) > 0 {
		changes["settings"] = settings
	}
	if e.Groups.Invalid() {
		return v.showSourceForm(http.StatusUnprocessableEntity, p, &src, e)
	}
	changed, err := s.API.IfMatch(e.ETag).UpdateSource(v.ctx, src.ID, changes)
	err = e.Groups.accepts(err)
	switch {
	case e.Groups.Invalid():
		v.made = made
		return v.showSourceForm(http.StatusUnprocessableEntity, p, &src, e)
	case v.overtaken(err, &e, src.ETag), v.refused(err):
		v.made = made
		return v.showSourceForm(statusOfRefusal(err), p, &src, e)
	case err != nil:
		return err
	case len(made) > 0 || len(changed.Warnings) > 0:
		v.made = made
		return v.showsSource(http.StatusOK, changed)
	}
	return v.back(string(sourcePath(src)), "saved")
}

// sameReply reports whether two answers are the same.
func sameReply(a, b *client.Reply) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// replyChange returns the merge patch by which a source has that answer and nothing of another one.
func replyChange(r *client.Reply) any {
	if r == nil {
		return nil
	}
	change := map[string]any{"status": nil, "content_type": nil, "body": nil, "template": nil}
	if r.Status != 0 {
		change["status"] = r.Status
	}
	for name, text := range map[string]string{"content_type": r.ContentType, "body": r.Body, "template": r.Template} {
		if text != "" {
			change[name] = text
		}
	}
	return change
}

// overtaken reports whether err says that the noun of an entry was changed meanwhile. The entry then has the tag of
// the version that is stored, so that a second attempt replaces it.
func (v *visit) overtaken(err error, e *entry, stored string) bool {
	refused, ok := asRefusal(err)
	if !ok || refused.Status != http.StatusPreconditionFailed {
		return false
	}
	e.ETag = stored
	v.problem = "Somebody else changed this meanwhile. Below is what you entered; save again to put it in place of " +
		"theirs."
	return true
}
