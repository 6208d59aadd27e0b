package storage

import (
	"encoding/json"
	"maps"
	"slices"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"
)

// copyOf returns a release that Helm's actions may change without changing rel. The contents of chart files are shared:
// nothing writes to them. Like a release that was read from storage it knows no chart dependencies, and its numbers are
// those of JSON.
func copyOf(rel *release.Release) *release.Release {
	out := *rel
	info := *rel.Info
	out.Info = &info
	out.Hooks = make([]*release.Hook, len(rel.Hooks))
	for i, hook := range rel.Hooks {
		copied := *hook
		copied.Events = slices.Clone(hook.Events)
		copied.DeletePolicies = slices.Clone(hook.DeletePolicies)
		copied.OutputLogPolicies = slices.Clone(hook.OutputLogPolicies)
		out.Hooks[i] = &copied
	}

	out.Config = copyOfValues(rel.Config)
	out.Labels = maps.Clone(rel.Labels)
	if rel.Chart != nil {
		out.Chart = copyOfChart(rel.Chart)
		out.Chart.Values = copyOfValues(rel.Chart.Values)
	}

	return &out
}

// copyOfChart shares the values with c.
func copyOfChart(c *chart.Chart) *chart.Chart {
	return &chart.Chart{
		Metadata: copyOfMetadata(c.Metadata), Lock: c.Lock, Schema: c.Schema, Values: c.Values,
		Templates: slices.Clone(c.Templates), Files: slices.Clone(c.Files),
	}
}

func copyOfMetadata(m *chart.Metadata) *chart.Metadata {
	if m == nil {
		return nil
	}

	out := *m
	out.Sources = slices.Clone(m.Sources)
	out.Keywords = slices.Clone(m.Keywords)
	out.Annotations = maps.Clone(m.Annotations)
	out.Maintainers = slices.Clone(m.Maintainers)
	for i, maintainer := range out.Maintainers {
		if maintainer != nil {
			copied := *maintainer
			out.Maintainers[i] = &copied
		}
	}

	out.Dependencies = slices.Clone(m.Dependencies)
	for i, dependency := range out.Dependencies {
		if dependency != nil {
			copied := *dependency
			copied.Tags = slices.Clone(dependency.Tags)
			copied.ImportValues = slices.Clone(dependency.ImportValues)
			out.Dependencies[i] = &copied
		}
	}

	return &out
}

func copyOfValues(values map[string]any) map[string]any {
	if values == nil {
		return nil
	}
	return plainJSON(values).(map[string]any)
}

// plainJSON copies a value and makes it what it is after a round trip through JSON.
func plainJSON(value any) any {
	switch v := value.(type) {
	case nil, string, bool, float64:
		return v
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case map[string]any:
		if v == nil {
			return nil
		}

		out := make(map[string]any, len(v))
		for key, element := range v {
			out[key] = plainJSON(element)
		}

		return out
	case []any:
		if v == nil {
			return nil
		}

		out := make([]any, len(v))
		for i, element := range v {
			out[i] = plainJSON(element)
		}

		return out
	}

	// What JSON cannot express never gets here: the release was encoded before.
	var out any
	if text, err := json.Marshal(value); err != nil || json.Unmarshal(text, &out) != nil {
		return nil
	}

	return out
}
