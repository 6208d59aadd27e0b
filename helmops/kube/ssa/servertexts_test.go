package ssa

import (
	"errors"
	"strings"
	"testing"

	webhookerrors "k8s.io/apiserver/pkg/admission/plugin/webhook/errors"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// failingConverter is a merge.Converter of which one conversion fails.
type failingConverter struct{ left int }

// Convert implements merge.Converter.
func (c *failingConverter) Convert(object *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	c.left--
	if c.left == 0 {
		return nil, errors.New("as arranged")
	}
	return object, nil
}

// IsMissingVersionError implements merge.Converter.
func (c *failingConverter) IsMissingVersionError(error) bool { return false }

// The library that the API server applies objects with fails with the texts that are recognized, when a conversion
// fails.
func TestUnconvertibleTexts(t *testing.T) {
	t.Parallel()
	parse := func(text typed.YAMLObject) *typed.TypedValue {
		t.Helper()
		value, err := typed.DeducedParseableType.FromYAML(text)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}

	unseen := map[string]bool{}
	for _, text := range unconvertibleTexts {
		unseen[text] = true
	}

	const conversions = 20
	for at := 1; at <= conversions; at++ {
		builder := merge.UpdaterBuilder{Converter: &failingConverter{left: at}}
		managers := fieldpath.ManagedFields{
			"helm":  fieldpath.NewVersionedSet(fieldpath.NewSet(fieldpath.MakePathOrDie("teeth")), "v1", true),
			"other": fieldpath.NewVersionedSet(fieldpath.NewSet(fieldpath.MakePathOrDie("metal")), "v1", false),
		}
		_, _, err := builder.BuildUpdater().Apply(parse("{teeth: 1, metal: iron}"), parse("{holes: 2}"), "v2", managers,
			"helm", true)
		for text := range unseen {
			if err != nil && strings.Contains(err.Error(), text) {
				delete(unseen, text)
			}
		}
	}

	for text := range unseen {
		t.Errorf("the library does not say %q", text)
	}
}

// A webhook with side effects cannot be declared any more, so the answer about one is made by the library.
func TestDryRunText(t *testing.T) {
	t.Parallel()
	if err := webhookerrors.NewDryRunUnsupportedErr("texts.example.com"); !IsDryRunUnsupported(err) {
		t.Errorf("not recognized: %v", err)
	}
}
