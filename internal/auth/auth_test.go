package auth

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

const testKey = "bhk_right"

// TestAdminKey: only one Authorization header with the whole key is accepted.
func TestAdminKey(t *testing.T) {
	for _, c := range []struct {
		name   string
		key    string
		header []string
		ok     bool
	}{
		{"the key", testKey, []string{"Bearer " + testKey}, true},
		{"the scheme in lower case", testKey, []string{"bearer " + testKey}, true},
		{"no header", testKey, nil, false},
		{"an empty header", testKey, []string{""}, false},
		{"the scheme alone", testKey, []string{"Bearer"}, false},
		{"an empty key", testKey, []string{"Bearer "}, false},
		{"another key", testKey, []string{"Bearer wrong"}, false},
		{"a longer key", testKey, []string{"Bearer " + testKey + "x"}, false},
		{"a part of the key", testKey, []string{"Bearer " + testKey[1:]}, false},
		{"two spaces", testKey, []string{"Bearer  " + testKey}, false},
		{"another scheme", testKey, []string{"Basic " + testKey}, false},
		{"the key without a scheme", testKey, []string{testKey}, false},
		{"two headers", testKey, []string{"Bearer " + testKey, "Bearer " + testKey}, false},
		{"an empty key against no key", "", []string{"Bearer "}, false},
		{"a header against no key", "", []string{"Bearer x"}, false},
	} {
		r := &http.Request{Header: http.Header{"Authorization": c.header}}
		p, err := NewAdminKey(c.key).Authenticate(r)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		cause := ErrWrongKey
		if c.header == nil {
			cause = ErrNoKey
		}
		if err != nil && !errors.Is(err, cause) {
			t.Errorf("%s: %v is not %v", c.name, err, cause)
		}
		var e *bellhop.Error
		if err != nil && (!errors.As(err, &e) || e.Code != bellhop.CodeUnauthorized || p != (Principal{})) {
			t.Errorf("%s: %v %#v", c.name, p, err)
		}
		if err == nil && p != (Principal{Name: "admin", Scope: bellhop.ScopeAdmin}) {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
	r := &http.Request{Header: http.Header{"Authorization": {"Bearer "}}}
	if _, err := (AdminKey{}).Authenticate(r); err == nil {
		t.Error("the zero AdminKey accepts a request")
	}
}

// TestContext: a principal comes out of a context as it went in.
func TestContext(t *testing.T) {
	if p, ok := FromContext(context.Background()); ok || p != (Principal{}) {
		t.Errorf("%+v", p)
	}
	want := Principal{Name: "reader", KeyID: "key_1", Scope: bellhop.ScopeRead, Tenant: "acme"}
	if p, ok := FromContext(NewContext(context.Background(), want)); !ok || p != want {
		t.Errorf("%+v", p)
	}
}
