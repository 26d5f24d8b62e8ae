package sharepoint

import (
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
)

// A notification is what this package reads of an item.
type notification struct {
	subscription string
	resource     string // the list's id
	state        string // "" for null, "" and no member at all
	oddState     bool   // clientState is there, and neither a text nor null
}

// memberState is an item's member with the client state.
const memberState = "clientState"

// parse reads an item. Its error wraps provider.ErrBody: not an object.
func parse(item []byte) (notification, error) {
	var n notification
	err := strictjson.Object(item, func(name, value []byte) {
		switch string(name) {
		case "subscriptionId":
			n.subscription, _ = strictjson.Text(value)
		case "resource":
			n.resource, _ = strictjson.Text(value)
		case memberState:
			var text bool
			n.state, text = strictjson.Text(value)
			n.oddState = !text && string(value) != "null"
		}
	})
	return n, err
}
