package eventgrid

import "github.com/bellhop-gateway/bellhop"

// A cloud is one of those that Azure consists of, with names of its own for everything.
type cloud struct {
	domain string // of Event Grid: the origin of an OPTIONS request, and where validation URLs lead
	login  string // the host of Microsoft Entra
	app    string // the application that Event Grid is to Entra
}

// The clouds. The ids are those of Microsoft's own script:
// https://learn.microsoft.com/en-us/azure/event-grid/scripts/powershell-webhook-secure-delivery-microsoft-entra-app
var clouds = map[string]cloud{
	"public":     {"eventgrid.azure.net", "login.microsoftonline.com", "4962773b-9cdb-44cf-a8bf-237846a00ab7"},
	"government": {"eventgrid.azure.us", "login.microsoftonline.us", "54316b56-3481-47f9-8f30-0300f5542a7b"},
}

func findCloud(name string) (cloud, error) {
	if name == "" {
		name = "public"
	}
	c, ok := clouds[name]
	if !ok {
		return c, bellhop.Invalid("cloud", "use public or government")
	}
	return c, nil
}
