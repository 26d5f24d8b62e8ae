package microsoft_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

func TestCheckClientState(t *testing.T) {
	long := strings.Repeat("x", microsoft.MaxClientStateLength)
	if err := microsoft.CheckClientState("client_state", provider.Secrets{"a b~", "c75831bd-fad3", long}); err != nil {
		t.Error(err)
	}
	for _, state := range []string{"", " ", " a", "a ", "a\n", "a\x00b", "é", "\x7f", long + "x"} {
		err := microsoft.CheckClientState("client_state", provider.Secrets{"good", state})
		if err == nil || !strings.HasPrefix(err.Error(), "client_state[1]: ") {
			t.Errorf("%.20q: %v", state, err)
		}
	}
	if err := microsoft.CheckClientState("client_state", nil); err == nil {
		t.Error("no client states: want an error")
	}
}

func TestFormatTime(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.FixedZone("", 3600))
	if got := microsoft.FormatTime(at); got != "2026-11-22T09:00:00.1234567Z" {
		t.Error(got)
	}
}
