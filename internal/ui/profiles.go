package ui

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) profiles() {
	s.page("/profiles", viewer, s.listProfiles)
	s.page("/profiles/new", admin, s.newProfile)
	s.act("/profiles/new", admin, s.createProfile)
	s.page("/profiles/{id}", viewer, s.showProfile)
	s.act("/profiles/{id}", admin, s.updateProfile)
	s.act("/profiles/{id}/enable", operator, s.enableProfile)
	s.act("/profiles/{id}/disable", operator, s.disableProfile)
}

// A profileRow is a destination of Boro or Slack in the words of Boro's notification profiles.
type profileRow struct {
	destinationRow
	Enabled     bool
	Signs       bool
	HeaderNames string // of the custom headers
}

// profilesPage is what the list of profiles shows.
type profilesPage struct {
	Rows     []profileRow
	Complete bool // these are all
	Command  command
}

// profileTypes are the types of destinations that are profiles.
var profileTypes = []string{"boro", "slack"}

func (s *server) listProfiles(v *visit) error {
	page := profilesPage{Complete: true, Command: s.get("destinations --type boro", "/destinations",
		flagValue{"", "type", "boro"})}
	for _, kind := range profileTypes {
		l, err := s.API.Destinations(v.ctx, client.DestinationFilter{Type: kind}, client.Page{Limit: 250})
		if err != nil {
			return err
		}
		page.Complete = page.Complete && l.Next == ""
		for _, d := range l.Data {
			page.Rows = append(page.Rows, profileOf(d))
		}
	}
	v.show(http.StatusOK, "profiles", "Profiles", page)
	return nil
}

// profileOf returns a destination as a profile.
func profileOf(d client.Destination) profileRow {
	row := profileRow{destinationRow: destinationRowOf(d), Enabled: d.State == "active",
		Signs: d.Settings["secret_key"] != nil}
	headers, ok := d.Settings["headers"].(map[string]any)
	if ok {
		row.HeaderNames = strings.Join(slices.Sorted(maps.Keys(headers)), ", ")
	}
	return row
}
