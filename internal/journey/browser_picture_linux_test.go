//go:build browser

package journey

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// picturesFolder is where `make screenshots` wants the pictures of the documentation.
var picturesFolder = flag.String("pictures", "", "folder for the pictures of the documentation; \"\" keeps none")

// maxPictureBytes is the largest size of a picture of the documentation.
const maxPictureBytes = 150 << 10

// pictures are those of the documentation: a page of the demonstration, by its path or by the words of the links that
// lead there.
var pictures = []struct {
	name, theme, path string
	links             []string
}{
	{"overview", "light", "/ui/", nil},
	{"overview-dark", "dark", "/ui/", nil},
	{"events", "light", "/ui/events", nil},
	{"event", "light", "/ui/events?type=ams.asset.published", []string{"ams.asset.published"}},
	{"deliveries", "light", "/ui/deliveries", nil},
	{"source", "light", "/ui/sources", []string{"media"}},
	{"destination", "light", "/ui/destinations/new?type=http", nil},
	{"subscriptions", "light", "/ui/subscriptions", nil},
	{"files", "light", "/ui/files", nil},
}

// TestChromiumPictures takes the pictures of the documentation from the demonstration: what differs between two runs,
// which are times, ids and ports, is replaced in the page by something that does not.
func TestChromiumPictures(t *testing.T) {
	t.Parallel()
	g := newDemo(t)
	p := newPerson(t, g)
	p.open("/ui/sign-in")
	p.fills("key", g.key())
	p.follow("Sign in")
	for _, c := range pictures {
		p.looks(c.theme, 1280)
		p.open(c.path)
		for _, words := range c.links {
			p.follow(words)
		}
		find[bool](p, steady)
		picture := smaller(t, p.shoots(false))
		if len(picture) < 10<<10 || len(picture) > maxPictureBytes {
			t.Errorf("the picture %s has %d bytes; at most %d are wanted, and not an empty page", c.name, len(picture),
				maxPictureBytes)
		}
		if *picturesFolder != "" {
			p.must(os.WriteFile(filepath.Join(*picturesFolder, c.name+".png"), picture, 0o644))
		}
	}
}

// steady is a script that replaces in a page what differs between two runs.
const steady = `(() => {
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	const ids = new Map();
	while (walk.nextNode()) {
		const node = walk.currentNode;
		node.data = node.data.replace(/\b([a-z]{3}_)[0-9a-z]{20}([0-9a-z]*)/g, (id, prefix) => {
			if (!ids.has(id)) ids.set(id, prefix + '01kb8w3v2m5r9h7t4q6n' + String(ids.size + 17).padStart(6, '0'));
			return ids.get(id);
		}).replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:8080').replace(/\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}/g,
			'2026-11-30 14:31:07').replace(/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[.\d]*Z/g, '2026-11-30T13:31:07Z')
			.replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g,
				'4e1b2c3d-5f60-4718-92a3-b4c5d6e7f809').replace(/\b\d+(\.\d+)? (ms|µs)\b/g, '31 ms');
	}
	return true;
})()`

// newDemo runs the demonstration until the test ends, with some trouble added to what it has to show, and returns its
// gateway.
func newDemo(t *testing.T) *gateway {
	t.Helper()
	needBrowser(t)
	out, err := os.Create(filepath.Join(t.TempDir(), "demo.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	c := exec.Command(program, "demo")
	c.Stdout, c.Stderr = out, out
	dieWithUs(c)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
	})
	said := func() string {
		text, _ := os.ReadFile(out.Name())
		return string(text)
	}
	var found []string
	data := regexp.MustCompile(`export BELLHOP_DATA=(\S+)`)
	if !poll(2*patience, func() bool {
		found = data.FindStringSubmatch(said())
		return found != nil && strings.Contains(said(), "until you press Ctrl+C")
	}) {
		t.Fatalf("the demonstration does not come to its end:\n%s", said())
	}
	g := &gateway{t: t, dir: found[1]}
	if !g.readServerFile() {
		t.Fatal("the demonstration's server does not say where it is")
	}
	g.destination(client.NewDestination{Name: "accounting", URL: "http://127.0.0.1:9/hook",
		Settings: client.Settings{"format": "raw"}, Match: &client.Match{Types: []string{"invoice.*"}},
		Retry: &client.Retry{Schedule: client.Schedule{"none"}}})
	for n := range 3 {
		_, _, err := g.client().Publish(t.Context(), client.NewEvent{Type: "invoice.paid",
			Subject: fmt.Sprintf("invoices/%d", 1700+n), Data: fmt.Appendf(nil, `{"id":%d,"amount":%d}`, 1700+n, 40+7*n)}, "")
		if err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, patience, "deliveries are dead", func() bool {
		l, err := g.client().Deliveries(t.Context(), client.DeliveryFilter{State: "dead"}, client.Page{})
		return err == nil && len(l.Data) >= 3
	})
	return g
}

// smaller returns a picture with at most 256 colours, which is enough for pages and takes a third of the bytes.
func smaller(t *testing.T, picture []byte) []byte {
	t.Helper()
	whole, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[color.RGBA]int{}
	at := whole.Bounds()
	for y := at.Min.Y; y < at.Max.Y; y++ {
		for x := at.Min.X; x < at.Max.X; x++ {
			counts[color.RGBAModel.Convert(whole.At(x, y)).(color.RGBA)]++
		}
	}
	var most []color.RGBA
	for c := range counts {
		most = append(most, c)
	}
	slices.SortFunc(most, func(a, b color.RGBA) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return slices.Compare([]uint8{a.R, a.G, a.B}, []uint8{b.R, b.G, b.B})
	})
	var palette color.Palette
	for _, c := range most[:min(len(most), 256)] {
		palette = append(palette, c)
	}
	reduced := image.NewPaletted(at, palette)
	draw.Draw(reduced, at, whole, at.Min, draw.Src)
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, reduced); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
