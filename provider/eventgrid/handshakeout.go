package eventgrid

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Handshake asks by a validation event. The receiver agrees by 200 and the event's code, or by 200 without it and a call
// to the validation URL later, where there is one.
func (r *renderer) Handshake(at provider.AttemptInfo) (provider.HandshakeRequest, error) {
	code, err := newGUID(r.env.Rand)
	if err != nil {
		return provider.HandshakeRequest{}, err
	}
	body, err := encode([]document{{
		ID: code, Topic: r.topic(""), Data: validationData(code, at.Callback), EventType: ValidationType,
		EventTime: microsoft.FormatTime(at.Time), DataVersion: "2", MetadataVersion: metadataVersion,
	}})
	h := http.Header{"Content-Type": {contentType}}
	r.addHeaders(h, headerValidation, "2", at)
	read := func(status int, _ http.Header, body []byte) (provider.HandshakeResult, error) {
		return readAgreement(status, body, code, at.Callback != "")
	}
	return provider.HandshakeRequest{Request: provider.OutboundRequest{Header: h, Body: body}, Read: read}, err
}

// HandshakeByDefault implements [provider.Handshaker]: Event Grid delivers nowhere before it was told to.
func (*renderer) HandshakeByDefault() bool { return true }

func validationData(code, callback string) []byte {
	data := map[string]string{"validationCode": code}
	if callback != "" {
		data["validationUrl"] = callback
	}
	b, _ := encode(data) // strings always can be
	return b
}

// readAgreement reads the answer to a validation event with this code. later is whether there was a URL to call.
func readAgreement(status int, body []byte, code string, later bool) (provider.HandshakeResult, error) {
	if status != http.StatusOK {
		return provider.HandshakeResult{}, fmt.Errorf("answered the validation with status %d; it must be 200", status)
	}
	var answered string
	err := strictjson.Object(body, func(name, value []byte) {
		if string(name) == "validationResponse" {
			answered, _ = strictjson.Text(value)
		}
	})
	switch {
	case err == nil && signature.EqualToken(answered, code):
		return provider.HandshakeResult{}, nil
	case answered != "":
		return provider.HandshakeResult{}, errors.New("answered with another validationResponse than data.validationCode")
	case later:
		return provider.HandshakeResult{Pending: true, Reason: "answered without a validationResponse"}, nil
	}
	return provider.HandshakeResult{}, errors.New(`answered without {"validationResponse":"…"}, which must repeat data.validationCode`)
}

// newGUID returns a random id as Microsoft writes them.
func newGUID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make a validation code: %w", err)
	}
	return provider.NewGUID(b, 4), nil
}
