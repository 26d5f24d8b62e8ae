package provider

import "fmt"

// MaxItems is how many items of a batch a provider takes, where its system sets no bound of its own.
const MaxItems = 5000

// Items reads a batch: an [Array] of at most max items, of which it returns each as written. null is an empty one. What is
// no array, or has more, is [ErrBody].
func Items(body []byte, max int) ([][]byte, error) {
	if string(body) == "null" {
		return nil, nil
	}
	var items [][]byte
	count := 0
	err := Array(body, func(_ int, item []byte) {
		if count++; count <= max {
			items = append(items, item)
		}
	})
	if err != nil {
		return nil, err
	}
	if count > max {
		return nil, fmt.Errorf("%w: more than %d items", ErrBody, max)
	}
	return items, nil
}
