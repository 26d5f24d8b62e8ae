package provider_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
)

func TestItems(t *testing.T) {
	for body, want := range map[string]string{
		"null": "[]", "[]": "[]", `[1, {"a" : 2},null]`: `[1 {"a" : 2} null]`, "[1,2,3,4]": "", "[1,2": "", "[1,2]x": "", "{}": "", `"[]"`: "", "": "",
	} {
		items, err := provider.Items([]byte(body), 3)
		if got := fmt.Sprintf("%s", items); err == nil && got != want || (err != nil) != (want == "") || err != nil && !errors.Is(err, provider.ErrBody) {
			t.Errorf("%s: got %s, %v, want %s", body, got, err, want)
		}
	}
}
