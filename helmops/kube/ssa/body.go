package ssa

import (
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
)

// ApplyBody is what is sent for an object, as JSON. Two things that Helm's way of creating objects forgives are put
// right first, because an apply would own them for ever: fields that are null, and the stringData of Secrets, which
// the API server moves to data.
func ApplyBody(wanted *unstructured.Unstructured) ([]byte, error) {
	content := textual(wanted)
	if scheme.Scheme.Recognizes(wanted.GroupVersionKind()) {
		content = withoutNulls(content)
	}
	if kind := wanted.GroupVersionKind(); kind.Group == "" && kind.Kind == "Secret" {
		content = withoutStringData(content)
	}

	if _, has := content["status"]; has {
		content = maps.Clone(content)
		delete(content, "status")
	}

	return json.Marshal(content)
}

// ApplyFields is what is sent for an object, as ApplyBody has it, as a tree.
func ApplyFields(wanted *unstructured.Unstructured) (map[string]any, error) {
	body, err := ApplyBody(wanted)
	if err != nil {
		return nil, err
	}
	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON(body); err != nil {
		return nil, err
	}
	return out.Object, nil
}

// textual returns an object whose data is text throughout. The API server reads a key without a value as an empty text.
func textual(wanted *unstructured.Unstructured) map[string]any {
	kind := wanted.GroupVersionKind()
	if kind.Group != "" || kind.Kind != "ConfigMap" && kind.Kind != "Secret" {
		return wanted.Object
	}

	out := maps.Clone(wanted.Object)
	for _, field := range []string{"data", "stringData", "binaryData"} {
		entries, ok := out[field].(map[string]any)
		if !ok {
			continue
		}

		entries = maps.Clone(entries)
		for key, value := range entries {
			if value == nil {
				entries[key] = ""
			}
		}

		out[field] = entries
	}

	return out
}

// withoutNulls returns a copy without fields that are null; of a built-in kind these mean nothing.
func withoutNulls(fields map[string]any) map[string]any {
	out := make(map[string]any, len(fields))
	for key, value := range fields {
		if value = dropNulls(value); value != nil {
			out[key] = value
		}
	}
	return out
}

func dropNulls(value any) any {
	switch value := value.(type) {
	case map[string]any:
		return withoutNulls(value)
	case []any:
		out := make([]any, 0, len(value))
		for _, item := range value {
			out = append(out, dropNulls(item))
		}

		return out
	default:
		return value
	}
}

// withoutStringData moves stringData, which wins, to data.
func withoutStringData(secret map[string]any) map[string]any {
	text, ok := secret["stringData"].(map[string]any)
	if !ok {
		return secret
	}

	data := map[string]any{}
	if had, ok := secret["data"].(map[string]any); ok {
		data = maps.Clone(had)
	}

	for key, value := range text {
		s, ok := value.(string)
		if !ok {
			return secret // the API server says what is wrong with it
		}

		data[key] = base64.StdEncoding.EncodeToString([]byte(s))
	}

	out := maps.Clone(secret)
	delete(out, "stringData")
	out["data"] = data
	return out
}

// Checksum tells one payload from another; it guards against nothing.
func Checksum(body []byte) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write(body) // never fails
	return hash.Sum64()
}
