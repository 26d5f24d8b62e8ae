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

// TestRooms: every row of the table is of a room that there is.
func TestRooms(t *testing.T) {
	files := sourceFiles(t)
	for _, row := range rooms {
		if !slices.ContainsFunc(files, func(f sourceFile) bool { return row.room.matches(f.room) }) {
			t.Errorf("%s: there is no such room", row.room)
		}
	}
}

// TestPage: docs/ARCHITECTURE.md draws every room, and its table says what the one here does.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(moduleRoot, "docs", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	seen := map[room]bool{".": true}
	for _, f := range sourceFiles(t) {
		if !seen[f.room] && !strings.Contains(page, " "+path.Base(string(f.room))+"/") && !strings.Contains(page, "    "+string(f.room)+"/") {
			t.Errorf("the page does not draw %s", f.room)
		}
		seen[f.room] = true
	}
	told := rowsOf(page)
	for _, row := range rooms {
		may, ok := told[row.room]
		if delete(told, row.room); !ok || !slices.Equal(may, row.may) {
			t.Errorf("of %s the page says %q (%t), and the table here %q", row.room, may, ok, row.may)
		}
	}
	for r := range told {
		t.Errorf("of %s the page has a row, and the table here none", r)
	}
}

var roomName = regexp.MustCompile("`[^`]+`|\\broot\\b|\\bany\\b")

// rowsOf reads the page's table: | rooms | what each may import |.
func rowsOf(page string) map[room][]room {
	told := make(map[room][]room)
	_, table, _ := strings.Cut(page, "| room | imports of ours |\n|---|---|\n")
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 {
			break
		}
		for _, r := range roomsIn(cells[1]) {
			told[r] = roomsIn(cells[2])
		}
	}
	return told
}

// roomsIn returns the rooms that a cell names, as the table here writes them.
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
