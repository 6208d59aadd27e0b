package kustomization

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/process/memory"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
)

var update = flag.Bool("update", false, "write the golden transcripts again")

// scenario is a story of one Kustomization.
type scenario struct {
	name string
	spec []func(*v1beta1.Kustomization)
	play func(w *world)
}

var errTimeout = errors.New("applying Deployment apps/web: the API server does not answer")

// fails is an attempt that reaches nothing.
func fails(times int) []apply.Result {
	out := make([]apply.Result, times)
	for i := range out {
		out[i].Err = errTimeout
	}
	return out
}

func waits(k *v1beta1.Kustomization) { k.Spec.Wait = true }

func afterInfra(k *v1beta1.Kustomization) {
	k.Spec.DependsOn = []v1beta1.DependencyReference{{Name: "infra"}}
}

func (w *world) deploymentFails() {
	w.toy.sight.Unhealthy = []v1beta1.ObjectHealth{
		{Kind: "Deployment", Group: "apps", Namespace: "apps", Name: "web", State: "Failed", Message: "0 of 1 pods run"},
	}
}

func (w *world) add(object client.Object) {
	w.t.Helper()
	if err := w.objects.Create(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) delete() {
	w.say("the object is deleted")
	w.k.Generation++
	w.k.DeletionTimestamp = &metav1.Time{Time: w.clock}
}

var scenarios = []scenario{
	{name: "applied and left alone", play: func(w *world) {
		w.settle(0)
		w.say("an interval later")
		w.clock = w.clock.Add(w.k.GetInterval())
		w.settle(0)
		w.say("main@sha1:2 is published")
		w.publish("main@sha1:2")
		w.settle(0)
	}},
	{name: "objects take too long and become healthy", spec: []func(*v1beta1.Kustomization){waits}, play: func(w *world) {
		w.deploymentFails()
		w.settle(0)
		w.say("its timeout passes")
		w.settle(5 * time.Minute)
		w.say("the Deployment is healthy")
		w.toy.sight.Unhealthy = nil
		w.settle(0)
	}},
	{name: "unhealthy objects that nothing waits for", play: func(w *world) {
		w.deploymentFails()
		w.settle(0)
	}},
	{name: "objects that are still being read", spec: []func(*v1beta1.Kustomization){waits}, play: func(w *world) {
		w.toy.unseen = true
		w.settle(0)
		w.say("they are read")
		w.toy.unseen = false
		w.settle(0)
	}},
	{name: "attempts fail and a fix comes", play: func(w *world) {
		w.settle(0)
		w.say("main@sha1:2 is published, and cannot be applied")
		w.publish("main@sha1:2")
		w.toy.script = fails(4)
		w.settle(20 * time.Second)
		w.say("main@sha1:3 is published")
		w.toy.script = nil
		w.publish("main@sha1:3")
		w.settle(0)
	}},
	{name: "a request while an attempt waits", play: func(w *world) {
		w.toy.script = fails(1)
		w.settle(0)
		w.say("a forced request")
		w.ask("1", v1beta1.ForceRequestAnnotation)
		w.settle(0)
		w.say("a request, with nothing to do")
		w.ask("2")
		w.settle(0)
	}},
	{name: "files that can never be applied", play: func(w *world) {
		w.builder.err = sources.Stall(v1beta1.BuildFailedReason, nil, "kustomization.yaml is no YAML")
		w.settle(20 * time.Minute)
		w.say("they are corrected")
		w.builder.err = nil
		w.publish("main@sha1:2")
		w.settle(0)
	}},
	{name: "files that exceed a bound", play: func(w *world) {
		w.builder.err = sources.Stall(v1beta1.RenderingLimitExceededReason, nil, "too much")
		w.settle(2 * time.Hour)
		w.say("a new controller starts, and the source is not known yet")
		status.Progressing(w.k, "waiting for the source", w.clock)
		w.restart()
		w.settle(2 * time.Hour)
		w.say("a request")
		w.ask("1")
		w.settle(0)
	}},
	{name: "a source that comes, fails and is gone", play: func(w *world) {
		w.source.Status.Artifact = nil
		w.updateStatus(w.source)
		w.settle(0)
		w.say("it fails")
		status.Stalled(w.source, v1beta1.SourceNotReadyReason, "no such branch", w.clock)
		w.updateStatus(w.source)
		w.settle(0)
		w.say("it has something")
		w.publish("main@sha1:1")
		w.settle(0)
		w.say("it is deleted")
		if err := w.objects.Delete(w.t.Context(), w.source); err != nil {
			w.t.Fatal(err)
		}
		w.settle(0)
	}},
	{name: "a dependency that is behind", spec: []func(*v1beta1.Kustomization){afterInfra}, play: func(w *world) {
		w.settle(0)
		infra := following("apps", "infra", "main@sha1:0")
		w.say("infra is there, with the former revision")
		w.add(infra)
		status.Ready(infra, v1beta1.AppliedReason, "applied", w.clock)
		w.updateStatus(infra)
		w.settle(0)
		w.say("infra has the revision")
		infra.Status.LastAppliedRevision = "main@sha1:1"
		w.updateStatus(infra)
		w.settle(0)
	}},
	{name: "objects that are edited and fought over", play: func(w *world) {
		w.settle(0)
		w.say("the Deployment is edited")
		w.toy.sight.Differs = []string{"Deployment apps/web"}
		w.settle(0)
		w.say("and edited again, by a client that does not stop")
		w.toy.sight.Differs = []string{"Deployment apps/web"}
		w.toy.script = []apply.Result{{
			Inventory: toyObjects, Again: w.clock.Add(10 * time.Minute),
			Kept: []string{"Deployment apps/web, because a client changes it again and again"},
		}}
		w.settle(time.Minute)
		w.say("the pause is over")
		w.settle(9 * time.Minute)
	}},
	{name: "objects that another one takes over", play: func(w *world) {
		w.settle(0)
		sibling := following("apps", "sibling", "main@sha1:1")
		w.add(sibling)
		w.updateStatus(sibling)
		w.say("main@sha1:2 has the Deployment in the sibling")
		w.publish("main@sha1:2")
		w.toy.script = []apply.Result{{Inventory: toyObjects, Held: []string{toyObjects[1].ID}}}
		w.settle(0)
		w.say("the sibling has applied it")
		sibling.Status.LastAppliedRevision, sibling.Status.ObservedGeneration = "main@sha1:2", sibling.Generation
		w.updateStatus(sibling)
		w.toy.script = []apply.Result{{Inventory: toyObjects[:1]}}
		w.settle(0)
	}},
	{name: "objects that no other one takes over", play: func(w *world) {
		w.settle(0)
		sibling := following("other", "sibling", "main@sha1:1")
		w.add(sibling)
		w.say("main@sha1:2 has no Deployment")
		w.publish("main@sha1:2")
		w.toy.script = []apply.Result{
			{Inventory: toyObjects, Held: []string{toyObjects[1].ID}},
			{Inventory: toyObjects[:1], Deleted: []string{"Deployment apps/web"}},
		}
		w.settle(4 * time.Minute)
		w.say("its timeout passes")
		w.settle(time.Minute)
	}},
	{name: "suspended and resumed", play: func(w *world) {
		w.settle(0)
		w.say("it is suspended, and main@sha1:2 is published")
		w.changes(func(k *v1beta1.Kustomization) { k.Spec.Suspend = true })
		w.publish("main@sha1:2")
		w.settle(time.Hour)
		w.say("it is resumed")
		w.changes(func(k *v1beta1.Kustomization) { k.Spec.Suspend = false })
		w.settle(0)
	}},
	{name: "a cluster that says too much", play: func(w *world) {
		w.toy.exceeded = &memory.ExceededError{Namespace: "apps", Bounds: memory.Bounds{Share: 1 << 20}}
		w.settle(0)
		w.say("it says less")
		w.toy.exceeded = nil
		w.settle(0)
	}},
	{name: "a spec that is refused", play: func(w *world) {
		w.changes(func(k *v1beta1.Kustomization) {
			k.Spec.HealthCheckExprs = []v1beta1.HealthCheckExpr{{
				APIVersion: "example.com/v1", Kind: "Database", Current: "(",
			}}
		})
		w.settle(0)
	}},
	{name: "deleted", play: func(w *world) {
		w.settle(0)
		w.delete()
		foreign := &tracker.Ref{
			GVK: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Namespace: "apps", Name: "foreign",
		}
		w.toy.script = []apply.Result{{Err: &apply.ForeignError{
			Object: "Namespace apps", Holds: []string{"ConfigMap apps/foreign"}, First: foreign,
		}}, {Err: errTimeout}}
		w.settle(time.Hour)
	}},
	{name: "deleted and left behind", play: func(w *world) {
		w.settle(0)
		w.k.Spec.DeletionPolicy = v1beta1.DeletionPolicyOrphan
		w.delete()
		w.settle(time.Hour)
	}},
	{name: "deleted while suspended", play: func(w *world) {
		w.settle(0)
		w.k.Spec.Suspend = true
		w.delete()
		w.settle(time.Hour)
	}},
	{name: "deleted before anything was applied", play: func(w *world) {
		w.delete()
		w.settle(time.Hour)
	}},
	{name: "deleted while another one may take its objects", play: func(w *world) {
		w.settle(0)
		sibling := following("apps", "sibling", "main@sha1:0")
		w.add(sibling)
		w.updateStatus(sibling)
		w.delete()
		w.settle(time.Minute)
		w.say("its timeout passes")
		w.settle(5 * time.Minute)
	}},
	{name: "deleted without its identity", play: func(w *world) {
		w.settle(0)
		w.k.Spec.ServiceAccountName = "gone"
		w.delete()
		w.settle(30 * time.Second)
		w.say("its namespace is gone, too")
		namespace := &metav1.PartialObjectMetadata{}
		namespace.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"})
		namespace.SetName("apps")
		if err := w.objects.Delete(w.t.Context(), namespace); err != nil {
			w.t.Fatal(err)
		}
		w.settle(time.Minute)
	}},
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	for _, s := range slices.Concat(scenarios, syncScenarios, heldScenarios) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, s.spec...)
			s.play(w)
			file := filepath.Join("testdata", "scenarios", s.name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(w.log.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), w.log.String()); diff != "" {
				t.Errorf("transcript (-want +got):\n%s", diff)
			}
		})
	}
}
