package verifier

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

const (
	maxTokenChars = 16_384
	maxLevels     = 128
)

// form is a token taken apart, whose spelling and JSON are as they must be; nothing in it is proved yet.
type form struct {
	header, payload map[string]any
	signed          string
	signature       []byte
}

// parseForm checks that a token has one spelling (RFC 7515 section 2) and that its JSON is read alike by everybody: I-JSON
// (RFC 7493), in which no name stands twice. crit and b64 (RFC 7797) change what is signed; the gateway uses neither.
func parseForm(token string, maxChars int) (*form, *Error) {
	if len(token) >= 7 && strings.EqualFold(token[:7], "bearer ") {
		return nil, malformed(`the token has "Bearer " in front; pass the token alone`)
	}
	if len(token) > maxChars {
		return nil, malformed("the token is too long")
	}
	head, rest, _ := strings.Cut(token, ".")
	body, tail, found := strings.Cut(rest, ".")
	if !found || strings.Contains(tail, ".") {
		return nil, malformed("this is not a signed JWT of three parts")
	}
	signature, ok := decodeBase64(tail)
	if !ok {
		return nil, malformed("the signature is not base64url in its one spelling")
	}
	header, ok := readJSON(head)
	if !ok {
		return nil, malformed("the header is not a JSON object in its one spelling")
	}
	payload, ok := readJSON(body)
	if !ok {
		return nil, malformed("the payload is not a JSON object in its one spelling")
	}
	if _, found := header["crit"]; found {
		return nil, malformed("the header asks for an extension")
	}
	if _, found := header["b64"]; found {
		return nil, malformed("the header asks for an extension")
	}
	return &form{header, payload, token[:len(head)+1+len(body)], signature}, nil
}

func malformed(words string) *Error { return refuse(TokenMalformed, words) }

var strict = base64.RawURLEncoding.Strict()

// decodeBase64 refuses padding, spare bits and foreign letters; line ends too, which Go's decoder would pass over.
func decodeBase64(text string) ([]byte, bool) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	bytes, err := strict.DecodeString(text)
	return bytes, err == nil
}

func readJSON(part string) (map[string]any, bool) {
	text, ok := decodeBase64(part)
	if !ok || !utf8.Valid(text) {
		return nil, false
	}
	var object map[string]any
	if json.Unmarshal(text, &object) != nil || object == nil {
		return nil, false
	}
	// Of a name given twice Unmarshal kept one, so that there are fewer in the object than in the text.
	names, ok := namesInText(text)
	return object, ok && countNames(object, maxLevels, &names) && names == 0
}

// namesInText counts the colons outside of strings: one stands behind each name. It reports false for an unpaired
// surrogate, which Unmarshal would replace, so that two different texts would become one. The text is valid JSON.
func namesInText(text []byte) (names int, ok bool) {
	inside := false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			inside = !inside
		case ':':
			if !inside {
				names++
			}
		case '\\':
			i++
			if text[i] != 'u' {
				continue
			}
			unit := hex(text[i+1 : i+5])
			i += 4
			if unit < 0xd800 || unit > 0xdfff {
				continue
			}
			paired := unit < 0xdc00 && i+6 < len(text) && text[i+1] == '\\' && text[i+2] == 'u' && hex(text[i+3:i+7])&0xfc00 == 0xdc00
			if !paired {
				return 0, false
			}
			i += 6
		}
	}
	return names, true
}

func hex(digits []byte) (value int) {
	for _, digit := range digits {
		value <<= 4
		switch {
		case digit <= '9':
			value |= int(digit - '0')
		default:
			value |= int(digit|0x20-'a') + 10
		}
	}
	return value
}

// countNames takes every name of a value off the count, and reports false for what is nested too deep.
func countNames(value any, levels int, names *int) bool {
	switch value := value.(type) {
	case map[string]any:
		*names -= len(value)
		for _, member := range value {
			if levels == 0 || !countNames(member, levels-1, names) {
				return false
			}
		}
		return levels > 0
	case []any:
		for _, item := range value {
			if levels == 0 || !countNames(item, levels-1, names) {
				return false
			}
		}
		return levels > 0
	}
	return true
}
