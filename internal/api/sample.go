package api

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/bellhop-gateway/bellhop/provider"
)

// samples adds the operations that try a source out, and those that replace its secrets.
func (s *server) samples() {
	handle(s, op{http.MethodPost, "/sources/{id}/sample", "sample-source",
		"Send a source what its provider would send", 0}, s.sampleSource)
	handle(s, op{http.MethodPost, "/sources/{id}/rotate-secret", "rotate-source-secret",
		"Accept a new secret, and the old one too", 0}, s.rotateSourceSecret)
	handle(s, op{http.MethodPost, "/sources/{id}/drop-secret", "drop-source-secret",
		"Accept the old secret no more", 0}, s.dropSourceSecret)
}

type sampleInput struct {
	ID   string `path:"id" doc:"Its id or name" example:"media"`
	Body *client.NewSample
}

func (s *server) sampleSource(ctx context.Context, in *sampleInput) (*bodyOf[client.Sample], error) {
	kind := ""
	if in.Body != nil {
		kind = in.Body.Type
	}
	sample, err := s.Catalog.SampleSource(ctx, in.ID, kind)
	if err != nil {
		return nil, err
	}
	sent := sample.Request
	out := client.Sample{Request: client.PreviewedRequest{Method: sent.Method, URL: sample.URL, Headers: sent.Header,
		BodyBytes: sample.Bytes}, Status: sample.Status, DurationMS: float64(sample.Took.Microseconds()) / 1000,
		EventIDs: words(sample.EventIDs), RequestID: sample.RequestID, Reason: sample.Reason, Detail: sample.Detail,
		Cause: sample.Cause, Advice: sample.Advice}
	out.Request.Body, out.Request.BodyBase64 = textOrBase64(beginning(sent.Body, maxDataBytes))
	out.Body, out.BodyBase64 = textOrBase64(beginning(sample.Body, maxDataBytes))
	switch {
	case sample.Agreed:
		out.Handshake = "agreed"
	case kind == provider.SampleHandshake:
		out.Handshake = "not_agreed"
		if out.Detail == "" {
			out.Detail = sample.Disagreed
		}
	}
	return &bodyOf[client.Sample]{out}, nil
}

type rotateSourceInput struct {
	ID string `path:"id" doc:"Its id or name" example:"media"`
	Precondition
	Body *client.SourceRotation
}

func (s *server) rotateSourceSecret(ctx context.Context, in *rotateSourceInput) (*bodyOf[client.RotatedSource],
	error) {
	order := catalog.SourceRotation{Check: in.checkSource, Make: func(setting provider.Setting) (string, error) {
		return client.Setting{Name: setting.Name, Make: string(setting.Make)}.MakeSecret(rand.Reader)
	}}
	if in.Body != nil {
		order.Secret, order.Setting = in.Body.Secret, in.Body.Setting
	}
	return s.rotatedSource(s.Catalog.RotateSourceSecret(ctx, in.ID, order))
}

// checkSource is check for a source.
func (p Precondition) checkSource(before bellhop.Source) error {
	return p.check("source", before.UpdatedAt)
}

type dropSecretInput struct {
	ID string `path:"id" doc:"Its id or name" example:"media"`
	Precondition
	Body *client.DroppedSecret
}

func (s *server) dropSourceSecret(ctx context.Context, in *dropSecretInput) (*bodyOf[client.RotatedSource], error) {
	order := catalog.SourceRotation{Check: in.checkSource}
	if in.Body != nil {
		order.Setting = in.Body.Setting
	}
	return s.rotatedSource(s.Catalog.DropOldSecret(ctx, in.ID, order))
}

func (s *server) rotatedSource(r catalog.RotatedSource, err error) (*bodyOf[client.RotatedSource], error) {
	if err != nil {
		return nil, err
	}
	out := client.RotatedSource{Source: s.changedSourceJSON(r.Source), Setting: r.Setting, Secret: r.Made}
	return &bodyOf[client.RotatedSource]{out}, nil
}

// sampleTypes returns the samples of a provider, its handshake last.
func sampleTypes(p provider.Provider) []client.SampleType {
	list := []client.SampleType{}
	for _, s := range provider.SamplesOf(p) {
		list = append(list, client.SampleType{Type: s.Type, Title: s.Title})
	}
	if provider.MakesHandshake(p) {
		list = append(list, client.SampleType{Type: provider.SampleHandshake, Title: "The handshake"})
	}
	return list
}
