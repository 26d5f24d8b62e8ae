package sharepoint

import (
	"fmt"

	"github.com/bellhop-gateway/bellhop/provider"
)

// A notification is what this package reads of an item.
type notification struct {
	subscription string
	resource     string // the list's id
	state        string // "" for null, "" and no member at all
	oddState     bool   // clientState is there, and neither a text nor null
}

// readItems reads a body: {"value":[item, ...]}. No items are null or an empty list.
func readItems(body []byte) ([][]byte, error) {
	value, err := provider.Find(body, "value")
	if err != nil {
		return nil, err
	}
	items, err := provider.Items(value, provider.MaxItems)
	if err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	return items, nil
}

// memberState is an item's member with the client state.
const memberState = "clientState"

// parse reads an item. Its error wraps provider.ErrBody: not an object.
func parse(item []byte) (notification, error) {
	var n notification
	err := provider.Object(item, func(name, value []byte) {
		switch string(name) {
		case "subscriptionId":
			n.subscription, _ = provider.Text(value)
		case "resource":
			n.resource, _ = provider.Text(value)
		case memberState:
			var text bool
			n.state, text = provider.Text(value)
			n.oddState = !text && string(value) != "null"
		}
	})
	return n, err
}
