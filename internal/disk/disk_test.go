package disk

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMountOf: the longest mount that contains a path decides, and the last of equals.
func TestMountOf(t *testing.T) {
	const mounts = "/dev/vda / ext4 rw,nobarrier 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/deep xfs rw 0 0\n" +
		"nonsense\noverlay /home ext4 rw 0 0\noverlay /home overlay rw 0 0\n/dev/vdc /my\\040disk btrfs rw 0 0\n"
	for path, want := range map[string]string{
		"/": "ext4", "/var": "ext4", "/tmp": "tmpfs", "/tmp/a": "tmpfs", "/tmpfoo": "ext4", "/tmp/deep/er": "xfs",
		"/home/x": "overlay", "/my disk/x": "btrfs",
	} {
		if got := mountOf(mounts, path); got.system != want {
			t.Errorf("%s: %s, not %s", path, got.system, want)
		}
	}
	if got := mountOf(mounts, "/var"); got.source != "/dev/vda" || !slices.Contains(got.options, "nobarrier") {
		t.Errorf("%+v", got)
	}
}

func TestExamine(t *testing.T) {
	dir := t.TempDir()
	d, err := Examine(dir)
	if err != nil || d.Path != dir {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := Examine(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("examined a folder that is not there: %v", err)
	}
}

// TestReadQueue: a partition writes as its disk does.
func TestReadQueue(t *testing.T) {
	sys := t.TempDir()
	for name, text := range map[string]string{
		"devices/sda/queue/write_cache": "write back\n", "devices/sda/queue/rotational": "1\n",
		"devices/sda/sda1/partition": "1\n",
	} {
		file := filepath.Join(sys, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	class := filepath.Join(sys, "class/block")
	if err := os.MkdirAll(class, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, link := range [][2]string{{"../../devices/sda", "sda"}, {"../../devices/sda/sda1", "sda1"}} {
		if err := os.Symlink(link[0], filepath.Join(class, link[1])); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	for _, device := range []string{"sda", "sda1"} {
		d := Disk{Device: device}
		if d.readQueue(sys); d.WriteCache != "write back" || !d.Rotational {
			t.Errorf("%+v", d)
		}
	}
	for _, device := range []string{"", "sdb"} {
		d := Disk{Device: device}
		if d.readQueue(sys); d.WriteCache != "" || d.Rotational {
			t.Errorf("%+v", d)
		}
	}
}

func TestSyncs(t *testing.T) {
	dir := t.TempDir()
	took, err := Syncs(t.Context(), dir, 5, time.Minute)
	if err != nil || len(took) != 5 || took[0] <= 0 || !slices.IsSorted(took) {
		t.Errorf("%v, %v", took, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if took, err := Syncs(gone, dir, 5, time.Minute); err != nil || len(took) != 0 {
		t.Errorf("%v, %v", took, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
	if _, err := Syncs(t.Context(), filepath.Join(dir, "none"), 1, time.Minute); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}

// TestJudge: the text promises no more than is known.
func TestJudge(t *testing.T) {
	const us, ms = time.Microsecond, time.Millisecond
	for _, c := range []struct {
		disk Disk
		sync time.Duration
		want Trust
		says string
	}{
		{Disk{Path: "/tmp/x", System: "tmpfs"}, us, Void, "/tmp/x is in memory (tmpfs)"},
		{Disk{System: "ext4"}, 3 * us, Doubtful, "a sync takes 3µs: no device writes so fast"},
		{Disk{System: "ext4", WriteCache: "write back", Device: "nvme0n1"}, 60 * us, Doubtful, "flash writes slower"},
		{Disk{System: "ext4"}, 60 * us, Doubtful, "flash writes slower"},
		{Disk{System: "ext4", WriteCache: "write through", Device: "vda"}, 60 * us, Plausible, "the word of its host"},
		{Disk{System: "xfs", WriteCache: "write back", Device: "sda", Rotational: true}, ms, Doubtful,
			"sda says that it has platters"},
		{Disk{System: "xfs", WriteCache: "write back", Device: "sda", Rotational: true}, 9 * ms, Plausible,
			"only a power cut shows"},
		{Disk{System: "ext4", WriteCache: "write back", Device: "sda", Options: []string{"rw", "nobarrier"}}, 9 * ms,
			Doubtful, "without barriers"},
		{Disk{System: "nfs4"}, 5 * ms, Doubtful, "another machine writes behind this file system (nfs4)"},
		{Disk{System: "fuse.sshfs"}, 5 * ms, Doubtful, "another program writes"},
		{Disk{System: "overlay"}, 5 * ms, Plausible, "gone with the container"},
		{Disk{}, 5 * ms, Plausible, "does not say more"},
	} {
		if trust, why := c.disk.Judge(c.sync); trust != c.want || !strings.Contains(why, c.says) {
			t.Errorf("%+v, %v: %s, %q", c.disk, c.sync, trust, why)
		}
	}
}
