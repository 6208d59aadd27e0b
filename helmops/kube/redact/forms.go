package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxListed is the longest secret, in bytes, that is looked for as a list of decimal bytes, as Go prints it.
	maxListed = 256
	// maxWrapped bounds a text that is looked into for secrets that it wraps, in bytes.
	maxWrapped = 256 << 10
)

// form is one way in which a secret occurs in a text.
type form struct {
	text string
	// base64 is set when the characters next to the form can hold a part of the secret as well.
	base64 bool
}

// forms are the ways in which a secret occurs in a text:
//
//   - as it is, in upper case, in lower case
//   - each of these as Go, JSON and YAML quote it, also twice
//   - escaped for the query, the path and the user of a URL
//   - in hexadecimal, and as a list of bytes
//   - in base64, with both alphabets, with and without padding, also in the middle of a longer text that was encoded
//
// A secret shorter than minMasked is looked for in quotes only.
func forms(secret string) []form {
	if len(secret) < minMasked {
		return quotedForms(secret)
	}

	var found []form
	for _, text := range []string{secret, strings.ToUpper(secret), strings.ToLower(secret)} {
		found = append(found, form{text: text})
		for _, once := range quotings(text) {
			found = append(found, form{text: once})
			if once == text {
				continue
			}

			for _, twice := range quotings(once) {
				found = append(found, form{text: twice})
			}
		}
	}

	for _, text := range escapes(secret) {
		found = append(found, form{text: text})
	}

	digits := hex.EncodeToString([]byte(secret))
	found = append(found, form{text: digits}, form{text: strings.ToUpper(digits)})
	if len(secret) <= maxListed {
		found = append(found, form{text: listed(secret)})
	}

	for _, text := range base64Forms(secret) {
		found = append(found, form{text: text, base64: true})
	}

	return slices.DeleteFunc(found, func(f form) bool { return len(f.text) < minMasked })
}

// quotedForms are those of a secret that is too short to be looked for anywhere.
func quotedForms(secret string) []form {
	found := make([]form, 0, 6)
	for _, text := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))} {
		for _, quote := range []string{`"`, `'`, "`"} {
			found = append(found, form{text: quote + text + quote})
		}
	}
	return found
}

// quotings are a text as Go, JSON and YAML quote it.
func quotings(text string) []string {
	found := []string{
		unquoted(strconv.Quote(text)), unquoted(strconv.QuoteToASCII(text)), strings.ReplaceAll(text, "'", "''"),
	}
	for _, html := range []bool{true, false} {
		var encoded strings.Builder
		encoder := json.NewEncoder(&encoded)
		encoder.SetEscapeHTML(html)
		if encoder.Encode(text) == nil {
			found = append(found, unquoted(strings.TrimSuffix(encoded.String(), "\n")))
		}
	}

	slices.Sort(found)
	return slices.Compact(found)
}

// escapes are a text as URLs have it.
func escapes(text string) []string {
	found := make([]string, 0, 6)
	for _, escaped := range []string{url.QueryEscape(text), url.PathEscape(text), url.User(text).String()} {
		found = append(found, escaped, lowerEscapes(escaped))
	}
	return found
}

// unquoted drops the outer quotes.
func unquoted(text string) string { return text[1 : len(text)-1] }

// lowerEscapes writes the percent signs of a URL with lower-case digits.
func lowerEscapes(text string) string {
	out := []byte(text)
	for i := 0; i+2 < len(out); i++ {
		if out[i] == '%' {
			out[i+1] = lower(out[i+1])
			out[i+2] = lower(out[i+2])
		}
	}
	return string(out)
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// listed is a secret as Go prints a slice of bytes, without the brackets.
func listed(secret string) string {
	numbers := make([]string, len(secret))
	for i := range len(secret) {
		numbers[i] = strconv.Itoa(int(secret[i]))
	}
	return strings.Join(numbers, " ")
}

// base64Forms are the characters that a secret alone decides, for each of the three places in which it can begin within
// a longer text.
func base64Forms(secret string) []string {
	const bits, perByte = 6, 8
	var found []string
	for shift := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), secret...))
		begin := (shift*perByte + bits - 1) / bits
		end := (shift + len(secret)) * perByte / bits
		if begin >= end {
			continue
		}

		standard := encoded[begin:end]
		found = append(found, standard, strings.NewReplacer("+", "-", "/", "_").Replace(standard))
	}

	return found
}

// wrapped are the secrets that a text is known to wrap: what is encoded in base64, the texts of a JSON object such as
// the credentials of a registry, and the password of a URL.
func wrapped(text string) []any {
	text = strings.TrimSpace(text)
	if len(text) > maxWrapped || len(text) < 2*minMasked {
		return nil
	}

	if decoded, err := base64.StdEncoding.DecodeString(text); err == nil && readable(decoded) {
		_, password, _ := strings.Cut(string(decoded), ":") // user:password, as HTTP and registries have it
		return []any{string(decoded), password}
	}

	if text[0] == '{' {
		var object map[string]any
		if json.Unmarshal([]byte(text), &object) == nil {
			return []any{object}
		}
	}

	if strings.Contains(text, "://") && !strings.Contains(text, "\n") {
		if address, err := url.Parse(text); err == nil && address.User != nil {
			if password, is := address.User.Password(); is {
				return []any{password}
			}
		}
	}

	return nil
}

// readable reports whether bytes are a text.
func readable(content []byte) bool {
	if !utf8.Valid(content) || len(content) < minMasked {
		return false
	}
	return !strings.ContainsFunc(string(content), func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) })
}
