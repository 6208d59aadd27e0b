package postrender

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead/helmops/process/worker"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	job := &Selector{Kind: "Job"}
	tests := []struct {
		name    string
		options Options
		want    string
	}{
		{name: "an empty patch", options: patches(Patch{Patch: " "}), want: "patch 0 is empty"},
		{name: "text", options: patches(Patch{Patch: "hunter2"}), want: "neither"},
		{name: "a list that is no operations", options: patches(Patch{Patch: "[1, 2]"}), want: "neither"},
		{name: "a patch without a kind", options: patches(Patch{Patch: "metadata: {name: hunter2}"}), want: "neither"},
		{
			name: "operations without a target", options: patches(Patch{Patch: `[{"op": "remove", "path": "/spec"}]`}),
			want: "needs a target",
		},
		{name: "several documents with a target", want: "one document only", options: patches(Patch{Target: job,
			Patch: "apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\napiVersion: v1\nkind: A\nmetadata: {name: b}\n"})},
		{name: "a broken expression", want: "target", options: patches(
			Patch{Patch: `[{"op": "remove", "path": "/spec"}]`, Target: &Selector{Name: "("}})},
		{name: "a broken label selector", want: "labelSelector", options: patches(
			Patch{Patch: `[{"op": "remove", "path": "/spec"}]`, Target: &Selector{LabelSelector: "a in"}})},
		{name: "a broken annotation selector", want: "annotationSelector", options: patches(
			Patch{Patch: `[{"op": "remove", "path": "/spec"}]`, Target: &Selector{AnnotationSelector: "a in"}})},
		{name: "an image without a name", options: images(Image{NewTag: "1"}), want: "image 0"},
		{name: "an image that is an expression", options: images(Image{Name: "("}), want: "image 0"},
		{
			name: "large patches", options: patches(Patch{Patch: strings.Repeat("x", MaxPatches)}, Patch{Patch: "x"}),
			want: "at most",
		},
		{name: "an unknown strategy", options: Options{Strategy: "all"}, want: "postRenderStrategy"},
		{name: "an annotation of hooks", want: "helm.sh/hook", options: Options{
			CommonMetadata: CommonMetadata{Annotations: map[string]string{"helm.sh/hook": "pre-install"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := New(tt.options)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error = %v, want %q", err, tt.want)
			}
			if len(tt.options.PostRenderers) > 0 && !strings.Contains(err.Error(), "spec.postRenderers") {
				t.Errorf("the error names no post renderer: %v", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes the patch: %v", err)
			}
		})
	}
}

func TestRenderErrors(t *testing.T) {
	t.Parallel()
	const secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  password: hunter2\n"
	operation := func(text string) Options {
		return patches(Patch{Patch: text, Target: &Selector{Kind: "Secret|Job"}})
	}
	bomb := `[{"op": "add", "path": "/a", "value": ["` + strings.Repeat("x", MaxPatches/2) +
		`"]}` + strings.Repeat(`, {"op": "copy", "from": "/a", "path": "/a/-"}`, 40) + "]"
	tests := []struct {
		name     string
		options  Options
		manifest string
		hook     bool
		want     []string
	}{
		{name: "a patch of an object that is not there", manifest: secret,
			options: patches(Patch{Patch: "apiVersion: v1\nkind: Secret\nmetadata: {name: other}"}),
			want:    []string{"spec.postRenderers[0], patch 0", "Secret other", "does not render"}},
		{name: "an operation without its place", manifest: "---\n# Source: app/secret.yaml\n" + secret,
			options: operation(`[{"op": "replace", "path": "/data/x", "value": 1}]`),
			want:    []string{"spec.postRenderers[0], patch 0", "app/secret.yaml", "Secret db", "/data/x"}},
		{name: "a test that fails", manifest: secret,
			options: operation(`[{"op": "test", "path": "/kind", "value": "hunter2"}]`),
			want:    []string{"patch 0", "does not apply"}},
		{name: "an operation that leaves no object", manifest: secret,
			options: operation(`[{"op": "replace", "path": "", "value": "hunter2"}]`),
			want:    []string{"patch 0", "Secret db"}},
		{name: "copies of copies", manifest: secret, options: operation(bomb), want: []string{"larger than"}},
		{
			name: "broken YAML", manifest: "a: [hunter2", options: operation(`[{"op": "remove", "path": "/x"}]`),
			want: []string{"document 0", "cannot be read"},
		},
		{
			name: "text", manifest: "hunter2", options: operation(`[{"op": "remove", "path": "/x"}]`),
			want: []string{"cannot be read"},
		},
		{
			name: "aliases of aliases", manifest: laughs(), options: operation(`[{"op": "remove", "path": "/x"}]`),
			want: []string{"cannot be read"},
		},
		{
			name: "an alias of itself", manifest: "kind: Secret\na: &a [*a]\n",
			options: operation(`[{"op": "remove", "path": "/x"}]`), want: []string{"cannot be read"},
		},
		{
			name: "too much", manifest: strings.Repeat("#", MaxSize+1), options: operation(`[{"op": "remove", "path": "/x"}]`),
			want: []string{"at most"},
		},
		{name: "a hook that is removed", hook: true,
			want:    []string{"spec.postRenderers[0]", "removes Job migrate", "app/templates/job.yaml"},
			options: patches(Patch{Patch: "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate}\n$patch: delete"})},
		{name: "a hook with another name", hook: true, want: []string{"spec.postRenderers[0]", "Job other of Job migrate"},
			options: operation(`[{"op": "replace", "path": "/metadata/name", "value": "other"}]`)},
		{name: "a hook of another kind", hook: true, want: []string{"spec.postRenderers[0]", "Pod migrate of Job migrate"},
			options: operation(`[{"op": "replace", "path": "/kind", "value": "Pod"}]`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var hooks []Hook
			if tt.hook {
				hooks = []Hook{hook()}
			}
			_, _, err := renderer(t, tt.options).Both(tt.manifest, hooks)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes the manifest: %v", err)
			}
			// What names a post renderer is recognized by its type.
			var step *StepError
			if is := errors.As(err, &step); is != strings.Contains(err.Error(), "spec.postRenderers[") {
				t.Errorf("the error is a StepError: %v, and says %v", is, err)
			}
		})
	}
}

func TestStrategyNoHooksFindsPatchesAtOnce(t *testing.T) {
	t.Parallel()
	o := patches(Patch{Patch: "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate}\nspec: {backoffLimit: 1}"})
	if _, err := renderer(t, o).Manifests([]byte(templates)); err != nil {
		t.Errorf("the patch of a hook counts as lost before the hooks are known: %v", err)
	}
	o.Strategy = NoHooks
	if _, err := renderer(t, o).Manifests([]byte(templates)); err == nil || !strings.Contains(err.Error(), "Job migrate") {
		t.Errorf("error = %v, want the patch without an object", err)
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	one := images(Image{Name: "a", NewTag: "1"})
	equal := one
	equal.Strategy = Combined
	equal.PostRenderers = append([]PostRenderer{{}}, one.PostRenderers...)
	if one.Digest() == "" || one.Digest() != equal.Digest() {
		t.Errorf("digests %q and %q of what renders alike", one.Digest(), equal.Digest())
	}
	seen := map[string]int{one.Digest(): 0}
	for i, other := range []Options{
		{},
		images(Image{Name: "a", NewTag: "2"}),
		patches(Patch{Patch: "a"}),
		{PostRenderers: one.PostRenderers, Strategy: NoHooks},
		{PostRenderers: one.PostRenderers, CommonMetadata: CommonMetadata{Labels: map[string]string{"a": "b"}}},
		{PostRenderers: one.PostRenderers, CommonMetadata: CommonMetadata{Annotations: map[string]string{"a": "b"}}},
	} {
		if before, has := seen[other.Digest()]; has {
			t.Errorf("options %d have the digest of options %d", i+1, before)
		}
		seen[other.Digest()] = i + 1
	}
}

func laughs() string {
	text := "kind: Secret\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		before := string(rune('0' + i))
		after := string(rune('1' + i))
		text += "a" + after + ": &a" + after + " [" + strings.Repeat("*a"+before+", ", 10) + "]\n"
	}
	return text
}

func FuzzManifests(f *testing.F) {
	f.Add(templates, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec: {replicas: 3}")
	f.Add(hookManifest, `[{"op": "remove", "path": "/spec"}]`)
	f.Add("kind: List\nitems: [{kind: A}]\n--- {a: b}\n...\n", "- op: test\n")
	f.Fuzz(func(t *testing.T, manifest, text string) {
		r, err := New(patches(Patch{Patch: text, Target: &Selector{Kind: ".*"}}))
		if err != nil {
			return
		}
		if _, err := r.Manifests([]byte(manifest)); err != nil {
			return
		}
		// The object that this names is not there: every byte is kept.
		r, err = New(
			Options{PostRenderers: []PostRenderer{{Kustomize: &Kustomize{Images: []Image{{Name: "no-such-image-1"}}}}}})
		if err != nil {
			t.Fatal(err)
		}
		if out, err := r.Manifests([]byte(manifest)); err == nil && strings.HasSuffix(manifest, "\n") &&
			string(out) != manifest {
			t.Errorf("%q became %q", manifest, out)
		}
	})
}

// Patches and documents are bounded together, before the first patch.
func TestWorkIsBounded(t *testing.T) {
	t.Parallel()
	o := patches(
		slices.Repeat(
			[]Patch{{Patch: `[{"op": "add", "path": "/data/x", "value": "y"}]`, Target: &Selector{Kind: "ConfigMap"}}}, 300)...)
	manifest := strings.Repeat("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {}\n", 300)
	_, err := renderer(t, o).Manifests([]byte(manifest))
	var limit *worker.LimitError
	if !errors.As(err, &limit) || !limit.Repeats() || !strings.Contains(err.Error(), "300 patches and images") {
		t.Errorf("got %v", err)
	}
	pass := renderer(t, o).Pass()
	hooks := slices.Repeat(
		[]Hook{{Name: "a", Kind: "ConfigMap", Manifest: strings.TrimPrefix(manifest[:len(manifest)/300], "---\n")}}, 300)
	if _, err := pass.Hooks(hooks); !errors.As(err, &limit) {
		t.Errorf("of hooks: %v", err)
	}
	list := "kind: List\napiVersion: v1\nitems:\n" +
		strings.Repeat("- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n", 300)
	if _, err := renderer(t, o).Manifests([]byte(list)); !errors.As(err, &limit) {
		t.Errorf("of a list: %v", err)
	}
}
