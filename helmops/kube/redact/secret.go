package redact

import (
	"encoding/base64"
	"strings"
)

// SecretContent returns what a Mask has to hide of a Secret in the form of the API: the values of data, decoded and as
// they are written, and those of stringData. It returns nil for objects of other kinds. Values of a wrong type are
// returned as they are: a manifest that cannot be applied holds secrets all the same.
func SecretContent(object map[string]any) []any {
	if object["kind"] != "Secret" || object["apiVersion"] != "v1" {
		return nil
	}
	var out []any
	for _, field := range []string{"data", "stringData"} {
		out = contentOf(out, object[field])
	}
	return out
}

// contentOf adds the texts of a value, each also decoded where it can be.
func contentOf(out []any, value any) []any {
	switch typed := value.(type) {
	case map[string]any:
		for _, below := range typed {
			out = contentOf(out, below)
		}
	case []any:
		for _, below := range typed {
			out = contentOf(out, below)
		}
	case string:
		out = append(out, typed)
		if decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(typed)); err == nil {
			out = append(out, string(decoded))
		}
	default:
		out = append(out, typed)
	}
	return out
}
