package generic

import (
	"net/http"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// A PresetCase is what the tests read from the table of presets, so that a new preset needs only a row there and a
// recording.
type PresetCase struct {
	Name     string
	Required []string // settings
	Signed   []string // headers that a request must have, the signature's first
	Scheme   string
	List     bool   // the header holds several signatures
	Plain    bool   // the signature is an HMAC-SHA256 of the body alone
	Params   bool   // the parameters of a form are signed, not the body
	Member   string // of the body, with the timestamp
	Repeats  bool   // repeats are recognized
	Window   time.Duration
	Methods  []string
	preset   *preset
}

// PresetCases returns the presets in the order of the table.
func PresetCases() (cases []PresetCase) {
	for i := range presets {
		p, s := &presets[i], presets[i].settings
		c := PresetCase{
			Name:     p.name,
			Required: p.required(),
			Signed:   []string{s.Header},
			Scheme:   s.Scheme,
			List:     s.Separator != "",
			Member:   s.TimestampField,
			Params:   s.Template == "{url}{params}",
			Repeats:  s.Repeat != repeatNone,
			preset:   p,
		}
		c.Plain = s.Scheme == schemeHMAC && s.Template == "" && !c.List && c.Member == "" && s.HeaderForm == ""
		c.Methods = append([]string{http.MethodPost, http.MethodHead}, p.methods...)
		if s.TimestampHeader != "" {
			c.Signed = append(c.Signed, s.TimestampHeader)
		}
		if t, _ := parseTemplate(s.Template); t.has(placeID) {
			c.Signed = append(c.Signed, s.IDHeader)
		}
		if s.signsTime() || c.Member != "" {
			c.Window, _ = provider.Tolerance("", s.Tolerance, 5*time.Minute)
		}
		cases = append(cases, c)
	}
	return cases
}

// Sign signs req as the system does, with secret and as a request to url.
func (c PresetCase) Sign(req *provider.Request, secret, url string, at time.Time) error {
	id := c.preset.settings.IDHeader
	if id != "" {
		req.Header.Set(id, "id-1")
	}
	scheme, err := c.scheme(secret, url)
	if err != nil {
		return err
	}
	url = signedURLs([]string{url}, req.Target)[0]
	return scheme.sign(req.Header, req.Body, "id-1", provider.AttemptInfo{Time: at, URL: url})
}

// HMAC returns the signature scheme of a preset with scheme hmac.
func (c PresetCase) HMAC() signature.HMAC {
	s, _ := c.scheme("any", "https://h.example/")
	return s.(*mac).hmac
}

func (c PresetCase) scheme(secret, url string) (scheme, error) {
	s := c.preset.fill(settings{Secret: provider.Secrets{secret}})
	if slices.Contains(c.Required, "url") {
		s.URL = url
	}
	return newScheme(s, time.Now)
}

// FormParams returns the text for {params}, or "" if there is none.
func FormParams(req *provider.Request) string {
	text, _ := formParams(req.Header, req.Target, req.Body, req.Body)
	return string(text)
}

// ParseTimestamp reads a time as a source with this timestamp_format does, and writes it again.
func ParseTimestamp(format, text string) (string, error) {
	t := timestamp{format: format}
	at, err := t.parse(text)
	if err != nil {
		return "", err
	}
	return t.write(at), nil
}

// Signable reports whether a challenge may be signed.
func Signable(challenge string) bool { return signable(challenge) }
