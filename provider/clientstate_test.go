package provider_test

import (
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
)

func TestCheckClientState(t *testing.T) {
	long := strings.Repeat("x", provider.MaxClientStateLength)
	if err := provider.CheckClientState("client_state", provider.Secrets{"a b~", "c75831bd-fad3", long}); err != nil {
		t.Error(err)
	}
	for _, state := range []string{"", " ", " a", "a ", "a\n", "a\x00b", "é", "\x7f", long + "x"} {
		err := provider.CheckClientState("client_state", provider.Secrets{"good", state})
		if err == nil || !strings.HasPrefix(err.Error(), "client_state[1]: ") {
			t.Errorf("%.20q: %v", state, err)
		}
	}
	if err := provider.CheckClientState("client_state", nil); err == nil {
		t.Error("none is taken")
	}
}
