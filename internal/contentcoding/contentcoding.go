// Package contentcoding undoes the content coding of a body: what the header Content-Encoding says that was done to it
// on the way, in the sense of RFC 9110, section 8.4.
//
// It promises that no body, however it was made, makes it panic, return more than the caller's limit, or hold more
// memory than the caller reserved and [MaxWindow]; and that a body which is cut off, damaged or followed by other
// bytes is an error.
package contentcoding

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/bellhop-gateway/bellhop"
)

// A Coding is a content coding.
type Coding string

// The codings. None is that of a body which is as it is.
const (
	None    Coding = ""
	Gzip    Coding = "gzip"    // RFC 1952
	Deflate Coding = "deflate" // RFC 1950, or RFC 1951 alone, which some senders mean by it
	Zstd    Coding = "zstd"    // RFC 8878
	Brotli  Coding = "br"      // RFC 7932
)

// Accepted lists the codings as the header Accept-Encoding of an answer has them.
const Accepted = "gzip, deflate, zstd, br"

// Header is the name of the header that has the coding.
const Header = "Content-Encoding"

// MaxWindow is the most memory that undoing a coding takes besides the result, but for some buffers: the window of a
// decoder, in bytes. RFC 9659 bounds that of zstd, and RFC 7932 that of br.
const MaxWindow = 16 << 20

// maxZstdWindow is the largest window of a body in zstd: RFC 9659, section 3.
const maxZstdWindow = 8 << 20

// The errors of this package.
var (
	// ErrUnknown reports a coding that this package does not know, or several.
	ErrUnknown = errors.New("no content coding, or several")
	// ErrMalformed reports bytes that the coding cannot have made.
	ErrMalformed = errors.New("the body is not what its content coding makes")
	// ErrTooLarge reports a body that becomes larger than the limit.
	ErrTooLarge = errors.New("the body is larger than the limit once its content coding is undone")
)

// Of returns the coding that the values of the header Content-Encoding name. The error is ErrUnknown. "identity" is
// None, and so is "utf-8", the name of a character encoding that some senders put there by mistake.
func Of(values []string) (Coding, error) {
	switch len(values) {
	case 0:
		return None, nil
	case 1:
	default:
		return None, ErrUnknown
	}
	switch name := strings.ToLower(strings.Trim(values[0], " \t")); name {
	case "", "identity", "utf-8":
		return None, nil
	case "x-gzip": // an older name: RFC 9110, section 8.4.1.3
		return Gzip, nil
	case string(Gzip), string(Deflate), string(Zstd), string(Brotli):
		return Coding(name), nil
	}
	return None, ErrUnknown
}

// Event returns the content of ev: its body, its coding undone. It is ev.Body itself if that has no coding. The errors
// are those of [Of] and [Decode].
func Event(ev *bellhop.Event, limit int64) ([]byte, error) {
	coding, err := OfEvent(ev)
	if err != nil || coding == None {
		return ev.Body, err
	}
	return Decode(coding, ev.Body, limit, nil)
}

// OfEvent returns the coding of ev's body. It allocates nothing if there is none.
func OfEvent(ev *bellhop.Event) (Coding, error) {
	value := ev.Header.Get(Header)
	if value == "" {
		return None, nil
	}
	return Of([]string{value})
}

// Accepts reports whether accepted, the header Accept-Encoding of a request, allows an answer in coding: RFC 9110,
// section 12.5.3. A weight counts only if it is zero.
func Accepts(accepted string, coding Coding) bool {
	allowed := false
	for item := range strings.SplitSeq(accepted, ",") {
		name, weight, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(item), " ", ""), ";")
		refused := strings.HasPrefix(weight, "q=0") && strings.Trim(weight[len("q=0"):], ".0") == ""
		if name == string(coding) || name == "x-gzip" && coding == Gzip {
			return !refused
		}
		allowed = allowed || name == "*" && !refused
	}
	return allowed
}

// firstRead is the least size of the first buffer, in bytes.
const firstRead = 4 << 10

// Decode undoes coding, which is not None. The result is not nil and at most limit bytes long. reserve, which may be
// nil, is called before so many bytes more are allocated for the result; its error ends the work. The errors are
// ErrMalformed, ErrTooLarge and those of reserve. An empty body is empty in every coding.
func Decode(coding Coding, body []byte, limit int64, reserve func(n int64) error) ([]byte, error) {
	content := []byte{}
	if len(body) == 0 {
		return content, nil
	}
	source := bytes.NewReader(body)
	in, err := newReader(coding, source, body)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	most := max(0, limit) + 1 // one byte more than the limit shows that the content is too large
	for size := min(most, max(firstRead, 4*int64(len(body)))); ; size = min(most, 2*size) {
		if reserve != nil {
			if err := reserve(size - int64(cap(content))); err != nil {
				return nil, err
			}
		}
		content = append(make([]byte, 0, size), content...)
		for int64(len(content)) < size {
			n, err := in.Read(content[len(content):size])
			content = content[:len(content)+n]
			switch {
			case int64(len(content)) > limit:
				return nil, ErrTooLarge
			case err == io.EOF && source.Len() > 0:
				return nil, fmt.Errorf("%w (%s): other bytes follow it", ErrMalformed, coding)
			case err == io.EOF:
				return content, nil
			case err != nil:
				return nil, malformed(coding)
			}
		}
	}
}

func malformed(coding Coding) error { return fmt.Errorf("%w (%s)", ErrMalformed, coding) }

// newReader returns a reader of what source, a reader of body, is in coding.
func newReader(coding Coding, source *bytes.Reader, body []byte) (io.ReadCloser, error) {
	var in io.ReadCloser
	var err error
	switch coding {
	case Gzip:
		in, err = gzip.NewReader(source)
	case Deflate:
		if !isZlib(body) {
			return flate.NewReader(source), nil
		}
		in, err = zlib.NewReader(source)
	case Zstd:
		var decoder *zstd.Decoder
		decoder, err = zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err == nil {
			in = decoder.IOReadCloser()
		}
	case Brotli:
		in = io.NopCloser(brotli.NewReader(source))
	default:
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, malformed(coding)
	}
	return in, nil
}

// isZlib reports whether body begins with the header of RFC 1950, section 2.2. The first block of deflate alone never
// does in practice: its type would be "stored", and its padding, which encoders leave zero, would not be.
func isZlib(body []byte) bool {
	return len(body) >= 2 && body[0]&0x0f == 8 && (int(body[0])<<8|int(body[1]))%31 == 0
}
