package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	kustomizeapply "fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/plan"
)

// oneOf is an object with a group of fields of which the API server accepts one.
type oneOf struct {
	name     string
	resource schema.GroupVersionResource
	// before and after are manifests of one object; each has another field of the group.
	before, after string
	// edit brings the object of after back to the other field, as kubectl does.
	edit string
	// gone is the other field, and there one of after.
	gone, there string
	// refused is what preflight says of a client-side upgrade, which as in Helm does not remove the other field.
	refused string
}

var (
	deployments  = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	statefulSets = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}
	services     = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	budgets      = schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}
	ingresses    = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}
	cronJobs     = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}
)

// workload is a Deployment or StatefulSet with fields of its specification, of the container, and of the pod.
func workload(kind, spec, container, pod string) string {
	return "apiVersion: apps/v1\nkind: " + kind + "\nmetadata: {name: web}\nspec:\n  replicas: 0\n" + spec +
		"  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n" + pod +
		"      containers:\n      - name: main\n        image: example.com/web:1\n" + container
}

func inPod(t string) string       { return workload("Deployment", "", "", "      "+t+"\n") }
func inContainer(t string) string { return workload("Deployment", "", "        "+t+"\n", "") }

func ofContainer(fields string) string {
	return `{"spec":{"template":{"spec":{"containers":[{"name":"main",` + fields + `}]}}}}`
}

func service(spec string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}], " + spec + "}\n"
}

func cronJob(volume string) string {
	return "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: web}\nspec:\n  suspend: true\n  schedule: '@yearly'\n" +
		"  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, volumes: [{name: a" + volume +
		"}], containers: [{name: main, image: a}]}}}}\n"
}

const main0 = "spec.template.spec.containers.0."

var unionCases = []oneOf{
	{name: "strategy of Deployment", resource: deployments,
		before: workload("Deployment", "", "", ""), after: workload("Deployment", "  strategy: {type: Recreate}\n",
			"", ""),
		edit: `{"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":3}}}}`,
		gone: "spec.strategy.rollingUpdate", there: "spec.strategy.type"},
	{name: "strategy of StatefulSet", resource: statefulSets,
		before: workload("StatefulSet", "", "", ""), after: workload("StatefulSet",
			"  updateStrategy: {type: OnDelete}\n", "", ""),
		edit: `{"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":3}}}}`,
		gone: "spec.updateStrategy.rollingUpdate", there: "spec.updateStrategy.type",
		refused: "spec.updateStrategy.rollingUpdate: only allowed for updateStrategy 'RollingUpdate'"},
	{name: "session affinity", resource: services,
		before: service("sessionAffinity: ClientIP"), after: service("sessionAffinity: None"),
		edit: `{"spec":{"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":30}}}}`,
		gone: "spec.sessionAffinityConfig", there: "spec.sessionAffinity"},
	{name: "volume", resource: deployments,
		before: inPod("volumes: [{name: a}]"), after: inPod("volumes: [{name: a, configMap: {name: a}}]"),
		edit: `{"spec":{"template":{"spec":{"volumes":[{"name":"a","configMap":null,"secret":{"secretName":"a"}}]}}}}`,
		gone: "spec.template.spec.volumes.0.emptyDir", there: "spec.template.spec.volumes.0.configMap"},
	{name: "volume of CronJob", resource: cronJobs,
		before: cronJob(""), after: cronJob(", configMap: {name: a}"),
		gone:  "spec.jobTemplate.spec.template.spec.volumes.0.emptyDir",
		there: "spec.jobTemplate.spec.template.spec.volumes.0.configMap"},
	{name: "probe", resource: deployments,
		before: inContainer("livenessProbe: {httpGet: {port: 80}}"),
		after:  inContainer("livenessProbe: {tcpSocket: {port: 80}}"),
		edit:   ofContainer(`"livenessProbe":{"tcpSocket":null,"httpGet":{"port":81}}`),
		gone:   main0 + "livenessProbe.httpGet", there: main0 + "livenessProbe.tcpSocket"},
	{name: "lifecycle", resource: deployments,
		before: inContainer("lifecycle: {preStop: {httpGet: {port: 80}}}"),
		after:  inContainer("lifecycle: {preStop: {exec: {command: [a]}}}"),
		edit:   ofContainer(`"lifecycle":{"preStop":{"exec":null,"sleep":{"seconds":3}}}`),
		gone:   main0 + "lifecycle.preStop.sleep", there: main0 + "lifecycle.preStop.exec"},
	{name: "env valueFrom", resource: deployments,
		before: inContainer("env: [{name: A, value: a}]"),
		after:  inContainer("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"),
		edit:   ofContainer(`"env":[{"name":"A","valueFrom":null,"value":"b"}]`),
		gone:   main0 + "env.0.value", there: main0 + "env.0.valueFrom"},
	{name: "env value", resource: deployments,
		before: inContainer("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"),
		after:  inContainer("env: [{name: A, value: a}]"),
		edit:   ofContainer(`"env":[{"name":"A","value":null,"valueFrom":{"secretKeyRef":{"name":"a","key":"a"}}}]`),
		gone:   main0 + "env.0.valueFrom", there: main0 + "env.0.value"},
	{name: "env source", resource: deployments,
		before: inContainer("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"),
		after:  inContainer("env: [{name: A, valueFrom: {configMapKeyRef: {name: a, key: a}}}]"),
		edit: ofContainer(`"env":[{"name":"A","valueFrom":{"configMapKeyRef":null,` +
			`"secretKeyRef":{"name":"a","key":"a"}}}]`),
		gone: main0 + "env.0.valueFrom.secretKeyRef", there: main0 + "env.0.valueFrom.configMapKeyRef"},
	{name: "seccomp profile", resource: deployments,
		before: inPod("securityContext: {seccompProfile: {type: Localhost, localhostProfile: a}}"),
		after:  inPod("securityContext: {seccompProfile: {type: RuntimeDefault}}"),
		edit: `{"spec":{"template":{"spec":{"securityContext":` +
			`{"seccompProfile":{"type":"Localhost","localhostProfile":"b"}}}}}}`,
		gone:  "spec.template.spec.securityContext.seccompProfile.localhostProfile",
		there: "spec.template.spec.securityContext.seccompProfile"},
	{name: "disruption budget", resource: budgets,
		before: "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {minAvailable: 1}\n",
		after:  "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {maxUnavailable: 1}\n",
		edit:   `{"spec":{"maxUnavailable":null,"minAvailable":2}}`, gone: "spec.minAvailable",
		there: "spec.maxUnavailable"},
	{name: "default of Ingress", resource: ingresses,
		before: "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\n" +
			"spec: {defaultBackend: {resource: {kind: A, name: a}}}\n",
		after: "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\n" +
			"spec: {defaultBackend: {service: {name: a, port: {number: 80}}}}\n",
		edit: `{"spec":{"defaultBackend":{"service":null,"resource":{"kind":"A","name":"a"}}}}`,
		gone: "spec.defaultBackend.resource", there: "spec.defaultBackend.service"},
}

// check reads the object and looks for the two fields.
func (o oneOf) check(w *workbench, when string) {
	w.t.Helper()
	live, err := w.objects.Resource(o.resource).Namespace(w.ns).Get(w.t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, has := fieldAt(live.Object, o.gone); has {
		w.t.Errorf("%s: it still has %s", when, o.gone)
	}
	if _, has := fieldAt(live.Object, o.there); !has {
		w.t.Errorf("%s: it has no %s", when, o.there)
	}
}

func (o oneOf) disturb(w *workbench) {
	w.t.Helper()
	how := types.StrategicMergePatchType
	_, err := w.objects.Resource(o.resource).Namespace(w.ns).
		Patch(w.t.Context(), "web", how, []byte(o.edit), metav1.PatchOptions{FieldManager: "kubectl-edit"})
	if err != nil {
		w.t.Fatal(err)
	}
}

// fieldAt finds a field by its path, in which items of lists have numbers.
func fieldAt(node any, path string) (any, bool) {
	for name := range strings.SplitSeq(path, ".") {
		switch has := node.(type) {
		case map[string]any:
			below, ok := has[name]
			if !ok {
				return nil, false
			}
			node = below
		case []any:
			var at int
			if _, err := fmt.Sscan(name, &at); err != nil || at >= len(has) {
				return nil, false
			}
			node = has[at]
		default:
			return nil, false
		}
	}
	return node, true
}

// A field that excludes what a chart says, and that the release does not own, is removed by an upgrade and by a
// correction.
func TestUnionsOfReleases(t *testing.T) {
	t.Parallel()
	for _, tt := range unionCases {
		for _, way := range []struct{ name, setting string }{{"ssa", ""}, {"csa", v1beta1.Disabled}} {
			t.Run(way.name+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				w := newWorkbench(t)
				w.options = engine.Options{Preflight: true, ServerSideApply: way.setting}
				w.rollOut(plan.Install, tt.before)
				if way.setting == v1beta1.Disabled && tt.refused != "" {
					tt.refuses(w)
					return
				}
				w.rollOut(plan.Upgrade, tt.after)
				tt.check(w, "after the upgrade")
				if got := w.drift(plan.Inspect, false); got.Err != nil || len(got.Drift) > 0 {
					t.Errorf("after the upgrade it differs: %v, %v", told(got.Drift), got.Err)
				}
				if tt.edit != "" {
					tt.disturb(w)
					tt.corrects(w)
				}
			})
		}
	}
}

// refuses fails unless preflight refuses the upgrade before there is a revision.
func (o oneOf) refuses(w *workbench) {
	w.t.Helper()
	got := w.execute(plan.Upgrade, o.after)
	var rejected *ssa.InvalidObjectsError
	if !errors.As(got.Err, &rejected) || !strings.Contains(got.Err.Error(), o.refused) || len(got.History) != 1 {
		w.t.Errorf("the upgrade ended with %v and %d revisions", got.Err, len(got.History))
	}
}

// corrects looks at the disturbed object and brings it back.
func (o oneOf) corrects(w *workbench) {
	w.t.Helper()
	for _, step := range []plan.Step{plan.Inspect, plan.Correct} {
		if got := w.drift(step, false); got.Err != nil || len(got.Drift) != 1 || got.Drift[0].Note != "" {
			w.t.Errorf("%s: %v, %v", step, told(got.Drift), got.Err)
		}
	}
	o.check(w, "after the correction")
	if got := w.drift(plan.Inspect, false); got.Err != nil || len(got.Drift) > 0 {
		w.t.Errorf("after the correction it differs: %v, %v", told(got.Drift), got.Err)
	}
}

// The same holds for what a Kustomization applies.
func TestUnionsOfSets(t *testing.T) {
	t.Parallel()
	for _, tt := range unionCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkbench(t)
			local, err := cluster.New(world.cluster.Config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(local.Close)
			applier := kustomizeapply.New(t.Context(), kustomizeapply.Config{Local: local, Now: time.Now,
				Moved: func(types.NamespacedName) {}})
			owner := types.NamespacedName{Namespace: w.ns, Name: "web"}
			var inventory []v1beta1.ResourceRef
			applied := func(when, manifest string) kustomizeapply.Result {
				t.Helper()
				object := &unstructured.Unstructured{}
				if err := yaml.Unmarshal([]byte(manifest), &object.Object); err != nil {
					t.Fatal(err)
				}
				object.SetLabels(map[string]string{
					v1beta1.KustomizationNameLabel: owner.Name, v1beta1.KustomizationNamespaceLabel: owner.Namespace,
				})
				set := kustomizeapply.Set{Owner: owner, Objects: []kustomizeapply.Object{{Unstructured: object}}, Before: inventory}
				got := applier.Apply(t.Context(), cluster.Access{}, set)
				if got.Err != nil {
					t.Fatalf("%s: %v", when, got.Err)
				}
				inventory = got.Inventory
				return got
			}
			applied("before", tt.before)
			applied("after", tt.after)
			tt.check(w, "after the change")
			if tt.edit == "" {
				return
			}
			tt.disturb(w)
			var got kustomizeapply.Result
			until(t, "the edit is seen and corrected", func() bool {
				got = applied("the correction", tt.after)
				return len(got.Corrected) > 0
			})
			if !strings.Contains(got.Corrected[0], "changed by kubectl-edit") {
				t.Errorf("it says %q", got.Corrected)
			}
			tt.check(w, "after the correction")
			if got = applied("nothing", tt.after); len(got.Corrected) > 0 {
				t.Errorf("it is corrected again: %q", got.Corrected)
			}
		})
	}
}
