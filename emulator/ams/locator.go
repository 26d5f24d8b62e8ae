package ams

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// A policy says what may be done with an asset, and for how long.
type policy struct {
	id, name         string
	minutes          float64
	permissions      int // a mask: read 1, write 2, delete 4, list 8
	created, changed time.Time
}

// Permissions that a streaming locator must not have.
const writeOrDelete = 2 | 4

func (p *policy) entity() *entity {
	return &entity{of: policies, id: p.id, fields: map[string]any{"Id": p.id, "Created": p.created,
		"LastModified": p.changed, "Name": p.name, "DurationInMinutes": p.minutes, "Permissions": p.permissions}}
}

func (s *System) allPolicies() []*entity { return entities(s.policies) }

// createPolicy answers the creation of an access policy. One beyond the limit of the account is refused by 403.
func (s *System) createPolicy(in *input) (*entity, error) {
	p := &policy{id: policies.prefix + emulator.NewID(), created: s.now(), changed: s.now()}
	in.text("Name", &p.name)
	timed := in.real("DurationInMinutes", &p.minutes)
	in.number("Permissions", &p.permissions)
	in.given("Id", "Created", "LastModified")
	err := in.end()
	ranOut := err == nil && s.host.MeetOwn(s.Name(), emulator.FaultPolicies).Kind != ""
	switch {
	case err != nil:
		return nil, err
	case p.name == "":
		return nil, missing(policies.name, "Name")
	case !timed:
		return nil, failed(http.StatusInternalServerError, "An error occurred while processing this request.")
	case p.minutes <= 0 || p.permissions < 0 || p.permissions > 15:
		return nil, failed(http.StatusBadRequest, "The duration or the permissions of the access "+
			"policy are not valid.")
	case ranOut || len(s.policies) >= s.opts.Policies:
		return nil, failed(http.StatusForbidden, "The account has reached the limit of %d access policies.",
			s.opts.Policies)
	}
	s.policies = append(s.policies, p)
	return p.entity(), nil
}

func (s *System) removePolicy(id string) error {
	s.policies = slices.DeleteFunc(s.policies, func(p *policy) bool { return strings.EqualFold(p.id, id) })
	return nil
}

// A locator makes the files of an asset reachable.
type locator struct {
	id, name       string
	asset          *asset
	policy         *policy
	kind           int
	start, expires time.Time
}

// Types of locators.
const (
	signatureLocator = 1 // of one file, by a shared access signature
	streaming        = 2 // by an origin
)

func (l *locator) entity() *entity {
	base := "https://" + storage + ".blob.core.windows.net/asset-" + guid(l.asset.id)
	access := fmt.Sprintf("?sv=2015-07-08&sr=c&si=%s&sig=%s", guid(l.id), guid(l.id))
	whole := base + access
	if l.kind == streaming {
		base, access = "http://"+AccountName+".streaming.mediaservices.windows.net", guid(l.id)
		whole = base + "/" + access + "/"
	}
	name := any(nil)
	if l.name != "" {
		name = l.name
	}
	return &entity{of: locators, id: l.id, fields: map[string]any{"Id": l.id, "Name": name,
		"ExpirationDateTime": localTime(l.expires), "StartTime": never(l.start), "Type": l.kind, "Path": whole,
		"BaseUri": base, "ContentAccessComponent": access, "AccessPolicyId": l.policy.id, "AssetId": l.asset.id}}
}

func (s *System) allLocators() []*entity { return entities(s.locators) }

func (s *System) locatorsOf(id string) []*entity {
	a := s.asset(id)
	var of []*locator
	for _, l := range s.locators {
		if l.asset == a {
			of = append(of, l)
		}
	}
	return entities(of)
}

// locator returns the locator of an id, or nil.
func (s *System) locator(id string) *locator {
	i := slices.IndexFunc(s.locators, func(l *locator) bool { return strings.EqualFold(l.id, id) })
	if i < 0 {
		return nil
	}
	return s.locators[i]
}

func (s *System) policyOf(id string) []*entity { return []*entity{s.locator(id).policy.entity()} }
func (s *System) assetOf(id string) []*entity  { return []*entity{s.locator(id).asset.entity()} }

// createLocator answers the creation of a locator, whose id may be given.
func (s *System) createLocator(in *input) (*entity, error) {
	l := &locator{id: locators.prefix + emulator.NewID()}
	assetID, policyID := "", ""
	given := in.text("Id", &l.id)
	in.text("Name", &l.name)
	in.text("AssetId", &assetID)
	in.text("AccessPolicyId", &policyID)
	in.number("Type", &l.kind)
	in.time("StartTime", &l.start)
	ends := in.time("ExpirationDateTime", &l.expires)
	in.given("Path", "BaseUri", "ContentAccessComponent")
	if err := in.end(); err != nil {
		return nil, err
	}
	l.asset = s.asset(assetID)
	i := slices.IndexFunc(s.policies, func(p *policy) bool { return strings.EqualFold(p.id, policyID) })
	switch {
	case assetID == "":
		return nil, missing(locators.name, "AssetId")
	case policyID == "":
		return nil, missing(locators.name, "AccessPolicyId")
	case given && (!strings.HasPrefix(l.id, locators.prefix) || !isGUID(guid(l.id))):
		return nil, failed(http.StatusBadRequest, "The value of the property 'Id' is not valid.")
	case l.kind != signatureLocator && l.kind != streaming:
		return nil, failed(http.StatusBadRequest, "The value of the property 'Type' is not valid.")
	case l.asset == nil || i < 0:
		return nil, failed(http.StatusNotFound, "The asset or the access policy of the locator was not found.")
	}
	l.policy = s.policies[i]
	switch {
	case l.kind == streaming && l.policy.permissions&writeOrDelete != 0:
		return nil, failed(http.StatusBadRequest, "A streaming locator cannot be created with an access policy that "+
			"includes write or delete permissions.")
	case s.locator(l.id) != nil:
		return nil, failed(http.StatusConflict, "A locator with the id '%s' is already in use.", l.id)
	case len(s.locatorsOf(l.asset.id)) >= s.opts.Locators:
		return nil, failed(http.StatusConflict, "The asset already has %d locators in use.", s.opts.Locators)
	}
	if !ends {
		from := l.start
		if from.IsZero() {
			from = s.now()
		}
		l.expires = from.Add(time.Duration(l.policy.minutes * float64(time.Minute)))
	}
	s.locators = append(s.locators, l)
	return l.entity(), nil
}

// isGUID reports whether text has the form of a GUID.
func isGUID(text string) bool {
	const form = "00000000-0000-0000-0000-000000000000"
	if len(text) != len(form) {
		return false
	}
	for i, c := range text {
		if (form[i] == '-') != (c == '-') || form[i] == '0' && !strings.ContainsRune("0123456789abcdefABCDEF", c) {
			return false
		}
	}
	return true
}

// updateLocator prolongs a streaming locator. One of a shared access signature cannot be changed.
func (s *System) updateLocator(id string, in *input) error {
	l := s.locator(id)
	after := *l
	in.time("StartTime", &after.start)
	in.time("ExpirationDateTime", &after.expires)
	in.text("Name", &after.name)
	in.once("Id", "AssetId", "AccessPolicyId", "Type", "Path", "BaseUri", "ContentAccessComponent")
	err := in.end()
	switch {
	case err != nil:
		return err
	case l.kind != streaming:
		return failed(http.StatusBadRequest, "A SAS locator cannot be updated.")
	}
	*l = after
	return nil
}

func (s *System) removeLocator(id string) error {
	s.locators = slices.DeleteFunc(s.locators, func(l *locator) bool { return strings.EqualFold(l.id, id) })
	return nil
}
