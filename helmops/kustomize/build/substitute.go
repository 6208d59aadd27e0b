package build

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
)

// variableName is what a variable may be called, as in a shell.
var variableName = regexp.MustCompile(`^[_a-zA-Z][_a-zA-Z0-9]*$`)

func unsubstituted(name string, format string, args ...any) error {
	return &Error{reason: v1beta1.SubstitutionFailedReason, Path: name, err: fmt.Errorf(format, args...)}
}

// substitute puts the values of variables into the texts of an object. What has no value becomes empty text. A value
// stays a value, whatever it contains: it cannot become another field.
func substitute(o Object, variables *variables) (Object, error) {
	if o.GetLabels()[v1beta1.SubstituteAnnotation] == v1beta1.Disabled ||
		o.GetAnnotations()[v1beta1.SubstituteAnnotation] == v1beta1.Disabled {
		return unmarked(o), nil
	}
	if o.GetKind() != releaseKind {
		o = unmarked(o)
	}

	s := &substitution{variables: variables}
	out, err := s.value(o.Object, false)
	if errors.Is(err, errSubstituted) || errors.Is(err, errSteps) || errors.Is(err, errVariables) {
		return Object{}, exceeded(o.Origin, "%s: %w", nameOf(o.Unstructured), err)
	}
	if err != nil {
		return Object{}, unsubstituted(o.Origin, "%s: %w", nameOf(o.Unstructured), err)
	}

	fields, _ := out.(map[string]any)
	return Object{&unstructured.Unstructured{Object: fields}, o.Origin}, nil
}

// substitution is that of one object.
type substitution struct{ variables *variables }

// texts are fields of objects whose values are texts, also when they look like numbers.
var texts = []string{
	"labels", "annotations", "matchLabels", "nodeSelector", "data", "stringData", "command", "args", "env",
}

// value substitutes in a value and everything in it. With text, what is substituted stays text.
func (s *substitution) value(value any, text bool) (any, error) {
	switch value := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(value))
		for key, field := range value {
			name, err := s.text(key)
			if err != nil {
				return nil, err
			}
			if out[name], err = s.value(field, text || slices.Contains(texts, key)); err != nil {
				return nil, err
			}
		}

		return out, nil
	case []any:
		out := make([]any, 0, len(value))
		for _, item := range value {
			item, err := s.value(item, text)
			if err != nil {
				return nil, err
			}

			out = append(out, item)
		}

		return out, nil
	case string:
		out, err := s.text(value)
		if err != nil || text || out == value || !isVariable(value) {
			return out, err
		}

		return typed(out), nil
	default:
		return value, nil
	}
}

// plainVariable is a variable without a default or a function.
var plainVariable = regexp.MustCompile(`^\$\{([_a-zA-Z][_a-zA-Z0-9]*)\}`)

// text evaluates a text. Where it begins and ends with variables that hold a quote, as ${quote}${number}${quote} does,
// the quotes say that it is a text, and are no part of it.
func (s *substitution) text(text string) (string, error) {
	out, err := s.variables.evaluate(text)
	if err != nil || !s.isQuoted(text) {
		return out, err
	}
	return out[1 : len(out)-1], nil
}

// isQuoted reports whether the first and the last variable, between which there is something else, hold the same quote.
func (s *substitution) isQuoted(text string) bool {
	first := plainVariable.FindStringSubmatch(text)
	start := strings.LastIndex(text, "${")
	if first == nil || start < len(first[0]) || text[start-1] == '$' {
		return false
	}

	last := plainVariable.FindStringSubmatch(text[start:])
	if last == nil || last[0] != text[start:] {
		return false
	}

	quote := s.variables.values[first[1]]
	return (quote == `"` || quote == "'") && quote == s.variables.values[last[1]]
}

// isVariable reports whether a text is one variable and nothing else. "${major}.${minor}" is a text, though it looks
// like a number.
func isVariable(text string) bool {
	if !strings.HasPrefix(text, "${") {
		return false
	}

	depth := 0
	for at, r := range text {
		switch r {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return at == len(text)-1
			}
		}
	}

	return false
}

// typed is what a text that is nothing but a variable stands for: replicas: ${replicas} is a number.
func typed(text string) any {
	if number, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(number, 10) == text {
		return number
	}

	switch text {
	case "true":
		return true
	case "false":
		return false
	}

	if number, err := strconv.ParseFloat(text, 64); err == nil && strings.ContainsRune(text, '.') &&
		strconv.FormatFloat(number, 'f', -1, 64) == text {
		return number
	}

	return text
}

func checkVariables(variables map[string]string) error {
	for name := range variables {
		if !variableName.MatchString(name) {
			return unsubstituted("",
				"%.100q is not the name of a variable: it consists of letters, digits and underscores and does not begin with a "+
					"digit", name)
		}
	}
	return nil
}
