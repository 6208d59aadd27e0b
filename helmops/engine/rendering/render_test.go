package rendering

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/api/v1beta1"
	helmchart "fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/postrender"
	"fairlead.dev/fairlead/helmops/process/worker"
)

// verb has the test binary be a child.
const verb = "be-a-worker"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == verb {
		os.Exit(worker.Serve(Jobs(), os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func pool(t *testing.T) *worker.Pool {
	t.Helper()
	p := worker.NewPool([]string{os.Args[0], verb})
	t.Cleanup(p.Close)
	return p
}

// chartOf makes a chart of templates, given as name and content in turn.
func chartOf(name string, templates ...string) *chart.Chart {
	c := &chart.Chart{Metadata: &chart.Metadata{APIVersion: "v2", Name: name, Version: "1.0.0"}, Values: map[string]any{}}
	for i := 0; i < len(templates); i += 2 {
		c.Templates = append(c.Templates, &chart.File{Name: "templates/" + templates[i], Data: []byte(templates[i+1])})
	}
	return c
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\ndata:\n  text: |-\n    %s\n"

func object(name, text string) string { return fmt.Sprintf(configMap, name, text) }

func request(c *chart.Chart) Request {
	return Request{
		Chart: c.Metadata.Name, Name: "web", Namespace: "apps", Revision: 1,
		KubeVersion: chartutil.DefaultCapabilities.KubeVersion, APIVersions: chartutil.DefaultCapabilities.APIVersions,
	}
}

// involved is a chart that uses what charts can.
func involved() (*chart.Chart, map[string]any) {
	sub := chartOf("db", "cm.yaml", object("{{ .Chart.Name }}-{{ .Values.size }}", "{{ .Values.global.zone }}"),
		"NOTES.txt", "of the subchart")
	sub.Values = map[string]any{"size": float64(3), "exports": map[string]any{"port": float64(5432)}}
	c := chartOf("shop",
		"_helpers.tpl", `{{- define "name" }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}`,
		"cm.yaml",
		object(`{{ include "name" . }}`,
			`{{ .Values.text }} {{ .Values.missing }} {{ .Values | toJson }} {{ tpl .Values.template . }} {{ .Values.port }}`),
		"config.yaml",
		object("config",
			`{{ .Files.Get "config/app.ini" }} {{ include (print $.Template.BasePath "/cm.yaml") . | sha256sum }}`),
		"hook.yaml",
		strings.Replace(object("hook", "{{ .Release.Revision }}"), "metadata:\n",
			"metadata:\n  annotations: {helm.sh/hook: pre-install}\n", 1),
		"more.yaml", object("a", "1")+"---\n"+object("b", "{{ .Capabilities.KubeVersion.Version }}"),
		"off.yaml", "{{ if .Values.off }}nothing{{ end }}",
		"NOTES.txt", "{{ .Release.Name }} is installed in {{ .Release.Namespace }}")
	c.Files = []*chart.File{{Name: "config/app.ini", Data: []byte("key=value")}}
	c.Values = map[string]any{
		"text": "default", "template": "{{ .Values.text }}!", "list": []any{"x", nil, float64(1)}, "nothing": nil,
		"none": []any{}, "empty": map[string]any{},
		"global": map[string]any{"zone": "north"}, "off": false,
	}
	c.Metadata.Dependencies = []*chart.Dependency{
		{Name: "db", Version: "*", Alias: "first", ImportValues: []any{map[string]any{"child": "exports", "parent": "."}}},
		{Name: "db", Version: "*", Alias: "second"},
		{Name: "db", Version: "*", Alias: "third", Condition: "third.enabled"},
	}
	c.AddDependency(sub)
	return c, map[string]any{"text": "given", "second": map[string]any{"size": int64(7)},
		"third": map[string]any{"enabled": false},
		"given": []any{map[string]any{}, []any{}, nil, true, int64(1) << 53, 1.5, "1"}}
}

// A child renders what Helm's action renders.
func TestRenderIsHelms(t *testing.T) {
	c, values := involved()
	own, err := helmchart.Copy(c)
	if err != nil {
		t.Fatal(err)
	}
	helm := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	helm.ClientOnly, helm.DryRun, helm.ReleaseName, helm.Namespace = true, true, "web", "apps"
	want, err := helm.Run(own, values)
	if err != nil {
		t.Fatal(err)
	}
	r := request(c)
	r.Values = values
	p := pool(t)
	for range 2 { // the second finds the chart in the child
		got, err := Render(t.Context(), p, "apps", r, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Manifest, got.Manifest); diff != "" {
			t.Errorf("manifest (-helm +child):\n%s", diff)
		}
		if diff := cmp.Diff(want.Hooks, got.Hooks, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("hooks (-helm +child):\n%s", diff)
		}
		if got.Notes != want.Info.Notes {
			t.Errorf("notes %q, want %q", got.Notes, want.Info.Notes)
		}
	}
	if c.Values["text"] != "default" || len(c.Dependencies()) != 1 {
		t.Error("the chart of the caller was changed")
	}
}

func TestErrorsAreHelms(t *testing.T) {
	schema := []byte(`{"properties": {"replicas": {"type": "integer"}}}`)
	tests := []struct {
		name   string
		chart  *chart.Chart
		change func(*chart.Chart)
		values map[string]any
		want   string
	}{
		{
			name: "a template fails", chart: chartOf("shop", "cm.yaml", `{{ fail "as arranged" }}`),
			want: "execution error at (shop/templates/cm.yaml:1:3): as arranged",
		},
		{
			name: "a template cannot be parsed", chart: chartOf("shop", "cm.yaml", `{{ if }}`),
			want: "parse error at (shop/templates/cm.yaml:1)",
		},
		{
			name: "the output is no YAML", chart: chartOf("shop", "cm.yaml", "a: b: c"),
			want: "YAML parse error on shop/templates/cm.yaml",
		},
		{name: "values break the schema", chart: chartOf("shop"), change: func(c *chart.Chart) {
			c.Schema = schema
		}, values: map[string]any{"replicas": "three"},
			want: "values break the schema of shop 1.0.0: replicas: got string, want integer"},
		{name: "the cluster is too old", chart: chartOf("shop"), change: func(c *chart.Chart) {
			c.Metadata.KubeVersion = ">=9.0.0"
		},
			want: "chart requires kubeVersion: >=9.0.0 which is incompatible with Kubernetes"},
	}
	p := pool(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.change != nil {
				test.change(test.chart)
			}
			r := request(test.chart)
			r.Chart, r.Values = test.name, test.values
			_, err := Render(t.Context(), p, "apps", r, test.chart, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestPostRenderersRunInTheChild(t *testing.T) {
	c, _ := involved()
	r := request(c)
	r.PostRender = postrender.OptionsOf([]v1beta1.PostRenderer{{Kustomize: &v1beta1.Kustomize{Patches: []v1beta1.Patch{{
		Patch:  `[{"op": "add", "path": "/metadata/labels", "value": {"patched": "yes"}}]`,
		Target: &v1beta1.Selector{Kind: "ConfigMap"},
	}}}}}, "", &v1beta1.CommonMetadata{Annotations: map[string]string{"common": "yes"}})
	got, err := Render(t.Context(), pool(t), "apps", r, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(got.Manifest, "patched:"); n != strings.Count(got.Manifest, "kind: ConfigMap") {
		t.Errorf("%d objects are patched:\n%s", n, got.Manifest)
	}
	if hook := got.Hooks[0].Manifest; !strings.Contains(hook, "patched:") || !strings.Contains(hook, "common:") {
		t.Errorf("the hook is not patched:\n%s", hook)
	}
}

// Lookups are made by the parent, with the transport of the identity, and only reads of the API.
func TestLookup(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("X-Identity"))
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/base/api/v1":
			_, _ = io.WriteString(w,
				`{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"v1","resources":[{"name":"secrets","namespaced":true,"kind":"Secret"}]}`)
		case "/base/api/v1/namespaces/apps/secrets/found":
			_, _ = io.WriteString(w, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"found"},"data":{"key":"dmFsdWU="}}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
		}
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL + "/base", Transport: identityTransport{http.DefaultTransport}}
	c := chartOf("shop", "cm.yaml",
		object("cm", `{{ (lookup "v1" "Secret" "apps" "found").data.key }} {{ lookup "v1" "Secret" "apps" "absent" | len }}`))
	got, err := Render(t.Context(), pool(t), "apps", request(c), c, config)
	if err != nil || !strings.Contains(got.Manifest, "dmFsdWU= 0") {
		t.Errorf("manifest %s, error %v", got.Manifest, err)
	}
	for _, one := range asked {
		if !strings.HasPrefix(one, "GET /base/api/v1") || !strings.HasSuffix(one, " tenant") {
			t.Errorf("request %q", one)
		}
	}
	server.Close()
	_, err = Render(t.Context(), pool(t), "apps", request(c), c, config)
	var network net.Error
	if !errors.As(err, &network) {
		t.Errorf("error = %v; that the API server is away must be seen", err)
	}
}

type identityTransport struct{ next http.RoundTripper }

func (t identityTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("X-Identity", "tenant")
	return t.next.RoundTrip(request)
}

// A chart that takes what it can get ends with its bound and its template named, and the next chart renders.
func TestBombs(t *testing.T) {
	huge := `{{ $s := "0123456789abcdef" }}{{ range until 40 }}{{ $s = print $s $s }}{{ end }}`
	aliases := chartOf("shop")
	aliases.AddDependency(chartOf("db"))
	for i := range 1001 {
		aliases.Metadata.Dependencies = append(aliases.Metadata.Dependencies,
			&chart.Dependency{Name: "db", Version: "*", Alias: fmt.Sprint("a", i)})
	}
	tests := []struct {
		name        string
		chart       *chart.Chart
		limit, file string
	}{
		{"a template without end", chartOf("shop", "a.yaml", object("a", ""), "loop.yaml",
			`{{ range until 30000 }}{{ range until 30000 }}{{ range until 30000 }}{{ end }}{{ end }}{{ end }}`),
			worker.LimitProcessor, "shop/templates/loop.yaml"},
		{
			"a template that grows", chartOf("shop", "a.yaml", object("a", ""), "grow.yaml", huge), worker.LimitMemory,
			"shop/templates/grow.yaml",
		},
		{"a template that includes itself through tpl",
			chartOf("shop", "self.yaml", `{{ define "x" }}{{ tpl "{{ include \"y\" . }}" . }}{{ end }}`+
				`{{ define "y" }}{{ tpl .Values.self . }}{{ end }}{{ include "x" . }}`), worker.LimitStack,
			"shop/templates/self.yaml"},
		{"more objects than fit",
			chartOf("shop", "big.yaml",
				`{{ range until 300 }}`+"---\n"+object("a{{ . }}", `{{ repeat 100000 "x" }}`)+`{{ end }}`),
			worker.LimitOutput, ""},
		{"a thousand aliases", aliases, "charts", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bounds := worker.Bounds{}
			if test.limit == worker.LimitProcessor {
				bounds.Processor = time.Second
			}
			p := worker.NewBoundedPool([]string{os.Args[0], verb}, bounds)
			defer p.Close()
			r := request(test.chart)
			r.Chart = test.name
			r.Values = map[string]any{"self": `{{ tpl .Values.self . }}`}
			_, err := Render(t.Context(), p, "apps", r, test.chart, nil)
			var limit *worker.LimitError
			if !errors.As(err, &limit) || limit.Limit != test.limit {
				t.Fatalf("error = %v", err)
			}
			if limit.File != test.file {
				t.Errorf("it names %q", limit.File)
			}
			small := chartOf("small", "cm.yaml", object("cm", "fine"))
			if got, err := Render(t.Context(), p, "apps", request(small), small, nil); err != nil ||
				!strings.Contains(got.Manifest, "fine") {
				t.Errorf("the next chart: %s, error %v", got.Manifest, err)
			}
		})
	}
}

// No reference of a schema is followed out of it.
func TestSchemasReachNothing(t *testing.T) {
	var reached atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		_, _ = io.WriteString(w, `{"const": "secret-of-the-server"}`)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(file, []byte(`{"const": "secret-in-the-file"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, reference := range []string{
		server.URL + "/schema.json", "file://" + file, "../.." + file, file, "ftp://example.com/x",
	} {
		for _, in := range []string{`{"properties": {"x": {"$ref": %q}}}`, `{"$dynamicRef": %q}`, `{"$schema": %q}`} {
			sub := chartOf("db")
			sub.Schema = fmt.Appendf(nil, in, reference)
			c := chartOf("shop")
			c.AddDependency(sub)
			err := checkSchemas(c, map[string]any{"db": map[string]any{"x": "y"}})
			if err == nil || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "secret-") {
				t.Errorf("%s of %s: error = %v", in, reference, err)
			}
		}
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("the server was reached %d times", n)
	}
	for _, fine := range []string{
		`{"$schema": "http://json-schema.org/draft-07/schema#"}`, `{"$ref": "#/$defs/x", "$defs": {"x": true}}`,
		`{"$ref": "urn:example:x"}`,
	} {
		if problems := checkSchema([]byte(fine), nil, map[string]any{}); len(problems) > 0 {
			t.Errorf("%s: %v", fine, problems)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	c, values := involved()
	p := worker.NewPool([]string{os.Args[0], verb})
	defer p.Close()
	r := request(c)
	r.Values = values
	for b.Loop() {
		if _, err := Render(context.Background(), p, "apps", r, c, nil); err != nil {
			b.Fatal(err)
		}
	}
}
