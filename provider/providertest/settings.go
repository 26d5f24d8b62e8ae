package providertest

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

var plainName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func (s *suite) testInfo(t *testing.T) {
	info := s.info
	if !reflect.DeepEqual(info, s.Provider.Info()) {
		t.Error("Info is not constant")
	}
	if !plainName.MatchString(info.Name) || info.Title == "" || info.Summary == "" || len(info.Links) == 0 {
		t.Errorf("Info needs a name of one lower-case word, a title, a summary and links: %+v", info)
	}
	if _, sends := s.Provider.(provider.Sender); sends != (info.SendSettings != nil) ||
		sends != (s.SendSettings != nil) {
		t.Error("Info.SendSettings and the SendSettings of the case must be set for a Sender, and only for a Sender")
	}
	if info.Key != "" &&
		!slices.ContainsFunc(info.Settings, func(d provider.Setting) bool { return d.Name == info.Key }) {
		t.Errorf("Info.Key names %s, which is not a setting", info.Key)
	}
	checkDocs(t, info.Settings)
	checkDocs(t, info.SendSettings)
	text, err := json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range s.Secrets {
		if strings.Contains(string(text), secret) {
			t.Error("Info contains a secret of the tests; use another example")
		}
	}
}

func checkDocs(t *testing.T, docs []provider.Setting) {
	t.Helper()
	seen := map[string]bool{}
	for _, d := range docs {
		if !plainName.MatchString(d.Name) || d.Title == "" || d.Doc == "" || d.Example == "" || seen[d.Name] {
			t.Errorf("setting %q needs a unique name, a title, a doc and an example", d.Name)
		}
		seen[d.Name] = true
		if d.Kind != provider.KindText && !slices.Contains(kinds, d.Kind) {
			t.Errorf("setting %s has the unknown kind %q", d.Name, d.Kind)
		}
	}
}

var kinds = []provider.Kind{
	provider.KindFlag,
	provider.KindNumber,
	provider.KindDuration,
	provider.KindList,
	provider.KindObjects,
	provider.KindObject,
	provider.KindDocument,
}

func (s *suite) testSettings(t *testing.T) {
	s.checkSettings(t, s.good(), s.info.Settings, func(raw string) error {
		_, err := s.Provider.Open(s.env(t, Now), []byte(raw))
		return err
	})
}

// checkSettings opens good settings, and then settings with one fault each, which open must refuse.
func (s *suite) checkSettings(t *testing.T, good string, docs []provider.Setting, open func(raw string) error) {
	if err := open(good); err != nil {
		t.Fatalf("%s: %v", good, err)
	}
	var values map[string]any
	if err := json.Unmarshal([]byte(good), &values); err != nil {
		t.Fatal(err)
	}
	refused := func(what, path, raw string) {
		t.Helper()
		err := open(raw)
		var invalid *bellhop.Error
		switch {
		case err == nil:
			t.Errorf("%s: accepted", what)
		case !errors.As(err, &invalid) || invalid.Code != bellhop.CodeInvalid || len(invalid.Fields) == 0:
			t.Errorf("%s: %v, want a bellhop.CodeInvalid error", what, err)
		case !strings.HasPrefix(invalid.Fields[0].Path, path):
			t.Errorf("%s: the path of the error is %q, want %q: %v", what, invalid.Fields[0].Path, path, err)
		default:
			checkText(t, "error", err.Error(), append(s.Secrets[:], canary))
		}
	}
	for _, raw := range []string{"null", "[]", `"` + canary + `"`, "1", "{", good + "x"} {
		refused("not an object", "", raw)
	}
	for name := range values {
		refused(name+" twice", "", strings.Replace(good, "{", `{"`+name+`":null,`, 1))
	}
	refused("unknown setting", "no_such_setting", with(values, "no_such_setting", canary))
	for _, name := range undocumented(t, docs, open(with(values, "no_such_setting", canary))) {
		refused(name+", which is not documented", name, with(values, name, canary))
	}
	for _, d := range docs {
		if d.Required {
			refused(d.Name+" left out", d.Name, without(values, d.Name))
		}
		if d.Kind != provider.KindObject && d.Kind != provider.KindDocument {
			refused(d.Name+" of a wrong type", d.Name, with(values, d.Name, map[string]any{canary: canary}))
		}
		if d.Kind == provider.KindFlag || d.Kind == provider.KindNumber || d.Kind == provider.KindList ||
			d.Kind == provider.KindObjects || d.Kind == provider.KindObject {
			refused(d.Name+", a "+string(d.Kind)+", as text", d.Name, with(values, d.Name, canary))
		}
		if !d.Secret || values[d.Name] == nil {
			continue
		}
		for _, empty := range []any{"", " ", []any{}, []any{""}, []any{s.Secrets[0], " "}, []any{1}, 1} {
			refused(d.Name+" empty or of a wrong type", d.Name, with(values, d.Name, empty))
		}
		refused("too many", d.Name, with(values, d.Name, slices.Repeat([]any{s.Secrets[0]}, provider.MaxSecrets+1)))
	}
}

// undocumented returns the settings that are not in docs, but in the list of settings in err, the error of an unknown
// setting.
func undocumented(t *testing.T, docs []provider.Setting, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	_, list, _ := strings.Cut(err.Error(), "there are ")
	known := strings.Split(list, ", ")
	for _, d := range docs {
		i := slices.Index(known, d.Name)
		if i < 0 {
			t.Errorf("setting %s is documented, but Open does not read it", d.Name)
			continue
		}
		known = slices.Delete(known, i, i+1)
	}
	return known
}

func with(values map[string]any, name string, value any) string {
	changed := maps.Clone(values)
	changed[name] = value
	return JSON(changed)
}

func without(values map[string]any, name string) string {
	changed := maps.Clone(values)
	delete(changed, name)
	return JSON(changed)
}
