package provider

import "github.com/bellhop-gateway/bellhop"

// MaxClientStateLength is how many characters Graph, Outlook and SharePoint take as the client state of a subscription.
const MaxClientStateLength = 255

// CheckOneClientState is [CheckClientState] for a destination, which has one.
func CheckOneClientState(path string, states Secrets) error {
	if err := states.CheckOne(path); err != nil {
		return err
	}
	return CheckClientState(path, states)
}

// CheckClientState is [Secrets.Check] for client states, the text that Graph, Outlook and SharePoint repeat with every
// notification. It reports those that are too long, and those that would not come back out of a header as they went
// in: of other characters than printable ASCII, or with a blank at an end.
func CheckClientState(path string, states Secrets) error {
	if err := states.Check(path); err != nil {
		return err
	}
	var errs []error
	for i, state := range states {
		if !Printable(state) || len(state) > MaxClientStateLength {
			errs = append(errs, bellhop.Invalid(states.Path(path, i), "use at most 255 printable ASCII characters, no blank at either end"))
		}
	}
	return bellhop.Join("", errs...)
}
