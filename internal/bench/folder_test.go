package bench

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFileSystem(t *testing.T) {
	const mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/deep xfs rw 0 0\nnonsense\noverlay /home ext4 rw 0 0\noverlay /home overlay rw 0 0\n"
	for path, want := range map[string]string{
		"/": "ext4", "/var": "ext4", "/tmp": "tmpfs", "/tmp/a": "tmpfs", "/tmpfoo": "ext4", "/tmp/deep/er": "xfs", "/home/x": "overlay",
	} {
		if got := fileSystem(mounts, path); got != want {
			t.Errorf("%s: %s, not %s", path, got, want)
		}
	}
}

func TestExamine(t *testing.T) {
	dir := t.TempDir()
	f, err := examine(dir)
	if err != nil || f.Path != dir || f.SyncMS <= 0 {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := examine(filepath.Join(dir, "none")); !os.IsNotExist(err) && err == nil {
		t.Error("examined a folder that is not there")
	}
	leavesNothing(t, dir)
}

func TestPeakIn(t *testing.T) {
	if got, ok := peakIn([]byte("Name:\tx\nVmHWM:\t   2024 kB\nVmRSS:\t 1 kB\n")); !ok || got != 2024<<10 {
		t.Error(got, ok)
	}
	for _, status := range []string{"", "Name:\tx\n", "Name:\tx\nVmHWM:"} {
		if _, ok := peakIn([]byte(status)); ok {
			t.Errorf("%q", status)
		}
	}
}
