// Package config holds the server's settings: one struct, whose fields say unit, default and an example. A flag
// wins over the environment, the environment over the file. Unknown keys are errors.
package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Config is what the server can be told. Each field is a flag, "BELLHOP_" and the flag's name in the
// environment, and a key of the file.
type Config struct {
	Listen          string         `name:"listen" default:"127.0.0.1:8080" doc:"address and port of the door, the API and the metrics"`
	Data            string         `name:"data" default:"./data" doc:"folder that holds everything; made on first use, for its owner only"`
	Database        string         `name:"database" default:"" doc:"reserved for PostgreSQL; this version refuses it, everything is in SQLite in the data folder"`
	PublicURL       string         `name:"public-url" default:"" doc:"how providers reach this server, such as https://hooks.example.com; empty is the address listened on"`
	Retain          time.Duration  `name:"retain" default:"30d" doc:"how long events, their deliveries and requests are kept, such as 12h or 30d; 0 keeps them for ever"`
	AllowPrivate    bool           `name:"allow-private" default:"false" doc:"let deliveries reach private, loopback and link-local addresses"`
	Allow           []netip.Prefix `name:"allow" default:"" doc:"addresses that deliveries may reach though they are private, such as 10.1.0.0/16; comma-separated"`
	Proxies         []string       `name:"proxies" default:"" doc:"proxies that destinations may go through, such as http://proxy.example:3128; comma-separated; none if empty"`
	AllowExec       bool           `name:"allow-exec" default:"false" doc:"let destinations run commands, as the server's user; whoever has an API key can then do that"`
	ShutdownTimeout time.Duration  `name:"shutdown-timeout" default:"10s" doc:"how long a clean stop may take"`
	ReadTimeout     time.Duration  `name:"read-timeout" default:"15s" doc:"how long a request may take to arrive"`
	MaxConnections  int            `name:"max-connections" default:"10000" doc:"connections served at a time; more wait"`
	MaxAttempts     int            `name:"max-attempts" default:"8192" doc:"attempts under way at a time, to all destinations together; more wait"`
	LogLevel        string         `name:"log-level" default:"info" doc:"debug, info, warn or error"`
	LogFormat       string         `name:"log-format" default:"auto" doc:"text, json, or auto: text on a terminal"`
}

// A Setting describes one field, for flags and pages.
type Setting struct{ Name, Default, Doc string }

// Settings lists the fields in their order.
func Settings() []Setting {
	t := reflect.TypeFor[Config]()
	all := make([]Setting, t.NumField())
	for i := range all {
		tag := t.Field(i).Tag
		all[i] = Setting{tag.Get("name"), tag.Get("default"), tag.Get("doc")}
	}
	return all
}

// EnvName is the environment variable of a setting: "--public-url" is BELLHOP_PUBLIC_URL.
func EnvName(name string) string {
	return "BELLHOP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// Load puts a Config together: defaults, then the file at path (if path is not empty), then the environment, then
// flags, by name. Errors say which of them holds the value at fault, and what to write.
func Load(path string, getenv func(string) string, flags map[string]string) (Config, error) {
	var c Config
	file := map[string]any{}
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return c, fmt.Errorf("config: %w", err)
		}
		if err := yaml.Unmarshal(text, &file); err != nil {
			return c, fmt.Errorf("config: %s: %w", path, err)
		}
	}
	v := reflect.ValueOf(&c).Elem()
	origins := map[string]string{}
	for i, s := range Settings() {
		value, from := s.Default, "default"
		if in := file[s.Name]; in != nil { // a key without a value is as if it were not there
			if value, from = plain(in), path+": "+s.Name; reflect.TypeOf(in).Kind() == reflect.Map {
				return c, fmt.Errorf("%s: write one value, not keys of its own", from)
			}
		}
		delete(file, s.Name)
		if in := getenv(EnvName(s.Name)); in != "" {
			value, from = in, EnvName(s.Name)
		}
		if in, ok := flags[s.Name]; ok {
			value, from = in, "--"+s.Name
		}
		if err := set(v.Field(i), value); err != nil {
			return c, fmt.Errorf("%s: %w", from, err)
		}
		origins[s.Name] = from
	}
	for name := range file {
		return c, fmt.Errorf("config: %s: unknown key %q; bellhop serve --help lists them", path, name)
	}
	if name, err := c.check(); err != nil {
		return c, fmt.Errorf("%s: %w", origins[name], err)
	}
	return c, nil
}

// plain writes a value of the file as a flag would be written.
func plain(v any) string {
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
	case *time.Duration:
		d, err := ParseDuration(text)
		if err != nil {
			return err
		}
		*p = d
	case *[]netip.Prefix:
		*p = nil
		for _, word := range strings.Split(text, ",") {
			if word = strings.TrimSpace(word); word == "" {
				continue
			}
			prefix, err := parsePrefix(word)
			if err != nil {
				return err
			}
			*p = append(*p, prefix)
		}
	case *[]string:
		*p = nil
		for _, word := range strings.Split(text, ",") {
			if word = strings.TrimSpace(word); word != "" {
				*p = append(*p, word)
			}
		}
	default:
		panic("config: a field of a type that cannot be set: " + field.Type().String())
	}
	return nil
}

// ParseDuration reads what time.ParseDuration does, and days: "30d", "0".
func ParseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("use a length of time such as 10s, 12h or 30d, not %q", text)
	}
	return d, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, fmt.Errorf("use an address or a range of them such as 10.1.0.0/16, not %q", text)
	}
	return prefix.Masked(), nil
}

// check returns the name of the first setting whose value cannot be, and why.
func (c *Config) check() (name string, err error) {
	switch {
	case c.Data == "":
		return "data", errors.New("name a folder")
	case c.Database != "":
		return "database", errors.New("this version keeps everything in SQLite in the data folder; leave it out")
	case c.PublicURL != "" && !isWebURL(c.PublicURL):
		return "public-url", fmt.Errorf("use a whole URL without a query, such as https://hooks.example.com, not %q", c.PublicURL)
	case slices.ContainsFunc(c.Proxies, func(proxy string) bool { return !isProxyURL(proxy) }): // which may hold a password
		return "proxies", errors.New("use the scheme, host and port of each, such as http://proxy.example:3128; a user and password belong to the destination")
	case c.MaxAttempts < 16 || c.MaxAttempts > 100_000:
		return "max-attempts", errors.New("use a whole number from 16 to 100000")
	case c.ReadTimeout <= 0:
		return "read-timeout", errors.New("must be above 0")
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

func isProxyURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && isWebURL(text) && strings.Trim(u.Path, "/") == ""
}

func isWebURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" && u.Fragment == "" && u.User == nil
}
