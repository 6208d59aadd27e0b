package kustomization

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/build"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/sources/quota"
)

// toy is a cluster in memory that behaves as its script says.
type toy struct {
	// script is how the next attempts end; then they succeed and write the objects that are not there yet.
	script []apply.Result
	// sight is what Look answers once something was applied; unseen is set while the objects were not read yet.
	sight  apply.ObservedState
	unseen bool
	// exceeded is why nothing is asked of the cluster.
	exceeded error
	wrote    bool
	// kube is the version of the API server. same is set when each revision makes the same objects, and refusal is why a
	// plan cannot be computed.
	kube    string
	same    bool
	refusal error
}

func (t *toy) next() (apply.Result, bool) {
	if len(t.script) == 0 {
		return apply.Result{}, false
	}
	result := t.script[0]
	t.script = t.script[1:]
	return result, true
}

var toyObjects = []v1beta1.ResourceRef{
	v1beta1.NewResourceRef("apps", "settings", "", "ConfigMap", "v1"),
	v1beta1.NewResourceRef("apps", "web", "apps", "Deployment", "v1"),
}

func (t *toy) Apply(_ context.Context, _ cluster.Access, set apply.Set) apply.Result {
	set.Begun()
	if f := t.foresight(set); set.Approved != "" && set.Approved != f.Digest {
		return apply.Result{Err: &apply.PlanChangedError{Approved: set.Approved, Now: f.Digest}}
	}
	result, scripted := t.next()
	if scripted {
		if result.Err == nil {
			t.sight.Differs = nil
		}
		return result
	}
	result.Inventory = toyObjects
	switch {
	case !t.wrote:
		result.Created = []string{"ConfigMap apps/settings", "Deployment apps/web"}
	case set.Repair, len(t.sight.Differs) > 0:
		result.Corrected = t.sight.Differs
	default:
		result.Changed = []string{"Deployment apps/web"}
	}
	t.wrote = true
	t.sight.Differs = nil
	return result
}

func (t *toy) Delete(context.Context, cluster.Access, apply.Departure) apply.Result {
	result, scripted := t.next()
	if !scripted {
		result.Inventory = []v1beta1.ResourceRef{}
		result.Deleted = []string{"ConfigMap apps/settings", "Deployment apps/web"}
	}
	return result
}

func (t *toy) Look(
	_ cluster.Access, _ types.NamespacedName, refs []v1beta1.ResourceRef, _ *health.Rules, _ bool,
) (apply.ObservedState, bool) {
	out := t.sight
	out.Of = len(refs)
	return out, !t.unseen
}

func (t *toy) Exceeded(cluster.Access) error { return t.exceeded }

func (t *toy) Forget(types.NamespacedName) {}

// nothing is a build without objects: what is applied is up to the toy.
type nothing struct{ err error }

func (n *nothing) Build(context.Context, string, *build.Tree, build.Request) (build.Response, error) {
	return build.Response{}, n.err
}

// world is one Kustomization with its cluster and its clock. It writes down what happens.
type world struct {
	t       *testing.T
	clock   time.Time
	k       *v1beta1.Kustomization
	source  *v1beta1.GitRepository
	objects client.Client
	toy     *toy
	builder *nothing
	h       *handler
	events  *events.FakeRecorder
	woken   chan types.NamespacedName
	log     strings.Builder
}

func newWorld(t *testing.T, change ...func(*v1beta1.Kustomization)) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1beta1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, clock: now, toy: &toy{kube: "v1.37.0"}, builder: &nothing{}, events: events.NewFakeRecorder(100)}
	w.k = following("apps", "web", "")
	w.k.Status = v1beta1.KustomizationStatus{}
	w.k.Spec.Prune = true
	w.k.Annotations = map[string]string{}
	for _, c := range change {
		c(w.k)
	}
	w.source = &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "fleet"}}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "apps"}}
	bySource := func(o client.Object) []string { return []string{sourceKey(choiceOf(o.(*v1beta1.Kustomization)))} }
	builder := fieldIndexer{fake.NewClientBuilder().WithScheme(scheme).WithObjects(w.source, namespace, w.k.DeepCopy()).
		WithStatusSubresource(&v1beta1.Kustomization{}, &v1beta1.GitRepository{}).
		WithIndex(&v1beta1.Kustomization{}, sourceIndex, bySource)}
	if err := refs.IndexApprovals(w.t.Context(), builder); err != nil {
		w.t.Fatal(err)
	}
	w.objects = builder.Build()
	w.restart()
	w.publish("main@sha1:1")
	return w
}

// restart has a new process take over.
func (w *world) restart() {
	at := func() time.Time { return w.clock }
	w.woken = make(chan types.NamespacedName, 10)
	c := catalog.NewCatalog(w.objects, w.objects, nil)
	documents := refs.NewDocuments(w.objects, w.objects, refs.MaxDocuments)
	w.h = &handler{
		gatherer: &gatherer{
			catalog: c, trees: newTrees(c), builder: w.builder, documents: documents,
			identities: refs.Identities{Objects: w.objects, Live: w.objects, Documents: documents},
			dependencies: &refs.Dependencies{
				Kind: v1beta1.KustomizationKind, Objects: w.objects,
				Empty: func() refs.Dependent { return &v1beta1.Kustomization{} },
			},
			approvals:         refs.PlanApprovals{Objects: w.objects},
			dependencyWatcher: refs.NewDependencyWatcher(w.t.Context(), nil, func(types.NamespacedName) {}, at),
		},
		engine: w.toy,
		tasks:  loop.NewTasks[actionResult](w.t.Context(), func(key types.NamespacedName) { w.woken <- key }, at),
		builds: fair.New(4, 4), remoteBuilds: fair.New(4, 4),
		events: w.events, now: at, jitter: func(d time.Duration, _ float64) time.Duration { return d },
		awaited: map[types.NamespacedName]bool{}, audited: map[types.NamespacedName]time.Time{},
		fightBackoff: map[types.NamespacedName]time.Time{}, repairable: map[types.NamespacedName]time.Time{},
		replans: map[types.NamespacedName]time.Time{},
	}
	if w.source.Status.Artifact != nil {
		w.unpacked()
	}
}

// publish gives the source another revision, which is unpacked already.
func (w *world) publish(revision string) {
	w.t.Helper()
	w.source.Status.Artifact = &v1beta1.Artifact{Revision: revision, Digest: "sha256:" + revision}
	w.updateStatus(w.source)
	w.unpacked()
}

func (w *world) unpacked() {
	w.t.Helper()
	artifact := w.source.Status.Artifact
	from, err := w.h.catalog.Identity(w.t.Context(), choiceOf(w.k), true)
	if err != nil {
		w.t.Fatal(err)
	}
	_, _, err = w.h.trees.known.Take(w.t.Context(), quota.Item[*build.Tree]{
		Namespace: "fleet", Key: from + artifact.Digest,
		Most: func() (int64, error) { return 1, nil },
		Make: func() (*build.Tree, error) { return &build.Tree{}, nil },
		Size: func(*build.Tree) int64 { return 1 },
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) updateStatus(object client.Object) {
	w.t.Helper()
	if err := w.objects.Status().Update(w.t.Context(), object); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) say(format string, args ...any) { fmt.Fprintf(&w.log, "\n--- "+format+"\n", args...) }

func (w *world) line(format string, args ...any) {
	fmt.Fprintf(&w.log, "%s  %s\n", w.clock.Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// changes is what a commit to the spec does.
func (w *world) changes(change func(*v1beta1.Kustomization)) {
	change(w.k)
	w.k.Generation++
}

func (w *world) ask(token string, more ...string) {
	for _, annotation := range append(more, v1beta1.ReconcileRequestAnnotation) {
		w.k.Annotations[annotation] = token
	}
}

// step is one pass of the loop, and writes down what it came to.
func (w *world) step() plan.Plan {
	w.t.Helper()
	defer w.h.dependencyWatcher.Track(client.ObjectKeyFromObject(w.k))()
	pass := w.h.observe(w.t.Context(), w.k)
	w.tell()
	p, err := w.h.decide(w.t.Context(), pass)
	if err != nil {
		w.t.Fatalf("%s\n%s", err, w.log.String())
	}
	if p.Reason != plan.ReasonUnderway {
		w.line("%s: %s", p.Step, p.Message)
	}
	p.After = w.h.act(pass, p)
	w.tell()
	return p
}

// tell records the events.
func (w *world) tell() {
	for len(w.events.Events) > 0 {
		w.line("  %s", <-w.events.Events)
	}
}

// settle continues as the loop does, until patience has passed or nothing is due before its end.
func (w *world) settle(patience time.Duration) {
	w.t.Helper()
	end := w.clock.Add(patience)
	for range 60 {
		p := w.step()
		switch {
		case p.Step == plan.Apply || p.Step == plan.Delete || p.Step == plan.Preview:
			<-w.woken
			w.clock = w.clock.Add(time.Second)
			continue
		case p.Step == plan.Leave:
			w.line("the finalizer goes")
			return
		case p.After == 0 || w.clock.Add(p.After).After(end):
			w.show(p.After)
			w.clock = end
			return
		}
		w.clock = w.clock.Add(p.After)
	}
	w.t.Fatalf("no end in 60 steps:\n%s", w.log.String())
}

// show writes down what the status says.
func (w *world) show(again time.Duration) {
	s := w.k.Status
	w.line("looked at again in %s", again)
	for _, kind := range []string{"Ready", "Reconciling", "Stalled", "Healthy", "Drifted"} {
		for _, c := range s.Conditions {
			if c.Type == kind {
				fmt.Fprintf(&w.log, "          %-11s  %s %s: %s\n", kind, c.Status, c.Reason, c.Message)
			}
		}
	}
	objects := len(inventoryOf(w.k))
	fmt.Fprintf(&w.log, "          applied %q, attempted %q, failures %d, objects %d", s.LastAppliedRevision,
		s.LastAttemptedRevision, s.Failures, objects)
	if s.Released != nil {
		fmt.Fprintf(&w.log, ", released %d to %v", len(s.Released.Objects), s.Released.WaitsFor)
	}
	if s.LastHandledReconcileAt != "" {
		fmt.Fprintf(&w.log, ", answered %q", s.LastHandledReconcileAt)
	}
	if s.LastHandledForceAt != "" {
		fmt.Fprintf(&w.log, ", forced %q", s.LastHandledForceAt)
	}
	if p := s.Plan; p != nil {
		fmt.Fprintf(&w.log, ", plan %s of %s, %s", v1beta1.ShortDigest(p.Digest), p.Revision, p.Risk)
	}
	w.log.WriteString("\n")
}

// fieldIndexer has a fake client keep indexes.
type fieldIndexer struct{ *fake.ClientBuilder }

func (f fieldIndexer) IndexField(
	_ context.Context, object client.Object, field string, extract client.IndexerFunc,
) error {
	f.WithIndex(object, field, extract)
	return nil
}
