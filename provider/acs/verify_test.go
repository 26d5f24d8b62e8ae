package acs_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider/acs"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

var signedAt = time.Date(2026, 11, 22, 8, 15, 30, 0, time.UTC)

type vector struct {
	Name    string
	Key     []byte `json:"access_key_base64"`
	Method  string
	Target  string `json:"path_and_query"`
	Host    string `json:"signed_host"`
	Body    string `json:"body_utf8"`
	Headers map[string]string
}

func (v vector) request() acs.Request {
	r := acs.Request{Method: v.Method, Target: v.Target, Host: v.Host, Header: http.Header{}, Body: []byte(v.Body)}
	for name, value := range v.Headers {
		if name != "Host" { // net/http keeps Host out of the headers
			r.Header.Set(name, value)
		}
	}
	return r
}

type vectors struct{ Vectors, Negative, Lenient []vector }

func readVectors(t testing.TB) vectors {
	t.Helper()
	var file vectors
	providertest.ReadJSON(t, "testdata/acs-hmac.json", &file)
	if len(file.Vectors) != 6 || len(file.Negative) != 2 || len(file.Lenient) != 1 {
		t.Fatalf("%d, %d and %d vectors", len(file.Vectors), len(file.Negative), len(file.Lenient))
	}
	return file
}

func TestVectors(t *testing.T) {
	file := readVectors(t)
	for _, v := range file.Vectors {
		for _, lenient := range []bool{false, true} {
			if err := (acs.Verifier{Keys: [][]byte{[]byte("other"), v.Key}, Lenient: lenient}).Verify(v.request(),
				signedAt); err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		}
		want := v.request()
		got := want
		got.Header = http.Header{}
		sign := acs.Sign
		if want.Header.Get("Date") != "" {
			sign = acs.SignWithDate
		}
		if want.Header.Get(acs.HostHeader) != "" { // which the caller sets
			got.Header.Set(acs.HostHeader, v.Host)
		}
		if err := sign(got, v.Key, signedAt); err != nil || !reflect.DeepEqual(got.Header, want.Header) {
			t.Errorf("%s: got  %v, %v\nwant %v", v.Name, got.Header, err, want.Header)
		}
	}
	for _, v := range file.Negative {
		for _, lenient := range []bool{false, true} {
			err := (acs.Verifier{Keys: [][]byte{v.Key}, Lenient: lenient}).Verify(v.request(), signedAt)
			if !errors.Is(err, signature.ErrMismatch) {
				t.Errorf("%s: %v", v.Name, err)
			}
		}
	}
	v := file.Lenient[0]
	err := (acs.Verifier{Keys: [][]byte{v.Key}}).Verify(v.request(), signedAt)
	if !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("%s, strict: %v", v.Name, err)
	}
	if err := (acs.Verifier{Keys: [][]byte{v.Key}, Lenient: true}).Verify(v.request(), signedAt); err != nil {
		t.Errorf("%s: %v", v.Name, err)
	}
}

var key = []byte("acs-test-access-key-0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFG")

func signed(t testing.TB, change func(r *acs.Request)) acs.Request {
	t.Helper()
	r := acs.Request{Method: "POST", Target: "/calling/recordings?api-version=2026-03-12",
		Host: "contoso.communication.azure.com", Header: http.Header{}, Body: []byte("{}")}
	if change != nil {
		change(&r)
	}
	if err := acs.Sign(r, key, signedAt); err != nil {
		t.Fatal(err)
	}
	return r
}

// Cases of section 3 of the forgery list that are about headers, keys and times, and cases of this scheme alone.
// TestMutants changes bits and bytes. Decided differently: G54, the HTTP server removes blanks around a value.
func TestForgery(t *testing.T) {
	const auth = "Authorization"
	set := func(name string, values ...string) func(*acs.Request) {
		return func(r *acs.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
	}
	authorize := func(change func(v string) string) func(*acs.Request) {
		return func(r *acs.Request) { r.Header.Set(auth, change(r.Header.Get(auth))) }
	}
	replace := func(old, new string) func(*acs.Request) {
		return authorize(func(v string) string { return strings.Replace(v, old, new, 1) })
	}
	withDate := func(r *acs.Request) {
		r.Header = http.Header{}
		if err := acs.SignWithDate(*r, key, signedAt); err != nil {
			t.Fatal(err)
		}
	}
	good := signed(t, nil).Header.Get(auth)
	for _, c := range []struct {
		name   string
		change func(r *acs.Request)
		want   error
	}{
		{"G01 control", nil, nil},
		{"control, Date", withDate, nil},
		{"G02 no Authorization", set(auth), signature.ErrMissing},
		{"G03 an empty one", set(auth, ""), signature.ErrMissing},
		{"G04 only the prefix", authorize(func(v string) string { return v[:strings.Index(v, "Signature=")+10] }),
			signature.ErrMissing},
		{"G06 another scheme", replace("HMAC-SHA256", "HMAC-SHA1"), signature.ErrMalformed},
		{"G07 in another case", replace("HMAC-SHA256", "hmac-sha256"), signature.ErrMalformed},
		{"G08 junk in front", set(auth, "x"+good), signature.ErrMalformed},
		{"two blanks", replace(" ", "  "), signature.ErrMalformed},
		{"another list of headers", replace("x-ms-date;host", "host;x-ms-date"), signature.ErrMalformed},
		{"a shorter list of headers", replace(";x-ms-content-sha256", ""), signature.ErrMalformed},
		{"a list of headers in another case", replace("x-ms-date", "X-Ms-Date"), signature.ErrMalformed},
		{"the other date header", replace("x-ms-date", "date"), signature.ErrMalformed},
		{"escaped", authorize(func(v string) string { return strings.Replace(v[:100], "=", "%3D", 1) + v[100:] }),
			signature.ErrMalformed},
		{"G51 no padding", authorize(func(v string) string { return strings.TrimSuffix(v, "=") }),
			signature.ErrMalformed},
		{"G56 Authorization twice", set(auth, good, good), signature.ErrMalformed},
		{"no hash", set(acs.ContentHashHeader), signature.ErrMissing},
		{"a hash twice", set(acs.ContentHashHeader, "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=",
			"RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="), signature.ErrMalformed},
		{"a hash of another body", set(acs.ContentHashHeader, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
			signature.ErrMismatch},
		{"another body", func(r *acs.Request) { r.Body = []byte("{} ") }, signature.ErrMismatch},
		{"no date", set(acs.DateHeader), signature.ErrMissing},
		{"a date twice", set(acs.DateHeader, signedAt.Format(http.TimeFormat), signedAt.Format(http.TimeFormat)),
			signature.ErrMalformed},
		{"another date", set(acs.DateHeader, signedAt.Add(time.Second).Format(http.TimeFormat)),
			signature.ErrMismatch},
		{"a date in another form", set(acs.DateHeader, signedAt.Format(time.RFC3339)), signature.ErrMalformed},
		{"a date of another zone", set(acs.DateHeader, "Sun, 22 Nov 2026 08:15:30 UTC"), signature.ErrMalformed},
		{"a date on another weekday", set(acs.DateHeader, "Mon, 22 Nov 2026 08:15:30 GMT"), signature.ErrMalformed},
		{"a date with a short hour", set(acs.DateHeader, "Sun, 22 Nov 2026 8:15:30 GMT"), signature.ErrMalformed},
		{"Date beside x-ms-date", set("Date", "Mon, 01 Jan 2001 00:00:00 GMT"), nil},
		{"x-ms-date beside a Date that is signed", func(r *acs.Request) { withDate(r); set(acs.DateHeader, "x")(r) },
			signature.ErrMalformed},
		{"x-ms-host of the resource", set(acs.HostHeader, "contoso.communication.azure.com"), nil},
		{"x-ms-host of another", set(acs.HostHeader, "fabrikam.communication.azure.com"), signature.ErrMismatch},
		{"x-ms-host twice", set(acs.HostHeader, "contoso.communication.azure.com", "contoso.communication.azure.com"),
			signature.ErrMismatch},
		{"another host", func(r *acs.Request) { r.Host = "fabrikam.communication.azure.com" }, signature.ErrMismatch},
		{"a port", func(r *acs.Request) { r.Host += ":8443" }, signature.ErrMismatch},
		{"another method", func(r *acs.Request) { r.Method = "PUT" }, signature.ErrMismatch},
		{"the method in lower case", func(r *acs.Request) { r.Method = "post" }, signature.ErrMismatch},
		{"the query in another order", func(r *acs.Request) { r.Target += "&a=1" }, signature.ErrMismatch},
		{"a line break in the target", func(r *acs.Request) { r.Target += "\n" }, signature.ErrMalformed},
		{"a semicolon in the host", func(r *acs.Request) { r.Host += ";" }, signature.ErrMalformed},
	} {
		r := signed(t, nil)
		if c.change != nil {
			c.change(&r)
		}
		for _, lenient := range []bool{false, true} {
			if err := (acs.Verifier{Keys: [][]byte{key}, Lenient: lenient}).Verify(r, signedAt); !errors.Is(
				err, c.want) {
				t.Errorf("%s: got %v, want %v", c.name, err, c.want)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	r := signed(t, nil)
	for _, keys := range [][][]byte{nil, {nil}, {[]byte("x")}} {
		if err := (acs.Verifier{Keys: keys}).Verify(r, signedAt); !errors.Is(err, signature.ErrMismatch) {
			t.Errorf("%q: %v", keys, err)
		}
	}
	if err := acs.Sign(r, nil, signedAt); !errors.Is(err, signature.ErrKey) {
		t.Errorf("signed with an empty key: %v", err)
	}
	for _, change := range []func(r *acs.Request){
		func(r *acs.Request) { r.Method = "" },
		func(r *acs.Request) { r.Host = "" },
		func(r *acs.Request) { r.Target += "\r" },
	} {
		bad := r
		change(&bad)
		if acs.Sign(bad, key, signedAt) == nil {
			t.Errorf("signed %+v", bad)
		}
	}
}

func TestWindow(t *testing.T) {
	r := signed(t, nil)
	for window, edge := range map[time.Duration]time.Duration{0: 15 * time.Minute, time.Minute: time.Minute} {
		v := acs.Verifier{Keys: [][]byte{key}, Window: window}
		for _, sign := range []time.Duration{-1, 1} {
			if err := v.Verify(r, signedAt.Add(sign*edge)); err != nil {
				t.Errorf("%v away: %v", sign*edge, err)
			}
			for _, beyond := range []time.Duration{time.Second, 100 * 365 * 24 * time.Hour} {
				if err := v.Verify(r, signedAt.Add(sign*(edge+beyond))); !errors.Is(err, signature.ErrExpired) {
					t.Errorf("%v away: %v", sign*(edge+beyond), err)
				}
			}
		}
	}
}

func TestMutants(t *testing.T) {
	build := func(p []string) acs.Request {
		return acs.Request{Method: p[0], Target: p[1], Host: p[3], Body: []byte(p[4]), Header: http.Header{
			acs.DateHeader: {p[2]}, acs.ContentHashHeader: {p[5]},
			"Authorization": {"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=" + p[6]},
		}}
	}
	sign := func(i int) []string {
		r := signed(t, func(r *acs.Request) {
			r.Target += strings.Repeat("x", i)
			r.Body = []byte(strings.Repeat("y", i))
		})
		_, sum, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
		return []string{r.Method, r.Target, r.Header.Get(acs.DateHeader), r.Host, string(r.Body),
			r.Header.Get(acs.ContentHashHeader), sum}
	}
	same := func(m, v []string) bool { return reflect.DeepEqual(m, v) }
	providertest.Mutants(t, providertest.ManyMutants, sign, same, func(parts []string) bool {
		return (acs.Verifier{Keys: [][]byte{key}}).Verify(build(parts), signedAt) == nil
	})
}

// FuzzVerify checks that no request is accepted that was not signed.
func FuzzVerify(f *testing.F) {
	file := readVectors(f)
	known := map[string]bool{}
	for _, v := range append(append(file.Vectors, file.Negative...), file.Lenient...) {
		r := v.request()
		date := r.Header.Get(acs.DateHeader) + r.Header.Get("Date")
		f.Add(r.Method, r.Target, r.Host, date, r.Header.Get(acs.ContentHashHeader), r.Header.Get("Authorization"),
			r.Body)
		known[r.Header.Get("Authorization")] = true
	}
	f.Fuzz(func(t *testing.T, method, target, host, date, hash, authorization string, body []byte) {
		h := http.Header{acs.ContentHashHeader: {hash}, "Authorization": {authorization}}
		h[acs.DateHeader] = []string{date}
		if strings.Contains(authorization, "=date;") {
			h = http.Header{acs.ContentHashHeader: {hash}, "Authorization": {authorization}, "Date": {date}}
		}
		r := acs.Request{Method: method, Target: target, Host: host, Header: h, Body: body}
		err := acs.Verifier{Keys: [][]byte{file.Vectors[0].Key}, Lenient: true}.Verify(r, signedAt)
		if err == nil && !known[authorization] {
			t.Errorf("accepted %+v", r)
		}
	})
}
