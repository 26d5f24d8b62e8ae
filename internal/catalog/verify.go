package catalog

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// Verifier reads requests on record again.
type Verifier interface {
	// Verify has the provider of src read r as if it came in when it did. It stores, publishes and answers nothing.
	// Cause and Advice of the verdict are empty. An error of the settings of src has a path below "settings".
	Verify(ctx context.Context, src bellhop.Source, r bellhop.Request) (bellhop.Verdict, error)
}

// A VerifyOrder says by what a request on record is verified again.
type VerifyOrder struct {
	Secret  string // takes the place of the source's own for this call alone; "" is the source's
	Setting string // the setting that Secret is for; "" is the one that --key of the command line sets
}

// VerifyRequest has the source of a request on record verify it again: with its present settings, or with one secret
// replaced, which is neither stored nor logged. The verdict says what is likely wrong, and what to do.
func (c *Catalog) VerifyRequest(ctx context.Context, id string, o VerifyOrder) (v bellhop.Verdict, err error) {
	r, err := c.opts.Store.Request(ctx, id)
	if err != nil {
		return v, err
	}
	if r.SourceID == "" {
		return v, bellhop.Conflict("the request named no source, so nothing can verify it, and neither headers nor " +
			"body of it are kept: correct the URL at the provider")
	}
	src, err := c.opts.Store.Source(ctx, r.SourceID)
	if isNotFound(err) {
		return v, bellhop.Conflict("the source " + r.Source + " was deleted, so nothing can verify its requests: " +
			"'bellhop verify PROVIDER' checks a saved request without a source")
	}
	if err != nil {
		return v, err
	}
	if src, err = c.withSecret(src, o); err != nil {
		return v, err
	}
	if v, err = c.opts.Verifier.Verify(ctx, src, r); err != nil {
		return v, inOrder(err, o)
	}
	loose := strings.TrimSpace(o.Secret)
	if v.Reason == "signature_mismatch" && loose != o.Secret && loose != "" {
		src, err = c.withSecret(src, VerifyOrder{loose, o.Setting})
		if err != nil {
			return v, err
		}
		trimmed, err := c.opts.Verifier.Verify(ctx, src, r)
		if err == nil && verified(trimmed) {
			v.Cause = "The secret has white space at its beginning or end; without it, the signature matches."
			v.Advice = "Store the secret without the white space."
			return v, nil
		}
	}
	v.Cause, v.Advice = c.explain(src, r, v, o)
	return v, nil
}

// inOrder returns an error about settings of a source as one about the members of o.
func inOrder(err error, o VerifyOrder) error {
	invalid := bellhop.Join("", err)
	e, ok := invalid.(*bellhop.Error)
	if !ok || e.Code != bellhop.CodeInvalid || o.Secret == "" {
		return err
	}
	var texts []string
	for _, f := range e.Fields {
		texts = append(texts, f.Message)
	}
	return bellhop.Invalid("secret", strings.Join(texts, "; "))
}

// withSecret returns src with the secret of o.
func (c *Catalog) withSecret(src bellhop.Source, o VerifyOrder) (bellhop.Source, error) {
	if o.Secret == "" {
		if o.Setting != "" {
			return src, bellhop.Invalid("setting", "is for a secret: give one, or leave this out")
		}
		return src, nil
	}
	if err := checkGiven(o.Secret, "verify by the present settings"); err != nil {
		return src, err
	}
	p, _ := c.provider(src.Provider)
	if p == nil {
		return src, bellhop.Conflict("there is no provider " + src.Provider + " any more")
	}
	info := p.Info()
	var names []string
	for _, s := range info.Settings {
		if s.Secret {
			names = append(names, s.Name)
		}
	}
	setting := o.Setting
	settings := members(src.Settings)
	switch {
	case len(names) == 0:
		return src, bellhop.Invalid("secret", "a source of "+info.Name+" has no secret: leave this out")
	case setting == "":
		setting = info.Key
		set := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return settings[name] == nil })
		if len(set) == 1 { // the only one that the source has
			setting = set[0]
		}
	}
	if !slices.Contains(names, setting) {
		return src, bellhop.Invalid("setting", "must be one of "+strings.Join(names, ", "))
	}
	settings[setting], _ = json.Marshal(o.Secret)
	src.Settings, _ = json.Marshal(settings) // of values that are JSON
	return src, nil
}

// verified reports whether the verdict is that the request is authentic.
func verified(v bellhop.Verdict) bool {
	return v.Outcome != "" && v.Outcome != bellhop.RequestRefused
}

// explain returns the likely cause of the refusal of v, or of r if v is none, and what to do about it. src has the
// settings that v was reached by.
func (c *Catalog) explain(src bellhop.Source, r bellhop.Request, v bellhop.Verdict,
	o VerifyOrder) (cause, advice string) {
	resend := "Have the provider send it again: the request on record is not published."
	switch {
	case v.Outcome == "":
		return "What the record lacks may be what proves the request, so that nobody can tell.",
			"Have the provider send it again, and look at what comes."
	case !verified(v) || v.Outcome == bellhop.RequestPartial:
		words, ok := causes[v.Reason]
		if !ok {
			words = [2]string{"The request is not as the provider sends them.", "Read what detail says, and the " +
				"page of the provider."}
		}
		if v.Reason == "signature_mismatch" && o.Secret != "" {
			words = [2]string{"The request was not signed with this secret either, or a proxy changed its body.",
				"Copy the secret at the provider once more, and see that no proxy changes bodies."}
		}
		return words[0], words[1]
	case r.Outcome != bellhop.RequestRefused:
		return "", "Nothing: it was accepted when it came, too."
	case o.Secret != "":
		return "The source had another secret than this one, by which the request is authentic.",
			"Store this secret in the source, beside the old one while both are in use. " + resend
	case slices.Contains(passing, r.Reason):
		return "Not the request itself, but a limit or a shortage when it came (" + r.Reason + ").", resend
	case src.UpdatedAt.After(r.ReceivedAt):
		return "The settings of the source when it came: they were changed since, and by the " +
				"present ones it is accepted.",
			resend
	}
	return "Not the settings of the source, which are the same: something that passes, such as a key set that " +
		"could not be fetched.", resend
}

// passing are the reasons of refusals that say nothing about the request or the settings.
var passing = []string{"timeout", "cut", "unreadable", "busy", "unavailable", "internal", "tenant_rate", "tenant_full",
	"handshake_rate", "disabled"}

// causes has, for each reason of a refusal, its likely cause and what to do.
var causes = map[string][2]string{
	"signature_missing": {
		"The sender does not sign its requests, or a proxy removed a header.",
		"Set the secret at the provider too, and see that no proxy removes headers."},
	"signature_mismatch": {
		"The source has another secret than the sender, mostly one that was replaced on one side; or a " +
			"proxy changed the body.",
		"Copy the secret at the provider and verify with it; if it fits, store it in the source."},
	"signature_expired": {
		"It was old when it came: an earlier request sent again, or a clock that is wrong.",
		"Set the clocks of both machines by NTP. An attacker who repeats a request looks the same."},
	"signature_malformed": {
		"Another system signed it, or the sender signs in another form than the source expects.",
		"Compare the scheme of the source with the documentation of the sender; detail says which part differs."},
	"forbidden": {
		"The request is of another registration or account than the source is for, mostly of an old one.",
		"Compare client_state, account_id or what the provider's page names; delete old " +
			"registrations at the provider."},
	"malformed_body": {
		"The body is not what the provider sends: another system uses the URL, or a proxy changed the body.",
		"See detail for the place, and who sends to this URL."},
	"too_large": {
		"The body is larger than the source allows.",
		"Raise max_body_bytes of the source, if the provider does send such bodies."},
	"method": {
		"It is not a request of the provider: a browser or a monitor called the URL.",
		"Nothing, unless the provider sent it."},
	"content_encoding": {
		"The body is compressed in a way that is not undone here.",
		"Have the sender compress with gzip, br, zstd or not at all."},
	"media_type": {
		"The sender uses another format than the source expects.",
		"Choose the format at the provider that its page names."},
	"loop": {
		"Two gateways send the same events to each other.",
		"Narrow the match of the destination that leads back."},
}
