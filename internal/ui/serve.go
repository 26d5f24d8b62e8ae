package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) serve() {
	s.page("/settings", admin, s.showServe)
	s.page("/settings/export", admin, s.exportConfig)
}

// servePage is what the page of the settings shows.
type servePage struct {
	client.ServerInfo
	Groups  []settingGroup
	Changed int          // how many settings are not the default
	Checkup *checkupPage // nil: it was not asked for
	Doctor  command
	Export  command
	Show    command
}

// A settingGroup is the settings below one heading.
type settingGroup struct {
	ID, Title string
	Settings  []serveSetting
}

// A serveSetting is a setting of serve with its values as texts.
type serveSetting struct {
	client.ServerSetting
	Shown, Used string // Used is "" if it is the value
}

// A checkupPage is what the doctor found.
type checkupPage struct {
	client.Checkup
	Needing int // the checks that need a person
	Shown   []checkRow
}

// A checkRow is a check with links to the nouns that it is about.
type checkRow struct {
	client.Check
	Needs bool // a person
	About []checkedNoun
}

// A checkedNoun is a noun that a check is about, with its page.
type checkedNoun struct {
	client.CheckedNoun
	To link // "" if it has no page
}

// showServe shows how the server was started and, if that is asked for, how well it is.
func (s *server) showServe(v *visit) error {
	info, err := s.API.Settings(v.ctx)
	if err != nil {
		return err
	}
	page := servePage{ServerInfo: info, Doctor: s.get("doctor", "/doctor"), Export: s.get("config export", "/config"),
		Show: s.get("settings --all", "/settings")}
	places := map[string]int{}
	for _, setting := range info.Settings {
		i, ok := places[setting.Group]
		if !ok {
			i = len(page.Groups)
			places[setting.Group] = i
			page.Groups = append(page.Groups, settingGroup{ID: fmt.Sprintf("group-%d", i), Title: setting.Group})
		}
		row := serveSetting{ServerSetting: setting, Shown: valueOf(setting.Value)}
		if setting.InUse != nil {
			row.Used = valueOf(setting.InUse)
		}
		if setting.Changed {
			page.Changed++
		}
		page.Groups[i].Settings = append(page.Groups[i].Settings, row)
	}
	if v.r.URL.Query().Get("doctor") != "" {
		checkup, err := s.API.Doctor(v.ctx)
		if err != nil {
			return err
		}
		page.Checkup = checkupOf(checkup)
	}
	v.show(http.StatusOK, "settings", "Settings", page)
	return nil
}

// checkupOf returns what a page shows of a checkup.
func checkupOf(c client.Checkup) *checkupPage {
	page := &checkupPage{Checkup: c}
	for _, check := range c.Checks {
		row := checkRow{Check: check, Needs: check.State == "warning" || check.State == "failed"}
		for _, n := range check.Nouns {
			about := checkedNoun{CheckedNoun: n}
			switch path := auditPaths[n.Noun]; {
			case path != "" && n.ID != "":
				about.To = link(Root + path + url.PathEscape(n.ID))
			case n.Noun == "key":
				about.To = link(Root + "keys")
			}
			row.About = append(row.About, about)
		}
		if row.Needs {
			page.Needing++
		}
		page.Shown = append(page.Shown, row)
	}
	return page
}

// valueOf returns a value of a setting as text; "" if it has none.
func valueOf(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	}
	text, err := json.Marshal(value)
	if err != nil || string(text) == "[]" {
		return ""
	}
	return string(text)
}

// exportConfig sends the nouns and the settings of the server as a configuration file to be saved, with references in
// place of secrets.
func (s *server) exportConfig(v *visit) error {
	cfg, err := s.API.ExportConfig(v.ctx)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	err = out.Encode(s.ConfigFile(cfg))
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `attachment; filename="bellhop.json"`)
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	v.w.Write(b.Bytes())
	return nil
}
