package match

import "testing"

// TestComparesSource: the expressions that may mean another source, or none, once the source media has another name.
func TestComparesSource(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`source == "media"`:                                     true,
		`"media" != source && data.n > 1`:                       true,
		`source in ["shop", "media"]`:                           true,
		`{"media": true}[source]`:                               true,
		`upper(source) == "MEDIA"`:                              true,
		`$env.source == "media"`:                                true,
		`let s = source; s == "media"`:                          true,
		`source startsWith "med"`:                               true,
		`lower(source) matches "^m"`:                            true,
		`not (source endsWith "x")`:                             true,
		`source contains data.part`:                             true,
		`any(["media"], {# == source})`:                         true,
		`source == "shop"`:                                      false,
		`data.source == "media"`:                                false,
		`subject == "media"`:                                    false,
		`subject startsWith "med" && source == "shop"`:          false,
		`data.kind == "mediation" && source != data.other`:      false,
		`source ==`:                                             false,
		``:                                                      false,
		`type == "media" && headers["X-Source"] == "mediation"`: false,
	} {
		if got := ComparesSource(text, "media"); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
