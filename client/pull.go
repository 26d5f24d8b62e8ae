package client

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"
)

// A NewPull asks for deliveries of a destination of type pull.
type NewPull struct {
	Max int `json:"max,omitempty" minimum:"1" maximum:"100"` // 0 is 10
	// for the first delivery, at most 30s; "" does not wait
	Wait string `json:"wait,omitempty" example:"20s"`
}

// Pulled is the answer to a NewPull.
type Pulled struct {
	Data []Lease `json:"data"` // empty if no delivery became due in time
}

// A Lease is a delivery that a program has in its hands until it acks or nacks it, or until EndsAt.
type Lease struct {
	Token       string              `json:"token" example:"lse_01h455vb4pex5vsknk08_1_M5XW4Z3FNZ2GK3TUOR2GK4TBNF"`
	EndsAt      Time                `json:"ends_at"`
	DeliveryID  string              `json:"delivery_id" example:"dlv_01h455vb4pex5vsknk08"`
	Attempt     int                 `json:"attempt" example:"1"`
	EventID     string              `json:"event_id" example:"evt_01h455vb4pex5vsknk08"`
	Type        string              `json:"type" example:"invoice.paid"` // of the event, as the further members are
	Subject     string              `json:"subject"`
	Source      string              `json:"source" example:"media"`
	Tenant      string              `json:"tenant"`
	Time        Time                `json:"time"`
	ReceivedAt  Time                `json:"received_at"`
	ContentType string              `json:"content_type"` // as received
	Headers     map[string][]string `json:"headers"`      // those of a request in the format of the destination
	Body        string              `json:"body"`         // the same
	BodyBase64  string              `json:"body_base64,omitempty"`
}

// Bytes returns the body.
func (l Lease) Bytes() ([]byte, error) {
	if l.BodyBase64 == "" {
		return []byte(l.Body), nil
	}
	body, err := base64.StdEncoding.DecodeString(l.BodyBase64)
	if err != nil {
		return nil, fmt.Errorf("the body of %s cannot be read: %w", l.DeliveryID, err)
	}
	return body, nil
}

// An Ack ends a lease: its delivery is delivered.
type Ack struct {
	Token string `json:"token"`
}

// A Nack ends a lease: its attempt has failed.
type Nack struct {
	Token  string `json:"token"`
	Delay  string `json:"delay,omitempty" example:"30s"` // until the next attempt, at most 24h; "" is by the schedule
	Detail string `json:"detail,omitempty"`              // why, in words; at most 500 bytes
}

// An Extension makes a lease end later, or sooner.
type Extension struct {
	Token string `json:"token"`
	For   string `json:"for,omitempty" example:"1m"` // from now on; "" is the timeout of the destination
}

// Extended says when a lease ends.
type Extended struct {
	EndsAt Time `json:"ends_at"`
}

// Pull leases at most n deliveries of a destination of type pull, and waits for the first one for at most that time.
// It returns none if none came. n of 0 is 10.
func (c *Client) Pull(ctx context.Context, destination string, n int, wait time.Duration) ([]Lease, error) {
	patient := *c.http
	if patient.Timeout > 0 {
		patient.Timeout += wait
	}
	bound := *c
	bound.http = &patient
	in := NewPull{Max: n}
	if wait > 0 {
		in.Wait = wait.String()
	}
	got, err := post[Pulled](ctx, &bound, path("destinations", destination, "pull"), in)
	return got.Data, err
}

// Ack ends l: its delivery is delivered, and that is on disk when Ack returns. The error has bellhop.CodeConflict if
// the attempt was acked or nacked already, and bellhop.CodeGone if the lease has ended without that: then the delivery
// comes again.
func (c *Client) Ack(ctx context.Context, l Lease) error {
	return c.call(ctx, http.MethodPost, path("deliveries", l.DeliveryID, "ack"), Ack{l.Token}, nil)
}

// Nack ends l: its attempt has failed, for the reason in detail. The next one is due after the delay, or by the retry
// schedule if that is negative. Its errors are those of Ack.
func (c *Client) Nack(ctx context.Context, l Lease, delay time.Duration, detail string) error {
	n := Nack{Token: l.Token, Detail: detail}
	if delay >= 0 {
		n.Delay = delay.String()
	}
	return c.call(ctx, http.MethodPost, path("deliveries", l.DeliveryID, "nack"), n, nil)
}

// Extend makes l end after a time from now, and returns when. 0 is the timeout of the destination. Its errors are
// those of Ack.
func (c *Client) Extend(ctx context.Context, l Lease, by time.Duration) (endsAt time.Time, err error) {
	x := Extension{Token: l.Token}
	if by > 0 {
		x.For = by.String()
	}
	got, err := post[Extended](ctx, c, path("deliveries", l.DeliveryID, "extend"), x)
	return got.EndsAt.Time, err
}
