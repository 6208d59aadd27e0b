package rendering

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"

	"fairlead.dev/fairlead/helmops/postrender"
)

// Request is what a chart is rendered with.
type Request struct {
	// Chart is the digest of the chart, which the child may have from an earlier task. Empty has no chart kept.
	Chart string
	// Values that were given to the chart.
	Values map[string]any
	// ChartValues replace those of the chart when ReplaceValues is set.
	ChartValues   map[string]any
	ReplaceValues bool
	// Name and Namespace of the release, and the Revision that templates see.
	Name, Namespace string
	Revision        int
	Upgrade         bool
	// KubeVersion and APIVersions are the capabilities of the cluster.
	KubeVersion chartutil.KubeVersion
	APIVersions []string
	// SkipSchema leaves the values unchecked.
	SkipSchema bool
	// Offline has the template function lookup find nothing, instead of asking the host.
	Offline bool
	// PostRender is done with what the templates render.
	PostRender postrender.Options
}

// Result is what a chart renders.
type Result struct {
	// Manifest is all objects but the hooks, and Hooks are those, after post-rendering.
	Manifest string
	Hooks    []*release.Hook
	Notes    string
}

// What gob cannot encode, or decodes as nil, is replaced in values.
type (
	null      struct{}
	emptyList struct{}
	emptyMap  struct{}
)

func init() { //nolint:gochecknoinits // how gob learns types
	gob.Register(map[string]any{})
	gob.Register([]any{})
	gob.Register(json.Number(""))
	gob.Register(null{})
	gob.Register(emptyList{})
	gob.Register(emptyMap{})
}

// encodable copies values with what gob cannot encode replaced.
func encodable(value any) any {
	switch v := value.(type) {
	case nil:
		return null{}
	case chartutil.Values:
		return encodable(map[string]any(v))
	case map[string]any:
		if v != nil && len(v) == 0 {
			return emptyMap{}
		}

		out := make(map[string]any, len(v))
		for key, field := range v {
			out[key] = encodable(field)
		}

		return out
	case []any:
		if v != nil && len(v) == 0 {
			return emptyList{}
		}

		out := make([]any, len(v))
		for i, item := range v {
			out[i] = encodable(item)
		}

		return out
	default:
		return value
	}
}

// decoded undoes encodable in place.
func decoded(value any) any {
	switch v := value.(type) {
	case null:
		return nil
	case emptyMap:
		return map[string]any{}
	case emptyList:
		return []any{}
	case map[string]any:
		for key, field := range v {
			v[key] = decoded(field)
		}
	case []any:
		for i, item := range v {
			v[i] = decoded(item)
		}
	}
	return value
}

func encodableMap(values map[string]any) map[string]any {
	if len(values) == 0 {
		return nil
	}
	return encodable(values).(map[string]any) //nolint:forcetypeassert // one that is not empty stays a map
}

func decodedMap(values map[string]any) map[string]any {
	decoded(values)
	return values
}

func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(value); err != nil {
		return nil, fmt.Errorf("encoding for the rendering process: %w", err)
	}
	return out.Bytes(), nil
}

func decode(data []byte, into any) error {
	decoder := gob.NewDecoder(bytes.NewReader(data)) //nolint:gosec // both sides are this program, and bounded
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("decoding for the rendering process: %w", err)
	}
	return nil
}

func (r Request) encode() ([]byte, error) {
	r.Values, r.ChartValues = encodableMap(r.Values), encodableMap(r.ChartValues)
	options, err := json.Marshal(r.PostRender)
	if err != nil {
		return nil, err
	}
	r.PostRender = postrender.Options{}
	return encode(wireRequest{Request: r, PostRender: options})
}

// wireRequest has the options in JSON, the form that they are made for.
type wireRequest struct {
	Request    Request
	PostRender []byte
}

func decodeRequest(data []byte) (Request, error) {
	var in wireRequest
	if err := decode(data, &in); err != nil {
		return Request{}, err
	}
	out := in.Request
	out.Values, out.ChartValues = decodedMap(out.Values), decodedMap(out.ChartValues)
	return out, json.Unmarshal(in.PostRender, &out.PostRender)
}

// wireResult has the hooks in JSON, as a release record has them.
type wireResult struct {
	Manifest, Notes string
	Hooks           []byte
}

func (r Result) encode() ([]byte, error) {
	hooks, err := json.Marshal(r.Hooks)
	if err != nil {
		return nil, err
	}
	return encode(wireResult{Manifest: r.Manifest, Notes: r.Notes, Hooks: hooks})
}

func decodeResult(data []byte) (Result, error) {
	var in wireResult
	if err := decode(data, &in); err != nil {
		return Result{}, err
	}
	out := Result{Manifest: in.Manifest, Notes: in.Notes}
	return out, json.Unmarshal(in.Hooks, &out.Hooks)
}

// wireChart is a chart with its subcharts.
type wireChart struct {
	Metadata []byte
	// NoDependencies is set when the metadata name an empty list of dependencies, which JSON leaves out: Helm drops all
	// subcharts then.
	NoDependencies   bool
	Templates, Files []*chart.File
	Values           map[string]any
	HasValues        bool
	Schema           []byte
	Charts           []*wireChart
}

func wireOf(in *chart.Chart) (*wireChart, error) {
	metadata, err := json.Marshal(in.Metadata)
	if err != nil {
		return nil, fmt.Errorf("encoding the metadata of chart %s: %w", in.Name(), err)
	}

	out := &wireChart{
		Metadata: metadata, NoDependencies: in.Metadata.Dependencies != nil && len(in.Metadata.Dependencies) == 0,
		Templates: in.Templates, Files: in.Files, Values: encodableMap(in.Values), HasValues: in.Values != nil,
		Schema: in.Schema,
	}
	for _, sub := range in.Dependencies() {
		one, err := wireOf(sub)
		if err != nil {
			return nil, err
		}

		out.Charts = append(out.Charts, one)
	}

	return out, nil
}

func (w *wireChart) chart() (*chart.Chart, error) {
	out := &chart.Chart{Metadata: &chart.Metadata{}, Templates: w.Templates, Files: w.Files, Schema: w.Schema}
	if err := json.Unmarshal(w.Metadata, out.Metadata); err != nil {
		return nil, fmt.Errorf("decoding the metadata of a chart: %w", err)
	}
	if w.NoDependencies {
		out.Metadata.Dependencies = []*chart.Dependency{}
	}
	if out.Values = decodedMap(w.Values); w.HasValues && out.Values == nil {
		out.Values = map[string]any{}
	}

	for _, sub := range w.Charts {
		one, err := sub.chart()
		if err != nil {
			return nil, err
		}

		out.AddDependency(one)
	}

	return out, nil
}

// question is what the job asks of its host: the chart, when Path is empty, or what the API server answers to a GET of
// Path.
type question struct {
	Path, Accept string
}

// answer is that of the API server.
type answer struct {
	Code int
	Type string
	Body []byte
}
