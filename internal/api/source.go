package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) sources() {
	handle(s, op{http.MethodGet, "/sources", "list-sources", "List sources", 0}, s.listSources)
	handle(s, op{http.MethodPost, "/sources", "create-source", "Create a source", http.StatusCreated}, s.createSource)
	handle(s, op{http.MethodGet, "/sources/{id}", "show-source", "Show a source", 0}, s.showSource)
	handlePatch(s, op{http.MethodPatch, "/sources/{id}", "update-source", "Change a source", 0}, s.updateSource)
	handle(s, op{http.MethodDelete, "/sources/{id}", "delete-source", "Delete a source", 0}, s.deleteSource)
}

// listSourcesInput narrows a list of sources.
type listSourcesInput struct {
	Provider string `query:"provider" maxLength:"64" example:"ams" doc:"Only those of this provider"`
	Owned
	Paging
}

func (s *server) listSources(ctx context.Context, in *listSourcesInput) (*listOutput[client.Source], error) {
	list, next, err := s.Store.Sources(ctx, bellhop.SourceFilter{Tenant: in.Tenant, Provider: in.Provider}, in.page())
	if err != nil {
		return nil, err
	}
	notes, err := s.sourceNotes(ctx, list...)
	if err != nil {
		return nil, err
	}
	return listOf(list, next, func(src bellhop.Source) client.Source {
		shown := s.sourceJSON(src)
		shown.SilentSince.Time = notes[src.ID].SilentSince
		return shown
	}), nil
}

func (s *server) showSource(ctx context.Context, in *one) (*tagged[client.Source], error) {
	src, err := s.Store.Source(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	notes, err := s.sourceNotes(ctx, src)
	if err != nil {
		return nil, err
	}
	shown := s.sourceJSON(src)
	shown.SilentSince.Time = notes[src.ID].SilentSince
	return taggedBy(src.UpdatedAt, shown), nil
}

// sourceNotes returns what is known of sources beside their settings, by id: of those that expect events.
func (s *server) sourceNotes(ctx context.Context, list ...bellhop.Source) (map[string]bellhop.SourceNotes, error) {
	if !slices.ContainsFunc(list, func(src bellhop.Source) bool { return src.ExpectEvery > 0 }) {
		return nil, nil
	}
	return s.Store.SourceNotes(ctx)
}

func (s *server) createSource(
	ctx context.Context, in *struct{ Body client.NewSource },
) (*createdOutput[client.Source], error) {
	src, err := sourceOf(in.Body)
	if err != nil {
		return nil, err
	}
	if src, err = s.Catalog.CreateSource(ctx, src); err != nil {
		return nil, err
	}
	return created("sources", src.ID, src.UpdatedAt, s.changedSourceJSON(src)), nil
}

func (s *server) updateSource(ctx context.Context, in *patchInput[client.NewSource]) (*tagged[client.Source], error) {
	done, err := s.Catalog.UpdateSource(ctx, in.ID, func(before bellhop.Source) (bellhop.Source, error) {
		if err := in.check("source", before.UpdatedAt); err != nil {
			return before, err
		}
		s.Catalog.KeepSourceSecrets(before, in.Body)
		delete(in.Body, "followed") // of an answer that the client sends back
		delete(in.Body, "warnings")
		delete(in.Body, "silent_since")
		if err := in.Body.readOnly(s.sourceJSON(before), "id", "provider", "tenant", "url", "url_query",
			"created_at", "updated_at"); err != nil {
			return before, err
		}
		merged, err := in.Body.apply(s, newSource(before))
		if err != nil {
			return before, err
		}
		return sourceOf(merged)
	})
	if err != nil {
		return nil, err
	}
	changed := s.changedSourceJSON(done.Source)
	changed.Followed, changed.Warnings = done.Followed, append(done.Warnings, changed.Warnings...)
	return taggedBy(done.Source.UpdatedAt, changed), nil
}

type deleteSourceInput struct {
	ID    string `path:"id" doc:"Its id or name" example:"media"`
	Force bool   `query:"force" doc:"Delete it even if deliveries of its events are pending: they are still made"`
	Precondition
}

// deleteSource deletes a source. Pending deliveries are counted before the catalog is locked, because that may take
// long.
func (s *server) deleteSource(ctx context.Context, in *deleteSourceInput) (*none, error) {
	src, err := s.Store.Source(ctx, in.ID)
	if err == nil {
		err = in.check("source", src.UpdatedAt)
	}
	if err == nil && !in.Force {
		err = s.Catalog.CheckSettled(ctx, src)
	}
	if err != nil {
		return nil, err
	}
	return nil, s.Catalog.DeleteSource(ctx, src.ID, func(src bellhop.Source) error {
		return in.check("source", src.UpdatedAt)
	})
}

// sourceJSON returns src in its JSON form, with its secrets masked.
func (s *server) sourceJSON(src bellhop.Source) client.Source {
	of := newSource(s.Catalog.MaskSource(src))
	return client.Source{
		ID: src.ID, Name: src.Name, Provider: src.Provider, URL: strings.TrimSuffix(s.PublicURL, "/") + "/in/" +
			src.Name,
		URLQuery: s.Catalog.URLQuery(src),
		Settings: of.Settings, MaxBodyBytes: src.MaxBodyBytes, Disabled: src.Disabled,
		ExpectEvery: expectEveryText(src.ExpectEvery), Tenant: src.Tenant, Reply: of.Reply,
		Retention: of.Retention,
		CreatedAt: client.Time{Time: src.CreatedAt}, UpdatedAt: client.Time{Time: src.UpdatedAt},
	}
}

// changedSourceJSON is sourceJSON for the answer to a change, which has warnings.
func (s *server) changedSourceJSON(src bellhop.Source) client.Source {
	changed := s.sourceJSON(src)
	changed.Warnings = s.Catalog.SourceWarnings(src)
	return changed
}

// newSource returns the values from which src could be created again, secrets included.
func newSource(src bellhop.Source) client.NewSource {
	return client.NewSource{
		Name: src.Name, Provider: src.Provider, Settings: readSettings(src.Settings),
		MaxBodyBytes: src.MaxBodyBytes, Disabled: src.Disabled, ExpectEvery: expectEveryText(src.ExpectEvery),
		Tenant: src.Tenant, Reply: (*client.Reply)(src.Reply), Retention: retentionJSON(src.Retention),
	}
}

// retentionJSON returns r in its JSON form; nil if it says nothing.
func retentionJSON(r bellhop.SourceRetention) *client.Retention {
	if r == (bellhop.SourceRetention{}) {
		return nil
	}
	return &client.Retention{Age: expectEveryText(r.Age), MaxBytes: r.MaxBytes}
}

// readRetention reads the JSON form of a retention.
func readRetention(in *client.Retention) (bellhop.SourceRetention, error) {
	if in == nil {
		return bellhop.SourceRetention{}, nil
	}
	age, err := parseDuration("retention.age", in.Age, 0)
	return bellhop.SourceRetention{Age: age, MaxBytes: in.MaxBytes}, err
}

// sourceOf returns the source with the values of in.
func sourceOf(in client.NewSource) (bellhop.Source, error) {
	settings, err := settingsJSON(in.Settings)
	if err != nil {
		return bellhop.Source{}, err
	}
	expect, err := readExpectEvery(in.ExpectEvery)
	kept, keptErr := readRetention(in.Retention)
	err = bellhop.Join("", err, keptErr)
	return bellhop.Source{
		Name: in.Name, Provider: in.Provider, Settings: settings, MaxBodyBytes: in.MaxBodyBytes, Disabled: in.Disabled,
		ExpectEvery: expect, Tenant: in.Tenant, Reply: (*bellhop.SourceReply)(in.Reply),
		Retention: kept,
	}, err
}

// settingsJSON returns settings as they are stored. Members that are null are left out.
func settingsJSON(settings map[string]any) (json.RawMessage, error) {
	given := make(map[string]any, len(settings))
	for name, value := range settings {
		if value != nil {
			given[name] = value
		}
	}
	raw, err := json.Marshal(given)
	if err != nil {
		return nil, fmt.Errorf("write settings: %w", err)
	}
	return raw, nil
}

// readSettings decodes settings that were stored.
func readSettings(raw json.RawMessage) client.Settings {
	settings := client.Settings{}
	if len(raw) > 0 {
		json.Unmarshal(raw, &settings) // only objects are ever stored
	}
	return settings
}
