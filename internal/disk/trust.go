package disk

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Trust says whether a sync can be believed.
type Trust string

// The degrees of trust. There is no "certain": a program cannot see what a device has written.
const (
	Plausible Trust = "plausible" // nothing speaks against it
	Doubtful  Trust = "doubtful"  // something speaks against it, or hides it
	Void      Trust = "void"      // a sync does nothing
)

// Times of a sync that writing takes at least.
const (
	noDevice    = 15 * time.Microsecond  // below it, nothing has left the machine's memory
	cachedFlash = 200 * time.Microsecond // below it, a device has answered from its cache
	onePlatter  = 2 * time.Millisecond   // below it, no platter has turned far enough
)

// remote are file systems behind which another machine or another program writes.
var remote = map[string]string{
	"nfs": "another machine", "nfs4": "another machine", "cifs": "another machine", "smb3": "another machine",
	"ceph": "other machines", "glusterfs": "other machines", "9p": "the host", "virtiofs": "the host",
	"vboxsf": "the host", "fuse": "another program", "fuseblk": "another program",
}

// Judge says whether a sync on d can be believed that takes so long, the middle of several. why has a sentence or two
// for people.
func (d Disk) Judge(sync time.Duration) (trust Trust, why string) {
	took := "a sync takes " + short(sync)
	who, away := remote[d.System]
	if strings.HasPrefix(d.System, "fuse.") {
		who, away = "another program", true
	}
	switch {
	case d.InMemory():
		return Void, fmt.Sprintf("%s is in memory (%s): a sync does nothing there, and a power cut takes all. Name a "+
			"folder on the disk that is to be tried", d.Path, d.System)
	case slices.Contains(d.Options, "nobarrier") || slices.Contains(d.Options, "barrier=0"):
		return Doubtful, took + ", but the file system is mounted without barriers: a sync does not empty the cache " +
			"of the device. Mount it without that option, unless the cache is protected against power cuts"
	case away:
		return Doubtful, fmt.Sprintf("%s, but %s writes behind this file system (%s), so it cannot be seen from here "+
			"what a sync reaches", took, who, d.System)
	case sync < noDevice:
		return Doubtful, took + ": no device writes so fast. Something on the way answers before it has written, " +
			"such as a disk image, the host of a virtual machine, or a library that swallows syncs"
	case d.Rotational && sync < onePlatter:
		return Doubtful, fmt.Sprintf("%s, and %s says that it has platters, which do not turn so fast. Either a "+
			"cache with a battery answers, or the device or the host of a virtual machine "+
			"answers before it has written",
			took, d.Device)
	case sync < cachedFlash && d.WriteCache != "write through":
		return Doubtful, took + ": flash writes slower. Either the device has a cache that is protected against " +
			"power cuts, as good SSDs do, or something on the way answers before it has written: " +
			"ask who runs the machine"
	case d.System == "overlay":
		return Plausible, took + ", in which a device can have written. The folder is in the layer of a " +
			"container, and is gone with the container: name a folder on a volume to try that"
	case d.WriteCache == "write back":
		return Plausible, fmt.Sprintf("%s, in which a device can have written. %s has a cache that a power cut "+
			"takes, and the system has it emptied at each sync; whether it obeys, only a power cut shows", took,
			d.Device)
	case d.WriteCache == "write through":
		return Plausible, fmt.Sprintf("%s. The system takes %s for a device without a cache that a power cut takes; "+
			"in a virtual machine that is the word of its host", took, d.Device)
	}
	return Plausible, took + ", in which a device can have written. This system does not say more of the device"
}

// short returns d with three digits.
func short(d time.Duration) string {
	unit := time.Nanosecond
	for unit*1000 <= d {
		unit *= 10
	}
	return d.Round(unit).String()
}
