package app

import (
	"errors"
	"maps"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/internal/release"
)

// A served has the settings with which the server was started, for the configurations of the API.
type served struct {
	config.Config
	app *App
}

// Info implements [api.Serve].
func (s served) Info() client.ServerInfo {
	a := s.app
	info := client.ServerInfo{Version: a.opts.Version, Commit: release.Read().Source(), Go: runtime.Version(),
		StartedAt: client.Time{Time: a.startedAt}, URL: a.URL(), APIURL: a.APIURL(),
		PublicURL:  a.opts.Config.PublicURL,
		MetricsURL: a.MetricsURL(), UIURL: a.UIURL(), Data: absolute(a.opts.Config.Data), AdminKey: a.keyFrom,
		Settings: []client.ServerSetting{}}
	inUse := map[string]any{"log-level": levelWord(a.opts.LogLevel.Level()),
		"listen": a.front.Addr().String(), "data": info.Data, "public-url": info.PublicURL,
		"max-connections": a.front.limit, "max-attempts": bound(a.opts.Config.MaxAttempts, descriptors(), 2)}
	for name, p := range map[string]*port{"ui-listen": a.uiPort, "listen-api": a.apiPort, "listen-http": a.plainPort,
		"listen-metrics": a.metricsPort} {
		if p != nil {
			inUse[name] = p.Addr().String()
		}
	}
	if a.opts.Config.UI {
		inUse["ui-url"] = a.uiURL()
	}
	for _, g := range s.Standings() {
		setting := client.ServerSetting{Name: g.Name, Group: g.Group, Doc: g.Doc, Kind: g.Kind, Value: g.Value,
			Default: g.Preset, Secret: g.Secret, Set: g.Set, Changed: g.Changed, Origin: string(g.Origin),
			Place: g.Place}
		if used, ok := inUse[g.Name]; ok && used != g.Value {
			setting.InUse = used
		}
		info.Settings = append(info.Settings, setting)
	}
	return info
}

// absolute returns the absolute path of dir, or dir if the current folder is not known.
func absolute(dir string) string {
	whole, err := filepath.Abs(dir)
	if err != nil {
		return dir
	}
	return whole
}

// Given implements [api.Serve].
func (s served) Given() client.Settings {
	settings := client.Settings{}
	for _, v := range s.Config.Given() {
		settings[v.Name] = v.Value
		if v.Value == nil {
			settings[v.Name] = map[string]any{"set": true}
		}
	}
	return settings
}

// Compare implements [api.Serve]. A secret that is masked stays as the server has it.
func (s served) Compare(file client.Settings) (changes []client.SettingChange, warnings []bellhop.FieldError,
	err error) {
	file = maps.Clone(file)
	masked := map[string]bool{}
	known := map[string]bool{}
	for _, setting := range config.Settings() {
		known[setting.Name] = true
		mask, _ := file[setting.Name].(map[string]any)
		if setting.Secret && mask["set"] == true {
			masked[setting.Name] = true
			delete(file, setting.Name)
		}
	}
	faults := config.CheckValues(file)
	for name := range file {
		if !known[name] {
			faults[name] = errors.New("there is no such setting; bellhop serve --help lists them")
		}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		errs = append(errs, bellhop.Invalid(name, faults[name].Error()))
	}
	if err := bellhop.Join("", errs...); err != nil {
		return nil, nil, err
	}
	for _, d := range s.Config.Differences(file) {
		switch {
		case masked[d.Name]:
		case d.Kept != "":
			warnings = append(warnings, bellhop.FieldError{Path: d.Name,
				Message: d.Kept + " of the server wins over the file, so this has no effect there"})
		default:
			changes = append(changes,
				client.SettingChange{Name: d.Name, Secret: d.Secret, Before: d.Before, After: d.After})
		}
	}
	return changes, warnings, nil
}
