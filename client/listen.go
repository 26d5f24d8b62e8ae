package client

import (
	"context"
	"encoding/base64"
	"iter"
	"net/http"
	"unicode/utf8"
)

// A StreamDelivery is a delivery of a destination of type listen: an attempt that waits for an answer.
type StreamDelivery struct {
	Token      string `json:"token"` // names the attempt; its Answer has the same
	DeliveryID string `json:"delivery_id" example:"dlv_01h455vb4pex5vsknk08"`
	Attempt    int    `json:"attempt" example:"1"`
	EventID    string `json:"event_id" example:"evt_01h455vb4pex5vsknk08"`
	Type       string `json:"type" example:"ams.JobStateChange"` // of the event
	Subject    string `json:"subject"`                           // of the event
	Source     string `json:"source" example:"media"`            // of the event
	Until      Time   `json:"until"`                             // when the attempt ends without an answer
}

// An Answer is what a program answered to a StreamDelivery.
type Answer struct {
	Token      string `json:"token"`                // of the StreamDelivery
	Status     int    `json:"status" example:"200"` // of its HTTP answer; 0 without one
	RetryAfter string `json:"retry_after,omitempty" maxLength:"100"`
	Body       string `json:"body,omitempty"`        // the beginning: at most 4096 bytes
	BodyBase64 string `json:"body_base64,omitempty"` // the same, if it is not UTF-8
	Detail     string `json:"detail,omitempty"`      // without an answer: why, in words; at most 500 bytes
}

// SetBody sets the body of a.
func (a *Answer) SetBody(body []byte) {
	a.Body, a.BodyBase64 = string(body), ""
	if !utf8.Valid(body) {
		a.Body, a.BodyBase64 = "", base64.StdEncoding.EncodeToString(body)
	}
}

// Listen takes the deliveries of a destination of type listen until ctx ends. Each is an item of kind delivery, which
// [Client.Answer] ends; [Client.Event] and [Client.EventBody] return its event. Several who listen share deliveries.
// Like [Client.Stream] it comes back by itself after an interruption. The attempts that wait for an answer end with an
// interruption, and their deliveries come again.
func (c *Client) Listen(ctx context.Context, destination string) iter.Seq2[StreamItem, error] {
	return c.messages(ctx, stream{client: c, method: http.MethodPost,
		path: path("destinations", destination, "listen")})
}

// Answer ends the attempt of a delivery that Listen has yielded. The error has bellhop.CodeConflict if the attempt has
// ended already.
func (c *Client) Answer(ctx context.Context, deliveryID string, a Answer) error {
	return c.call(ctx, http.MethodPost, path("deliveries", deliveryID, "answer"), a, nil)
}
