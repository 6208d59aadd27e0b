package drift

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"

	"fairlead.dev/fairlead/api/v1beta1"
)

// maxPattern bounds a regular expression of a target, in bytes.
const maxPattern = 1024

// Rules are the compiled rules of a release about what may differ. Nil is none.
type Rules struct {
	rules []rule
}

type rule struct {
	target   target
	whole    bool
	pointers []pointer
	managers []string
}

// Ignored is what of one object may differ.
type Ignored struct {
	// Whole is set when the object as a whole may.
	Whole    bool
	pointers []pointer
	managers sets.Set[string]
}

// Compile reads rules. The error names the rule, by its index, and what is wrong with it.
func Compile(rules []v1beta1.DriftIgnoreRule) (*Rules, error) {
	if len(rules) == 0 {
		return nil, nil
	}

	out := &Rules{}
	for i, given := range rules {
		read, err := compile(given)
		if err != nil {
			return nil, fmt.Errorf("drift ignore rule %d: %w", i, err)
		}

		out.rules = append(out.rules, read)
	}

	return out, nil
}

func compile(given v1beta1.DriftIgnoreRule) (rule, error) {
	if len(given.Paths) == 0 && len(given.Managers) == 0 {
		return rule{}, errors.New("it needs paths or managers")
	}

	read := rule{managers: given.Managers}
	for _, text := range given.Paths {
		at, err := parsePointer(text)
		if err != nil {
			return rule{}, err
		}

		if len(at) == 0 {
			read.whole = true
			continue
		}

		read.pointers = append(read.pointers, at)
	}

	for _, manager := range given.Managers {
		if manager == "" {
			return rule{}, errors.New("a manager has no name")
		}
	}

	if given.Target == nil {
		return read, nil
	}

	var err error
	read.target, err = newTarget(*given.Target)
	return read, err
}

// Of returns what of an object may differ, by the object as the release says it.
func (r *Rules) Of(desired *unstructured.Unstructured) Ignored {
	out := Ignored{managers: sets.New[string]()}
	if r == nil {
		return out
	}

	for _, rule := range r.rules {
		if !rule.target.matches(desired) {
			continue
		}

		out.Whole = out.Whole || rule.whole
		out.pointers = append(out.pointers, rule.pointers...)
		out.managers.Insert(rule.managers...)
	}

	return out
}

// target is a compiled selector. A part that is left out matches everything.
type target struct {
	group, version, kind, name, namespace *regexp.Regexp
	labels, annotations                   labels.Selector
}

func newTarget(s v1beta1.Selector) (target, error) {
	var out target
	for _, part := range []struct {
		field, text string
		to          **regexp.Regexp
	}{
		{"group", s.Group, &out.group}, {"version", s.Version, &out.version}, {"kind", s.Kind, &out.kind},
		{"name", s.Name, &out.name}, {"namespace", s.Namespace, &out.namespace},
	} {
		if part.text == "" {
			continue
		}
		if len(part.text) > maxPattern {
			return target{}, fmt.Errorf("target.%s is longer than %d bytes", part.field, maxPattern)
		}

		compiled, err := regexp.Compile("^(?:" + part.text + ")$")
		if err != nil {
			return target{}, fmt.Errorf("target.%s %q is no regular expression: %w", part.field, part.text, err)
		}

		*part.to = compiled
	}

	for _, part := range []struct {
		field, text string
		to          *labels.Selector
	}{{"labelSelector", s.LabelSelector, &out.labels}, {"annotationSelector", s.AnnotationSelector, &out.annotations}} {
		if part.text == "" {
			continue
		}

		parsed, err := labels.Parse(part.text)
		if err != nil {
			return target{}, fmt.Errorf("target.%s %q is no selector: %w", part.field, part.text, err)
		}

		*part.to = parsed
	}

	return out, nil
}

func (t target) matches(object *unstructured.Unstructured) bool {
	kind := object.GroupVersionKind()
	for _, part := range []struct {
		pattern *regexp.Regexp
		text    string
	}{
		{t.group, kind.Group}, {t.version, kind.Version}, {t.kind, kind.Kind}, {t.name, object.GetName()},
		{t.namespace, object.GetNamespace()},
	} {
		if part.pattern != nil && !part.pattern.MatchString(part.text) {
			return false
		}
	}

	return (t.labels == nil || t.labels.Matches(labels.Set(object.GetLabels()))) &&
		(t.annotations == nil || t.annotations.Matches(labels.Set(object.GetAnnotations())))
}

// pointer is a JSON pointer (RFC 6901), taken apart.
type pointer []string

var pointerEscapes = strings.NewReplacer("~1", "/", "~0", "~")

func parsePointer(text string) (pointer, error) {
	if text == "" {
		return nil, nil
	}
	if !strings.HasPrefix(text, "/") {
		return nil, fmt.Errorf("path %q is no JSON pointer: it does not begin with /", text)
	}

	parts := strings.Split(text[1:], "/")
	for i, part := range parts {
		for rest := part; ; {
			_, after, found := strings.Cut(rest, "~")
			if !found {
				break
			}
			if !strings.HasPrefix(after, "0") && !strings.HasPrefix(after, "1") {
				return nil, fmt.Errorf("path %q is no JSON pointer: ~ is written ~0, and / in a key ~1", text)
			}

			rest = after
		}
		parts[i] = pointerEscapes.Replace(part)
	}

	return parts, nil
}
