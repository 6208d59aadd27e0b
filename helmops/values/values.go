// Package values composes the values of a release from its layers and gives them a digest.
//
//	ConfigMap ─┐
//	Secret ────┼─ Merge, later layers win ─► values, digest
//	inline ────┘
//
// It is pure: the layers are read by the caller. No error of this package quotes the content of a layer, because a layer
// may come from a Secret.
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

// Layer is one YAML document with values.
type Layer struct {
	// Origin says where the document is from, for messages: "Secret apps/db, key values.yaml".
	Origin string
	// Data is the document. Empty counts as no values.
	Data []byte
}

// LayerError says which layer cannot be used and why, without quoting it.
type LayerError struct {
	Origin string
	Cause  string
}

// Error implements error.
func (e *LayerError) Error() string { return e.Origin + " " + e.Cause }

// Merge composes the layers, in order: maps are merged key by key, anything else is replaced by the later layer. A null in
// a later layer is kept, because Helm takes it as the wish to drop the chart's default.
func Merge(layers ...Layer) (map[string]any, error) {
	merged := map[string]any{}
	size := 0
	for _, layer := range layers {
		if size += len(layer.Data); size > MaxSize {
			return nil, &LayerError{Origin: layer.Origin, Cause: fmt.Sprintf("makes the values larger than %d bytes", MaxSize)}
		}
		parsed, err := chartutil.ReadValues(layer.Data)
		if err != nil {
			return nil, &LayerError{Origin: layer.Origin, Cause: "is not a YAML map" + line(err)}
		}
		merged = merge(merged, parsed)
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

// Digest returns the sha256 of the values in canonical form: JSON with sorted keys. No values and empty values are equal.
func Digest(values map[string]any) string {
	if values == nil {
		values = map[string]any{}
	}
	// Values come from YAML or JSON, so they hold nothing that JSON cannot express.
	canonical, _ := json.Marshal(values)
	sum := sha256.Sum256(canonical)
	return "sha256:" + hex.EncodeToString(sum[:])
}

var lineNumber = regexp.MustCompile(`line (\d+)`)

// line keeps the position of a YAML error and drops the rest, which may quote the document.
func line(err error) string {
	if found := lineNumber.FindString(err.Error()); found != "" {
		return " (" + found + ")"
	}
	return ""
}
