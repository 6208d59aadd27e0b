package chart

import (
	"encoding/json"
	"regexp"
	"strings"
)

const (
	// maxSchemaSteps bounds the steps of one look into a schema, whose parts may refer to each other in circles.
	maxSchemaSteps = 10_000
	// maxSchemaLooks bounds the steps of all looks into the schema of one chart.
	maxSchemaLooks = 2_000_000
)

// schema is a JSON schema of values; the zero value knows nothing.
type schema struct {
	document any
	// left are the steps that remain; without any, the schema counts as knowing everything.
	left int
}

// newSchema reads values.schema.json. One that is broken knows nothing: Helm refuses the chart.
func newSchema(data []byte) schema {
	s := schema{left: maxSchemaLooks}
	_ = json.Unmarshal(data, &s.document) // an error leaves no document
	return s
}

// knows reports whether the schema has a property at a path. What it allows without naming it counts as nothing.
func (s *schema) knows(path []string) bool {
	if s.document == nil {
		return false
	}

	look := s.look()
	defer s.looked(look)
	return look.knows(s.document, path)
}

func (s *schema) look() *schemaLook {
	return &schemaLook{document: s.document, steps: min(maxSchemaSteps, s.left)}
}

// looked takes the steps of a look from those that remain.
func (s *schema) looked(look *schemaLook) {
	s.left -= min(maxSchemaSteps, s.left) - max(0, look.steps)
}

// next are the properties at a path.
func (s *schema) next(path []string) (keys []string) {
	look := s.look()
	defer s.looked(look)
	look.each(s.document, path, func(at map[string]any) {
		properties, _ := at["properties"].(map[string]any)
		for key := range properties {
			keys = append(keys, key)
		}
	})
	return keys
}

type schemaLook struct {
	document any
	steps    int
}

// parts are the keywords whose schemas are about the same value.
var parts = []string{"allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "dependencies", "not"}

// knows reports whether a schema names what is at a path below it. It takes everything for known that it cannot follow.
func (l *schemaLook) knows(node any, path []string) bool {
	if l.steps--; l.steps < 0 || len(path) == 0 {
		return true
	}

	at, is := node.(map[string]any)
	if !is {
		return false
	}
	if ref, has := reference(at); has {
		target, found := l.resolve(ref)
		if !found || l.knows(target, path) {
			return true
		}
	}

	properties, _ := at["properties"].(map[string]any)
	if below, has := properties[path[0]]; has && l.knows(below, path[1:]) {
		return true
	}

	return l.inPattern(at, path) || l.inMap(at, path) || l.inParts(at, path)
}

// inPattern looks into patternProperties.
func (l *schemaLook) inPattern(at map[string]any, path []string) bool {
	patterns, _ := at["patternProperties"].(map[string]any)
	for pattern, below := range patterns {
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			return true
		}
		if compiled.MatchString(path[0]) && l.knows(below, path[1:]) {
			return true
		}
	}

	return false
}

// inMap looks into the schema of the values of a map whose keys are free.
func (l *schemaLook) inMap(at map[string]any, path []string) bool {
	for _, keyword := range []string{"additionalProperties", "unevaluatedProperties"} {
		below, is := at[keyword].(map[string]any)
		if is && l.knows(below, path[1:]) {
			return true
		}
	}
	return false
}

func (l *schemaLook) inParts(at map[string]any, path []string) bool {
	for _, keyword := range parts {
		for _, part := range schemasOf(at[keyword]) {
			if l.knows(part, path) {
				return true
			}
		}
	}
	return false
}

// schemasOf are the schemas in the value of a keyword: one, a list or a map of them.
func schemasOf(value any) []any {
	switch v := value.(type) {
	case []any:
		return v
	case map[string]any:
		out := []any{v}
		for _, below := range v {
			out = append(out, below)
		}

		return out
	}
	return nil
}

// each calls use for every schema that is about the value at a path.
func (l *schemaLook) each(node any, path []string, use func(map[string]any)) {
	at, is := node.(map[string]any)
	if l.steps--; l.steps < 0 || !is {
		return
	}
	if ref, has := reference(at); has {
		if target, found := l.resolve(ref); found {
			l.each(target, path, use)
		}
	}

	for _, keyword := range parts {
		for _, part := range schemasOf(at[keyword]) {
			l.each(part, path, use)
		}
	}

	if len(path) == 0 {
		use(at)
		return
	}

	properties, _ := at["properties"].(map[string]any)
	l.each(properties[path[0]], path[1:], use)
}

// reference is what a schema refers to.
func reference(at map[string]any) (string, bool) {
	for _, keyword := range []string{"$ref", "$dynamicRef", "$recursiveRef"} {
		if ref, is := at[keyword].(string); is {
			return ref, true
		}
	}
	return "", false
}

// resolve finds what a reference within the document means. It is false for any other.
func (l *schemaLook) resolve(ref string) (any, bool) {
	if ref == "#" {
		return l.document, true
	}

	pointer, within := strings.CutPrefix(ref, "#/")
	if !within {
		return nil, false
	}

	node := l.document
	for key := range strings.SplitSeq(pointer, "/") {
		at, _ := node.(map[string]any)
		below, found := at[strings.NewReplacer("~1", "/", "~0", "~", "%24", "$").Replace(key)]
		if !found {
			return nil, false
		}

		node = below
	}

	return node, true
}
