package signature

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// KeyEncoding says how the text of a key stands for its bytes. Systems that look alike differ in it, and a key
// taken the wrong way verifies nothing, so it belongs to a source's settings and is never guessed.
type KeyEncoding string

// The ways to write a key.
const (
	Text      KeyEncoding = "text"   // the bytes are the text itself, in UTF-8
	KeyHex    KeyEncoding = "hex"    // hex digits, either case
	KeyBase64 KeyEncoding = "base64" // standard base64 with padding
)

// DecodeKey turns the text of a key into its bytes. It returns ErrKey, with a reason that never repeats the
// text, for a text that is empty or not in the encoding.
func DecodeKey(text string, enc KeyEncoding) ([]byte, error) {
	if text == "" {
		return nil, keyError("it is empty")
	}
	switch enc {
	case Text:
		return []byte(text), nil
	case KeyHex:
		key, err := hex.DecodeString(text)
		if err != nil {
			return nil, keyError("it is not hex: an even number of digits 0-9 and a-f")
		}
		return key, nil
	case KeyBase64:
		return decodeBase64Key(text)
	}
	return nil, keyError(fmt.Sprintf("no key encoding %q; there are text, hex and base64", enc))
}

// decodeBase64Key leaves the unused bits of the last digit alone, as the systems that hand out keys do: people
// make up keys that set them. White space is refused, where Go's decoder would skip line breaks.
func decodeBase64Key(text string) ([]byte, error) {
	if strings.ContainsAny(text, " \t\r\n") {
		return nil, keyError("there is white space in it")
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, keyError("it is not standard base64 with its padding")
	}
	if len(key) == 0 {
		return nil, keyError("it is empty")
	}
	return key, nil
}

func keyError(why string) error { return fmt.Errorf("%w: %s", ErrKey, why) }
