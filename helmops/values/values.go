// Package values composes the values of a release from its layers and gives them a digest.
//
//	ConfigMap, Secret ─┐
//	spec.values ───────┼─ Merge, what is further down wins ─► values, digest
//	target paths ──────┘
//
// It is pure: the layers are read by the caller. No error of this package quotes the content of a layer, because a
// layer may come from a Secret.
package values

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"

	"helm.sh/helm/v3/pkg/chartutil"
)

// MaxSize bounds the sum of all layers, in bytes. It is what fits into one Helm release record with room to spare.
const MaxSize = 4 << 20

// Layer is one YAML document with values, or one value and its place.
type Layer struct {
	// Origin says where the data is from, for messages: "Secret apps/db, key values.yaml".
	Origin string
	// Data is the document; empty counts as no values. With a TargetPath it is one value, and empty is the empty text.
	Data []byte
	// TargetPath makes Data one value at this place, in the syntax of Helm's --set: keys separated by dots, list items as
	// list[2], and a backslash before a dot that belongs to a key. Data is read as --set reads it: numbers, booleans and
	// null are typed, {a,b,c} is a list, a backslash takes the next character as it is. Within one pair of quotes, single
	// or double, it is always text, as with --set-string. Unlike --set, it can set nothing but this one place.
	TargetPath string
	// Literal takes Data as text exactly as it is, as --set-literal does. It counts with a TargetPath only.
	Literal bool
	// Secret is set when the data comes from a Secret, so that it is not to be shown.
	Secret bool
}

// Secrets returns what a Mask has to hide of a layer that comes from a Secret: its values, and a single value also as
// it is written. Nothing is returned for a layer that cannot be used.
func (l Layer) Secrets() []any {
	parsed, err := Merge(l)
	if err != nil {
		return nil
	}
	if l.TargetPath == "" {
		return []any{parsed}
	}
	return []any{parsed, string(l.Data)}
}

// LayerError says which layer cannot be used and why, without quoting it.
type LayerError struct {
	Origin string
	Cause  string
}

// Error implements error.
func (e *LayerError) Error() string { return e.Origin + " " + e.Cause }

// Merge composes the layers. Documents come first, in order: maps are merged key by key, anything else is replaced by
// the later layer. A null in a later layer is kept, because Helm takes it as the wish to drop the chart's default.
// Layers with a TargetPath follow, in order: like Helm's --set, they win over every document, wherever they stand among
// the layers.
func Merge(layers ...Layer) (map[string]any, error) {
	merged := map[string]any{}
	size := 0
	for _, layer := range layers {
		if size += len(layer.Data); size > MaxSize {
			return nil, &LayerError{Origin: layer.Origin, Cause: fmt.Sprintf("makes the values larger than %d bytes", MaxSize)}
		}
		if layer.TargetPath != "" {
			continue
		}

		parsed, err := chartutil.ReadValues(layer.Data)
		if err != nil {
			return nil, &LayerError{Origin: layer.Origin, Cause: "is not a YAML map" + line(err)}
		}

		merged = merge(merged, parsed)
	}

	var lists budget
	for _, layer := range layers {
		if layer.TargetPath == "" {
			continue
		}
		if err := lists.set(merged, layer); err != nil {
			return nil, err
		}
	}

	return merged, nil
}

func merge(base, over map[string]any) map[string]any {
	out := make(map[string]any, len(base)+len(over))
	for key, value := range base {
		out[key] = value
	}

	for key, value := range over {
		below, isMap := out[key].(map[string]any)
		above, alsoMap := value.(map[string]any)
		if isMap && alsoMap {
			value = merge(below, above)
		}

		out[key] = value
	}

	return out
}

// Digest returns the sha256 of the values in canonical form: JSON with sorted keys. No values and empty values are
// equal, and so are values before and after they were stored in a Helm record.
func Digest(values map[string]any) string {
	if values == nil {
		values = map[string]any{}
	}
	// Values come from YAML or JSON, so they hold nothing that JSON cannot express.
	canonical, _ := json.Marshal(stored(values))
	sum := sha256.Sum256(canonical)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// DigestWith returns the digest of the values together with that of values files which the chart was made with; it is
// that of the values alone when files is empty.
func DigestWith(values map[string]any, files string) string {
	if files == "" {
		return Digest(values)
	}
	sum := sha256.Sum256([]byte(Digest(values) + "\n" + files))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// stored returns the value as a record gives it back: every number is a floating point number, so that whole numbers
// are exact up to 2^53 only.
func stored(value any) any {
	switch typed := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(typed))
		for key, below := range typed {
			out[key] = stored(below)
		}

		return out
	case []any:
		out := make([]any, len(typed))
		for i, below := range typed {
			out[i] = stored(below)
		}

		return out
	case int64:
		return float64(typed)
	default:
		return value
	}
}

var lineNumber = regexp.MustCompile(`line (\d+)`)

// line keeps the position of a YAML error and drops the rest, which may quote the document.
func line(err error) string {
	if found := lineNumber.FindString(err.Error()); found != "" {
		return " (" + found + ")"
	}
	return ""
}
