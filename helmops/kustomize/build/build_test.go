package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
)

// files are those of a source; a content that begins with "->" is a link.
type files map[string]string

func (f files) archive(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		header := &tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(f[name]))}
		if target, is := strings.CutPrefix(f[name], "->"); is {
			header.Typeflag, header.Linkname, header.Size = tar.TypeSymlink, target, 0
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(f[name])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (f files) tree(t testing.TB) *Tree {
	t.Helper()
	tree, err := Read(bytes.NewReader(f.archive(t)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func configMap(name, data string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\ndata:\n  value: %s\n", name, data)
}

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: example.com/web:1.0.0, envFrom: [{configMapRef: {name: settings}}]}]
`

// told returns the result of a build: kind, namespace, name and the settings of each object.
func told(objects []Object) []string {
	var out []string
	for _, o := range objects {
		out = append(out, nameOf(o.Unstructured))
	}
	return out
}

func TestBuild(t *testing.T) {
	t.Parallel()
	overlay := files{
		"base/kustomization.yaml":     "resources: [web.yaml, settings.yaml]\n",
		"base/web.yaml":               deployment,
		"base/settings.yaml":          configMap("settings", "base"),
		"prod/kustomization.yaml":     "resources: [../base]\npatches: [{path: more.yaml}]\n",
		"prod/more.yaml":              "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 5}\n",
		"extra/kustomization.yaml":    "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [extra.yaml]\n",
		"extra/extra.yaml":            configMap("extra", "x"),
		"unrelated/kustomization.yml": "resources: [https://example.com/base]\n",
	}
	plain := files{
		"apps/b.yaml":                    configMap("b", "b") + "---\n# nothing\n---\n" + configMap("c", "c"),
		"apps/a.yml":                     configMap("a", "a"),
		"apps/.hidden.yaml":              "{[",
		"apps/README.md":                 "# no manifest",
		"apps/deep/d.yaml":               "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: d}}\n",
		"other/kustomization.yaml":       "resources: [e.yaml]\n",
		"other/e.yaml":                   configMap("e", "e"),
		"mixed/f.yaml":                   configMap("f", "f"),
		"mixed/built/kustomization.yaml": "namePrefix: built-\nresources: [g.yaml]\n",
		"mixed/built/g.yaml":             configMap("g", "g"),
		"linked":                         "->other",
	}
	for _, tt := range []struct {
		name    string
		files   files
		options Options
		want    []string
	}{
		{"a kustomization", overlay, Options{Path: "base"}, []string{"ConfigMap settings", "Deployment web"}},
		{"an overlay over a base beside it", overlay, Options{Path: "./prod/"}, []string{"ConfigMap settings", "Deployment web"}},
		{"names, namespace and components of the spec", overlay, Options{Path: "prod", Overlay: v1beta1.Overlay{
			NamePrefix: "a-", NameSuffix: "-z", TargetNamespace: "shop", Components: []string{"../extra", "../gone"}, IgnoreMissingComponents: true}},
			[]string{"ConfigMap shop/a-extra-z", "ConfigMap shop/a-settings-z", "Deployment shop/a-web-z"}},
		{"plain manifests of all directories below", plain, Options{Path: "apps"}, []string{"ConfigMap a", "ConfigMap b", "ConfigMap c", "ConfigMap d"}},
		{"plain manifests with a namespace", plain, Options{Path: "apps", Overlay: v1beta1.Overlay{TargetNamespace: "n"}},
			[]string{"ConfigMap n/a", "ConfigMap n/b", "ConfigMap n/c", "ConfigMap n/d"}},
		{"a kustomization among plain manifests", plain, Options{Path: "mixed"}, []string{"ConfigMap built-g", "ConfigMap f"}},
		{"a link to a directory", plain, Options{Path: "linked"}, []string{"ConfigMap e"}},
		{"an empty directory", files{"apps/README.md": ""}, Options{Path: "apps"}, nil},
		{"an empty directory with an overlay", files{"apps/README.md": ""}, Options{Path: "apps", Overlay: v1beta1.Overlay{TargetNamespace: "n"}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			objects, err := Build(t.Context(), tt.files.tree(t), tt.options)
			if err != nil {
				t.Fatal(err)
			}
			got := told(objects)
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOverlay(t *testing.T) {
	t.Parallel()
	source := files{"web.yaml": deployment, "settings.yaml": configMap("settings", `"${greeting} $${kept} ${missing} ${other:=default}"`)}
	objects, err := Build(t.Context(), source.tree(t), Options{
		Owner:     types.NamespacedName{Namespace: "fleet", Name: "apps"},
		Variables: map[string]string{"greeting": "hello: world"},
		Overlay: v1beta1.Overlay{
			NamePrefix: "a-", CommonMetadata: &v1beta1.CommonMetadata{Labels: map[string]string{"team": "web"}, Annotations: map[string]string{"by": "git"}},
			Images:    []v1beta1.Image{{Name: "example.com/web", NewTag: "2.0.0"}},
			Patches:   []v1beta1.Patch{{Patch: `[{"op": "replace", "path": "/spec/replicas", "value": 7}]`, Target: &v1beta1.Selector{Kind: "Deployment"}}},
			PostBuild: &v1beta1.PostBuild{},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 {
		t.Fatalf("%d objects", len(objects))
	}
	for _, o := range objects {
		labels := o.GetLabels()
		if labels["team"] != "web" || labels[v1beta1.KustomizationNameLabel] != "apps" || labels[v1beta1.KustomizationNamespaceLabel] != "fleet" || o.GetAnnotations()["by"] != "git" {
			t.Errorf("%s has the labels %v", nameOf(o.Unstructured), labels)
		}
		text := fmt.Sprint(o.Object)
		wants := []string{"value:hello: world ${kept}  default"}
		if o.GetKind() == "Deployment" {
			wants = []string{"replicas:7", "example.com/web:2.0.0", "configMapRef:map[name:a-settings]"}
		}
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%q is missing in %s", want, text)
			}
		}
	}
}

func TestVariablesAreLeftAloneWhereTheyShould(t *testing.T) {
	t.Parallel()
	off := strings.Replace(configMap("untouched", `"${greeting}"`), "metadata:\n", "metadata:\n  annotations: {"+v1beta1.SubstituteAnnotation+": "+v1beta1.Disabled+"}\n", 1)
	for _, tt := range []struct {
		name      string
		content   string
		variables map[string]string
		strategy  string
		want      string
	}{
		{"by the annotation", off, map[string]string{"greeting": "x"}, "", "${greeting}"},
		{"without any variable", configMap("a", `"${greeting}"`), nil, "", "${greeting}"},
		{"unless they always count", configMap("a", `"${greeting:=hi}"`), nil, v1beta1.SubstituteAlways, "value:hi"},
		{"a value cannot become another field", configMap("a", "${greeting}"), map[string]string{"greeting": "x\n  injected: y"}, "", "value:x\n  injected: y"},
		{"a variable by itself is what it looks like", "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x, labels: {port: \"${port}\"}}\nspec: {port: \"${port}\", url: \"http://x:${port}\"}\n", map[string]string{"port": "80"}, "", "spec:map[port:80 url:http://x:80]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			objects, err := Build(t.Context(), files{"a.yaml": tt.content}.tree(t), Options{Variables: tt.variables,
				Overlay: v1beta1.Overlay{PostBuild: &v1beta1.PostBuild{SubstituteStrategy: tt.strategy}}})
			if err != nil || len(objects) != 1 || !strings.Contains(fmt.Sprint(objects[0].Object), tt.want) {
				t.Errorf("%v, %v", objects, err)
			}
		})
	}
}

// The fast way of plain manifests and the way over kustomize come to the same.
func TestPlainIsAsKustomizeBuildsIt(t *testing.T) {
	t.Parallel()
	source := files{"web.yaml": deployment, "numbers.yaml": "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: numbers}\nspec: {int: 3, big: 12345678901, float: 1.5, text: \"3\", none: null, list: [1, a]}\n"}
	plain, err := Build(t.Context(), source.tree(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	source["kustomization.yaml"] = "resources: [web.yaml, numbers.yaml]\n"
	built, err := Build(t.Context(), source.tree(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	byName := func(a, b Object) int { return strings.Compare(a.GetKind(), b.GetKind()) }
	slices.SortFunc(plain, byName)
	slices.SortFunc(built, byName)
	for i := range plain {
		if diff := cmp.Diff(built[i].Object, plain[i].Object); diff != "" {
			t.Errorf("(-kustomize +plain):\n%s", diff)
		}
	}
}

type noKeys struct{}

func (noKeys) Decrypt(string, []byte) ([]byte, error) {
	return nil, errors.New("none of the private keys fits")
}

func (noKeys) DecryptObjects(string, []byte) ([]byte, error) {
	return nil, errors.New("none of the private keys fits")
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	encrypted := "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: \"ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\"}\nsops: {mac: \"ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\"}\n"
	for _, tt := range []struct {
		name    string
		files   files
		options Options
		reason  string
		want    string
	}{
		{"broken YAML", files{"a/ok.yaml": configMap("a", "a"), "a/bad.yaml": "apiVersion: v1\nkind: ConfigMap\n  name: hunter2\n"}, Options{Path: "a"},
			v1beta1.BuildFailedReason, "a/bad.yaml, line 3: it is not YAML: mapping values are not allowed in this context"},
		{"broken YAML below a kustomization", files{"kustomization.yaml": "resources: [bad.yaml]\n", "bad.yaml": "a: b\n---\nx: [\n"}, Options{},
			v1beta1.BuildFailedReason, "bad.yaml, line"},
		{"no object", files{"values.yaml": "replicas: 2\n"}, Options{}, v1beta1.BuildFailedReason, "values.yaml, line 1: a document has no apiVersion"},
		{"no name", files{"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n"}, Options{}, v1beta1.BuildFailedReason, "the ConfigMap has no name"},
		{"a generated name", files{"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: x-}\n"}, Options{}, v1beta1.BuildFailedReason, "generateName"},
		{"twice", files{"a.yaml": configMap("a", "1"), "b.yaml": configMap("a", "2")}, Options{}, v1beta1.BuildFailedReason, "b.yaml: ConfigMap a is there twice, also in a.yaml"},
		{"a build error", files{"kustomization.yaml": "resources: [a.yaml]\npatches: [{path: p.yaml}]\n", "a.yaml": configMap("a", "1"),
			"p.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: gone}\n"}, Options{}, v1beta1.BuildFailedReason, "kustomize: "},
		{"no kustomization", files{"kustomization.yaml": "resources: [\n"}, Options{}, v1beta1.BuildFailedReason, "kustomization.yaml, line"},
		{"an unknown field", files{"kustomization.yaml": "resourcez: [a.yaml]\n"}, Options{}, v1beta1.BuildFailedReason, "kustomization.yaml"},
		{"a file that is not there", files{"kustomization.yaml": "resources: [gone.yaml]\n"}, Options{}, v1beta1.BuildFailedReason, `resources names "gone.yaml", which the source does not have`},
		{"a directory that is not there", files{"a.yaml": configMap("a", "a")}, Options{Path: "gone"}, v1beta1.PathNotFoundReason, "gone: the source has no such directory"},
		{"a path out of the source", files{"a.yaml": configMap("a", "a")}, Options{Path: "../../etc"}, v1beta1.PathNotFoundReason, "it leads out of the source"},
		{"a resource out of the source", files{"kustomization.yaml": "resources: [../../etc/passwd]\n"}, Options{}, v1beta1.BuildFailedReason, "it leads out of the source"},
		{"a link out of the source", files{"a/kustomization.yaml": "resources: [x.yaml]\n", "a/x.yaml": "->../../../etc/passwd"}, Options{Path: "a"}, v1beta1.BuildFailedReason, "it leads out of the source"},
		{"a link in a circle", files{"a": "->b", "b": "->a"}, Options{Path: "a"}, v1beta1.PathNotFoundReason, "lead back"},
		{"a remote base", files{"kustomization.yaml": "resources: [\"https://169.254.169.254/latest\"]\n"}, Options{}, v1beta1.BuildFailedReason, "would have to be fetched"},
		{"a remote base by git", files{"kustomization.yaml": "resources: [\"github.com/org/repo?ref=v1\"]\n"}, Options{}, v1beta1.BuildFailedReason, "would have to be fetched"},
		{"a remote patch", files{"kustomization.yaml": "resources: [a.yaml]\npatches: [{path: \"http://example.com/p.yaml\"}]\n", "a.yaml": configMap("a", "a")}, Options{}, v1beta1.BuildFailedReason, "would have to be fetched"},
		{"a remote file of a generator", files{"kustomization.yaml": "configMapGenerator: [{name: a, files: [\"a=http://example.com/x\"]}]\n"}, Options{}, v1beta1.BuildFailedReason, "would have to be fetched"},
		{"a remote patch of a transformer", files{"kustomization.yaml": "resources: [a.yaml]\ntransformers: [t.yaml]\n", "a.yaml": configMap("a", "a"),
			"t.yaml": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: t}\npath: http://example.com/p.yaml\n"}, Options{}, v1beta1.BuildFailedReason, "would have to be fetched"},
		{"a chart", files{"kustomization.yaml": "helmCharts: [{name: a, repo: https://example.com}]\n"}, Options{}, v1beta1.BuildFailedReason, "a HelmRelease installs them"},
		{"encrypted, and nobody says how to decrypt", files{"s.yaml": encrypted}, Options{}, v1beta1.DecryptionFailedReason, "s.yaml: it is encrypted, and spec.decryption does not say"},
		{"encrypted, below a kustomization", files{"kustomization.yaml": "resources: [s.yaml]\n", "s.yaml": encrypted}, Options{}, v1beta1.DecryptionFailedReason, "s.yaml: it is encrypted"},
		{"encrypted, a file of a generator", files{"kustomization.yaml": "secretGenerator: [{name: s, files: [s.yaml]}]\n", "s.yaml": encrypted}, Options{}, v1beta1.DecryptionFailedReason, "it is encrypted"},
		{"another key", files{"s.yaml": encrypted}, Options{Decrypt: noKeys{}}, v1beta1.DecryptionFailedReason, "s.yaml: none of the private keys fits"},
		{"a variable without an end", files{"a.yaml": configMap("a", `"${x"`)}, Options{Variables: map[string]string{"x": "1"}, Overlay: v1beta1.Overlay{PostBuild: &v1beta1.PostBuild{}}},
			v1beta1.SubstitutionFailedReason, "ConfigMap a: a variable cannot be understood"},
		{"the name of a variable", files{}, Options{Variables: map[string]string{"a-b": "1"}}, v1beta1.SubstitutionFailedReason, `"a-b" is not the name of a variable`},
		{"a component that is not there", files{"a.yaml": configMap("a", "a")}, Options{Overlay: v1beta1.Overlay{Components: []string{"gone"}}}, v1beta1.BuildFailedReason, "spec.components[0]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			objects, err := Build(t.Context(), tt.files.tree(t), tt.options)
			var known *Error
			if !errors.As(err, &known) || !strings.Contains(err.Error(), tt.want) || known.Reason() != tt.reason {
				t.Fatalf("got %d objects and %v (%T), want %s: %s", len(objects), err, err, tt.reason, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes the content: %v", err)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	source := files{"a.yaml": configMap("a", "a"), "b.yaml": configMap("b", strings.Repeat("x", 2000))}
	for _, tt := range []struct {
		name   string
		limits Limits
		want   string
	}{
		{"files", Limits{Files: 1}, "more than 1 files"},
		{"bytes", Limits{Files: 1000, Bytes: -8192*1000 + 700}, "more than is allowed"},
	} {
		if _, err := Read(bytes.NewReader(source.archive(t)), tt.limits); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	tree, err := Read(bytes.NewReader(source.archive(t)), Limits{File: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), tree, Options{}); err == nil || !strings.Contains(err.Error(), "b.yaml: it is larger than a manifest may be") {
		t.Errorf("a large file: %v", err)
	}
	if _, err := Read(strings.NewReader("no archive"), Limits{}); err == nil {
		t.Error("what is no archive was read")
	}
	if _, err := Read(bytes.NewReader(files{"../up.yaml": "x"}.archive(t)), Limits{}); err == nil || !strings.Contains(err.Error(), "impossible name") {
		t.Errorf("a path out of the archive: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(files{"a.yaml": configMap("a", "a"), "l": "->a.yaml"}.archive(f))
	f.Fuzz(func(t *testing.T, archive []byte) {
		tree, err := Read(bytes.NewReader(archive), Limits{Bytes: 1 << 20, Files: 100})
		if err != nil {
			return
		}
		for name := range tree.files {
			if strings.HasPrefix(name, "/") || strings.HasPrefix(name, "../") {
				t.Errorf("%q is outside", name)
			}
		}
		_, _ = Build(t.Context(), tree, Options{})
	})
}

func BenchmarkBuild(b *testing.B) {
	source := files{}
	for i := range 500 {
		for j := range 4 {
			source[fmt.Sprintf("apps/a%03d/o%d.yaml", i, j)] = configMap(fmt.Sprintf("o%d-%d", i, j), "x")
		}
	}
	tree := source.tree(b)
	for _, tt := range []struct {
		name    string
		overlay v1beta1.Overlay
	}{{"plain", v1beta1.Overlay{}}, {"kustomize", v1beta1.Overlay{NamePrefix: "a-"}}} {
		b.Run(tt.name, func(b *testing.B) {
			for b.Loop() {
				for i := range 500 {
					if _, err := Build(b.Context(), tree, Options{Path: fmt.Sprintf("apps/a%03d", i), Overlay: tt.overlay}); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
