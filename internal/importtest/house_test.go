package importtest

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestRooms checks that each row of the table belongs to a room that exists.
func TestRooms(t *testing.T) {
	files := sourceFiles(t)
	for _, row := range rooms {
		if !slices.ContainsFunc(files, func(f sourceFile) bool { return row.room.matches(f.room) }) {
			t.Errorf("%s: no such room exists", row.room)
		}
	}
}

// TestPage checks that docs/ARCHITECTURE.md draws every room and that its table equals the one here.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(moduleRoot, "docs", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	seen := map[room]bool{".": true}
	for _, f := range sourceFiles(t) {
		if !seen[f.room] && !strings.Contains(page, " "+path.Base(string(f.room))+"/") && !strings.Contains(page,
			"    "+string(f.room)+"/") {
			t.Errorf("the page does not draw %s", f.room)
		}
		seen[f.room] = true
	}
	told := rowsOf(page)
	for _, row := range rooms {
		got, ok := told[row.room]
		delete(told, row.room)
		if !ok || !slices.Equal(got.may, row.may) || !slices.Equal(got.modules, row.modules) {
			t.Errorf("the page's row of %s is %v, the row here is %v", row.room, got, row)
		}
	}
	for r := range told {
		t.Errorf("the page has a row of %s, and the table here has none", r)
	}
}

var roomName = regexp.MustCompile("`[^`]+`|\\broot\\b|\\bany\\b")

const tableHead = "| room | imports of ours | third party |\n|---|---|---|\n"

// common stands in the page for the rooms that every provider may import.
const common = "*common*"

// rowsOf reads the page's table: | rooms | rooms that each may import | modules that each may import |.
func rowsOf(page string) map[room]row {
	told := make(map[room]row)
	_, table, _ := strings.Cut(page, tableHead)
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			break
		}
		var may []room
		if rest, ok := strings.CutPrefix(strings.TrimSpace(cells[2]), common); ok {
			may = provide(roomsIn(rest)...)
		} else {
			may = roomsIn(cells[2])
		}
		var modules []string
		for _, name := range roomName.FindAllString(cells[3], -1) {
			modules = append(modules, strings.Trim(name, "`"))
		}
		for _, r := range roomsIn(cells[1]) {
			told[r] = row{r, may, modules}
		}
	}
	return told
}

// roomsIn returns the rooms that a cell names, spelled as in the table here.
func roomsIn(cell string) (found []room) {
	for _, name := range roomName.FindAllString(cell, -1) {
		name = strings.Replace(strings.Trim(name, "`"), "<name>", "*", 1)
		if name == "root" {
			name = "."
		}
		found = append(found, room(name))
	}
	return found
}
