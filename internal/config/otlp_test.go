package config

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOTLP: the settings of traces are read, and a bad one is refused without its value, which may be a secret.
func TestOTLP(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(file, []byte("Authorization=Bearer a=b, X-Scope = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := load(t, "otlp-endpoint: https://otlp.example.com/otlp\notlp-sample: 0.01\notlp-headers: file:"+
		file+"\n", nil, nil)
	if err != nil || got.OTLPSample != 0.01 || got.OTLPEndpoint != "https://otlp.example.com/otlp" {
		t.Fatalf("%+v %v", got, err)
	}
	headers, err := got.OTLPHeader()
	want := map[string]string{"Authorization": "Bearer a=b", "X-Scope": "1"}
	if err != nil || !maps.Equal(headers, want) {
		t.Errorf("%v %v", headers, err)
	}
	const endpoint = "http://127.0.0.1:4318"
	for _, c := range []struct {
		flags map[string]string
		want  string
	}{
		{map[string]string{"otlp-endpoint": "127.0.0.1:4318"}, "--otlp-endpoint: use the URL"},
		{map[string]string{"otlp-endpoint": "http://u:hunter2@a"}, "--otlp-endpoint: use the URL"},
		{map[string]string{"otlp-headers": "A=hunter2"}, "--otlp-headers: it needs --otlp-endpoint"},
		{map[string]string{"otlp-endpoint": endpoint, "otlp-headers": "hunter2"}, "number 1 is not of the form"},
		{map[string]string{"otlp-endpoint": endpoint, "otlp-headers": "A=1,B b=hunter2"},
			"number 2 is not of the form"},
		{map[string]string{"otlp-endpoint": endpoint, "otlp-headers": "A=hunter2\x01"}, "control"},
		{map[string]string{"otlp-sample": "1.5"}, "--otlp-sample: use a number from 0 to 1"},
		{map[string]string{"otlp-sample": "-1"}, "--otlp-sample: use a number from 0 to 1"},
		{map[string]string{"otlp-sample": "NaN"}, "--otlp-sample: use a number from 0 to 1"},
		{map[string]string{"otlp-sample": "some"}, "--otlp-sample: use a number such as 0.5"},
	} {
		_, err := load(t, "", nil, c.flags)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: %v", c.flags, err)
		}
	}
	if faults := CheckFile(map[string]any{"otlp-endpoint": endpoint, "otlp-headers": "env:H"}); len(faults) > 0 {
		t.Errorf("a reference: %v", faults)
	}
}
