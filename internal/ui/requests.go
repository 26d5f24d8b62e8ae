package ui

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) requests() {
	s.page("/requests", viewer, s.listRequests)
	s.page("/requests/{id}", viewer, s.showRequest)
	s.page("/requests/{id}/body", viewer, s.downloadRequest)
	s.act("/requests/{id}/verify", operator, s.verifyRequest)
}

// An explanation says why requests are refused with a reason, and what to do.
type explanation struct{ Meaning, Advice string }

// explanations are those of docs/ERRORS.md, by the reason.
var explanations = map[string]explanation{
	"signature_missing": {"There is no signature, or not all parts of one.",
		"Have the provider sign its requests. A proxy in between may have removed a header."},
	"signature_mismatch": {"None of the secrets of the source made the signature of these bytes.",
		"Compare the secret of the source with the one at the provider. A proxy in between may " +
			"have changed the body."},
	"signature_expired": {"The time of the signature is too far from now.",
		"Set the clocks of both sides. Somebody may also have sent an old request again."},
	"signature_malformed": {"The signature is not in the form of its scheme, or is there twice.",
		"Save the request and run bellhop verify: it says which part is wrong."},
	"forbidden": {"The sender is known, but its shared state or account is not the expected one.",
		"Compare client_state, account_id or what the page of the provider names."},
	"unknown_source": {"No source has the name in the path.", "Correct the URL at the provider, or create the " +
		"source."},
	"disabled":       {"The source is disabled.", "Enable it: bellhop sources update NAME --disabled=false."},
	"malformed_body": {"The body is not what the provider sends.", "The detail says where. Look at the body below."},
	"malformed_query": {"The query has more parameters than any provider sends.",
		"Somebody may be trying out the source; nothing has to be done."},
	"unreadable": {"The body did not arrive whole.", "The sender ended the connection. The provider sends it again."},
	"method":     {"The provider does not use this method.", "Somebody may have opened the URL in a browser."},
	"timeout":    {"The body did not arrive in time.", "The provider sends it again."},
	"cut":        {"The body arrived so slowly that it gave way to others.", "The provider sends it again."},
	"too_large":  {"The body is larger than the source allows.", "Raise max_body_bytes of the source."},
	"content_encoding": {"The body is compressed in a way that is not undone.",
		"Have the provider send the body without it, or with gzip."},
	"media_type":  {"The content type is not one of the provider's.", "Compare it with the page of the provider."},
	"tenant_rate": {"The tenant has as many events a second as its limit allows.", "Raise the limit of the tenant."},
	"tenant_full": {"The tenant stores as many bytes as its limit allows.",
		"Raise the limit, or wait until older events are deleted."},
	"handshake_rate": {"There were more handshakes from one address than a provider makes.",
		"Wait. Somebody may be trying out the source."},
	"loop": {"The event has gone through too many gateways.", "Two gateways send to each other: change a match."},
	"busy": {"Too many bytes were being received at once.", "The provider sends it again."},
	"unavailable": {"Storage or another part of the gateway could not take it.",
		"The provider sends it again. Look at the log of the server."},
	"unconfirmed": {"The call that confirms the handshake failed.", "The detail says why. Begin the handshake again."},
	"internal":    {"The provider's code failed on the request.", "The log of the server has the cause."},
}

// requestsPage is what the list of requests shows.
type requestsPage struct {
	listing
	Tabs []tab
	// Narrowed says that a filter or a tab leaves some out.
	Narrowed bool
	Rows     []client.Request
}

// requestOutcomes are the tabs of the list.
var requestOutcomes = []option{{"", "All"}, {"refused", "Refused"}, {"partial", "Partly refused"},
	{"handshake", "Handshakes"}, {"accepted", "Accepted"}}

func (s *server) listRequests(v *visit) error {
	query := v.r.URL.Query()
	f := newForm(query,
		field{Name: "source", Label: "Source", Known: v.sourceNames()},
		field{Name: "reason", Label: "Reason", Hint: "Of a refusal, such as signature_mismatch"},
		field{Name: "since", Label: "Since", Hint: whenHint},
		field{Name: "until", Label: "Until", Hint: whenHint},
		field{Name: "outcome", Label: "Outcome", Kind: "hidden"},
	)
	filter := client.RequestFilter{Source: f.get("source"), Outcome: f.get("outcome"), Reason: f.get("reason"),
		Since: f.when("since", v.Now()), Until: f.when("until", v.Now())}
	var l client.List[client.Request]
	if !f.Invalid() {
		var err error
		l, err = searched(v, func(ctx context.Context) (client.List[client.Request], error) {
			return s.API.Requests(ctx, filter, client.Page{Cursor: query.Get("cursor")})
		})
		err = f.accepts(err)
		if err != nil {
			return err
		}
	}
	page := requestsPage{Rows: l.Data, Tabs: tabs(query, Root+"requests", "outcome", requestOutcomes),
		listing: newListing(v.r, Root+"requests", f, l, s.get("requests", "/requests",
			flagValue{"source", "source", filter.Source}, flagValue{"outcome", "outcome", filter.Outcome},
			flagValue{"reason", "reason", filter.Reason},
			flagValue{"since", "since", iso(client.Time{Time: filter.Since})},
			flagValue{"until", "until", iso(client.Time{Time: filter.Until})}))}
	page.follows(v, "request.refused,request.handshake", "source")
	page.Narrowed = f.Narrowed() || filter.Outcome != ""
	v.show(statusOf(f), "requests", "Requests", page)
	return nil
}

// requestPage is what the page of a request shows.
type requestPage struct {
	client.RequestDetail
	Explanation explanation
	Headers     []header
	Body        bodyView
	Path        link
	Verdict     *client.Verdict // of a check just now
	Checks      bool            // it can be checked again
	Secrets     form            // for a check by another secret
	Show        command
	Check       command
}

// bodyOf returns the body of a request, as far as it was kept.
func bodyOf(r client.RequestDetail) ([]byte, error) {
	if r.BodyBase64 == "" {
		return []byte(r.Body), nil
	}
	return base64.StdEncoding.DecodeString(r.BodyBase64)
}

func (s *server) showRequest(v *visit) error { return v.showsRequest(http.StatusOK, nil) }

// verifyRequest has the source of the request verify it again: by its present settings, or by a secret that is not
// kept.
func (s *server) verifyRequest(v *visit) error {
	secret := strings.TrimSpace(v.r.PostFormValue("secret"))
	verdict, err := s.API.VerifyRequest(v.ctx, v.r.PathValue("id"),
		client.NewVerification{Secret: secret, Setting: strings.TrimSpace(v.r.PostFormValue("setting"))})
	if v.refused(err) {
		return v.showsRequest(statusOfRefusal(err), nil)
	}
	if err != nil {
		return err
	}
	return v.showsRequest(http.StatusOK, &verdict)
}

// showsRequest shows the request of the path, with what a check of it found.
func (v *visit) showsRequest(status int, verdict *client.Verdict) error {
	s := v.server
	r, err := s.API.Request(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	body, err := bodyOf(r)
	if err != nil {
		return err
	}
	path := Root + "requests/" + url.PathEscape(r.ID)
	page := requestPage{RequestDetail: r, Explanation: explanations[r.Reason], Headers: sortedHeaders(r.Headers),
		Body: showBody(body, path, v.r.URL.Query().Get("body"), v.r.URL.Query().Get("whole") == "1"),
		Show: s.get("requests show "+quote(r.ID), "/requests/"+r.ID), Path: link(path), Verdict: verdict,
		Checks: r.SourceID != "", Check: s.post("requests verify "+quote(r.ID), "/requests/"+r.ID+"/verify", "{}"),
		Secrets: newForm(url.Values{"setting": {v.r.PostFormValue("setting")}},
			field{Name: "secret", Label: "Another secret", Kind: "secret", Secret: true,
				Hint: "Used for this check alone, and not kept. Empty is the secret of the source."},
			field{Name: "setting", Label: "It is for the setting", Hint: "Empty is the source's only secret, or its " +
				"main one."})}
	page.Body.Download = link(path + "/body")
	if kept := int64(len(body)); kept < r.BodyBytes {
		page.Body.Note = "Of " + size(r.BodyBytes) + " that were sent, " + size(kept) + " were kept."
	}
	v.show(status, "request", "Request at "+requestPlace(r.Request), page)
	return nil
}

// requestPlace returns the source of a request, or the name in its path if there is no such source.
func requestPlace(r client.Request) string {
	switch {
	case r.Source != "":
		return r.Source
	case r.RequestName != "":
		return r.RequestName
	}
	return "no source"
}

func (s *server) downloadRequest(v *visit) error {
	r, err := s.API.Request(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	body, err := bodyOf(r)
	if err != nil {
		return err
	}
	v.download(body, r.ID)
	return nil
}
