package journey
import "testing"
func TestDbg(t *testing.T) {
	calls := readTrace(t, "/tmp/trace.txt")
	writes := only(calls, func(c *call) bool { return isLog(c) && c.name == "pwrite64" })
	n := 0
	hdr, com := 0, 0
	for _, w := range writes { if w.result == 24 { hdr++; if endsTransaction(w) { com++ } } }
	t.Log("writes", len(writes), "headers", hdr, "commits", com, "syncs", len(only(calls, isSync)))
	for m, a := range answers(calls) {
		for i, w := range writes {
			if mark.FindString(w.buffer()) == "" { continue }
			found := false
			for _, x := range mark.FindAllString(w.buffer(), -1) { if x == m { found = true } }
			if !found { continue }
			c := i
			for c < len(writes) && !endsTransaction(writes[c]) { c++ }
			if a.begin < writes[c].end && n < 5 { n++; t.Log(m, "answer line", a.begin+1, "row line", w.begin+1, "commit line", writes[c].begin+1) }
			break
		}
	}
}
