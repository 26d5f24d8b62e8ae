package ingest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/contentcoding"
	"github.com/bellhop-gateway/bellhop/provider"
)

// verifyTime bounds how long a request on record is verified: its provider may have to fetch keys.
const verifyTime = 10 * time.Second

// Verify has a request on record read again by the provider of src, as if it came in when it did: a signature that was
// valid for some minutes then is not too old now. Nothing is stored or published, nobody is answered or called back,
// and limits on rates do not count. The receiver is opened for this call, so that the memory of the source's own stays
// as it is. The settings of src need not be those that are stored; an error is about them, with a path below
// "settings".
//
// What the record lacks may be what proves the request. Then the outcome of the verdict is "", unless the rest
// decides.
func (d *Door) Verify(ctx context.Context, src bellhop.Source, r bellhop.Request) (bellhop.Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, verifyTime)
	defer cancel()
	env := d.opts.Env
	env.Now = func() time.Time { return r.ReceivedAt }
	opened, err := d.open(src, nil, env)
	if err != nil {
		return bellhop.Verdict{}, bellhop.Join("settings", err)
	}
	c := verification{door: d, src: opened, header: r.Header.HTTP(), record: &r}
	return c.run(ctx)
}

// A verification is one call of Verify.
type verification struct {
	door   *Door
	src    *source
	record *bellhop.Request
	header http.Header // of the record
}

// run has the provider read the request, and says what came of it.
func (c *verification) run(ctx context.Context) (v bellhop.Verdict, err error) {
	lacks := c.lacksBody()
	if lacks != "" {
		v.Missing = append(v.Missing, bellhop.Missing{Part: bellhop.MissingBody, Detail: lacks})
	}
	receipt, err := c.receive(ctx, c.request(), lacks == "")
	if err != nil {
		return c.refused(ctx, v, err)
	}
	switch {
	case lacks != "":
		return v, nil // what is left of it is no reason to refuse it
	case receipt.Reply != nil:
		v.Outcome, v.Status = bellhop.RequestHandshake, receipt.Reply.Status
		return v, nil
	}
	v.Outcome, v.Status, v.Events = bellhop.RequestAccepted, receipt.Status, len(receipt.Events)
	if v.Status == 0 {
		v.Status = http.StatusAccepted
	}
	if len(receipt.Refused) > 0 {
		v.Outcome = bellhop.RequestPartial
		v.Reason, v.Detail = describeRefused(receipt.Refused)
		if v.Events == 0 {
			v.Outcome = bellhop.RequestRefused
		}
	}
	return v, nil
}

// refused returns the verdict about a request that the source refuses with err.
func (c *verification) refused(ctx context.Context, v bellhop.Verdict, err error) (bellhop.Verdict, error) {
	status, code, detail, _ := explain(err)
	if status == http.StatusServiceUnavailable {
		return v, &bellhop.Error{Code: bellhop.CodeUnavailable, Err: err, Message: "the provider of the source " +
			"could not verify the request now, which says nothing about the request: see the log, and try again"}
	}
	if code == "forbidden" || strings.HasPrefix(code, "signature_") {
		withheld := c.withheld(ctx, err, len(v.Missing) == 0)
		if len(withheld) > 0 {
			v.Missing = append(v.Missing, withheld...)
			return v, nil // its proof may be what is missing
		}
	}
	v.Outcome, v.Status, v.Reason, v.Detail = bellhop.RequestRefused, status, code, detail
	return v, nil
}

// unreadReasons are the reasons of refusals whose bodies were not read, or not to their end.
var unreadReasons = []string{errTooLarge.code, errUnread.code, errSlow.code, errBusy.code, errCut.code, errQuery.code,
	"content_encoding"}

// lacksBody says why the body is not on record as a whole; "" if it is.
func (c *verification) lacksBody() string {
	r, announced := c.record, c.announced()
	switch {
	case r.Reason == reasonDisabled:
		return "the source was disabled: neither headers nor body of such a request are kept"
	case r.BodyBytes > int64(len(r.Body)):
		return fmt.Sprintf("of a refused request only the first %d bytes of the body are kept; it had %d", len(r.Body),
			r.BodyBytes)
	case r.BodyBytes > 0:
		return ""
	case announced > 0 || slices.Contains(unreadReasons, r.Reason):
		return "the request was refused before its body was read"
	case announced < 0 && r.Method == http.MethodPost:
		return "the body was empty, or the request was refused before its body was read"
	}
	return ""
}

// announced returns the Content-Length of the request; -1 if it had none.
func (c *verification) announced() int64 {
	n, err := strconv.ParseInt(c.header.Get("Content-Length"), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// request returns the request as it is on record.
func (c *verification) request() *provider.Request {
	r := c.record
	return &provider.Request{Method: r.Method, Target: r.Target, Header: c.header.Clone(), Body: r.Body,
		RemoteAddr: r.RemoteAddr, ReceivedAt: r.ReceivedAt}
}

// receive has the provider read req or, unless the body is whole, its header alone.
func (c *verification) receive(ctx context.Context, req *provider.Request, whole bool) (receipt provider.Receipt,
	err error) {
	coding, err := codingOf(req.Header)
	switch {
	case max(c.announced(), c.record.BodyBytes) > c.src.limit:
		return receipt, errTooLarge
	case err != nil:
		return receipt, err
	case !whole:
		req.Body = nil
		return receipt, c.door.checkHeader(c.src, req)
	case coding == contentcoding.None:
		return c.door.receive(ctx, c.src, req)
	}
	c.door.decoders <- struct{}{}
	req.Decoded, err = contentcoding.Decode(coding, req.Body, c.src.limit, nil)
	<-c.door.decoders
	if err != nil {
		return receipt, decodeError(err)
	}
	return c.door.receive(ctx, c.src, req)
}

// withheld returns the parts that are never kept, and that the source reads to prove a request that it refused with
// err.
func (c *verification) withheld(ctx context.Context, err error, whole bool) (missing []bellhop.Missing) {
	changes := func(change func(*provider.Request)) bool {
		// the source reads a part if another one changes the refusal
		changed := c.request()
		change(changed)
		_, other := c.receive(ctx, changed, whole)
		return other == nil || other.Error() != err.Error()
	}
	for _, name := range slices.Sorted(maps.Keys(c.src.secretHeaders)) {
		if _, kept := c.header[name]; !kept &&
			changes(func(req *provider.Request) { req.Header.Set(name, "Bearer x") }) {
			missing = append(missing, bellhop.Missing{Part: bellhop.MissingHeader,
				Detail: "the header " + name + ", which the source reads, may carry a secret and is never kept"})
		}
	}
	path, query, _ := strings.Cut(c.record.Target, "?")
	if query != "" && changes(func(req *provider.Request) { req.Target = path }) {
		missing = append(missing, bellhop.Missing{Part: bellhop.MissingQuery,
			Detail: "the values of a query, which the source reads, may be secrets and are never kept"})
	}
	return missing
}
