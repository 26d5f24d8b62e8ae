// Package config holds the server's settings: one struct, whose field tags give name and default. A flag
// overrides the environment, and the environment overrides the file. Unknown keys of the file are errors.
package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/goccy/go-yaml"
)

// Config is the server's settings. Each field is a flag, a variable of the environment ([EnvName]) and a key of
// the file.
type Config struct {
	Listen          string         `name:"listen" default:"127.0.0.1:8080"`
	ListenMetrics   string         `name:"listen-metrics" default:""`
	ListenAPI       string         `name:"listen-api" default:""`
	ListenHTTP      string         `name:"listen-http" default:""`
	TrustedProxies  []netip.Prefix `name:"trusted-proxies" default:""`
	ProxyProtocol   bool           `name:"proxy-protocol" default:"false"`
	TLSCert         string         `name:"tls-cert" default:""`
	TLSKey          string         `name:"tls-key" default:""`
	ACMEDomains     []string       `name:"acme-domain" default:""`
	ACMEAgree       bool           `name:"acme-agree" default:"false"`
	ACMEEmail       string         `name:"acme-email" default:""`
	ACMEDirectory   string         `name:"acme-directory" default:""`
	ACMERoot        string         `name:"acme-root" default:""`
	Data            string         `name:"data" default:"./data"`
	Database        string         `name:"database" default:""`
	PublicURL       string         `name:"public-url" default:""`
	UI              bool           `name:"ui" default:"true"`
	UIListen        string         `name:"ui-listen" default:""`
	UIURL           string         `name:"ui-url" default:""`
	UIOpenIDIssuer  string         `name:"ui-oidc-issuer" default:""`
	UIOpenIDClient  string         `name:"ui-oidc-client-id" default:""`
	UIOpenIDSecret  string         `name:"ui-oidc-client-secret" default:"" secret:"true"`
	UIOpenIDScopes  []string       `name:"ui-oidc-scopes" default:"profile,email"`
	UIRoles         []string       `name:"ui-roles" default:""`
	ConfigPrune     bool           `name:"config-prune" default:"false"`
	Retain          time.Duration  `name:"retain" default:"30d"`
	RetainBytes     Bytes          `name:"retain-bytes" default:"0"`
	BackupEvery     time.Duration  `name:"backup-every" default:"0"`
	Files           string         `name:"files" default:""`
	FilesEndpoint   string         `name:"files-endpoint" default:""`
	FilesRegion     string         `name:"files-region" default:""`
	FilesAccessKey  string         `name:"files-access-key" default:"" secret:"true"`
	FilesSecretKey  string         `name:"files-secret-key" default:"" secret:"true"`
	FilesRetention  time.Duration  `name:"files-retention" default:"0"`
	AllowPrivate    bool           `name:"allow-private" default:"false"`
	Allow           []netip.Prefix `name:"allow" default:""`
	Proxies         []string       `name:"proxies" default:""`
	AllowExec       bool           `name:"allow-exec" default:"false"`
	ShutdownTimeout time.Duration  `name:"shutdown-timeout" default:"10s"`
	ReadTimeout     time.Duration  `name:"read-timeout" default:"15s"`
	MaxConnections  int            `name:"max-connections" default:"10000"`
	MaxAttempts     int            `name:"max-attempts" default:"8192"`
	OTLPEndpoint    string         `name:"otlp-endpoint" default:""`
	OTLPHeaders     string         `name:"otlp-headers" default:"" secret:"true"`
	OTLPSample      float64        `name:"otlp-sample" default:"1"`
	LogLevel        string         `name:"log-level" default:"info"`
	LogFormat       string         `name:"log-format" default:"auto"`

	given map[string]given // by the names of the fields; nil if they were not loaded
}

// docs describes each setting for flags and pages: meaning, unit and an example.
var docs = map[string]string{
	"listen": "address and port of the sources and the API, such as 127.0.0.1:8080 or :8080",
	"listen-metrics": "address and port that serve /metrics without a key, such as 127.0.0.1:9090; a port alone is " +
		"at 127.0.0.1; if empty, /metrics is at --listen and needs an API key",
	"listen-api": "address and port of the API and the pages, such as 127.0.0.1:8081, so that --listen faces the " +
		"world with the sources alone; a port alone is at 127.0.0.1; by default they are at --listen",
	"listen-http": "address and port, such as :80, that send browsers on to https and refuse everything else; of " +
		"use with TLS alone",
	"trusted-proxies": "addresses of the proxies in front whose word counts about the address of a client " +
		"(X-Forwarded-For, Forwarded), such as 10.1.0.0/16; localhost is 127.0.0.0/8 and ::1; comma-separated",
	"proxy-protocol": "connections of --trusted-proxies to --listen and --listen-http begin with a header of the " +
		"PROXY protocol, version 1 or 2",
	"tls-cert": "file of the certificate of this server with its chain, as PEM, for TLS and HTTP/2 at --listen; it " +
		"is read again when it changes",
	"tls-key": "file of the key of --tls-cert, as PEM",
	"acme-domain": "names of this server, such as hooks.example.com, for which it gets certificates by ACME and " +
		"renews them; the CA calls it there at port 443, and at port 80 with --listen-http; comma-separated",
	"acme-agree":     "you agree to the terms of the CA of --acme-directory; without it no certificate is asked for",
	"acme-email":     "address at which the CA reaches you",
	"acme-directory": "URL of the ACME directory of the CA; by default that of Let's Encrypt",
	"acme-root": "file of the certificates, as PEM, by which the server of --acme-directory is believed, of a CA of " +
		"your own; by default those of the system",
	"data": "folder that holds everything; created at the first start, readable by its owner only",
	"database": "reserved for PostgreSQL; this version refuses it, everything is in SQLite in " +
		"the data folder",
	"public-url": "the URL at which providers reach this server, such as https://hooks.example.com; by default the " +
		"address of --listen",
	"ui": "serve the pages, for browsers, below /ui; --ui=false serves none",
	"ui-listen": "address and port of the pages, such as 127.0.0.1:8081, so that --listen can face the world " +
		"without them; a port alone is at 127.0.0.1; by default they are at --listen",
	"ui-url": "the scheme and host by which people reach the pages, such as https://bellhop.example.com; by default " +
		"those of --public-url, or the address of --ui-listen",
	"ui-oidc-issuer": "an OpenID issuer by which people sign in to the pages, such as " +
		"https://login.microsoftonline.com/TENANT/v2.0; with https, or http to this machine",
	"ui-oidc-client-id": "the id of this application at the OpenID issuer; its redirect URI there is that of " +
		"--ui-url with /ui/openid/back",
	"ui-oidc-client-secret": "the secret of this application at the OpenID issuer: env:NAME, file:PATH, or the " +
		"secret itself; leave it out for a public client",
	"ui-oidc-scopes": "what the OpenID issuer is asked for beside openid, separated by commas; some issuers give " +
		"groups only to those who ask for the scope groups",
	"ui-roles": "who of the people of the OpenID issuer may do what, separated by commas: ROLE:CLAIM=VALUE or " +
		"ROLE@TENANT:CLAIM=VALUE, with the role viewer, operator or admin; the first that fits decides, and without " +
		"one nobody gets in",
	"config-prune": "delete the sources, destinations, connections, subscriptions and keys that the file of " +
		"--config made before and does not have any more",
	"retain": "how long events, their deliveries and requests are kept, such as 12h or 30d, from the end of the " +
		"event's last delivery on; a dead delivery is kept for 24h at least; 0 keeps all forever",
	"retain-bytes": "how large the database may become, such as 20GiB; beyond that, the oldest events go whose " +
		"deliveries are finished; 0 is no bound",
	"backup-every": "how old the latest backup may become, such as 26h, before 'bellhop doctor' warns; 0 never warns",
	"files": "where the files of actions are kept, such as recordings: a folder, or s3://BUCKET/PREFIX; by " +
		"default the folder files in the data folder",
	"files-endpoint": "scheme and host of the S3-compatible service of the bucket, such as " +
		"https://minio.example.com:9000; by default that of Amazon",
	"files-region":     "region of the bucket, such as eu-central-1",
	"files-access-key": "access key of the bucket: env:NAME, file:PATH, or the key itself",
	"files-secret-key": "secret key of the bucket: env:NAME, file:PATH, or the key itself, which other users may " +
		"see in the list of processes",
	"files-retention": "how long a file is kept once it is whole, such as 90d; 0 keeps it as long as its event",
	"allow-private": "let deliveries reach private, loopback, shared and documentation addresses, every address of " +
		"this machine, and all ports; link-local addresses and those of cloud metadata stay closed",
	"allow": "addresses that deliveries may reach although they are private, such as " +
		"10.1.0.0/16; localhost is 127.0.0.0/8 and ::1; comma-separated",
	"proxies": "proxies that destinations may go through, such as http://proxy.example:3128; " +
		"comma-separated; none if empty",
	"allow-exec": "let destinations run commands, as the server's user; every holder of an API key of scope " +
		"admin can then run any program",
	"shutdown-timeout": "how long a clean stop may take",
	"read-timeout":     "how long a request may take to arrive",
	"max-connections": "connections served at the same time, at most a third of the open files that the system " +
		"grants; beyond it, idle and slow ones give way",
	"max-attempts": "attempts in progress at the same time, to all destinations together; further ones wait",
	"otlp-endpoint": "URL of a collector of traces that takes OTLP over HTTP, such as http://127.0.0.1:4318; " +
		"/v1/traces is added; none is traced if empty",
	"otlp-headers": "headers of each request to the collector, such as Authorization=Bearer TOKEN, " +
		"separated by commas: env:NAME, file:PATH, or the headers themselves",
	"otlp-sample": "the part of the traces that begin here and are kept, from 0 to 1, such as 0.01; a request " +
		"that names its trace is kept if its sender keeps it",
	"log-level":  "debug, info, warn or error",
	"log-format": "text, json, or auto: text on a terminal",
}

// A Setting describes one field of Config, for flags and pages. Kind is the word for its values: string, bool, int,
// number, list (comma-separated), length (of time), or size (in bytes). Group is the heading under which people find
// it.
type Setting struct {
	Name, Default, Doc, Kind string
	Secret                   bool
	Group                    string
}

// groups are the headings of the settings, in the order of pages, with the names of their settings, or what those
// begin with.
var groups = []struct {
	title string
	names []string
}{
	{"Addresses", []string{"listen", "listen-metrics", "public-url", "trusted-proxies", "proxy-protocol"}},
	{"TLS", []string{"tls", "acme"}},
	{"Storage", []string{"data", "database", "retain", "backup"}},
	{"Pages", []string{"ui"}},
	{"Configuration file", []string{"config-prune"}},
	{"Files", []string{"files"}},
	{"What destinations may reach and run", []string{"allow", "proxies"}},
	{"Limits", []string{"shutdown-timeout", "read-timeout", "max"}},
	{"Traces", []string{"otlp"}},
	{"Log", []string{"log"}},
}

// groupOf returns the heading of a setting; "" if it has none.
func groupOf(name string) string {
	for _, g := range groups {
		for _, prefix := range g.names {
			if name == prefix || strings.HasPrefix(name, prefix+"-") {
				return g.title
			}
		}
	}
	return ""
}

// Settings returns the fields of Config in their order.
func Settings() []Setting {
	t := reflect.TypeFor[Config]()
	all := make([]Setting, t.NumField()-1) // the last one is given
	for i := range all {
		tag := t.Field(i).Tag
		name := tag.Get("name")
		all[i] = Setting{name, tag.Get("default"), docs[name], kindOf(t.Field(i).Type), tag.Get("secret") != "",
			groupOf(name)}
	}
	return all
}

// kindOf returns the word for the values of a setting, as the help shows it.
func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "length"
	case t == reflect.TypeFor[Bytes]():
		return "size"
	case t.Kind() == reflect.Bool:
		return "bool"
	case t.Kind() == reflect.Int:
		return "int"
	case t.Kind() == reflect.Float64:
		return "number"
	case t.Kind() == reflect.Slice:
		return "list"
	}
	return "string"
}

// EnvName returns the environment variable of a setting: BELLHOP_PUBLIC_URL for "public-url".
func EnvName(name string) string {
	return "BELLHOP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// Load returns the Config of the defaults, overridden by the file at path (unless path is ""), then by the
// environment, then by flags, whose keys are names of settings. An error names the flag, variable or key with the
// bad value, and says what to write instead.
func Load(path string, getenv func(string) string, flags map[string]string) (Config, error) {
	file := map[string]any{}
	if path != "" {
		content, err := os.ReadFile(path)
		if err != nil {
			return Config{}, fmt.Errorf("config: %w", err)
		}
		text, err := bellhop.FileText(content)
		if err != nil {
			return Config{}, fmt.Errorf("config: %s: %w", path, err)
		}
		if err := yaml.Unmarshal([]byte(text), &file); err != nil {
			return Config{}, fmt.Errorf("config: %s: %w", path, err)
		}
	}
	return LoadFile(path, file, getenv, flags)
}

// LoadFile is Load for a file that was read: its members, by name. path is for errors.
func LoadFile(path string, file map[string]any, getenv func(string) string, flags map[string]string) (Config, error) {
	var c Config
	file = maps.Clone(file)
	v := reflect.ValueOf(&c).Elem()
	c.given = map[string]given{}
	for i, s := range Settings() {
		value, from, origin, place := s.Default, "default", FromDefault, ""
		if in := file[s.Name]; in != nil { // a key without a value counts as absent
			value, from, origin, place = flagText(in), path+": "+s.Name, FromFile, path
			if reflect.TypeOf(in).Kind() == reflect.Map {
				return c, fmt.Errorf("%s: write one value, not an object", from)
			}
		}
		delete(file, s.Name)
		if in := getenv(EnvName(s.Name)); in != "" {
			value, from, origin = in, EnvName(s.Name), FromEnvironment
			place = from
		}
		if in, ok := flags[s.Name]; ok {
			value, from, origin = in, "--"+s.Name, FromFlag
			place = from
		}
		if err := set(v.Field(i), value); err != nil {
			return c, fmt.Errorf("%s: %w", from, err)
		}
		if err := readSecret(v.Type().Field(i), v.Field(i), getenv); err != nil {
			return c, fmt.Errorf("%s: %w", from, err)
		}
		c.given[s.Name] = given{text: value, from: from, origin: origin, place: place,
			wins: origin == FromFlag || origin == FromEnvironment}
	}
	for name := range file {
		return c, fmt.Errorf("config: %s: unknown key %q; bellhop serve --help lists them", path, name)
	}
	if name, err := c.check(); err != nil {
		return c, fmt.Errorf("%s: %w", c.given[name].from, err)
	}
	return c, nil
}

// Schema returns the JSON Schema of the value of each setting in a file, by its name.
func Schema() map[string]any {
	kinds := map[string][]string{"string": {"string", "integer", "null"}, "bool": {"boolean", "null"},
		"int": {"integer", "null"}, "number": {"number", "null"}, "list": {"string", "array", "null"},
		"length": {"string", "integer", "null"},
		"size":   {"string", "integer", "null"}}
	schemas := map[string]any{}
	for _, s := range Settings() {
		schema := map[string]any{"type": kinds[s.Kind], "description": s.Doc}
		if s.Kind == "list" {
			schema["items"] = map[string]any{"type": "string"}
		}
		if s.Secret {
			schema["writeOnly"] = true
		}
		schemas[s.Name] = schema
	}
	return schemas
}

// CheckFile returns the faults of the settings that a file has, by their names. References to secrets are not
// followed.
func CheckFile(file map[string]any) map[string]error {
	faults := CheckValues(file)
	var c Config
	for i, s := range Settings() {
		value := s.Default
		if in := file[s.Name]; in != nil && faults[s.Name] == nil {
			value = flagText(in)
		}
		set(reflect.ValueOf(&c).Elem().Field(i), value) // defaults and good values
	}
	if name, err := c.check(); err != nil && faults[name] == nil {
		faults[name] = err
	}
	return faults
}

// CheckValues is CheckFile for each value by itself: what is missing beside it may be given by a flag or the
// environment.
func CheckValues(file map[string]any) map[string]error {
	faults := map[string]error{}
	for i, s := range Settings() {
		in := file[s.Name]
		if in == nil {
			continue
		}
		if reflect.TypeOf(in).Kind() == reflect.Map {
			faults[s.Name] = errors.New("write one value, not an object")
			continue
		}
		var scratch Config
		if err := set(reflect.ValueOf(&scratch).Elem().Field(i), flagText(in)); err != nil {
			faults[s.Name] = err
		}
	}
	return faults
}

// flagText returns a value of the file in the form of a flag's value: a list becomes its comma-separated elements.
func flagText(v any) string {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprint(v)
	}
	words := make([]string, len(list))
	for i := range list {
		words[i] = fmt.Sprint(list[i])
	}
	return strings.Join(words, ",")
}

// set parses text into a field of Config.
func set(field reflect.Value, text string) error {
	switch p := field.Addr().Interface().(type) {
	case *string:
		*p = text
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("use true or false, not %q", text)
		}
		*p = b
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("use a whole number above 0, not %q", text)
		}
		*p = n
	case *float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("use a number such as 0.5, not %q", text)
		}
		*p = n
	case *time.Duration:
		d, err := ParseDuration(text)
		if err != nil {
			return err
		}
		*p = d
	case *Bytes:
		n, err := parseBytes(text)
		if err != nil {
			return err
		}
		*p = n
	case *[]netip.Prefix:
		*p = nil
		for _, word := range splitList(text) {
			if word == "localhost" {
				*p = append(*p, loopback...)
				continue
			}
			prefix, err := parsePrefix(word)
			if err != nil {
				return err
			}
			*p = append(*p, prefix)
		}
	case *[]string:
		*p = splitList(text)
	default:
		panic("config: field of unknown type " + field.Type().String())
	}
	return nil
}

// readSecret puts the secret in place of a reference to it: env:NAME is the value of a variable, and file:PATH the
// content of a file. Its errors do not repeat a value that is no reference.
func readSecret(field reflect.StructField, value reflect.Value, getenv func(string) string) error {
	if field.Tag.Get("secret") == "" {
		return nil
	}
	text := value.String()
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		if text = getenv(name); text == "" {
			return fmt.Errorf("the variable %s is not set", name)
		}
	} else if path, ok := strings.CutPrefix(text, "file:"); ok {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if text, err = bellhop.FileText(content); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if bellhop.Pasted(text) == "" {
			return fmt.Errorf("the file %s is empty", path)
		}
	}
	value.SetString(bellhop.Pasted(text))
	return nil
}

// splitList returns the elements of a comma-separated list, without blanks around them and without empty elements.
func splitList(text string) (words []string) {
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// ParseDuration parses a length of time that is not negative: as time.ParseDuration does, with whole days in front of
// it if there are some: "90s", "12h", "30d", "1d12h".
func ParseDuration(text string) (time.Duration, error) {
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		days, rest = "0", text
	}
	n, daysErr := strconv.ParseUint(days, 10, 16)
	whole := time.Duration(n) * 24 * time.Hour
	if ok && rest == "" && daysErr == nil {
		return whole, nil
	}
	d, err := time.ParseDuration(rest)
	signed := ok && strings.HasPrefix(rest, "+")
	if daysErr != nil || err != nil || signed || d < 0 || whole+d < whole {
		return 0, fmt.Errorf("use a length of time such as 10s, 12h or 30d, not %q", text)
	}
	return whole + d, nil
}

// loopback are the addresses that the name localhost may have.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// parsePrefix parses a range of addresses, or one address.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, fmt.Errorf("use an address, a range such as 10.1.0.0/16, or localhost, not %q", text)
	}
	return prefix.Masked(), nil
}

// check returns the name of the first setting with a value that is not allowed, and the reason.
func (c *Config) check() (name string, err error) {
	switch {
	case c.Data == "":
		return "data", errors.New("name a folder")
	case c.ListenMetrics != "" && !isAddress(c.ListenMetrics):
		return "listen-metrics", fmt.Errorf("use an address and a port, such as 127.0.0.1:9090, not %q",
			c.ListenMetrics)
	case c.ListenAPI != "" && !isAddress(c.ListenAPI):
		return "listen-api", fmt.Errorf("use an address and a port, such as 127.0.0.1:8081, not %q", c.ListenAPI)
	case !isHostPort(c.Listen):
		return "listen", fmt.Errorf("use an address and a port, such as 127.0.0.1:8080 or :8080, not %q", c.Listen)
	case c.ListenHTTP != "" && !isHostPort(c.ListenHTTP):
		return "listen-http", fmt.Errorf("use an address and a port, such as :80, not %q", c.ListenHTTP)
	case c.ListenHTTP != "" && !c.HasTLS():
		return "listen-http", errors.New("it sends browsers on to https: give --tls-cert and --tls-key, or " +
			"--acme-domain, too")
	case len(c.ACMEDomains) > 0 && c.TLSCert != "":
		return "acme-domain", errors.New("there is --tls-cert too: give one of the two")
	case len(c.ACMEDomains) > 0 && !c.ACMEAgree:
		return "acme-domain", errors.New("the CA asks whether you agree to its terms, which --acme-directory names: " +
			"read them, and give --acme-agree")
	case slices.ContainsFunc(c.ACMEDomains, func(name string) bool { return !isDomain(name) }):
		return "acme-domain", errors.New("use names such as hooks.example.com: in lower case, without a scheme, a " +
			"port and wildcards, and no addresses")
	case len(c.ACMEDomains) == 0 && c.ACMEAgree:
		return "acme-agree", errNoDomain
	case len(c.ACMEDomains) == 0 && c.ACMEEmail != "":
		return "acme-email", errNoDomain
	case len(c.ACMEDomains) == 0 && c.ACMEDirectory != "":
		return "acme-directory", errNoDomain
	case len(c.ACMEDomains) == 0 && c.ACMERoot != "":
		return "acme-root", errNoDomain
	case c.ACMEDirectory != "" && !isWebURL(c.ACMEDirectory):
		return "acme-directory", errors.New("use the URL of the directory, such as " +
			"https://acme-v02.api.letsencrypt.org/directory")
	case c.ACMEEmail != "" && !strings.Contains(c.ACMEEmail, "@"):
		return "acme-email", fmt.Errorf("use an address such as ops@example.com, not %q", c.ACMEEmail)
	case c.ProxyProtocol && len(c.TrustedProxies) == 0:
		return "proxy-protocol", errors.New("it needs --trusted-proxies, which says whose headers are believed")
	case c.TLSCert != "" && c.TLSKey == "":
		return "tls-cert", errors.New("it needs --tls-key, the file of its key")
	case c.TLSKey != "" && c.TLSCert == "":
		return "tls-key", errors.New("it needs --tls-cert, the file of its certificate")
	case c.UIListen != "" && !isAddress(c.UIListen):
		return "ui-listen", fmt.Errorf("use an address and a port, such as 127.0.0.1:8081, not %q", c.UIListen)
	case c.UIURL != "" && (!isWebURL(c.UIURL) || !isProxyURL(c.UIURL)):
		return "ui-url", fmt.Errorf("use the scheme and host alone, such as https://bellhop.example.com, not %q",
			c.UIURL)
	case c.UIOpenIDIssuer == "" && len(c.UIRoles) > 0:
		return "ui-roles", errNoIssuer
	case c.UIOpenIDIssuer == "" && c.UIOpenIDClient != "":
		return "ui-oidc-client-id", errNoIssuer
	case c.UIOpenIDIssuer == "" && c.UIOpenIDSecret != "":
		return "ui-oidc-client-secret", errNoIssuer
	case c.UIOpenIDIssuer != "" && !isIssuer(c.UIOpenIDIssuer):
		return "ui-oidc-issuer", errors.New("use the https URL of the issuer as its ID tokens have it, such as " +
			"https://login.microsoftonline.com/TENANT/v2.0")
	case c.UIOpenIDIssuer != "" && c.UIOpenIDClient == "":
		return "ui-oidc-issuer", errors.New("it needs --ui-oidc-client-id, the id of this application at the issuer")
	case c.UIOpenIDIssuer != "" && len(c.UIRoles) == 0:
		return "ui-oidc-issuer", errors.New("it needs --ui-roles, which says who gets in, such as " +
			"operator:groups=support")
	case len(c.UIRoles) > 0:
		for _, text := range c.UIRoles {
			_, err := bellhop.ParseSignInRule(text)
			if err != nil {
				return "ui-roles", err
			}
		}
	}
	switch {
	case c.Database != "":
		return "database", errors.New("this version keeps everything in SQLite in the data folder; leave it out")
	case c.PublicURL != "" && !isWebURL(c.PublicURL):
		return "public-url", fmt.Errorf("use a whole URL without a query, such as https://hooks.example.com, not %q",
			c.PublicURL)
	// the error does not quote the URL, which may hold a password
	case slices.ContainsFunc(c.Proxies, func(proxy string) bool { return !isProxyURL(proxy) }):
		return "proxies", errors.New("use the scheme, host and port of each, such as http://proxy.example:3128; " +
			"a user and password belong to the destination")
	case strings.Contains(c.Files, "://") && !isBucket(c.Files):
		return "files", errors.New("use a folder, or s3://BUCKET/PREFIX")
	case !isBucket(c.Files) && (c.FilesEndpoint != "" || c.FilesRegion != "" || c.FilesAccessKey != "" ||
		c.FilesSecretKey != ""):
		return "files", errors.New("the settings of a bucket are given, but no bucket: use s3://BUCKET/PREFIX, or " +
			"leave them out")
	case isBucket(c.Files) && (c.FilesAccessKey == "" || c.FilesSecretKey == ""):
		return "files", errors.New("a bucket needs --files-access-key and --files-secret-key: env:NAME, " +
			"file:PATH, or the key itself")
	case isBucket(c.Files) && c.FilesEndpoint == "" && c.FilesRegion == "":
		return "files", errors.New("a bucket of Amazon needs --files-region, such as eu-central-1; any other " +
			"service needs --files-endpoint")
	case c.FilesEndpoint != "" && (!isWebURL(c.FilesEndpoint) || !isProxyURL(c.FilesEndpoint)):
		return "files-endpoint", errors.New("use the scheme and host of the service, such as " +
			"https://minio.example.com:9000")
	case c.MaxAttempts < 16 || c.MaxAttempts > 100_000:
		return "max-attempts", errors.New("use a whole number from 16 to 100000")
	case c.ReadTimeout <= 0:
		return "read-timeout", errors.New("must be above 0")
	}
	if name, err := c.checkOTLP(); err != nil {
		return name, err
	}
	switch c.LogLevel {
	case "debug", "info", "warn", "error":
	default:
		return "log-level", fmt.Errorf("use debug, info, warn or error, not %q", c.LogLevel)
	}
	switch c.LogFormat {
	case "auto", "text", "json":
	default:
		return "log-format", fmt.Errorf("use text, json or auto, not %q", c.LogFormat)
	}
	return "", nil
}

// HasTLS reports whether the server has a certificate of its own.
func (c *Config) HasTLS() bool { return c.TLSCert != "" && c.TLSKey != "" || len(c.ACMEDomains) > 0 }

// isDomain reports whether a certificate by ACME can be had for name, as far as its form tells.
func isDomain(name string) bool {
	_, err := netip.ParseAddr(name)
	return err != nil && len(name) <= 253 && !slices.ContainsFunc(strings.Split(name, "."), func(label string) bool {
		return label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
			label[0] == '-' || label[len(label)-1] == '-'
	})
}

// SignInRules returns the setting ui-roles, which is checked.
func (c *Config) SignInRules() (rules []bellhop.SignInRule) {
	for _, text := range c.UIRoles {
		rule, err := bellhop.ParseSignInRule(text)
		if err == nil {
			rules = append(rules, rule)
		}
	}
	return rules
}

// errNoDomain is the error of a setting of ACME without a name for which a certificate is wanted.
var errNoDomain = errors.New("it is of certificates by ACME: give --acme-domain too")

// errNoIssuer is the error of a setting of the sign-in by OpenID without an issuer.
var errNoIssuer = errors.New("it is of the sign-in by an OpenID issuer: give --ui-oidc-issuer too")

// isIssuer reports whether text can be an OpenID issuer: an https URL, or an http one of this machine, without query.
func isIssuer(text string) bool {
	u, err := url.Parse(text)
	if err != nil || !isWebURL(text) || u.User != nil {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || err == nil && address.IsLoopback()
}

// bucketScheme begins the setting files of a bucket.
const bucketScheme = "s3://"

// isBucket reports whether files is a bucket.
func isBucket(files string) bool {
	bucket, _, _ := strings.Cut(strings.TrimPrefix(files, bucketScheme), "/")
	return strings.HasPrefix(files, bucketScheme) && bucket != ""
}

// FilesBucket returns the bucket that files are kept in, and the prefix of their keys; ok is false for a folder.
func (c *Config) FilesBucket() (bucket, prefix string, ok bool) {
	if !isBucket(c.Files) {
		return "", "", false
	}
	bucket, prefix, _ = strings.Cut(strings.TrimPrefix(c.Files, bucketScheme), "/")
	return bucket, prefix, true
}

// isAddress reports whether text is "host:port", ":port" or "port".
func isAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		port = text
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// isHostPort reports whether text is "host:port" or ":port". The port may be the name of a service, such as "https".
func isHostPort(text string) bool {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}

// isProxyURL reports whether text is a web URL without a path.
func isProxyURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && isWebURL(text) && strings.Trim(u.Path, "/") == ""
}

// isWebURL reports whether text is an http or https URL with neither user, query nor fragment.
func isWebURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" &&
		u.Fragment == "" && u.User == nil
}
