package egress

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestSystemdThatIsGone: nobody listens at the socket. That systemd is told is a test of cmd/bellhop.
func TestSystemdThatIsGone(t *testing.T) {
	err := TellSystemd(filepath.Join(t.TempDir(), "notify"), "READY=1")
	if err == nil || !strings.HasPrefix(err.Error(), "tell systemd: ") {
		t.Errorf("%v", err)
	}
	err = TellSystemd("", "READY=1")
	if err != nil {
		t.Errorf("without systemd: %v", err)
	}
}
