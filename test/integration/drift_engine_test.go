package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	objects "fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
)

const driftConfig = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: one, b: two}\n"

func driftDeployment(replicas, extra string) string {
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n" + replicas +
		"  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n" +
		"      - {name: main, image: 'example.com/web:1', ports: [{containerPort: 80}]}\n" + extra
}

const driftSidecar = "      - {name: side, image: 'example.com/side:1'}\n"

func TestDrift(t *testing.T) {
	t.Parallel()
	hpa := "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n" +
		"spec: {maxReplicas: 9, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}\n"
	job := "apiVersion: batch/v1\nkind: Job\nmetadata: {name: web}\nspec:\n%s  template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}\n"
	twice := driftDeployment("  replicas: 0\n", "        env: [{name: A, value: '1'}, {name: A, value: '2'}]\n")
	twice = strings.Replace(twice, "      - {name: main, image: 'example.com/web:1', ports: [{containerPort: 80}]}",
		"      - name: main\n        image: example.com/web:1", 1)
	tests := []struct {
		name     string
		manifest string
		rules    []v1beta1.DriftIgnoreRule
		audit    bool
		disturb  func(w *workbench)
		// want is what an inspection and then a correction report; after is what a second inspection reports.
		want, after []string
		check       func(w *workbench)
	}{
		{
			name: "nothing", manifest: driftConfig + "---\n" + driftDeployment("  replicas: 0\n", driftSidecar),
			disturb: func(*workbench) {},
		},
		{
			name: "a changed and a removed key", manifest: driftConfig,
			disturb: func(w *workbench) { w.edit("ConfigMap", "web", `{"data":{"a":"other","b":null,"c":"new"}}`) },
			want: []string{
				`ConfigMap web .data.a changed by "kubectl-edit": "other" > "one"`,
				`ConfigMap web .data.b removed by "": "" > "two"`,
			},
			check: func(w *workbench) {
				if got := field(w.get("ConfigMap", "web"), "data"); !cmp.Equal(got,
					map[string]any{"a": "one", "b": "two", "c": "new"}) {
					w.t.Errorf("the data is %v", got)
				}
			},
		},
		{
			name: "additions are told by an audit and stay", manifest: driftDeployment("  replicas: 0\n", ""), audit: true,
			disturb: func(w *workbench) {
				w.edit("Deployment", "web",
					`{"metadata":{"labels":{"team":"a"}},"spec":{"template":{"spec":{"containers":[{"name":"debug","image":"d"}]}}}}`)
			},
			want: []string{
				`Deployment web .metadata.labels.team added by "kubectl-edit": "a" > ""`,
				`Deployment web .spec.template.spec.containers[name="debug"] added by "kubectl-edit": "{\"image\":\"d\",\"imagePullPolicy\":\"Always\",\"name\":\"debug\",\"resources\":{},\"terminationMessagePath\":\"/dev/termination-log\",\"terminationMessagePolicy\":\"File\"}" > ""`,
			},
			after: []string{
				`Deployment web .metadata.labels.team added by "kubectl-edit": "a" > ""`,
				`Deployment web .spec.template.spec.containers[name="debug"] added by "kubectl-edit": "{\"image\":\"d\",\"imagePullPolicy\":\"Always\",\"name\":\"debug\",\"resources\":{},\"terminationMessagePath\":\"/dev/termination-log\",\"terminationMessagePolicy\":\"File\"}" > ""`,
			},
		},
		{
			name: "an image and a container that is gone", manifest: driftDeployment("  replicas: 0\n", driftSidecar),
			disturb: func(w *workbench) {
				w.edit("Deployment", "web",
					`{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"example.com/web:2"},{"name":"side","$patch":"delete"}]}}}}`)
			},
			want: []string{
				`Deployment web .spec.template.spec.containers[name="main"].image changed by "kubectl-edit": "example.com/web:2" > "example.com/web:1"`,
				`Deployment web .spec.template.spec.containers[name="side"] removed by "": "" > "{\"image\":\"example.com/side:1\",\"imagePullPolicy\":\"IfNotPresent\",\"name\":\"side\",\"resources\":{},\"terminationMessagePath\":\"/dev/termination-log\",\"terminationMessagePolicy\":\"File\"}"`,
			},
		},
		{
			name: "an object that is gone", manifest: driftConfig,
			disturb: func(w *workbench) { w.remove("ConfigMap", "web") },
			want:    []string{"ConfigMap web missing"},
			check: func(w *workbench) {
				if got := field(w.get("ConfigMap", "web"), "data", "a"); got != "one" {
					w.t.Errorf("a is %v", got)
				}
			},
		},
		{
			name: "an object that belongs to another release", manifest: driftConfig,
			disturb: func(w *workbench) {
				w.edit("ConfigMap", "web",
					`{"metadata":{"annotations":{"meta.helm.sh/release-name":"other"}},"data":{"a":"theirs"}}`)
			},
			want: []string{
				"ConfigMap web note: ConfigMap NS/web belongs to the Helm release NS/other; remove it there, or from this chart",
			},
			after: []string{
				"ConfigMap web note: ConfigMap NS/web belongs to the Helm release NS/other; remove it there, or from this chart",
			},
		},
		{
			name: "the marks of the release", manifest: driftConfig,
			disturb: func(w *workbench) {
				w.edit("ConfigMap", "web",
					`{"metadata":{"labels":null,"annotations":{"meta.helm.sh/release-name":null,"meta.helm.sh/release-namespace":null}}}`)
			},
			want: []string{
				`ConfigMap web .metadata.annotations removed by "": "" > "{\"meta.helm.sh/release-name\":\"web\",\"meta.helm.sh/release-namespace\":\"NS\"}"`,
				`ConfigMap web .metadata.labels removed by "": "" > "{\"app.kubernetes.io/managed-by\":\"Helm\"}"`,
			},
		},
		{
			name:     "a Secret",
			manifest: "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\nstringData: {token: swordfish, same: a}\n",
			disturb:  func(w *workbench) { w.edit("Secret", "web", `{"data":{"token":"b3RoZXI="}}`) },
			want:     []string{`Secret web .data.token changed by "kubectl-edit": "***" > "***"`},
		},
		{
			name: "an object that cannot be applied", manifest: twice,
			disturb: func(w *workbench) {
				w.edit("Deployment", "web",
					`{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"example.com/web:2"}]}}}}`)
			},
			want: []string{
				`Deployment web .spec.template.spec.containers[name="main"].image changed by "kubectl-edit": "example.com/web:2" > "example.com/web:1"`,
			},
			check: func(w *workbench) {
				containers := field(w.get("Deployment", "web"), "spec", "template", "spec", "containers").([]any)
				if got := containers[0].(map[string]any)["image"]; got != "example.com/web:1" {
					w.t.Errorf("the image is %v", got)
				}
			},
		},
		{
			name: "replicas that an autoscaler has set", manifest: driftDeployment("  replicas: 0\n", ""),
			disturb: func(w *workbench) {
				w.patch("kube-controller-manager", "Deployment", "web", types.MergePatchType, `{"spec":{"replicas":4}}`, "scale")
			},
			check: func(w *workbench) {
				w.rollOut(plan.Upgrade, driftDeployment("  replicas: 2\n", driftSidecar))
				if got := field(w.get("Deployment", "web"), "spec", "replicas"); got != int64(4) {
					w.t.Errorf("an upgrade sets %v replicas", got)
				}
			},
		},
		{
			name: "replicas that somebody has set", manifest: driftDeployment("  replicas: 0\n", ""),
			disturb: func(w *workbench) {
				w.patch("kubectl", "Deployment", "web", types.MergePatchType, `{"spec":{"replicas":4}}`, "scale")
			},
			want: []string{`Deployment web .spec.replicas changed by "kubectl at no time": "4" > "0"`},
		},
		{
			name: "replicas that an autoscaler of the chart may set", manifest: driftDeployment("  replicas: 3\n", "") + hpa,
			disturb: func(*workbench) {},
			check: func(w *workbench) {
				if got := field(w.get("Deployment", "web"), "spec", "replicas"); got != int64(3) {
					w.t.Errorf("an install sets %v replicas", got)
				}
				w.rollOut(plan.Upgrade, driftDeployment("  replicas: 5\n", "")+hpa)
				if got := field(w.get("Deployment", "web"), "spec", "replicas"); got != int64(3) {
					w.t.Errorf("an upgrade sets %v replicas before the autoscaler did", got)
				}
				w.patch("kube-controller-manager", "Deployment", "web", types.MergePatchType, `{"spec":{"replicas":4}}`, "scale")
				w.rollOut(plan.Upgrade, driftDeployment("  replicas: 6\n", driftSidecar)+hpa)
				if got := field(w.get("Deployment", "web"), "spec", "replicas"); got != int64(4) {
					w.t.Errorf("an upgrade sets %v replicas after the autoscaler did", got)
				}
				w.rollOut(plan.Upgrade, driftDeployment("  replicas: 7\n", driftSidecar))
				if got := field(w.get("Deployment", "web"), "spec", "replicas"); got != int64(7) {
					w.t.Errorf("once the autoscaler has left the chart there are %v replicas", got)
				}
			},
		},
		{
			name: "a Job that went by itself", manifest: fmt.Sprintf(job, "  ttlSecondsAfterFinished: 60\n"),
			disturb: func(w *workbench) { w.remove("Job", "web") },
		},
		{
			name: "a Job that did not", manifest: fmt.Sprintf(job, ""),
			disturb: func(w *workbench) { w.remove("Job", "web") },
			want:    []string{"Job web missing"},
		},
		{
			name: "what may differ", manifest: driftConfig + "---\n" + driftDeployment("  replicas: 0\n", driftSidecar),
			rules: []v1beta1.DriftIgnoreRule{
				{Paths: []string{"/data/a"}, Target: &v1beta1.Selector{Kind: "ConfigMap"}},
				{Paths: []string{"/spec/template/spec/containers/1"}, Target: &v1beta1.Selector{Kind: "Deploy.*", Name: "web"}},
				{Managers: []string{"rollouts"}},
			},
			disturb: func(w *workbench) {
				w.edit("ConfigMap", "web", `{"data":{"a":"other"}}`)
				w.edit("Deployment", "web", `{"spec":{"template":{"spec":{"containers":[{"name":"side","$patch":"delete"}]}}}}`)
				w.patch("rollouts", "Deployment", "web", types.MergePatchType, `{"spec":{"replicas":1}}`)
			},
			check: func(w *workbench) {
				if got := field(w.get("ConfigMap", "web"), "data"); !cmp.Equal(got, map[string]any{"a": "other", "b": "two"}) {
					w.t.Errorf("the data is %v", got)
				}
				object := w.get("Deployment", "web")
				if got := field(object, "spec", "template", "spec", "containers").([]any); len(got) != 1 {
					w.t.Errorf("%d containers", len(got))
				}
				if got := field(object, "spec", "replicas"); got != int64(1) {
					w.t.Errorf("%v replicas", got)
				}
			},
		},
		{
			name: "an object that waits for its finalizers", manifest: driftConfig,
			disturb: func(w *workbench) {
				w.edit("ConfigMap", "web", `{"metadata":{"finalizers":["example.com/wait"]},"data":{"a":"other"}}`)
				w.remove("ConfigMap", "web")
				w.t.Cleanup(func() {
					_, _ = w.resource("ConfigMap").Patch(context.Background(), "web", types.MergePatchType,
						[]byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
				})
			},
			want:  []string{"ConfigMap web note: it is being deleted; it is missing once its finalizers are done"},
			after: []string{"ConfigMap web note: it is being deleted; it is missing once its finalizers are done"},
		},
		{
			name: "owners that were wiped away", manifest: driftConfig,
			disturb: func(w *workbench) {
				w.patch("x", "ConfigMap", "web", types.MergePatchType, `{"metadata":{"managedFields":[{}]},"data":{"a":"other"}}`)
			},
			want: []string{`ConfigMap web .data.a changed by "": "other" > "one"`},
			check: func(w *workbench) {
				w.rollOut(plan.Upgrade, strings.Replace(driftConfig, "one", "three", 1))
				back := w.engine.Execute(w.t.Context(), engine.Action{
					Step: plan.Rollback, Target: w.target(), To: 1, Options: engine.Options{Timeout: patience, DisableWait: true},
				})
				if back.Err != nil {
					w.t.Errorf("going back: %v", back.Err)
				}
				w.complete(back)
				if got := field(w.get("ConfigMap", "web"), "data", "a"); got != "one" {
					w.t.Errorf("a is %v", got)
				}
			},
		},
		{
			name: "what a Helm client owns without apply", manifest: driftConfig,
			disturb: func(w *workbench) {
				w.remove("ConfigMap", "web")
				w.createAs("helm", "ConfigMap", strings.Replace(driftConfig, "one", "other", 1))
			},
			want: []string{
				`ConfigMap web .data.a changed by "helm": "other" > "one"`,
				`ConfigMap web .metadata.annotations removed by "": "" > "{\"meta.helm.sh/release-name\":\"web\",\"meta.helm.sh/release-namespace\":\"NS\"}"`,
				`ConfigMap web .metadata.labels removed by "": "" > "{\"app.kubernetes.io/managed-by\":\"Helm\"}"`,
			},
			check: func(w *workbench) {
				w.rollOut(plan.Upgrade, strings.Replace(driftConfig, ", b: two", "", 1))
				if got := field(w.get("ConfigMap", "web"), "data"); !cmp.Equal(got, map[string]any{"a": "one"}) {
					w.t.Errorf("what leaves the chart stays: %v", got)
				}
			},
		},
		{
			name: "the annotation", manifest: driftConfig,
			disturb: func(w *workbench) {
				w.edit("ConfigMap", "web", `{"metadata":{"annotations":{"fairlead.dev/drift":"ignore"}},"data":{"a":"other"}}`)
			},
			check: func(w *workbench) {
				if got := field(w.get("ConfigMap", "web"), "data", "a"); got != "other" {
					w.t.Errorf("a is %v", got)
				}
			},
		},
	}
	for _, tt := range tests {
		for _, way := range []struct{ name, setting string }{{"ssa", ""}, {"csa", v1beta1.Disabled}} {
			t.Run(way.name+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				w := newWorkbench(t)
				w.rules, w.options.ServerSideApply = tt.rules, way.setting
				w.rollOut(plan.Install, tt.manifest)
				tt.disturb(w)
				w.looks(tt.audit, tt.want, tt.after)
				if tt.check != nil {
					tt.check(w)
				}
			})
		}
	}
}

// looks inspects and corrects twice. want is what is reported at first, after what is reported once it was corrected.
func (w *workbench) looks(audit bool, want, after []string) {
	w.t.Helper()
	for _, look := range []struct {
		step plan.Step
		want []string
	}{{plan.Inspect, want}, {plan.Correct, want}, {plan.Inspect, after}, {plan.Correct, after}} {
		var lines []string
		for _, line := range look.want {
			lines = append(lines, strings.ReplaceAll(line, "NS", w.ns))
		}
		got := w.drift(look.step, audit)
		if got.Err != nil || got.Reached {
			w.t.Fatalf("%s: %v, reached is %v", look.step, got.Err, got.Reached)
		}
		if diff := cmp.Diff(lines, told(got.Drift)); diff != "" {
			w.t.Errorf("%s tells (-want +got):\n%s", look.step, diff)
		}
		w.complete(got)
	}
}

// What one object is refused for does not keep another from being corrected.
func TestDriftThatCannotBeCorrected(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t)
	w.rollOut(plan.Install, driftConfig+"---\n"+driftDeployment("  replicas: 0\n", ""))
	w.edit("ConfigMap", "web", `{"data":{"a":"other"}}`)
	w.remove("Deployment", "web")
	until(t, "the Deployment is gone", func() bool {
		list, err := w.resource("Deployment").List(t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 0
	})
	w.create("Deployment", strings.ReplaceAll(driftDeployment("  replicas: 0\n", ""), "app: web", "app: other"))
	got := w.drift(plan.Correct, false)
	var failed *objects.ObjectError
	if !errors.As(got.Err, &failed) || failed.Kind != "Deployment" || failed.Name != "web" ||
		!strings.Contains(failed.Error(), "spec.selector") {
		t.Fatalf("the error is %v", got.Err)
	}
	lines := strings.Join(told(got.Drift), "\n")
	for _, want := range []string{
		`ConfigMap web .data.a changed by "kubectl-edit"`,
		`.spec.selector.matchLabels.app changed by "kubectl-create": "other" > "web"`,
		"Deployment web note: the API server refuses what the release says: spec.selector",
	} {
		if !strings.Contains(lines, want) {
			t.Errorf("%s is not reported:\n%s", want, lines)
		}
	}
	if a := field(w.get("ConfigMap", "web"), "data", "a"); a != "one" {
		t.Errorf("the ConfigMap was not corrected: a is %v", a)
	}
	for _, one := range got.Inventory {
		if deployment := strings.Contains(one.ID, "Deployment"); deployment != (one.Ownership == "") {
			t.Errorf("%s has ownership %q", one.ID, one.Ownership)
		}
	}
}

// Objects that are not asked for are left alone, and the command line sees the same without changing anything.
func TestDriftOfChosenObjects(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t)
	second := strings.Replace(driftConfig, "name: web", "name: second", 1)
	rolled := w.rollOut(plan.Install, driftConfig+"---\n"+second)
	w.edit("ConfigMap", "web", `{"data":{"a":"other"}}`)
	w.edit("ConfigMap", "second", `{"data":{"a":"other"}}`)
	seen, err := w.engine.Drift(t.Context(), cluster.Access{}, w.target(), nil, false)
	if err != nil || len(seen) != 2 {
		t.Fatalf("%v, %v", seen, err)
	}
	got := w.engine.Execute(t.Context(),
		engine.Action{Step: plan.Correct, Target: w.target(), Objects: []v1beta1.ResourceRef{rolled.Inventory[0]}})
	if lines := told(got.Drift); got.Err != nil || len(lines) != 1 ||
		!strings.HasPrefix(lines[0], "ConfigMap second .data.a") {
		t.Errorf("%v, %v", lines, got.Err)
	}
	if got.Inventory[0].Ownership != rolled.Inventory[0].Ownership || got.Inventory[1].Ownership != "" {
		t.Errorf("the inventory was %v, and is %v", rolled.Inventory, got.Inventory)
	}
	if a := field(w.get("ConfigMap", "web"), "data", "a"); a != "other" {
		t.Errorf("an object that was not asked for was changed: %v", a)
	}
}
