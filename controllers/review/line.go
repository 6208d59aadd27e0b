package review

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
)

const (
	// maxDeclaring bounds a file in which an object is looked for, in bytes.
	maxDeclaring = 1 << 20
	// maxSearched is in how many files an object is looked for.
	maxSearched = 2000
)

func keyOf(k unitKey) types.NamespacedName {
	return types.NamespacedName{Namespace: k.namespace, Name: k.name}
}

// place is where an object is declared.
type place struct {
	file string
	line int
}

// fileOf is where an object is declared; empty when that is not known. Kustomize does not say where an object comes
// from: it is then the only manifest with the kind and the name below the directory that is built, or else in the tree.
func (s *side) fileOf(object built) (file string, line int) {
	s.placing.Do(s.findPlaces)
	all := s.places[object.GetKind()+" "+object.GetName()]
	origin := strings.TrimPrefix(object.Origin, "./")
	within := func(dir string) []place {
		return slices.DeleteFunc(slices.Clone(all), func(p place) bool { return !strings.HasPrefix(p.file, dir) })
	}
	for _, found := range [][]place{
		slices.DeleteFunc(slices.Clone(all), func(p place) bool {
			return origin == "" || p.file != origin && p.file != path.Join(object.unit.path, origin)
		}),
		within(object.unit.path + "/"), all,
	} {
		if len(found) == 1 {
			return found[0].file, found[0].line
		}
	}

	return "", 0
}

// findPlaces looks for the objects of this API in the manifests of the tree.
func (s *side) findPlaces() {
	s.places = map[string][]place{}
	for _, name := range s.tree.Manifests(".", maxSearched) {
		content, ok := s.tree.File(name, maxDeclaring)
		if !ok || !bytes.Contains(content, []byte(v1beta1.GroupVersion.Group)) {
			continue
		}
		for key, line := range linesOf(content) {
			s.places[key] = append(s.places[key], place{name, line})
		}
	}
}

// linesOf are the first lines of the documents in a file, by the kinds and names of their objects.
func linesOf(content []byte) map[string]int {
	out := map[string]int{}
	lines := strings.Split(string(content), "\n")
	for start := 0; start < len(lines); {
		end := start
		for end < len(lines) && !strings.HasPrefix(lines[end], "---") {
			end++
		}

		var found struct {
			Kind     string `json:"kind"`
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		}
		text := strings.Join(lines[start:end], "\n")
		if yaml.Unmarshal([]byte(text), &found) == nil && found.Metadata.Name != "" {
			out[found.Kind+" "+found.Metadata.Name] = firstLine(lines[start:end]) + start + 1
		}

		start = end + 1
	}

	return out
}

// firstLine is the first line that is neither empty nor a comment.
func firstLine(lines []string) int {
	for i, line := range lines {
		if text := strings.TrimSpace(line); text != "" && !strings.HasPrefix(text, "#") {
			return i
		}
	}
	return 0
}
