package bellhop

// TypeSelfPrefix begins the types of the gateway's own events.
const TypeSelfPrefix = "bellhop."

// The types of the gateway's own events. Their subject is the destination's name; docs/EVENTS.md shows what they carry.
const (
	TypeDestinationFailing   = "bellhop.destination.failing"   // it is held back, for it keeps failing
	TypeDestinationRecovered = "bellhop.destination.recovered" // it took something again
	TypeDestinationDisabled  = "bellhop.destination.disabled"  // the gateway gave it up
	TypeDestinationExpiring  = "bellhop.destination.expiring"  // its time is over soon
	TypeDestinationExpired   = "bellhop.destination.expired"   // its time is over
	TypeDeliveriesDead       = "bellhop.deliveries.dead"       // deliveries were given up; at most one of these a minute and destination
)
