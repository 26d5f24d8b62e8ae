package sns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

type receiver struct {
	topics       map[string]topic // by ARN
	version      string           // "" is either
	certificates *certificates
	client       *http.Client
}

// Receive verifies a message and makes one event of it, or agrees to a subscription.
//
// The topic is looked at before the signature, against the usual order: the certificate must be fetched to verify it, and
// nobody shall have us do that who does not even name a topic of ours. Topics are no secrets.
func (r *receiver) Receive(ctx context.Context, req *provider.Request) (provider.Receipt, error) {
	m, topic, err := r.verify(ctx, req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("sns: %w", err)
	}
	if m["Type"] == typeSubscribe {
		return r.agree(m, topic)
	}
	return provider.Receipt{Status: http.StatusOK, Events: []bellhop.Event{{
		Type:        "sns." + m["Type"],
		Subject:     provider.Subject(m["TopicArn"]),
		ProviderID:  provider.RepeatKey(m["MessageId"]),
		Time:        provider.Time(m["Timestamp"]),
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}}}, nil
}

func (r *receiver) verify(ctx context.Context, req *provider.Request) (message, topic, error) {
	if req.Method != http.MethodPost {
		return nil, topic{}, provider.ErrMethod
	}
	m, err := parse(req.Body)
	if err != nil {
		return nil, topic{}, err
	}
	proof, err := m.proof()
	if err != nil {
		return nil, topic{}, err
	}
	t, err := m.pin(r.topics)
	switch {
	case err != nil:
		return nil, t, err
	case r.version != "" && m["SignatureVersion"] != r.version:
		return nil, t, fmt.Errorf("%w: another SignatureVersion than settings.signature_version", signature.ErrMalformed)
	}
	key, err := r.certificates.key(ctx, m["SigningCertURL"])
	if err != nil {
		return nil, t, err
	}
	return m, t, proof.verify(key)
}

// pin returns the topic of m, one of topics by ARN, if m names a certificate at the host of SNS in its region.
func (m message) pin(topics map[string]topic) (topic, error) {
	t, ours := topics[m["TopicArn"]]
	switch {
	case !ours:
		return t, fmt.Errorf("%w: a topic that is not one of settings.topics", provider.ErrForbidden)
	case !t.certifies(m["SigningCertURL"]):
		return t, fmt.Errorf("%w: a SigningCertURL that is not SNS's in the topic's region", signature.ErrMalformed)
	}
	return t, nil
}

// agree answers a SubscriptionConfirmation and then does what it asks for.
func (r *receiver) agree(m message, t topic) (provider.Receipt, error) {
	url := m["SubscribeURL"]
	if !t.confirms(url, m["TopicArn"]) {
		return provider.Receipt{}, fmt.Errorf("sns: %w: a SubscribeURL that does not confirm at SNS in the topic's region", provider.ErrBody)
	}
	return provider.Receipt{Reply: &provider.Reply{Status: http.StatusOK, Then: func(ctx context.Context) error {
		_, err := get(ctx, r.client, url)
		return err
	}}}, nil
}

// maxAnswerBytes bounds what SNS is listened to: a certificate has 2 KiB.
const maxAnswerBytes = 64 << 10

// get returns what there is at url. Its errors say nothing of the URL, which may have a token in it.
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	if client == nil {
		return nil, errors.New("there is no network here")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errors.New("its URL is none")
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, errors.New("SNS does not answer")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("SNS answered %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return nil, errors.New("the answer of SNS broke off")
	case len(body) > maxAnswerBytes:
		return nil, errors.New("the answer of SNS is longer than 64 KiB")
	}
	return body, nil
}
