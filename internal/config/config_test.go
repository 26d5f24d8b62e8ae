package config

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// load loads a Config from the text of a file (unless it is ""), an environment and flags.
func load(t *testing.T, file string, env, flags map[string]string) (Config, error) {
	t.Helper()
	path := ""
	if file != "" {
		path = filepath.Join(t.TempDir(), "bellhop.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(path, func(name string) string { return env[name] }, flags)
}

// TestDefaults: a file without values has the same Config as no file.
func TestDefaults(t *testing.T) {
	want := Config{Listen: "127.0.0.1:8080", Data: "./data", UI: true, Retain: 30 * 24 * time.Hour,
		UIOpenIDScopes:  []string{"profile", "email"},
		ShutdownTimeout: 10 * time.Second, ReadTimeout: 15 * time.Second, MaxConnections: 10_000, MaxAttempts: 8192,
		OTLPSample: 1, LogLevel: "info", LogFormat: "auto"}
	for name, file := range map[string]string{"no file": "", "an empty file": "\n",
		"a file of comments": "# listen: :80\n", "keys without values": "listen:\nretain: ~\nallow: null\n"} {
		if got, err := load(t, file, nil, nil); err != nil || !got.Same(want) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// TestPrecedence: flags override the environment, the environment overrides the file, and the file overrides defaults.
func TestPrecedence(t *testing.T) {
	const file = "listen: :1\ndata: file\nlog-level: warn\nretain: 7d\n"
	env := map[string]string{"BELLHOP_LISTEN": ":2", "BELLHOP_DATA": "env", "BELLHOP_RETAIN": "",
		"BELLHOP_LOG_LEVEL": "error"}
	flags := map[string]string{"listen": ":3", "log-level": "debug"}
	got, err := load(t, file, env, flags)
	if err != nil || got.Listen != ":3" || got.Data != "env" || got.LogLevel != "debug" ||
		got.Retain != 7*24*time.Hour || got.LogFormat != "auto" {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := load(t, "public-url: https://a.example\n", nil, map[string]string{"public-url": ""}); err != nil ||
		got.PublicURL != "" {
		t.Errorf("an empty flag: %+v %v", got, err)
	}
	if got, err := load(t, "retain: soon\n", nil, map[string]string{"retain": "1h"}); err != nil ||
		got.Retain != time.Hour {
		t.Errorf("an overridden value is judged: %+v %v", got, err)
	}
}

// TestFile: a file holds values of every kind.
func TestFile(t *testing.T) {
	got, err := load(t, `
# every kind of value
listen: 0.0.0.0:9000
public-url: "https://hooks.example.com"
retain: 0
allow-private: yes
allow: [10.1.2.3/16, "fd00::1"]
shutdown-timeout: 1m30s
max-connections: 500
log-format: json
`, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "allow-private: use true or false") {
		t.Errorf("YAML 1.1's yes: %v", err)
	}
	got, err = load(t, `
allow-private: true
allow: [10.1.2.3/16, "fd00::1"]
retain: 0
max-connections: 500
shutdown-timeout: 1m30s
`, nil, nil)
	want := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::1/128")}
	if err != nil || !got.AllowPrivate || !reflect.DeepEqual(got.Allow, want) || got.Retain != 0 ||
		got.MaxConnections != 500 || got.ShutdownTimeout != 90*time.Second {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := load(t, "", map[string]string{"BELLHOP_ALLOW": " 10.1.0.0/16 , fd00::1,"}, nil); err != nil ||
		!reflect.DeepEqual(got.Allow, want) {
		t.Errorf("a list in the environment: %+v %v", got, err)
	}
	got, err = load(t, "proxies: [\"http://a.example:3128\", \"https://[::1]\"]\n", nil, nil)
	if proxies := []string{"http://a.example:3128", "https://[::1]"}; err != nil ||
		!reflect.DeepEqual(got.Proxies, proxies) {
		t.Errorf("%+v %v", got, err)
	}
}

// TestAllowLocalhost: the name localhost in the list of allowed addresses is all loopback addresses, on every way in.
func TestAllowLocalhost(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for what, c := range map[string]struct {
		yaml, env, flag string
		want            []netip.Prefix
	}{
		"flag":        {flag: "localhost", want: loopback},
		"environment": {env: "localhost", want: loopback},
		"file":        {yaml: "allow: [localhost]\n", want: loopback},
		"among others": {flag: "10.0.0.1, localhost",
			want: append([]netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}, loopback...)},
		"another name":           {flag: "localhost.example"},
		"a name that begins so":  {flag: "localhost:8080"},
		"a name without address": {flag: "localnet"},
	} {
		env, flags := map[string]string{}, map[string]string{}
		if c.env != "" {
			env["BELLHOP_ALLOW"] = c.env
		}
		if c.flag != "" {
			flags["allow"] = c.flag
		}
		got, err := load(t, c.yaml, env, flags)
		switch {
		case c.want == nil:
			if err == nil || !strings.Contains(err.Error(), "or localhost, not") {
				t.Errorf("%s: %v %v", what, got.Allow, err)
			}
		case err != nil || !reflect.DeepEqual(got.Allow, c.want):
			t.Errorf("%s: %v %v", what, got.Allow, err)
		}
	}
}

// TestFileEncodings: a file is read in the encodings and with the line breaks that editors write.
func TestFileEncodings(t *testing.T) {
	const text = "listen: 127.0.0.1:9000\nlog-format: json\n"
	wide := func(text string) string {
		var b strings.Builder
		for _, c := range []byte(text) {
			b.Write([]byte{c, 0})
		}
		return b.String()
	}
	for name, file := range map[string]string{
		"byte order mark": "\ufeff" + text,
		"CRLF":            strings.ReplaceAll(text, "\n", "\r\n"),
		"UTF-16":          "\xff\xfe" + wide(text),
		"UTF-16 and CRLF": "\xff\xfe" + wide(strings.ReplaceAll(text, "\n", "\r\n")),
	} {
		if got, err := load(t, file, nil, nil); err != nil || got.Listen != "127.0.0.1:9000" ||
			got.LogFormat != "json" {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	for name, file := range map[string]string{"UTF-16 without a mark": wide(text), "Latin-1": "data: gr\xfcn\n"} {
		if got, err := load(t, file, nil, nil); err == nil || !strings.Contains(err.Error(), "save it as UTF-8") {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// TestErrors: an error says where the bad value is, and what to write instead.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, file string
		env, flags map[string]string
		want       string // a pattern
	}{
		{"unknown key", "listen: :1\nlissten: :2\n", nil, nil, `^config: .*bellhop\.yaml: unknown key "lissten"; `},
		{"a key in the form of the environment", "LOG_LEVEL: info\n", nil, nil, `unknown key "LOG_LEVEL"`},
		{"key twice", "listen: :1\nlisten: :2\n", nil, nil, `^config: .*bellhop\.yaml: .*"listen" already defined`},
		{"not YAML", "listen: [\n", nil, nil, `^config: .*bellhop\.yaml: `},
		{"not an object", "- listen\n", nil, nil, `^config: .*bellhop\.yaml: `},
		{"an object for a text", "listen: {port: 1}\n", nil, nil, `bellhop\.yaml: listen: `},
		{"an object within a list", "allow: [{a: b}]\n", nil, nil, `bellhop\.yaml: allow: `},
		{"duration in the file", "retain: 30 days\n", nil, nil,
			`bellhop\.yaml: retain: use a length of time such as 10s, 12h or 30d, not "30 days"$`},
		{"duration without a unit", "shutdown-timeout: 10\n", nil, nil,
			`bellhop\.yaml: shutdown-timeout: use a length of time`},
		{"duration in the environment", "", map[string]string{"BELLHOP_RETAIN": "-1h"}, nil,
			`^BELLHOP_RETAIN: use a length of time`},
		{"duration in a flag", "", nil, map[string]string{"retain": "1w"}, `^--retain: use a length of time`},
		{"flag over a good file", "max-connections: 5\n", nil, map[string]string{"max-connections": "0"},
			`^--max-connections: use a whole number above 0, not "0"$`},
		{"number", "", map[string]string{"BELLHOP_MAX_CONNECTIONS": "many"}, nil,
			`^BELLHOP_MAX_CONNECTIONS: use a whole number`},
		{"boolean", "", map[string]string{"BELLHOP_ALLOW_PRIVATE": "perhaps"}, nil,
			`^BELLHOP_ALLOW_PRIVATE: use true or false, not "perhaps"$`},
		{"network", "allow: 10.0.0.0/33\n", nil, nil, `bellhop\.yaml: allow: use an address, a range`},
		{"second network", "", nil, map[string]string{"allow": "10.0.0.0/8,lan"}, `^--allow: .*not "lan"$`},
		{"proxy with a password", "",
			map[string]string{"BELLHOP_PROXIES": "http://a.example,http://me:s3cret@proxy.example:3128"}, nil,
			`^BELLHOP_PROXIES: use the scheme, host and port`},
		{"proxy of another kind", "proxies: [\"socks5://proxy.example:1080\"]\n", nil, nil,
			`bellhop\.yaml: proxies: use the scheme`},
		{"proxy without a scheme", "", nil, map[string]string{"proxies": "proxy.example:3128"},
			`^--proxies: use the scheme`},
		{"proxy with a path", "", nil, map[string]string{"proxies": "http://proxy.example:3128/s3cret"},
			`^--proxies: use the scheme`},
		{"level in the environment", "", map[string]string{"BELLHOP_LOG_LEVEL": "loud"}, nil,
			`^BELLHOP_LOG_LEVEL: use debug, info, warn or error, not "loud"$`},
		{"format in the file", "log-format: xml\n", nil, nil,
			`bellhop\.yaml: log-format: use text, json or auto, not "xml"$`},
		{"format in a flag", "log-format: json\n", nil, map[string]string{"log-format": "xml"},
			`^--log-format: use text, json or auto`},
		{"no folder", "", nil, map[string]string{"data": ""}, `^--data: name a folder$`},
		{"no time to read", "read-timeout: 0s\n", nil, nil, `bellhop\.yaml: read-timeout: must be above 0$`},
		{"database", "", map[string]string{"BELLHOP_DATABASE": "postgres://user:s3cret@db/bellhop"}, nil,
			`^BELLHOP_DATABASE: .*SQLite`},
	} {
		_, err := load(t, c.file, c.env, c.flags)
		if err == nil || !regexp.MustCompile(c.want).MatchString(err.Error()) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: repeats a secret: %v", c.name, err)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "missing.yaml"), os.Getenv, nil); err == nil ||
		!strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("no file: %v", err)
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "0d": 0, "1d": 24 * time.Hour, "30d": 720 * time.Hour,
		"12h": 12 * time.Hour, "1h30m": 90 * time.Minute, "250ms": 250 * time.Millisecond,
		"36500d": 36500 * 24 * time.Hour, "1d12h": 36 * time.Hour, "2d0.5s": 48*time.Hour + time.Second/2} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "+1d", "1.5d", "1d+12h", "1d-1h", "12h1d", "1d1d", "65535d2000000h",
		"1 d", "-1s", "99999999d", "10", "1y", "٣d"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestSettings: every field has a unique name and a description, and accepts its own default.
func TestSettings(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Settings() {
		if s.Name == "" || s.Doc == "" || s.Name != strings.ToLower(s.Name) || seen[s.Name] ||
			!strings.HasPrefix(EnvName(s.Name), "BELLHOP_") {
			t.Errorf("%+v", s)
		}
		seen[s.Name] = true
		if _, err := load(t, "", nil, map[string]string{s.Name: s.Default}); err != nil {
			t.Errorf("%s does not take its own default: %v", s.Name, err)
		}
	}
	if EnvName("public-url") != "BELLHOP_PUBLIC_URL" {
		t.Error(EnvName("public-url"))
	}
}

func TestPublicURL(t *testing.T) {
	for text, ok := range map[string]bool{"https://hooks.example.com": true, "http://127.0.0.1:8080/sub": true,
		":::": false, "ftp://x": false, "hooks.example.com": false, "https://": false, "https://x/?a=b": false,
		"https://u:p@x": false} {
		_, err := load(t, "", nil, map[string]string{"public-url": text})
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "--public-url") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestOpenIDSettings: the sign-in by an OpenID issuer is whole, or not there. The first setting at fault is named.
func TestOpenIDSettings(t *testing.T) {
	whole := map[string]string{"ui-oidc-issuer": "https://login.example.com/t/v2.0", "ui-oidc-client-id": "bellhop",
		"ui-oidc-client-secret": "s3cret", "ui-roles": "admin:groups=a, operator@acme:sub=b=c"}
	got, err := load(t, "", nil, whole)
	rules := got.SignInRules()
	if err != nil || len(rules) != 2 || rules[1] != (bellhop.SignInRule{Text: "operator@acme:sub=b=c",
		Scope: bellhop.ScopeOperate, Tenant: "acme", Claim: "sub", Value: "b=c"}) {
		t.Errorf("%+v %v", rules, err)
	}
	for change, want := range map[string]string{
		"ui-oidc-issuer=http://localhost:9100/t":      "",
		"ui-oidc-issuer=http://127.0.0.1:9100":        "",
		"ui-oidc-client-secret=":                      "",
		"ui-oidc-issuer=":                             "--ui-roles: .*give --ui-oidc-issuer too",
		"ui-oidc-issuer=http://login.example.com":     "--ui-oidc-issuer: use the https URL",
		"ui-oidc-issuer=https://u:p@example.com":      "--ui-oidc-issuer: use the https URL",
		"ui-oidc-issuer=https://example.com/?a=1":     "--ui-oidc-issuer: use the https URL",
		"ui-oidc-issuer=login.example.com":            "--ui-oidc-issuer: use the https URL",
		"ui-oidc-client-id=":                          "--ui-oidc-issuer: it needs --ui-oidc-client-id",
		"ui-roles=":                                   "--ui-oidc-issuer: it needs --ui-roles",
		"ui-roles=admin":                              "--ui-roles: use ROLE:CLAIM=VALUE",
		"ui-roles=admin:groups=":                      "--ui-roles: use ROLE:CLAIM=VALUE",
		"ui-roles=admin:=a":                           "--ui-roles: use ROLE:CLAIM=VALUE",
		"ui-roles=admin@:groups=a":                    "--ui-roles: use ROLE:CLAIM=VALUE",
		"ui-roles=owner:groups=a":                     "--ui-roles: use the role viewer, operator or admin",
		"ui-roles=viewer:groups=a,publisher:groups=b": "--ui-roles: use the role viewer, operator or admin",
	} {
		flags := maps.Clone(whole)
		name, value, _ := strings.Cut(change, "=")
		flags[name] = value
		_, err := load(t, "", nil, flags)
		said := ""
		if err != nil {
			said = err.Error()
		}
		if (want == "") != (err == nil) || !regexp.MustCompile(want).MatchString(said) {
			t.Errorf("%s: %v", change, err)
		}
	}
}

// TestFilesSettings: files are in a folder, or in a bucket with all that it needs, and no error repeats a key.
func TestFilesSettings(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	for name, text := range map[string]string{"key": "s3cret-from-file\n", "empty": "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"BUCKET_KEY": "AKIAFROMENV", "BELLHOP_FILES_REGION": "eu-central-1"}
	got, err := load(t, "", env, map[string]string{"files": "s3://media/kept/here",
		"files-access-key": "env:BUCKET_KEY",
		"files-secret-key": "file:" + key, "files-retention": "90d"})
	bucket, prefix, ok := got.FilesBucket()
	if err != nil || !ok || bucket != "media" || prefix != "kept/here" || got.FilesAccessKey != "AKIAFROMENV" ||
		got.FilesSecretKey != "s3cret-from-file" || got.FilesRetention != 90*24*time.Hour {
		t.Errorf("%+v %v", got, err)
	}
	got, err = load(t, "", nil, map[string]string{"files": "/var/lib/files"})
	if _, _, ok := got.FilesBucket(); err != nil || ok || got.Files != "/var/lib/files" {
		t.Errorf("a folder: %+v %v", got, err)
	}
	whole := map[string]string{"files": "s3://media", "files-endpoint": "https://minio.example:9000",
		"files-access-key": "a",
		"files-secret-key": "s3cret"}
	if got, err := load(t, "", nil, whole); err != nil || got.FilesSecretKey != "s3cret" {
		t.Errorf("a bucket of another service: %+v %v", got, err)
	}
	for what, change := range map[string]map[string]string{
		"--files: use a folder, or s3://BUCKET/PREFIX":       {"files": "gs://media"},
		"--files: use a folder":                              {"files": "s3://"},
		"--files: the settings of a bucket are given":        {"files": "/var/lib/files"},
		"a bucket needs --files-access-key and":              {"files-access-key": ""},
		"a bucket needs --files-access-key and --files":      {"files-secret-key": ""},
		"a bucket of Amazon needs --files-region":            {"files-endpoint": ""},
		"--files-endpoint: use the scheme and host":          {"files-endpoint": "https://user:s3cret@minio.example"},
		"--files-endpoint: use the scheme":                   {"files-endpoint": "https://minio.example/path"},
		"--files-secret-key: the variable NOBODY is not set": {"files-secret-key": "env:NOBODY"},
		"--files-secret-key: open ":                          {"files-secret-key": "file:" + key + "s"},
		"empty is empty": {"files-secret-key": "file:" +
			filepath.Join(dir, "empty")},
		"--files-retention: use a length of time": {"files-retention": "soon"},
	} {
		flags := maps.Clone(whole)
		maps.Copy(flags, change)
		_, err := load(t, "", nil, flags)
		if err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v: %v, want %q", change, err, what)
		}
	}
}

// TestTLSSettings: settings of TLS that cannot work together are refused, each with what to do.
func TestTLSSettings(t *testing.T) {
	for file, want := range map[string]string{
		"tls-cert: a\ntls-key: b\n": "",
		"tls-cert: a\n":             "tls-cert: it needs --tls-key",
		"tls-key: a\n":              "tls-key: it needs --tls-cert",
		"tls-cert: a\ntls-key: b\nlisten-http: :80\n": "",
		"listen-http: :80\n":                          "listen-http: it sends browsers on",
		"listen: nowhere\n":                           "listen: use an address and a port",
		"listen: :99999\n":                            "listen: use an address and a port",
		"listen: :https\n":                            "",
		"acme-domain: a.example\nacme-agree: true\nlisten-http: x\n": "listen-http: use an address and a port",
		"listen-api: nowhere\n":                                               "listen-api: use an address and a port",
		"acme-domain: a.example\nacme-agree: true\n":                          "",
		"acme-domain: [a.example, b-c.example]\nacme-agree: true\n":           "",
		"acme-domain: a.example\nacme-agree: true\nlisten-http: :80":          "",
		"acme-domain: a.example\n":                                            "acme-domain: the CA asks whether",
		"acme-agree: true\n":                                                  "give --acme-domain too",
		"acme-email: a@b.example\n":                                           "give --acme-domain too",
		"acme-domain: a.example\nacme-agree: true\ntls-cert: a\ntls-key: b\n": "acme-domain: there is --tls-cert too",
		"acme-domain: '*.a.example'\nacme-agree: true\n":                      "acme-domain: use names such as",
		"acme-domain: https://a.example\nacme-agree: true\n":                  "acme-domain: use names such as",
		"acme-domain: 'a.example:443'\nacme-agree: true\n":                    "acme-domain: use names such as",
		"acme-domain: 192.0.2.1\nacme-agree: true\n":                          "acme-domain: use names such as",
		"acme-domain: A.example\nacme-agree: true\n":                          "acme-domain: use names such as",
		"acme-domain: a..example\nacme-agree: true\n":                         "acme-domain: use names such as",
		"acme-domain: -a.example\nacme-agree: true\n":                         "acme-domain: use names such as",
		"acme-domain: a.example\nacme-agree: true\nacme-directory: ca\n":      "acme-directory: use the URL",
		"acme-domain: a.example\nacme-agree: true\nacme-email: me\n":          "acme-email: use an address",
		"trusted-proxies: [10.0.0.0/8, localhost]\nproxy-protocol: true\n":    "",
		"proxy-protocol: true\n":                                              "proxy-protocol: it needs --trusted",
		"trusted-proxies: proxy.example\n":                                    "trusted-proxies: use an address",
	} {
		_, err := load(t, file, nil, nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
}
