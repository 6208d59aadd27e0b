package build

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	syntax "github.com/fluxcd/pkg/envsubst/parse"
	pattern "github.com/fluxcd/pkg/envsubst/path"
)

// Bounds of the substitution in one build.
const (
	// maxSubstituted bounds the texts that have variables, once these are substituted, in bytes.
	maxSubstituted = 32 << 20
	// maxSteps bounds the comparisons of patterns with values.
	maxSteps = 256 << 20
	// maxVariables is how many variables one text may have; its parser calls itself for each.
	maxVariables = 10_000
)

// Errors of a substitution that exceeds a bound.
var (
	errSubstituted = fmt.Errorf("texts with variables have more than %d bytes once these are substituted", maxSubstituted)
	errSteps       = errors.New("patterns of variables are too expensive to compare with their values")
	errVariables   = fmt.Errorf("a text has more than %d variables", maxVariables)
)

// variables evaluates texts with variables, as github.com/fluxcd/pkg/envsubst does, and counts what comes of it before
// it is made: a short text can stand for terabytes.
type variables struct {
	values map[string]string
	// size and steps are what was used of the bounds.
	size, steps int
}

// evaluate returns a text with its variables substituted. What has no value is empty.
func (v *variables) evaluate(text string) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	if strings.Count(text, "$") > maxVariables {
		return "", errVariables
	}

	tree, err := syntax.Parse(text)
	if err != nil {
		return "", fmt.Errorf("a variable cannot be understood: %s", reworded(err))
	}

	var out strings.Builder
	if err := v.node(tree.Root, &out); err != nil {
		return "", err
	}

	return out.String(), nil
}

// charge counts what is about to be written.
func (v *variables) charge(size int) error {
	if v.size += size; v.size > maxSubstituted || size < 0 {
		return errSubstituted
	}
	return nil
}

func (v *variables) node(node syntax.Node, out *strings.Builder) error {
	switch node := node.(type) {
	case *syntax.TextNode:
		if err := v.charge(len(node.Value)); err != nil {
			return err
		}
		out.WriteString(node.Value)
	case *syntax.ListNode:
		for _, item := range node.Nodes {
			if err := v.node(item, out); err != nil {
				return err
			}
		}
	case *syntax.FuncNode:
		var args []string
		for _, item := range node.Args {
			var arg strings.Builder
			if err := v.node(item, &arg); err != nil {
				return err
			}

			args = append(args, arg.String())
		}

		text, err := v.call(node.Name, v.values[node.Param], args)
		if err != nil {
			return err
		}
		if err := v.charge(len(text)); err != nil {
			return err
		}

		out.WriteString(text)
	}
	return nil
}

// call evaluates what stands behind the name of a variable. All but // give at most the value and the arguments
// together.
func (v *variables) call(name, value string, args []string) (string, error) {
	switch name {
	case ",":
		return first(value, unicode.ToLower), nil
	case ",,":
		return strings.ToLower(value), nil
	case "^":
		return first(value, unicode.ToUpper), nil
	case "^^":
		return strings.ToUpper(value), nil
	case ":":
		return substring(value, args), nil
	case "/", "//", "/#", "/%":
		return v.replace(name, value, args)
	case "#", "##", "%", "%%":
		if name == "#" && len(args) == 0 {
			return strconv.Itoa(len(value)), nil
		}
		return v.trim(name, value, args)
	default: // those with a default
		if value == "" {
			return strings.Join(args, ""), nil
		}
		return value, nil
	}
}

func first(value string, change func(rune) rune) string {
	if value == "" {
		return value
	}
	r, size := utf8.DecodeRuneInString(value)
	return string(change(r)) + value[size:]
}

// substring evaluates ${name:position:length}, both of which may be negative.
func substring(value string, args []string) string {
	if len(args) == 0 {
		return value
	}

	position, err := strconv.Atoi(args[0])
	if err != nil {
		return value
	}
	if position < 0 {
		position = max(len(value)+position, 0)
	}

	end := len(value)
	if len(args) > 1 {
		length, err := strconv.Atoi(args[1])
		if err != nil {
			return value
		}

		switch {
		case length < 0:
			end += length
		case length < len(value):
			end = min(position+length, len(value))
		}
	}

	if position >= end {
		return ""
	}

	return value[position:end]
}

// replace evaluates ${name/old/new} and its kin.
func (v *variables) replace(name, value string, args []string) (string, error) {
	if len(args) == 0 || len(args) == 1 && (name == "/#" || name == "/%") {
		return value, nil
	}

	before := args[0]
	after := ""
	if len(args) > 1 {
		after = args[1]
	}

	switch {
	case name == "/":
		return strings.Replace(value, before, after, 1), nil
	case name == "/#" && strings.HasPrefix(value, before):
		return strings.Replace(value, before, after, 1), nil
	case name == "/%" && strings.HasSuffix(value, before):
		return strings.TrimSuffix(value, before) + after, nil
	case name != "//":
		return value, nil
	}

	if growth := len(after) - len(before); growth > 0 && strings.Count(value, before) > (maxSubstituted-v.size)/growth {
		return "", errSubstituted
	}

	return strings.ReplaceAll(value, before, after), nil
}

// trim evaluates ${name#pattern} and its kin, which compare the pattern with every beginning, or every end, of the
// value.
func (v *variables) trim(name, value string, args []string) (string, error) {
	if len(args) == 0 {
		return value, nil
	}
	if len(value) > maxSteps || len(args[0]) > maxSteps {
		return "", errSteps
	}
	if v.steps += len(value) * (len(value) + len(args[0]) + 1); v.steps > maxSteps {
		return "", errSteps
	}

	glob := args[0]
	reversed := strings.HasPrefix(name, "%")
	if reversed {
		value, glob = reverse(value), reverse(glob)
	}

	value = value[matching(value, glob, len(name) > 1):]
	if reversed {
		value = reverse(value)
	}

	return value, nil
}

// matching is how long the longest or the shortest beginning is that a pattern matches, 0 when there is none.
func matching(value, glob string, longest bool) int {
	found := 0
	for end := len(value); end > 0; end-- {
		is, err := pattern.Match(glob, value[:end])
		if err != nil {
			return 0
		}

		if is {
			found = end
			if longest {
				break
			}
		}
	}

	return found
}

func reverse(text string) string {
	runes := []rune(text)
	for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
		runes[i], runes[j] = runes[j], runes[i]
	}
	return string(runes)
}
