package store

import (
	"strconv"

	"github.com/bellhop-gateway/bellhop"
)

// PageLimit returns how many rows a page has at most: the limit of page within [bellhop.MaxPage], or
// [bellhop.DefaultPage] if it gives none.
func PageLimit(page bellhop.Page) int {
	if page.Limit <= 0 {
		return bellhop.DefaultPage
	}
	return min(page.Limit, bellhop.MaxPage)
}

// FormatCursor returns the cursor after the row with number n, which is the last of its page.
func FormatCursor(n int64) string { return strconv.FormatInt(n, 36) }

// ParseCursor returns the number of the row that a cursor comes after.
func ParseCursor(cursor string) (int64, error) {
	n, err := strconv.ParseInt(cursor, 36, 64)
	if err != nil {
		return 0, bellhop.Invalid("cursor", "is not the next of a page")
	}
	return n, nil
}

// StateWord returns state if it is a state of a delivery, else "". So no other text comes into a statement that
// needs the state as a literal, as partial indexes do.
func StateWord(state bellhop.DeliveryState) string {
	switch state {
	case bellhop.DeliveryPending, bellhop.DeliveryLeased, bellhop.DeliveryDelivered, bellhop.DeliveryDead,
		bellhop.DeliveryCancelled:
		return string(state)
	}
	return ""
}
