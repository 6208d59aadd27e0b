package compose

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// placeholderName is what a name in braces has to be: it is the key of a label, too.
var placeholderName = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$`)

// part is a piece of a template: a text as it is, or the name of a placeholder.
type part struct {
	text        string
	placeholder bool
}

// partsOf splits a template at its placeholders.
func partsOf(text string) ([]part, error) {
	var parts []part
	for text != "" {
		before, rest, braced := strings.Cut(text, "{")
		if strings.Contains(before, "}") {
			return nil, fmt.Errorf("%.200q has a } without a {", text)
		}
		if before != "" {
			parts = append(parts, part{text: before})
		}
		if !braced {
			break
		}

		name, after, closed := strings.Cut(rest, "}")
		switch {
		case !closed:
			return nil, fmt.Errorf("%.200q has a { without a }", text)
		case !placeholderName.MatchString(name) || len(name) > validation.LabelValueMaxLength:
			return nil, fmt.Errorf("{%.100s} is not a placeholder: its name has up to %d letters, digits and _, begins "+
				"with a letter and does not end with _", name, validation.LabelValueMaxLength)
		}

		parts = append(parts, part{text: name, placeholder: true})
		text = after
	}
	return parts, nil
}

// render puts values in place of the placeholders of a template.
func render(template string, values map[string]string) (string, error) {
	parts, err := partsOf(template)
	if err != nil {
		return "", err
	}

	var out strings.Builder
	for _, p := range parts {
		if !p.placeholder {
			out.WriteString(p.text)
			continue
		}

		value, is := values[p.text]
		if !is {
			return "", fmt.Errorf("spec.pathPattern has no placeholder {%s}", p.text)
		}
		out.WriteString(value)
	}

	return out.String(), nil
}

// Render returns the artifact of a template for the directory: its name has the values of the placeholders in lower
// case, as object names have to be, and its paths have them as they are. What it excludes is no template.
func (d Directory) Render(template v1beta1.OutputArtifact) (v1beta1.OutputArtifact, error) {
	name, err := render(template.Name, d.Labels())
	if err != nil {
		return v1beta1.OutputArtifact{}, unusable(template, err)
	}

	out := template
	out.Name = name
	out.Copy = make([]v1beta1.CopyOperation, len(template.Copy))
	for i, operation := range template.Copy {
		out.Copy[i] = operation
		if out.Copy[i].From, err = render(operation.From, d.Values); err != nil {
			return v1beta1.OutputArtifact{}, unusable(template, err)
		}
		if out.Copy[i].To, err = render(operation.To, d.Values); err != nil {
			return v1beta1.OutputArtifact{}, unusable(template, err)
		}
	}

	return out, nil
}

func unusable(template v1beta1.OutputArtifact, err error) error {
	return sources.Stall(v1beta1.InvalidReferenceReason, err, "the template %.253q of spec.artifacts", template.Name)
}

// CheckTemplate reports what is wrong with a template by itself, for artifacts of these directories. Only a change of
// it, or of the pattern, helps.
func (d Directories) CheckTemplate(template v1beta1.OutputArtifact) error {
	sample := Directory{Values: map[string]string{}}
	for _, name := range d.placeholders {
		sample.Values[name] = "a"
	}

	artifact, err := sample.Render(template)
	if err != nil {
		return err
	}
	if err := isName(artifact.Name); err != nil {
		return unusable(template, err)
	}

	return Check(artifact)
}

// isName reports why a text cannot be the name of an object.
func isName(text string) error {
	if problems := validation.IsDNS1123Subdomain(text); len(problems) > 0 {
		return fmt.Errorf("%.300q is not the name of an object: %s", text, problems[0])
	}
	return nil
}
