package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/status"
)

// builder collects the indexes that are registered.
type builder struct{ *fake.ClientBuilder }

func (b builder) IndexField(_ context.Context, object client.Object, field string, extract client.IndexerFunc) error {
	b.WithIndex(object, field, extract)
	return nil
}

// charts answers every choice.
type charts struct {
	revision v1beta1.ChartRevision
	names    []string
	err      error
	// origin, outOfRange and kept answer the other questions.
	origin           string
	outOfRange, kept error
}

// Chart implements Catalog.
func (c *charts) Chart(context.Context, catalog.ChartRef) (v1beta1.ChartRevision, error) {
	return c.revision, c.err
}

// Origin implements Catalog.
func (c *charts) Origin(context.Context, catalog.ChartRef, v1beta1.ChartRevision) string {
	return c.origin
}

// OutOfRange implements Catalog.
func (c *charts) OutOfRange(context.Context, catalog.ChartRef, string) error { return c.outOfRange }

// Kept implements Catalog.
func (c *charts) Kept(context.Context, catalog.ChartRef) error { return c.kept }

// Names implements Catalog.
func (c *charts) Names(context.Context, catalog.ChartRef) ([]string, error) { return c.names, c.err }

// site is a pipeline with a toy cluster.
type site struct {
	*testing.T
	*handler
	charts   *charts
	copier   *copier
	objects  client.Client
	pipeline *v1beta1.ReleasePipeline
	time     time.Time
	// content is the file of shared values, with the error of its source.
	content string
	missing error
}

func newSite(t *testing.T, p *v1beta1.ReleasePipeline, objects ...client.Object) *site {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(v1beta1.AddToScheme(scheme), admissionv1.AddToScheme(scheme),
		corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	source := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	source.Spec.URL, source.Spec.Reference = "oci://registry.example.com/web", &v1beta1.OCIRepositoryRef{SemVer: "*"}
	source.Spec.SecretRef = &v1beta1.LocalObjectReference{Name: "pull"}
	b := builder{fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objects, source, p)...).
		WithStatusSubresource(&v1beta1.Promotion{})}
	if err := errors.Join(catalog.Index(t.Context(), b, false), indexFields(t.Context(), b)); err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, objects: b.Build(), charts: &charts{}, pipeline: p, time: now}
	compiling, err := newChecks()
	if err != nil {
		t.Fatal(err)
	}
	approvers := refs.NewApprovers(s.objects, func() time.Time { return s.time })
	stamped := func(ctx context.Context) (bool, error) { return approvers.Checked(ctx, refs.PromotionApprovals) }
	s.copier = &copier{woken: make(chan struct{}, 100)}
	wake := func(types.NamespacedName) { s.copier.woken <- struct{}{} }
	s.handler = &handler{
		copies: newCopies(t.Context(), s.copier, wake, func() time.Time { return s.time }),
		cached: s.objects, live: s.objects, writer: s.objects, charts: s.charts, events: events.NewFakeRecorder(100),
		checks: compiling, signatures: newSignatures(nil, loop.NewTasks[[]signed](t.Context(), nil, time.Now), time.Now),
		attestations: newAttestations(t.Context(), s.copier, wake, func() time.Time { return s.time }),
		files:        newSharedFiles(t.Context(), s, wake, func() time.Time { return s.time }),
		stamped:      stamped, now: func() time.Time { return s.time },
	}
	return s
}

// settle reconciles until nothing is left to do now.
func (s *site) settle() time.Duration {
	s.Helper()
	for range 20 {
		next, err := s.Reconcile(s.Context(), s.pipeline)
		if err != nil {
			s.Fatal(err)
		}
		if next != again {
			return next
		}
	}
	s.Fatal("the pipeline does not settle")
	return 0
}

func (s *site) ready() metav1.Condition {
	if c := meta.FindStatusCondition(s.pipeline.Status.Conditions, v1beta1.ReadyCondition); c != nil {
		return *c
	}
	return metav1.Condition{}
}

func (s *site) source(stage string) *v1beta1.OCIRepository {
	s.Helper()
	found := &v1beta1.OCIRepository{}
	if err := s.objects.Get(s.Context(), client.ObjectKey{Namespace: "apps", Name: "web-" + stage}, found); err != nil {
		s.Fatal(err)
	}
	return found
}

// The status is written before the source of a stage is, which is like that of the subject but for the digest.
func TestTheStatusComesFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeStages())
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	next, err := s.Reconcile(t.Context(), s.pipeline)
	if err != nil || next != again {
		t.Fatalf("again in %s, %v", next, err)
	}
	if d := s.pipeline.Status.Stages[0].Delivery; d == nil || d.Digest != "sha256:one" {
		t.Fatalf("the status says %+v", d)
	}
	list := &v1beta1.OCIRepositoryList{}
	if err := s.objects.List(t.Context(), list); err != nil || len(list.Items) != 1 {
		t.Fatalf("%d sources were written before the status, %v", len(list.Items)-1, err)
	}
	s.settle()
	made := s.source("dev")
	if made.Spec.Reference.Digest != "sha256:one" || made.Spec.Reference.SemVer != "" ||
		made.Spec.SecretRef.Name != "pull" ||
		made.Spec.URL != "oci://registry.example.com/web" || !metav1.IsControlledBy(made, s.pipeline) {
		t.Errorf("the source is %+v of %v", made.Spec, made.OwnerReferences)
	}
	record := &v1beta1.Promotion{}
	if err := s.objects.Get(t.Context(), client.ObjectKey{Namespace: "apps", Name: "web-dev-1"}, record); err != nil {
		t.Fatal(err)
	}
	if record.Spec.Digest != "sha256:one" || record.Status.Phase != v1beta1.PromotionVerifying {
		t.Errorf("the record is %+v, %+v", record.Spec, record.Status)
	}
}

// A pipeline that has nothing to do writes nothing, and is reconciled again only when a gate may pass.
func TestAnIdlePipelineWritesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeStages(func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = p.Spec.Stages[:1]
		p.Spec.Stages[0].Gates = &v1beta1.StageGates{MinAge: &metav1.Duration{Duration: time.Hour}}
	}))
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	if next := s.settle(); next != time.Hour {
		t.Errorf("it is reconciled again in %s, want 1h", next)
	}
	s.time = now.Add(time.Hour)
	s.settle()
	writes := 0
	s.writer = interceptor.NewClient(s.objects.(client.WithWatch), interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
			writes++
			return nil
		},
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			writes++
			return nil
		},
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
			writes++
			return nil
		},
		SubResourcePatch: func(
			context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption,
		) error {
			writes++
			return nil
		},
	})
	before := s.pipeline.DeepCopy()
	s.time = s.time.Add(time.Minute)
	s.settle()
	if diff := cmp.Diff(before, s.pipeline); writes != 0 || diff != "" {
		t.Errorf("%d writes; the pipeline (-before +after):\n%s", writes, diff)
	}
}

// A source that was changed is brought back; one of the same name that is not of the pipeline is left alone.
func TestSourcesOfStages(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeStages())
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	s.settle()
	changed := s.source("dev")
	changed.Spec.Reference.Digest = "sha256:evil"
	if err := s.objects.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	s.settle()
	if got := s.source("dev").Spec.Reference.Digest; got != "sha256:one" {
		t.Errorf("the source has %s", got)
	}

	foreign := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web-dev"}}
	other := newSite(t, threeStages(), foreign)
	other.charts.revision = s.charts.revision
	other.settle()
	if ready := other.ready(); ready.Reason != v1beta1.OwnedByOtherReason || !status.IsStalled(other.pipeline) {
		t.Errorf("it says %+v", ready)
	}
	if other.source("dev").Spec.Reference != nil {
		t.Error("a source of another was changed")
	}
}

// The source of a stage that the spec no longer has goes when no HelmRelease refers to it.
func TestAStageThatIsRemoved(t *testing.T) {
	t.Parallel()
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web-dev"}
	s := newSite(t, threeStages(), hr)
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	s.settle()
	s.pipeline.Spec.Stages = s.pipeline.Spec.Stages[1:]
	s.settle()
	s.settle()
	s.source("dev")
	if err := s.objects.Delete(t.Context(), hr); err != nil {
		t.Fatal(err)
	}
	s.settle()
	found := &v1beta1.OCIRepository{}
	err := s.objects.Get(t.Context(), client.ObjectKey{Namespace: "apps", Name: "web-dev"}, found)
	if client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("the source is still there: %v", err)
	}
}

// Where the API server does not check who approves, more than one approver is refused.
func TestQuorum(t *testing.T) {
	t.Parallel()
	wants := func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages[0].Promote, p.Spec.Stages[0].Gates = "Manual", &v1beta1.StageGates{
			Approval: &v1beta1.StageApproval{Count: 2},
		}
	}
	approvals := func(users ...string) (all []client.Object) {
		for _, user := range users {
			a := &v1beta1.PromotionApproval{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: user}}
			a.Spec = v1beta1.PromotionApprovalSpec{Pipeline: "web", Stage: "dev", Digest: "sha256:one", User: user}
			all = append(all, a)
		}
		return all
	}
	policy := func(expression string, action admissionv1.ValidationAction, groups ...string) []client.Object {
		groups = append(groups, refs.GroupsCheck)
		labels := map[string]string{refs.ApprovalsLabel: refs.ApprovalsChecked}
		p := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "checks", Labels: labels}}
		p.Spec.Validations = []admissionv1.Validation{{Expression: expression}, {Expression: groups[0]}}
		p.Spec.MatchConstraints = &admissionv1.MatchResources{
			ResourceRules: []admissionv1.NamedRuleWithOperations{checkedRule()},
		}
		b := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "binds", Labels: labels}}
		b.Spec.PolicyName, b.Spec.ValidationActions = "checks", []admissionv1.ValidationAction{action}
		return []client.Object{p, b}
	}
	for _, tt := range []struct {
		name    string
		objects []client.Object
		stalled bool
		phase   string
	}{
		{"no policy", approvals("alice", "bob"), true, "Blocked"},
		{"a policy that warns", append(policy(refs.UserCheck, admissionv1.Warn), approvals("alice", "bob")...), true,
			"Blocked"},
		{"a policy that lets everything through", append(policy("true", admissionv1.Deny),
			approvals("alice", "bob")...), true, "Blocked"},
		{"one of two", append(policy(refs.UserCheck, admissionv1.Deny), approvals("alice")...), false, "AwaitingApproval"},
		{"both", append(policy(refs.UserCheck, admissionv1.Deny), approvals("alice", "bob")...), false, "Verifying"},
		{"a policy that checks no groups", append(policy(refs.UserCheck, admissionv1.Deny, "true"),
			approvals("alice", "bob")...), true, "Blocked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, threeStages(wants), tt.objects...)
			s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
			next := s.settle()
			if got := status.IsStalled(s.pipeline); got != tt.stalled || s.pipeline.Status.Stages[0].Phase != tt.phase {
				t.Errorf("stalled %t, %s: %s", got, s.pipeline.Status.Stages[0].Phase, s.ready().Message)
			}
			if tt.stalled && (s.ready().Reason != v1beta1.UnsupportedReason || next != refs.ApproversRemembered) {
				t.Errorf("reason %s, again in %s", s.ready().Reason, next)
			}
		})
	}
}

// What the catalog says of the subject is in the conditions; the stages keep what they have.
func TestTheSubject(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeStages())
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	s.settle()
	s.charts.err = errors.New("no route to host")
	s.settle()
	if ready := s.ready(); ready.Reason != v1beta1.SourceNotReadyReason ||
		!strings.Contains(ready.Message, "no route to host") {
		t.Errorf("it says %+v", ready)
	}
	if got := s.source("dev").Spec.Reference.Digest; got != "sha256:one" {
		t.Errorf("dev has %s", got)
	}

	http := threeStages(func(p *v1beta1.ReleasePipeline) {
		p.Spec.Subject = v1beta1.PipelineSubject{
			SourceRef: v1beta1.PipelineSourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"}, Chart: "web",
			Verify: &v1beta1.Verification{SecretRef: &v1beta1.LocalObjectReference{Name: "keys"}},
		}
	})
	charts := &v1beta1.HelmRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "charts"}}
	charts.Spec.Type, charts.Spec.URL = v1beta1.HelmRepositoryTypeOCI, "oci://registry.example.com/charts/"
	registry := newSite(t, http.DeepCopy(), charts)
	registry.pipeline.ResourceVersion = ""
	registry.charts.revision = s.charts.revision
	registry.settle()
	made := registry.source("dev").Spec
	if made.URL != "oci://registry.example.com/charts/web" || made.Verify == nil || made.Verify.SecretRef.Name != "keys" {
		t.Errorf("the source is %+v", made)
	}
}

// The last ten Promotions of a stage are kept.
func TestOldPromotionsAreDeleted(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeStages(func(p *v1beta1.ReleasePipeline) { p.Spec.Stages = p.Spec.Stages[:1] }))
	for i := range 15 {
		version := "1." + string(rune('a'+i))
		s.time = now.Add(time.Duration(i) * time.Minute)
		s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: version, Digest: "sha256:" + version}
		s.settle()
	}
	list := &v1beta1.PromotionList{}
	if err := s.objects.List(t.Context(), list); err != nil || len(list.Items) != maxPromotions {
		t.Errorf("%d Promotions, %v", len(list.Items), err)
	}
	if n := s.pipeline.Status.Stages[0].Promotions; n != 15 {
		t.Errorf("%d promotions were made", n)
	}
}

// A reset forgets what holds a stage, once.
func TestReset(t *testing.T) {
	t.Parallel()
	p := threeStages()
	p.Status.Stages = []v1beta1.StageStatus{{Name: "dev", Held: "1.1.0 was rejected",
		Rejected: []v1beta1.StageRejection{{Digest: "two", Reason: "bad"}}}}
	p.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: "now", v1beta1.ResetRequestAnnotation: "now"}
	reset(p)
	if s := p.Status.Stages[0]; s.Held != "" || len(s.Rejected) > 0 || p.Status.LastHandledResetAt != "now" {
		t.Errorf("the stage is %+v", s)
	}
	p.Status.Stages[0].Held = "again"
	reset(p)
	if p.Status.Stages[0].Held == "" {
		t.Error("the same request counted twice")
	}
}
