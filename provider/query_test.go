package provider

import (
	"slices"
	"testing"
)

func TestQuery(t *testing.T) {
	for _, c := range []struct {
		target string
		want   []string
	}{
		{"/in/x", nil},
		{"/in/x?", nil},
		{"/in/x?other=1", nil},
		{"/in/x?Code=1", nil},
		{"/in/x?code", []string{""}},
		{"/in/x?code=", []string{""}},
		{"/in/x?code=s3cret", []string{"s3cret"}},
		{"/in/x?a=1&code=s3cret&b=2", []string{"s3cret"}},
		{"/in/x?c%6fde=a%2Bb+c", []string{"a+b c"}},
		{"/in/x?code=1&code=2", []string{"1", "2"}},
		{"/in/x?code=%zz&code=2", []string{"%zz", "2"}},
		{"/in/x?code=a=b?c", []string{"a=b?c"}},
		{"/in/x?code=a;b", []string{"a;b"}},
	} {
		if got := Query(c.target, "code"); !slices.Equal(got, c.want) {
			t.Errorf("Query(%q) = %q, want %q", c.target, got, c.want)
		}
	}
}
