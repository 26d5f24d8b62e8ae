package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A NewSource is what a source is made of.
type NewSource struct {
	Name         string   `json:"name" example:"media" doc:"Unique among sources; the last part of its URL"`
	Provider     string   `json:"provider" example:"ams" doc:"The provider that reads its requests; GET /providers lists them"`
	Settings     Settings `json:"settings,omitempty" doc:"The provider's own, secrets included"`
	MaxBodyBytes int64    `json:"max_body_bytes,omitempty" minimum:"0" maximum:"33554432" doc:"Largest body accepted; 0 is the provider's default, mostly 1 MiB"`
	Disabled     bool     `json:"disabled,omitempty" doc:"Answers as if it did not exist"`
}

// A Source is one inbound URL of one provider.
type Source struct {
	ID           string   `json:"id" example:"src_01h455vb4pex5vsknk08"`
	Name         string   `json:"name" example:"media"`
	Provider     string   `json:"provider" example:"ams"`
	URL          string   `json:"url" example:"https://hooks.example.com/in/media" doc:"What the provider is to call"`
	Settings     Settings `json:"settings" doc:"The provider's own; of a secret only that it is set, and since when"`
	MaxBodyBytes int64    `json:"max_body_bytes" doc:"Largest body accepted; 0 is the provider's default"`
	Disabled     bool     `json:"disabled"`
	CreatedAt    Time     `json:"created_at"`
	UpdatedAt    Time     `json:"updated_at"`
}

func (s *server) sources() {
	handle(s, op{http.MethodGet, "/sources", "list-sources", "List sources", 0}, s.listSources)
	handle(s, op{http.MethodPost, "/sources", "create-source", "Create a source", http.StatusCreated}, s.createSource)
	handle(s, op{http.MethodGet, "/sources/{id}", "show-source", "Show a source", 0}, s.showSource)
	handlePatch(s, op{http.MethodPatch, "/sources/{id}", "update-source", "Change a source", 0}, s.updateSource)
	handle(s, op{http.MethodDelete, "/sources/{id}", "delete-source", "Delete a source", 0}, s.deleteSource)
}

func (s *server) listSources(ctx context.Context, in *struct{ Paging }) (*listOutput[Source], error) {
	list, next, err := s.Store.Sources(ctx, bellhop.SourceFilter{}, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, s.sourceJSON), nil
}

func (s *server) showSource(ctx context.Context, in *one) (*bodyOf[Source], error) {
	src, err := s.Store.Source(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &bodyOf[Source]{s.sourceJSON(src)}, nil
}

func (s *server) createSource(ctx context.Context, in *struct{ Body NewSource }) (*createdOutput[Source], error) {
	refused := bellhop.Join("settings", s.sourceSecrets(in.Body.Provider).refuseShown(in.Body.Settings))
	src, err := s.checkSource(in.Body)
	if err := firstOf(refused, err); err != nil {
		return nil, err
	}
	src.ID = s.newID(bellhop.PrefixSource)
	src.CreatedAt = s.Env.Now()
	src.UpdatedAt = src.CreatedAt
	src.SecretsAt = src.CreatedAt

	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.Store.CreateSource(ctx, src); err != nil {
		return nil, err
	}
	s.log.Info("source.created", "source_id", src.ID, "source", src.Name, "provider", src.Provider)
	s.warnOfShort(src)
	return &createdOutput[Source]{Prefix + "/sources/" + src.ID, s.sourceJSON(src)}, s.changed(ctx)
}

// warnOfShort says in the log that a secret is one that may be guessed. The provider's systems allow such.
func (s *server) warnOfShort(src bellhop.Source) {
	if n := s.sourceSecrets(src.Provider).short(readSettings(src.Settings)); n > 0 {
		s.log.Warn("source.weak", "source_id", src.ID, "source", src.Name, "short_secrets", n, "want_characters", shortSecret)
	}
}

func (s *server) updateSource(ctx context.Context, in *patchInput[NewSource]) (*bodyOf[Source], error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	before, err := s.Store.Source(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	secrets := s.sourceSecrets(before.Provider)
	if settings, ok := in.Body["settings"].(map[string]any); ok {
		secrets.keep(settings)
	}
	// The provider stays, for the settings are its own: another might show what this one keeps secret.
	if err := in.Body.readOnly(s.sourceJSON(before), "id", "provider", "url", "created_at", "updated_at"); err != nil {
		return nil, err
	}
	current := newSource(before)
	merged, err := in.Body.apply(s, current)
	if err != nil {
		return nil, err
	}
	after, err := s.checkSource(merged)
	if err != nil {
		return nil, err
	}
	after.ID, after.CreatedAt, after.SecretsAt = before.ID, before.CreatedAt, before.SecretsAt
	after.UpdatedAt = s.Env.Now()
	if secrets.differ(current.Settings, merged.Settings) {
		after.SecretsAt = after.UpdatedAt
	}
	if err := s.Store.UpdateSource(ctx, after); err != nil {
		return nil, err
	}
	s.log.Info("source.updated", "source_id", after.ID, "source", after.Name)
	s.warnOfShort(after)
	return &bodyOf[Source]{s.sourceJSON(after)}, s.changed(ctx)
}

func (s *server) deleteSource(ctx context.Context, in *one) (*none, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	src, err := s.Store.Source(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := s.Store.DeleteSource(ctx, src.ID); err != nil {
		return nil, err
	}
	s.log.Info("source.deleted", "source_id", src.ID, "source", src.Name)
	return nil, s.changed(ctx)
}

// checkSource makes of in a source that its provider can open.
func (s *server) checkSource(in NewSource) (bellhop.Source, error) {
	src := bellhop.Source{Name: in.Name, Provider: in.Provider, MaxBodyBytes: in.MaxBodyBytes, Disabled: in.Disabled}
	name := bellhop.CheckName(in.Name)
	if in.Name == bellhop.SourceAPI || in.Name == bellhop.SourceSelf {
		name = bellhop.Invalid("name", "is that of the source of published events, or of the gateway's own; use another")
	}
	p, ok := s.provider(in.Provider)
	if !ok {
		return src, bellhop.Join("", name, bellhop.Invalid("provider", "there is no such provider; there are "+s.providerNames(func(provider.Info) bool { return true })))
	}
	var err error
	if src.Settings, err = settingsJSON(in.Settings); err != nil {
		return src, err
	}
	_, err = p.Open(s.Env, src.Settings)
	return src, bellhop.Join("", name, bellhop.Join("settings", err))
}

// sourceJSON is src as it is shown.
func (s *server) sourceJSON(src bellhop.Source) Source {
	return Source{
		ID: src.ID, Name: src.Name, Provider: src.Provider, URL: strings.TrimSuffix(s.PublicURL, "/") + "/in/" + src.Name,
		Settings:     s.sourceSecrets(src.Provider).show(newSource(src).Settings, src.SecretsAt),
		MaxBodyBytes: src.MaxBodyBytes, Disabled: src.Disabled,
		CreatedAt: Time(src.CreatedAt), UpdatedAt: Time(src.UpdatedAt),
	}
}

// newSource is what src could be made of again, secrets included.
func newSource(src bellhop.Source) NewSource {
	return NewSource{
		Name: src.Name, Provider: src.Provider, Settings: readSettings(src.Settings),
		MaxBodyBytes: src.MaxBodyBytes, Disabled: src.Disabled,
	}
}

func (s *server) sourceSecrets(name string) secrecy {
	p, ok := s.provider(name)
	if !ok {
		return secrecy{all: true}
	}
	return secretsOf(p.Info().Settings)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
