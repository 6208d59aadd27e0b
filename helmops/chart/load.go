// Package chart turns the bytes of a chart archive into a chart, within bounds, and keeps the parsed charts that are in
// use. It says what a chart gets of the values of a release, where each value comes from, and which ones it does not
// know.
package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// MaxArchive bounds a chart archive, in bytes.
const MaxArchive = 20 << 20

// Load parses a chart archive and checks that it is the revision that was chosen. A chart that says another name or
// version than its source did is an error, never silently taken.
func Load(archive io.Reader, want v1beta1.ChartRevision) (*chart.Chart, error) {
	content, err := io.ReadAll(io.LimitReader(archive, MaxArchive+1))
	if len(content) > MaxArchive {
		return nil, fmt.Errorf("chart %s is larger than %d bytes", want, MaxArchive)
	}
	if err == nil {
		err = bounded(content)
	}
	if err != nil {
		return nil, fmt.Errorf("reading chart %s: %w", want, err)
	}

	loaded, err := parsed(content, want)
	if err != nil {
		return nil, err
	}
	if loaded.Metadata.Name != want.Name || !v1beta1.SameVersion(loaded.Metadata.Version, want.Version) {
		return nil, fmt.Errorf("chart %s says that it is %s-%s", want, loaded.Metadata.Name, loaded.Metadata.Version)
	}

	return loaded, checkInstallable(loaded)
}

// parsed has Helm parse and validate an archive. Its code was not written for charts of strangers: a panic of it is an
// error.
func parsed(content []byte, want v1beta1.ChartRevision) (loaded *chart.Chart, err error) {
	err = guard.Do("loading a chart", func() error {
		if loaded, err = loader.LoadArchive(bytes.NewReader(content)); err != nil {
			return fmt.Errorf("loading chart %s: %w", want, err)
		}
		if err := loaded.Validate(); err != nil {
			return fmt.Errorf("chart %s is not valid: %w", want, err)
		}

		return nil
	})
	if err != nil {
		return nil, err
	}

	return loaded, nil
}

func checkInstallable(loaded *chart.Chart) error {
	if kind := loaded.Metadata.Type; kind != "" && kind != "application" {
		return fmt.Errorf("chart %s-%s is a %s chart, which cannot be installed", loaded.Metadata.Name,
			loaded.Metadata.Version, kind)
	}

	vendored := map[string]bool{}
	for _, dependency := range loaded.Dependencies() {
		vendored[dependency.Name()] = true
	}

	var missing []string
	for _, dependency := range loaded.Metadata.Dependencies {
		if !vendored[dependency.Name] {
			missing = append(missing, dependency.Name)
		}
	}

	if len(missing) > 0 {
		return fmt.Errorf("chart %s-%s lacks its dependencies in charts/: %s", loaded.Metadata.Name, loaded.Metadata.Version,
			strings.Join(missing, ", "))
	}

	return nil
}

// Copy returns a chart that an action may change: Helm rewrites values and metadata while it renders. What Helm only
// reads, the templates and files, is shared.
func Copy(in *chart.Chart) (*chart.Chart, error) {
	if in.Metadata == nil {
		return nil, errors.New("chart has no metadata")
	}

	metadata := *in.Metadata
	metadata.Annotations = maps.Clone(in.Metadata.Annotations)
	// nil stays nil: Helm looks at charts/ in another way then
	metadata.Dependencies = slices.Clone(in.Metadata.Dependencies)
	for i, dependency := range in.Metadata.Dependencies {
		own := *dependency
		own.Tags = append([]string(nil), dependency.Tags...)
		own.ImportValues = append([]any(nil), dependency.ImportValues...)
		metadata.Dependencies[i] = &own
	}

	out := &chart.Chart{
		Raw: in.Raw, Metadata: &metadata, Lock: in.Lock, Templates: in.Templates, Files: in.Files,
		Values: copyValues(in.Values), Schema: in.Schema,
	}
	for _, dependency := range in.Dependencies() {
		own, err := Copy(dependency)
		if err != nil {
			return nil, err
		}

		out.AddDependency(own)
	}

	return out, nil
}

func copyValues(in map[string]any) map[string]any {
	if in == nil {
		return nil
	}
	out := make(map[string]any, len(in))
	for key, value := range in {
		out[key] = copyValue(value)
	}
	return out
}

func copyValue(in any) any {
	switch value := in.(type) {
	case map[string]any:
		return copyValues(value)
	case []any:
		out := make([]any, len(value))
		for i := range value {
			out[i] = copyValue(value[i])
		}

		return out
	}
	return in
}
