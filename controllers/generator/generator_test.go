package generator

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/status"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func generator(names ...string) *v1beta1.ArtifactGenerator {
	g := &v1beta1.ArtifactGenerator{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "shop", UID: "g1", Generation: 1}}
	g.Spec.Sources = []v1beta1.ArtifactSourceReference{{Alias: "repo", Kind: v1beta1.GitRepositoryKind, Name: "fleet"}}
	for _, name := range names {
		g.Spec.OutputArtifacts = append(g.Spec.OutputArtifacts, v1beta1.OutputArtifact{
			Name: name, Copy: []v1beta1.CopyOperation{{From: "@repo/" + name + "/**", To: "@artifact/"}},
		})
	}
	return g
}

// owned is an ExternalArtifact of a generator.
func owned(g *v1beta1.ArtifactGenerator, name string, change ...func(*v1beta1.ExternalArtifact)) *v1beta1.ExternalArtifact {
	a := &v1beta1.ExternalArtifact{ObjectMeta: metav1.ObjectMeta{
		Namespace: g.Namespace, Name: name, UID: types.UID(name), Generation: 1,
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1beta1.GroupVersion.String(), Kind: v1beta1.ArtifactGeneratorKind, Name: g.Name, UID: g.UID,
			Controller: ptr.To(true),
		}},
	}}
	for _, c := range change {
		c(a)
	}
	return a
}

// declared are the outputs of a generator without a pattern.
func declared(g *v1beta1.ArtifactGenerator) []catalog.Output {
	outputs, _, err := catalog.NewCatalog(nil, nil, nil).Outputs(context.Background(), g)
	if err != nil {
		panic(err)
	}
	return outputs
}

func made(g *v1beta1.ArtifactGenerator) func(*v1beta1.ExternalArtifact) {
	return func(a *v1beta1.ExternalArtifact) {
		for _, output := range declared(g) {
			if output.Name == a.Name {
				a.Status.ObservedRules = output.Rules
			}
		}
		status.SourceReady(a, v1beta1.Artifact{Revision: "latest@x", Digest: "sha256:" + a.Name}, "2 files", now)
	}
}

func failed(reason string, final bool) func(*v1beta1.ExternalArtifact) {
	return func(a *v1beta1.ExternalArtifact) {
		status.SourceFailed(a, status.Failure{Reason: reason, Message: "no " + a.Name, Final: final}, now)
	}
}

func TestAGeneratorReportsItsArtifacts(t *testing.T) {
	t.Parallel()
	g := generator("web", "api", "db")
	other := func(a *v1beta1.ExternalArtifact) { a.Status.ObservedRules = "others" }
	for _, tt := range []struct {
		name            string
		web, api        *v1beta1.ExternalArtifact
		reason, message string
		ready           metav1.ConditionStatus
		stalled         bool
	}{
		{
			name: "all are made", web: owned(g, "web", made(g)), api: owned(g, "api", made(g)),
			ready: metav1.ConditionTrue, reason: v1beta1.SucceededReason, message: "3 artifacts are in the cache",
		},
		{
			name: "one is new", api: owned(g, "api", made(g)),
			ready: metav1.ConditionUnknown, reason: v1beta1.ProgressingReason, message: "making 1 of 3 artifacts, web first",
		},
		{
			name: "one is of other rules", web: owned(g, "web", made(g)), api: owned(g, "api", made(g), other),
			ready: metav1.ConditionUnknown, reason: v1beta1.ProgressingReason, message: "making 1 of 3 artifacts, api first",
		},
		{
			name: "one has failed", web: owned(g, "web", made(g)),
			api:   owned(g, "api", made(g), failed(v1beta1.NotFoundReason, false)),
			ready: metav1.ConditionFalse, reason: v1beta1.NotFoundReason,
			message: "ExternalArtifact api: no api; latest@x stays in use",
		},
		{
			name:  "the one that only a user can help goes first",
			web:   owned(g, "web", made(g), failed(v1beta1.NotFoundReason, false)),
			api:   owned(g, "api", made(g), failed(v1beta1.InvalidReferenceReason, true)),
			ready: metav1.ConditionFalse, reason: v1beta1.InvalidReferenceReason, stalled: true,
			message: "ExternalArtifact api: no api; latest@x stays in use; 1 more artifacts are not Ready",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := g.DeepCopy()
			judge([]*v1beta1.ExternalArtifact{tt.web, tt.api, owned(g, "db", made(g))}, declared(g), g).record(g, now)
			if got := status.Reason(g); got != tt.reason || status.Message(g) != tt.message ||
				status.IsStalled(g) != tt.stalled || g.Status.Conditions[0].Status == "" {
				t.Errorf("it says %s: %s, stalled %t", got, status.Message(g), status.IsStalled(g))
			}
			if status.IsReady(g) != (tt.ready == metav1.ConditionTrue) || status.HasFailed(g) != (tt.ready == metav1.ConditionFalse) {
				t.Errorf("ready %t, failed %t", status.IsReady(g), status.HasFailed(g))
			}
			if got := g.Status.Inventory; len(got) != 3 || got[2].Digest != "sha256:db" || got[0].Name != "web" {
				t.Errorf("the inventory is %v", got)
			}
		})
	}
}

func newHandler(t *testing.T, objects ...client.Object) (*handler, client.Client) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
	return &handler{
		cached: c, writer: client.WithFieldOwner(c, fieldOwner), events: events.NewFakeRecorder(10),
		declared: catalog.NewCatalog(c, c, nil), now: func() time.Time { return now },
		readings: loop.NewTasks[error](t.Context(), func(types.NamespacedName) {}, time.Now),
		jitter:   func(d time.Duration, _ float64) time.Duration { return d },
	}, c
}

// artifacts returns the ExternalArtifacts that there are, by name.
func artifacts(t *testing.T, c client.Client) map[string]v1beta1.ExternalArtifact {
	t.Helper()
	list := &v1beta1.ExternalArtifactList{}
	if err := c.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	found := map[string]v1beta1.ExternalArtifact{}
	for _, item := range list.Items {
		found[item.Name] = item
	}
	return found
}

// What is declared is made with its metadata, what is no longer declared is deleted, and what is as wanted is not
// written again.
func TestAGeneratorKeepsItsArtifacts(t *testing.T) {
	t.Parallel()
	g := generator("web", "api")
	g.Spec.CommonMetadata = &v1beta1.CommonMetadata{
		Labels: map[string]string{"team": "shop", "tier": "web"}, Annotations: map[string]string{"note": "x"},
	}
	foreign := &v1beta1.ExternalArtifact{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "foreign"}}
	h, c := newHandler(t, g, owned(g, "former"), foreign)
	reconcile := func() {
		t.Helper()
		if _, err := h.Reconcile(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	reconcile()
	found := artifacts(t, c)
	web := found["web"]
	if len(found) != 3 || web.Labels["team"] != "shop" || web.Annotations["note"] != "x" || !metav1.IsControlledBy(&web, g) {
		t.Errorf("there are %d artifacts, web is %+v", len(found), web.ObjectMeta)
	}
	if name, ok := web.GetGenerator(); !ok || name != "shop" {
		t.Errorf("the artifact is of %s", name)
	}
	reconcile()
	if again := artifacts(t, c)["web"]; again.ResourceVersion != web.ResourceVersion {
		t.Error("what is as wanted was written again")
	}

	delete(g.Spec.CommonMetadata.Labels, "tier")
	reconcile()
	if after := artifacts(t, c)["web"]; after.Labels["tier"] != "" || after.Labels["team"] != "shop" {
		t.Errorf("the labels are %v", after.Labels)
	}

	edited := artifacts(t, c)["web"]
	edited.Labels["team"] = "other"
	if err := c.Update(t.Context(), &edited); err != nil {
		t.Fatal(err)
	}
	reconcile()
	if after := artifacts(t, c)["web"]; after.Labels["team"] != "shop" {
		t.Errorf("an edit stays: %v", after.Labels)
	}
}

func TestAGeneratorThatFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name            string
		change          func(*v1beta1.ArtifactGenerator)
		reason, message string
		stalled         bool
		artifacts       int
	}{
		{
			name: "an artifact of another owner", change: func(*v1beta1.ArtifactGenerator) {}, artifacts: 1,
			reason: v1beta1.InvalidReferenceReason, message: "ExternalArtifact web exists and is not of this ArtifactGenerator",
		},
		{
			name: "an alias that is not there", stalled: true, artifacts: 1,
			change: func(g *v1beta1.ArtifactGenerator) { g.Spec.OutputArtifacts[0].Copy[0].From = "@none/x" },
			reason: v1beta1.InvalidReferenceReason, message: "no source with the alias none",
		},
	} {
		g := generator("web")
		tt.change(g)
		h, c := newHandler(t, g, &v1beta1.ExternalArtifact{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}})
		if _, err := h.Reconcile(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if status.Reason(g) != tt.reason || !strings.Contains(status.Message(g), tt.message) ||
			status.IsStalled(g) != tt.stalled || len(artifacts(t, c)) != tt.artifacts {
			t.Errorf("%s: %s: %s, stalled %t", tt.name, status.Reason(g), status.Message(g), status.IsStalled(g))
		}
	}
}

// Nothing is done for a generator that is suspended.
func TestASuspendedGeneratorIsLeftAlone(t *testing.T) {
	t.Parallel()
	g := generator("web")
	g.Spec.Suspend = true
	g.Spec.OutputArtifacts[0].Copy[0].From = "@none/x" // which is refused
	h, c := newHandler(t, g)
	if again, err := h.Reconcile(t.Context(), g); again != 0 || err != nil {
		t.Errorf("again in %s, error %v", again, err)
	}
	if len(artifacts(t, c)) != 0 || len(g.Status.Conditions) != 0 {
		t.Error("something was done")
	}
}
