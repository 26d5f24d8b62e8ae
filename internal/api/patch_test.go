package api

import (
	"encoding/json"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

func TestPatchKeepsNumbers(t *testing.T) {
	var p Patch[client.NewSource]
	if err := json.Unmarshal([]byte(`{"settings":{"n":12345678901234567890,"f":1.10}}`), &p); err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	r.fill()
	merged, err := p.apply(r.handler.(*server), newSource(r.sources[0]))
	if err != nil || merged.Settings["n"] != json.Number("12345678901234567890") || merged.Settings["f"] != json.Number("1.10") {
		t.Errorf("%s %v", merged.Settings, err)
	}
}
