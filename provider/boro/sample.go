package boro

import (
	"encoding/json"
	"errors"
	"net/url"
	"path"

	"github.com/bellhop-gateway/bellhop/provider"
)

// Emulation implements [provider.Emulator].
func (p Provider) Emulation() provider.Emulation {
	return provider.Emulation{
		TestBody: TestMessage,
		Samples: []provider.Sample{
			alarm("Active", "An alarm has begun", ""),
			alarm("Cleared", "An alarm has ended", `,"time_end":"{{time}}","duration":"1 s","count":3`),
			alarm("Event", "Something was noticed that has no end", ""),
		},
		ToSource: p.toSource,
	}
}

// alarm returns the sample of a notification with that status and further members.
func alarm(status, title, more string) provider.Sample {
	return provider.Sample{Type: typePrefix + status, Title: title, Body: `{"version":"1.1",` +
		`"sequenceId":{{seconds}},"referenceNumber":{{seconds}},"project_name":"Bellhop","probe_name":"Sample",` +
		`"task_uri":"http://origin.example.net/sample/{{id}}.mpd","task_name":"A sample of Bellhop",` +
		`"trigger":"Timestamp Discontinuity","status":"` + status + `","level":"major","time":"{{time}}",` +
		`"profile_name":"Bellhop"` + more + `,"links":[]}`}
}

// toSource is provider.ToSource, with the path that Boro posts to. Boro writes its proof in Base64.
func (p Provider) toSource(source json.RawMessage, to string) (json.RawMessage, string, error) {
	var s settings
	err := provider.DecodeSettings(source, &s)
	if err != nil {
		return nil, "", err
	}
	if s.SignatureEncoding == "hex" || s.HashEncoding == "hex" {
		return nil, "", errors.New("it wants its signature or its hash in hex, which a destination does not write")
	}
	changes := map[string]any{}
	if s.KeyEncoding == "auto" {
		changes["key_encoding"] = nil
	}
	changed, err := provider.ChangedSettings(source, changes)
	if err != nil {
		return nil, "", err
	}
	u, err := url.Parse(to)
	if err != nil {
		return nil, "", errors.New("its URL cannot be read")
	}
	switch {
	case s.Path != "":
		u.Path = s.Path
	case s.PathPrefix != "":
		u.Path = s.PathPrefix + "/in/" + path.Base(u.Path)
	}
	return provider.ToSource(p, changed, u.String())
}
