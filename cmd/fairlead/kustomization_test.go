package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/preview"
)

func apps() *v1beta1.Kustomization {
	return &v1beta1.Kustomization{
		ObjectMeta: named("web", "apps", 30*24*time.Hour),
		Spec: v1beta1.KustomizationSpec{
			SourceRef: v1beta1.ManifestSourceReference{Kind: v1beta1.GitRepositoryKind, Name: "fleet", Namespace: "infra"},
			Path:      "./apps/production", Prune: true,
			Overlay: v1beta1.Overlay{PostBuild: &v1beta1.PostBuild{
				Substitute:     map[string]string{"region": "north"},
				SubstituteFrom: []v1beta1.SubstituteReference{{Kind: "Secret", Name: "variables"}},
			}},
		},
		Status: v1beta1.KustomizationStatus{
			ObservedGeneration: 3, LastAppliedRevision: "main@sha1:5b1b1d3c0c6e2a8f9b5f6f9d3f1c7a6c0f9e8d7c",
			Inventory: &v1beta1.ResourceInventory{Entries: []v1beta1.ResourceRef{{ID: "web_settings__ConfigMap", Version: "v1"}}},
			Conditions: []metav1.Condition{
				{Type: v1beta1.ReadyCondition, Status: metav1.ConditionTrue, Reason: v1beta1.AppliedReason, ObservedGeneration: 3, Message: "applied main@sha1:5b1b1d3c"},
				{Type: v1beta1.HealthyCondition, Status: metav1.ConditionTrue, Reason: "Healthy"},
			},
		},
	}
}

// stuck cannot be built.
func stuck() *v1beta1.Kustomization {
	return &v1beta1.Kustomization{
		ObjectMeta: named("web", "infra", time.Hour),
		Spec:       v1beta1.KustomizationSpec{SourceRef: v1beta1.ManifestSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "manifests"}},
		Status: v1beta1.KustomizationStatus{ObservedGeneration: 3, Conditions: []metav1.Condition{
			{Type: v1beta1.ReadyCondition, Status: metav1.ConditionFalse, Reason: v1beta1.BuildFailedReason, ObservedGeneration: 3, Message: "infra/a.yaml:3: it is not YAML"},
		}},
	}
}

func variables() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: named("web", "variables", time.Hour), Data: map[string][]byte{"token": []byte("hunter2hunter2")}}
}

// repository is a Git repository with manifests; path leads to them.
func repository(t *testing.T, files map[string]string) (path string) {
	t.Helper()
	root := t.TempDir()
	files[".git/HEAD"] = "ref: refs/heads/main\n"
	for name, content := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(root, "apps", "production")
}

func manifestsOfApps() map[string]string {
	return map[string]string{
		"apps/base/kustomization.yaml":       "resources: [settings.yaml]\n",
		"apps/base/settings.yaml":            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {region: \"${region}\", url: \"https://x:${token}@example.com\"}\n",
		"apps/production/kustomization.yaml": "namespace: web\nresources: [../base, secret.yaml]\n",
		"apps/production/secret.yaml":        "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: short}\n",
		"infra/kustomization.yaml":           "resources: [nothing.yaml]\n",
	}
}

// runInPlaces is a golden test of a command line that names DIR, the directory of manifests.
func runInPlaces(t *testing.T, w world, dir string, cases map[string]string) {
	t.Helper()
	for name, line := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(line)
			real := make([]string, 0, len(args))
			for _, a := range args {
				real = append(real, strings.Replace(a, "DIR", dir, 1))
			}
			r := w.run(t, real...)
			r.stdout, r.stderr = strings.ReplaceAll(r.stdout, dir, "DIR"), strings.ReplaceAll(r.stderr, dir, "DIR")
			golden(t, name, args, r)
		})
	}
}

func TestGetKustomizations(t *testing.T) {
	t.Parallel()
	w := world{objects: []client.Object{apps(), stuck()}}
	runGolden(t, []goldenCase{
		{"get-kustomizations", w, "get kustomizations"},
		{"get-kustomizations-wide", w, "get ks -A -o wide"},
		{"get-kustomizations-json", w, "get kustomizations -o json"},
		{"get-kustomizations-empty", world{}, "get kustomizations"},
	})
}

func TestBuildKustomization(t *testing.T) {
	t.Parallel()
	w := world{objects: []client.Object{apps(), stuck(), variables()}}
	dir := repository(t, manifestsOfApps())
	runInPlaces(t, w, dir, map[string]string{
		"build":              "build kustomization apps --path DIR",
		"build-json":         "build ks apps --path DIR -o json",
		"build-no-path":      "build kustomization apps",
		"build-no-directory": "build kustomization apps --path DIR/nowhere",
		"build-broken":       "build kustomization apps --path DIR/../../infra",
		"build-not-found":    "build kustomization app --path DIR",
		"build-release":      "build release shop --path DIR",
	})
	runInPlaces(t, world{objects: []client.Object{apps()}}, dir, map[string]string{
		"build-no-secret": "build kustomization apps --path DIR",
	})
}

func TestBuildOfAFile(t *testing.T) {
	t.Parallel()
	files := manifestsOfApps()
	files["apps/production/plain/apps.yaml"] = "apiVersion: fairlead.dev/v1beta1\nkind: Kustomization\nmetadata: {name: new}\n" +
		"spec: {prune: true, namePrefix: new-, sourceRef: {kind: GitRepository, name: fleet}}\n"
	files["apps/production/plain/wrong.yaml"] = "apiVersion: fairlead.dev/v1beta1\nkind: Kustomization\nmetadata: {name: new}\nspec: {prun: true}\n"
	runInPlaces(t, world{}, repository(t, files), map[string]string{
		"build-file":         "build kustomization new --file DIR/plain/apps.yaml --path DIR",
		"build-file-missing": "build kustomization other --file DIR/plain/apps.yaml --path DIR",
		"build-file-wrong":   "build kustomization new --file DIR/plain/wrong.yaml --path DIR",
		"build-file-none":    "build kustomization new --file DIR/plain/none.yaml --path DIR",
		"diff-file":          "diff kustomization new --file DIR/plain/apps.yaml --path DIR",
	})
}

// changed is what would become of the objects of a set: the ConfigMap is changed, and an old one goes.
func changed(set apply.Set) ([]apply.Previewed, error) {
	var out []apply.Previewed
	for _, o := range set.Objects {
		live := o.DeepCopy()
		live.SetResourceVersion("7")
		if o.GetKind() == "ConfigMap" {
			live.Object["data"] = map[string]any{"region": "south", "url": "https://x:formerformer@example.com"}
		}
		out = append(out, apply.Previewed{Live: live, Would: o.Unstructured})
	}
	old := &unstructured.Unstructured{}
	old.SetAPIVersion("v1")
	old.SetKind("ConfigMap")
	old.SetNamespace("web")
	old.SetName("old")
	return append(out, apply.Previewed{Live: old}), nil
}

func TestDiffKustomization(t *testing.T) {
	t.Parallel()
	remote := stuck()
	remote.Spec.KubeConfig = &v1beta1.KubeConfigReference{}
	dir := repository(t, manifestsOfApps())
	objects := []client.Object{apps(), remote, variables()}
	with := func(previews func(apply.Set) ([]apply.Previewed, error)) world {
		return world{objects: objects, previews: previews}
	}
	runInPlaces(t, with(nil), dir, map[string]string{
		"diff-kustomization-new":      "diff kustomization apps --path DIR",
		"diff-kustomization-no-path":  "diff kustomization apps",
		"diff-kustomization-revision": "diff kustomization apps --revision 1..2 --path DIR",
		"diff-kustomization-remote":   "diff kustomization infra --path DIR",
		"diff-release-path":           "diff release shop --path DIR",
	})
	runInPlaces(t, with(changed), dir, map[string]string{"diff-kustomization": "diff kustomization apps --path DIR"})
	runInPlaces(t, with(func(set apply.Set) ([]apply.Previewed, error) {
		out, _ := changed(set)
		return out[:1], errors.New("Secret web/login: the value hunter2hunter2 is not allowed")
	}), dir, map[string]string{"diff-kustomization-partly": "diff kustomization apps --path DIR"})
	hands := func(set apply.Set) ([]apply.Previewed, error) {
		out, _ := changed(set)
		out[0].From = "web/former"
		for _, name := range []string{"moved", "unsure", "claim"} {
			o := out[len(out)-1].Live.DeepCopy()
			o.SetName(name)
			out = append(out, apply.Previewed{Live: o})
		}
		last := out[len(out)-3:]
		last[0].To, last[0].Would = "web/next", last[0].Live
		last[1].Unsure = "unless it is taken over; not known of Kustomization web/broken (it is not YAML)"
		last[2].Kept, last[2].Would = "it holds data", last[2].Live
		return out, nil
	}
	runInPlaces(t, with(hands), dir, map[string]string{
		"diff-kustomization-hands":      "diff kustomization apps --path DIR",
		"diff-kustomization-hands-json": "diff kustomization apps --path DIR -o json",
	})
	runInPlaces(t, with(func(apply.Set) ([]apply.Previewed, error) { return nil, nil }), dir,
		map[string]string{"diff-kustomization-none": "diff kustomization apps --path DIR -o json"})
}

// foresee compares what the preview answers, as a plan does.
func (w world) foresee(
	ctx context.Context, set apply.Set, mask func(string) string,
) (*apply.Foresight, error) {
	previewed, err := w.preview(ctx, set, nil)
	if err != nil {
		return nil, err
	}
	in := preview.Input{Namespace: set.Owner.Namespace, Mask: mask, Untried: []preview.Untried{{
		Kind: "ConfigMap", Name: "old", Refused: true,
		Why: "the API server refuses the dry run: the value hunter2hunter2 is not allowed",
	}}}
	for _, p := range previewed {
		in.From.Manifest += documentFor(p.Live)
		in.To.Manifest += documentFor(p.Would)
	}
	in.Again = in.To
	out := &apply.Foresight{Digest: "sha256:plan"}
	out.Preview, err = preview.Of(in)
	out.Unchanged = len(out.Objects) == 0
	return out, err
}

func documentFor(object *unstructured.Unstructured) string {
	if object == nil {
		return ""
	}
	text, err := yaml.Marshal(apply.Bare(object))
	if err != nil {
		panic(err)
	}
	return "---\n" + string(text)
}

func TestPlanKustomization(t *testing.T) {
	t.Parallel()
	remote := stuck()
	remote.Spec.KubeConfig = &v1beta1.KubeConfigReference{}
	dir := repository(t, manifestsOfApps())
	w := world{objects: []client.Object{apps(), remote, variables()}, previews: changed}
	runInPlaces(t, w, dir, map[string]string{
		"plan-kustomization":         "plan kustomization apps --path DIR",
		"plan-kustomization-json":    "plan ks apps --path DIR -o json",
		"plan-kustomization-no-path": "plan kustomization apps",
		"plan-kustomization-remote":  "plan kustomization infra --path DIR",
		"plan-release-path":          "plan release shop --path DIR",
	})
	w.previews = func(set apply.Set) ([]apply.Previewed, error) {
		out, _ := changed(set)
		for i := range out {
			out[i].Live = out[i].Would
		}
		return out, nil
	}
	runInPlaces(t, w, dir, map[string]string{"plan-kustomization-none": "plan kustomization apps --path DIR"})
	w.previews = func(apply.Set) ([]apply.Previewed, error) {
		return nil, errors.New("Secret web/login: the value hunter2hunter2 is not allowed")
	}
	runInPlaces(t, w, dir, map[string]string{"plan-kustomization-refused": "plan kustomization apps --path DIR"})
}

// What a Kustomization takes from Secrets is shown nowhere, in no format.
func TestPreviewsShowNoSecret(t *testing.T) {
	t.Parallel()
	w := world{objects: []client.Object{apps(), variables()}, previews: changed}
	dir := repository(t, manifestsOfApps())
	for _, line := range []string{"build kustomization apps", "diff kustomization apps", "plan kustomization apps"} {
		for _, format := range []string{"", "json", "yaml"} {
			args := append(strings.Fields(line), "--path", dir)
			if format != "" {
				args = append(args, "-o", format)
			}
			r := w.run(t, args...)
			for _, secret := range []string{"hunter2", "formerformer", "short"} {
				if strings.Contains(r.stdout+r.stderr, secret) {
					t.Errorf("%s -o %s shows %s:\n%s%s", line, format, secret, r.stdout, r.stderr)
				}
			}
			if format == "json" && !json.Valid([]byte(r.stdout)) {
				t.Errorf("%s: no JSON: %s", line, r.stdout)
			}
		}
	}
}

// A file that names nothing of the cluster is built without a kubeconfig; one that does says what is wrong with the kubeconfig.
func TestBuildOfAFileNeedsNoCluster(t *testing.T) {
	t.Parallel()
	files := manifestsOfApps()
	manifest := "apiVersion: fairlead.dev/v1beta1\nkind: Kustomization\nmetadata: {name: new, namespace: fleet}\n" +
		"spec: {prune: true, sourceRef: {kind: GitRepository, name: fleet}"
	files["apps/production/plain/apps.yaml"] = manifest + "}\n"
	files["apps/production/plain/reads.yaml"] = manifest + ", postBuild: {substituteFrom: [{kind: Secret, name: variables}]}}\n"
	dir := repository(t, files)
	nowhere := filepath.Join(t.TempDir(), "kubeconfig")
	build := func(file string) result {
		return connected(t, "build", "kustomization", "new", "--file", filepath.Join(dir, "plain", file), "--path", dir,
			"--kubeconfig", nowhere)
	}
	if r := build("apps.yaml"); r.code != exitOK || !strings.Contains(r.stdout, "kustomization.fairlead.dev/namespace: fleet") {
		t.Errorf("%+v", r)
	}
	if r := build("reads.yaml"); r.code != exitError || !strings.Contains(r.stderr, "which does not exist") {
		t.Errorf("%+v", r)
	}
}
