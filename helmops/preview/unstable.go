package preview

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"fairlead.dev/fairlead/helmops/kube/diff"
)

// unstable is what differs between two renderings of the same.
type unstable struct {
	fields []UnstableField
	// paths of objects that are in both; objects that are in one only have none.
	paths map[ref][]string
	alone map[ref]bool
	// digest of what is stable.
	digest string
}

func findUnstable(in Input) (unstable, error) {
	out := unstable{paths: map[ref][]string{}, alone: map[ref]bool{}}
	changes, err := diff.Compare(in.To.Manifest, in.Again.Manifest, in.Namespace, in.Mask)
	if err != nil {
		return out, fmt.Errorf("comparing two renderings: %w", err)
	}

	for _, change := range changes {
		id := ref{group: change.Group, kind: change.Kind, namespace: change.Namespace, name: change.Name}
		if change.Change != diff.Changed {
			out.alone[id] = true
			out.fields = append(out.fields, UnstableField{Object: id.String()})
			continue
		}

		for _, f := range change.Fields {
			out.paths[id] = append(out.paths[id], f.Path)
			out.fields = append(out.fields, UnstableField{Object: id.String(), Path: f.Path})
		}
	}

	out.digest, err = stableDigest(in)
	return out, err
}

// wholly reports whether an object has another name in each rendering.
func (u unstable) wholly(id ref) bool { return u.alone[id] }

// has reports whether a field, or one below or above it, changes by itself.
func (u unstable) has(id ref, path string) bool {
	return slices.ContainsFunc(u.paths[id], func(p string) bool {
		return covers(path, p) || covers(p, path)
	})
}

// covers reports whether the field at a path is the one at the other, or below it.
func covers(path, other string) bool {
	rest, below := strings.CutPrefix(other, path)
	return below && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// stableDigest is the digest of what two renderings have in common, hooks included.
func stableDigest(in Input) (string, error) {
	first, err := readSet(in.To.Manifest, in.Namespace)
	if err != nil {
		return "", err
	}

	second, err := readSet(in.Again.Manifest, in.Namespace)
	if err != nil {
		return "", err
	}

	sum := sha256.New()
	encoder := json.NewEncoder(sum)
	for _, id := range first.sorted() {
		again, both := second[id]
		if !both {
			continue
		}

		if err := encoder.Encode(common(first[id], again)); err != nil {
			return "", fmt.Errorf("encoding %s: %w", id, err)
		}
	}

	if err := encoder.Encode(commonHooks(in.To.Hooks, in.Again.Hooks, in.Namespace)); err != nil {
		return "", fmt.Errorf("encoding the hooks: %w", err)
	}

	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// commonHooks is what the hooks of two renderings have in common. The text of one that is not YAML counts as it is.
func commonHooks(first, second []string, namespace string) []any {
	out := []any{}
	for i := range min(len(first), len(second)) {
		a, errA := readSet(first[i], namespace)
		b, errB := readSet(second[i], namespace)
		if errA != nil || errB != nil {
			out = append(out, common(first[i], second[i]))
			continue
		}

		for _, id := range a.sorted() {
			if again, both := b[id]; both {
				out = append(out, common(a[id], again))
			}
		}
	}

	return out
}

// differs stands for a value that two renderings do not have in common.
const differs = "\x00differs"

// common is what two values have in common: what differs is replaced by a mark.
func common(a, b any) any {
	if reflect.DeepEqual(a, b) {
		return a
	}

	if mapA, is := a.(map[string]any); is {
		mapB, isToo := b.(map[string]any)
		if !isToo {
			return differs
		}

		out := make(map[string]any, len(mapA))
		for key, value := range mapA {
			if other, both := mapB[key]; both {
				out[key] = common(value, other)
			}
		}

		return out
	}

	listA, isA := a.([]any)
	listB, isB := b.([]any)
	if !isA || !isB || len(listA) != len(listB) {
		return differs
	}

	out := make([]any, len(listA))
	for i := range listA {
		out[i] = common(listA[i], listB[i])
	}

	return out
}
