package postrender

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const templates = `---
# Source: app/templates/config.yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: config # kept
data:
  z: "1"
  a: &anchor   text
---
# Source: app/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
  labels:
    app: one
spec:
  replicas: 1
  template:
    spec:
      containers:
      - name: app
        image: registry.example.com/app:1.0
        args: ["--limit=1000000"]
      - name: sidecar
        image: sidecar
`

const hookManifest = `apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations:
    helm.sh/hook: pre-upgrade
    helm.sh/hook-weight: "5"
spec:
  template:
    spec:
      containers:
      - name: migrate
        image: registry.example.com/app:1.0
`

func hook() Hook {
	return Hook{Name: "migrate", Kind: "Job", Path: "app/templates/job.yaml", Manifest: hookManifest}
}

func patches(p ...Patch) Options {
	return Options{PostRenderers: []PostRenderer{{Kustomize: &Kustomize{Patches: p}}}}
}

func images(i ...Image) Options {
	return Options{PostRenderers: []PostRenderer{{Kustomize: &Kustomize{Images: i}}}}
}

func renderer(t *testing.T, o Options) *Renderer {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNothingToDoKeepsTheBytes(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{},
		{Strategy: Separate},
		{PostRenderers: []PostRenderer{{}, {Kustomize: &Kustomize{}}}},
	} {
		r := renderer(t, o)
		input := []byte("no: [yaml\n---\n---\r\n{{")
		got, err := r.Manifests(input)
		if err != nil || !bytes.Equal(got, input) {
			t.Errorf("%+v: got %q, %v", o, got, err)
		}
		if r.Digest() != "" {
			t.Errorf("%+v: digest %q, want none", o, r.Digest())
		}
	}
}

func TestManifests(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		old     string
		new     string
	}{
		{
			name: "a strategic merge patch with a target",
			options: patches(Patch{
				Patch:  "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: any}\nspec: {template: {spec: {containers: [{name: app, image: other}]}}}",
				Target: &Selector{Kind: "Deploy.*", Group: "apps", LabelSelector: "app in (one, two)"},
			}),
			old: "image: registry.example.com/app:1.0", new: "image: other",
		},
		{
			name:    "a strategic merge patch that names its object",
			options: patches(Patch{Patch: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec: {replicas: 3}"}),
			old:     "replicas: 1", new: "replicas: 3",
		},
		{
			name: "a patch of several documents",
			options: patches(
				Patch{Patch: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec: {replicas: 3}\n---\n" +
					"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec: {replicas: 4}"}),
			old: "replicas: 1", new: "replicas: 4",
		},
		{
			name:    "a patch of what is not there is none",
			options: patches(Patch{Patch: `[{"op": "remove", "path": "/spec"}]`, Target: &Selector{Kind: "Service"}}),
		},
		{
			name:    "a selector is anchored",
			options: patches(Patch{Patch: `[{"op": "remove", "path": "/spec"}]`, Target: &Selector{Name: "ap"}}),
		},
		{
			name:    "an annotation selector",
			options: patches(Patch{Patch: `[{"op": "remove", "path": "/spec"}]`, Target: &Selector{AnnotationSelector: "a=b"}}),
		},
		{
			name:    "an image",
			options: images(Image{Name: "registry.example.com/app", NewName: "mirror/app", NewTag: "2.0"}),
			old:     "registry.example.com/app:1.0", new: "mirror/app:2.0",
		},
		{
			name:    "an image by digest",
			options: images(Image{Name: "sidecar", NewTag: "2.0", Digest: "sha256:abc"}),
			old:     "image: sidecar", new: "image: sidecar@sha256:abc",
		},
		{
			name:    "a digest takes the place of a tag",
			options: images(Image{Name: "registry.example.com/app", Digest: "sha256:abc"}),
			old:     "registry.example.com/app:1.0", new: "registry.example.com/app@sha256:abc",
		},
		{
			name: "post renderers work in order",
			options: Options{PostRenderers: []PostRenderer{
				{Kustomize: &Kustomize{Images: []Image{{Name: "sidecar", NewName: "second"}}}},
				{},
				{Kustomize: &Kustomize{Images: []Image{{Name: "second", NewTag: "3"}}}},
			}},
			old: "image: sidecar", new: "image: second:3",
		},
		{
			name:    "what is removed",
			options: patches(Patch{Patch: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\n$patch: delete"}),
			old:     templates[:strings.Index(templates, "---\n# Source: app/templates/deployment")], new: "",
		},
		{
			name: "removed through a target",
			options: patches(
				Patch{
					Patch:  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n$patch: delete",
					Target: &Selector{Kind: "ConfigMap"},
				}),
			old: templates[:strings.Index(templates, "---\n# Source: app/templates/deployment")], new: "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := renderer(t, tt.options).Manifests([]byte(templates))
			if err != nil {
				t.Fatal(err)
			}
			want := templates
			if tt.old != "" {
				want = strings.Replace(templates, tt.old, tt.new, 1)
			}
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("manifests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestJSONPatch(t *testing.T) {
	t.Parallel()
	const manifest = "---\n# Source: a.yaml\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  size: 1000000\n  mode: 0644\n  on: \"yes\"\n" +
		"---\n# Source: b.yaml\nkind: Other\n"
	got, err := renderer(t, patches(Patch{
		Patch:  "- op: add\n  path: /metadata/labels\n  value: {a: \"1\"}\n- op: copy\n  from: /spec/size\n  path: /spec/copy\n- op: remove\n  path: /spec/mode",
		Target: &Selector{Kind: "Service"},
	})).Manifests([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	const want = "---\n# Source: a.yaml\napiVersion: v1\nkind: Service\nmetadata:\n  labels:\n    a: \"1\"\n  name: a\nspec:\n  copy: 1000000\n" +
		"  \"on\": \"yes\"\n  size: 1000000\n---\n# Source: b.yaml\nkind: Other\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("manifests (-want +got):\n%s", diff)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	const manifest = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n  metadata:\n    name: a\n- apiVersion: v1\n  kind: B\n  metadata:\n    name: b\n"
	remove := Patch{Patch: "apiVersion: v1\nkind: A\nmetadata: {name: a}\n$patch: delete"}
	o := patches(remove)
	o.CommonMetadata.Labels = map[string]string{"x": "1"}
	got, err := renderer(t, o).Manifests([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	const want = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: B\n  metadata:\n    name: b\n    labels:\n      x: '1'\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("manifests (-want +got):\n%s", diff)
	}
}

func TestCommonMetadata(t *testing.T) {
	t.Parallel()
	o := Options{CommonMetadata: CommonMetadata{
		Labels:      map[string]string{"app": "one", "number": "1"},
		Annotations: map[string]string{"b": "yes", "a": "x"},
	}}
	got, changed, err := renderer(t, o).Both("kind: A\nmetadata:\n  name: a # kept\n  labels: {app: two}\n",
		[]Hook{hook()})
	if err != nil {
		t.Fatal(err)
	}
	const want = "kind: A\nmetadata:\n  name: a # kept\n  labels: {app: \"one\", number: \"1\"}\n  annotations:\n    a: 'x'\n    b: 'yes'\n"
	if diff := cmp.Diff(strings.NewReplacer(`'`, ``, `"`, ``).Replace(want),
		strings.NewReplacer(`'`, ``, `"`, ``).Replace(got)); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	for _, part := range []string{`number: "1"`, `b: "yes"`, "helm.sh/hook: pre-upgrade", `helm.sh/hook-weight: "5"`} {
		if !strings.Contains(strings.ReplaceAll(changed[0].Manifest, `'`, `"`), part) {
			t.Errorf("the hook has no %s:\n%s", part, changed[0].Manifest)
		}
	}
	same := Options{CommonMetadata: CommonMetadata{Labels: map[string]string{"app": "one"}}}
	const has = "kind:   A\nmetadata: {labels: {app:  one}}"
	if out, err := renderer(t, same).Manifests([]byte(has)); err != nil || string(out) != has {
		t.Errorf("an object that has the labels became %q, %v", out, err)
	}
}

func TestHooksByStrategy(t *testing.T) {
	for strategy, wantHook := range map[Strategy]bool{"": true, Combined: true, Separate: true, NoHooks: false} {
		t.Run("strategy "+string(strategy), func(t *testing.T) {
			t.Parallel()
			o := images(Image{Name: "registry.example.com/app", NewTag: "2.0"})
			o.Strategy = strategy
			// Two hooks of one name: charts have them for different events.
			manifest, hooks, err := renderer(t, o).Both(templates, []Hook{hook(), hook()})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(manifest, "app:2.0") {
				t.Error("the templates are not rendered")
			}
			for i, h := range hooks {
				want := hook()
				if wantHook {
					want.Manifest = strings.Replace(hookManifest, "app:1.0", "app:2.0", 1)
				}
				if diff := cmp.Diff(want, h); diff != "" {
					t.Errorf("hook %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

func TestHookAnnotationsStay(t *testing.T) {
	t.Parallel()
	target := &Selector{Kind: "Job"}
	got, err := renderer(t, patches(
		Patch{Patch: `[{"op": "replace", "path": "/metadata/annotations", "value": {"mine": "1", "helm.sh/hook-delete-policy": "hook-failed"}}]`, Target: target},
	)).Hooks([]Hook{hook()})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`helm.sh/hook: "pre-upgrade"`, `helm.sh/hook-weight: "5"`, `mine: "1"`} {
		if !strings.Contains(strings.ReplaceAll(got[0].Manifest, `'`, `"`), part) {
			t.Errorf("the hook has no %s:\n%s", part, got[0].Manifest)
		}
	}
	if strings.Contains(got[0].Manifest, "delete-policy") {
		t.Errorf("a hook annotation was added that Helm does not know of:\n%s", got[0].Manifest)
	}
}

func TestPassRendersWhatHelmSplits(t *testing.T) {
	t.Parallel()
	o := patches(
		Patch{Patch: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec: {replicas: 3}"},
		Patch{Patch: "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate}\nspec: {backoffLimit: 1}"},
	)
	pass := renderer(t, o).Pass()
	rendered, err := pass.Run(bytes.NewBufferString(templates))
	if err != nil || !strings.Contains(rendered.String(), "replicas: 3") {
		t.Fatalf("the templates became %v, %v", rendered, err)
	}
	if hooks, err := pass.Hooks([]Hook{hook()}); err != nil || !strings.Contains(hooks[0].Manifest, "backoffLimit: 1") {
		t.Errorf("the hooks became %v, %v", hooks, err)
	}
	pass = renderer(t, o).Pass()
	if _, err := pass.Run(bytes.NewBufferString(templates)); err != nil {
		t.Fatal(err)
	}
	if _, err := pass.Hooks(nil); err == nil || !strings.Contains(err.Error(), "patch 1 is for Job migrate") {
		t.Errorf("error = %v, want the patch without an object", err)
	}
}

func TestRendersAtTheSameTime(t *testing.T) {
	t.Parallel()
	r := renderer(t, images(Image{Name: "sidecar", NewTag: "2"}))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if out, err := r.Run(bytes.NewBufferString(templates)); err != nil || !strings.Contains(out.String(), "sidecar:2") {
				t.Errorf("got %v, %v", out, err)
			}
		})
	}
	group.Wait()
}
