package prove

import (
	"crypto/sha256"
	"hash/fnv"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/signature"
)

// receiverSecret is the secret that the gateway signs with at destinations of format standard.
const receiverSecret = "whsec_c2VuZGluZy1zZWNyZXQtb2YtdGhlLWpvdXJuZXlz"

var receiverKey = mustKey(receiverSecret)

// A Receiver is a handler that deliveries are sent to: destination "flaky" is the path /flaky. It notes each attempt
// in the ledger, with what is wrong with its signature.
type Receiver struct {
	Ledger *Ledger
	Answer func(a Arrival) int // returns the status for an attempt, after any delay; nil answers 200 at once
}

func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the gateway was killed; it will repeat the delivery
	}
	a := Arrival{
		Destination: strings.TrimPrefix(req.URL.Path, "/"), Event: req.Header.Get("Webhook-Id"),
		Delivery: req.Header.Get("Bellhop-Delivery-Id"), Body: sha256.Sum256(body),
		ContentType: req.Header.Get("Content-Type"), At: time.Now(), Status: http.StatusOK,
	}
	a.Attempt, _ = strconv.Atoi(req.Header.Get("Bellhop-Attempt"))
	a.Hops, _ = strconv.Atoi(req.Header.Get("Bellhop-Hops"))
	if req.Header.Get("Webhook-Signature") != "" {
		_, err := signature.VerifyStandardHeader(req.Header, body, []signature.StandardKey{receiverKey}, time.Now(),
			signature.StandardTolerance)
		if err != nil {
			a.Complaint = "its signature: " + err.Error()
		}
	}
	if r.Answer != nil {
		a.Status = r.Answer(a)
	}
	r.Ledger.Arrive(a)
	w.WriteHeader(a.Status)
}

// FailsFirst answers the first attempt of three of ten events at the destination "flaky" with 500, and all else with
// 200.
func FailsFirst(a Arrival) int {
	h := fnv.New32a()
	h.Write([]byte(a.Event))
	if a.Destination == "flaky" && a.Attempt == 1 && h.Sum32()%10 < 3 {
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// AttemptTimeout is a timeout of destinations that even a busy receiver does not exceed.
const AttemptTimeout = "1m"

// Destination returns a destination named name at the receiver with the URL base, "http://127.0.0.1:9000/". It wants
// the events of sources, or all; its retries end within a test.
func Destination(base, name, format string, sources ...string) client.NewDestination {
	settings := map[string]any{"format": format}
	if format == "standard" {
		settings["secret"] = receiverSecret
	}
	return client.NewDestination{Name: name, URL: base + name, Settings: settings,
		Match: &client.Match{Sources: sources}, Timeout: AttemptTimeout,
		Retry: &client.Retry{Schedule: client.Schedule{"200ms", "500ms", "1s", "1s", "2s", "2s", "5s", "5s"}}}
}
