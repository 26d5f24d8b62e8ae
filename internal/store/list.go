package store

import (
	"crypto/sha256"

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

// checkDigits is how many check characters a cursor ends with: 20 bits.
const checkDigits = 4

// Cursor returns the cursor after the row with number n, which is the last of its page in the list of that name,
// such as "events". A cursor is the number in base 32 and check characters, which depend on the store and the
// list: so text that is no cursor, and a cursor of another list, are recognized.
func (d IDs) Cursor(list string, n int64) string {
	text := d.format("", n, deliveryDigits)
	digits := text[:deliveryDigits]
	return digits + d.check(list, digits)
}

// ParseCursor returns the number of the row that a cursor of the list of that name comes after. The row need not
// exist any more.
func (d IDs) ParseCursor(list, cursor string) (int64, error) {
	if len(cursor) == deliveryDigits+checkDigits {
		digits := cursor[:deliveryDigits]
		n, ok := parseNumber(digits)
		if ok && cursor[deliveryDigits:] == d.check(list, digits) {
			return n, nil
		}
	}
	return 0, bellhop.Invalid("cursor", "is no cursor of this list: use next of the previous page, or leave it out")
}

// check returns the check characters of a cursor with those digits.
func (d IDs) check(list, digits string) string {
	sum := sha256.Sum256([]byte(d.tag + " " + list + " " + digits))
	var text [checkDigits]byte
	for i := range text {
		text[i] = bellhop.IDAlphabet[sum[i]&31]
	}
	return string(text[:])
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
