package pipeline

import (
	"context"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
)

// counted makes the site note each request for an object, in their order. Those that refuse names are refused.
func (s *site) counted(refuse ...string) *[]string {
	var requests []string
	note := func(verb string, o client.Object) error {
		request := verb + " " + o.GetName()
		requests = append(requests, request)
		if slices.Contains(refuse, request) {
			return apierrors.NewServerTimeout(schema.GroupResource{}, verb, 1)
		}
		return nil
	}
	s.writer = interceptor.NewClient(s.objects.(client.WithWatch), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			if err := note("create", o); err != nil {
				return err
			}
			return c.Create(ctx, o, options...)
		},
		Patch: func(
			ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption,
		) error {
			if err := note("patch", o); err != nil {
				return err
			}
			return c.Patch(ctx, o, p, options...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch,
			options ...client.SubResourcePatchOption) error {
			if err := note(sub, o); err != nil {
				return err
			}
			return c.SubResource(sub).Patch(ctx, o, p, options...)
		},
	})
	return &requests
}

// reconcile reconciles once as the loop does: what follows the status is done when it was written.
func (s *site) reconcile(requests *[]string) {
	s.Helper()
	ctx, follow := loop.Following(s.Context())
	before := s.pipeline.DeepCopy()
	if _, err := s.Reconcile(ctx, s.pipeline); err != nil {
		s.Fatal(err)
	}
	if !equality.Semantic.DeepEqual(before.Status, s.pipeline.Status) {
		*requests = append(*requests, "status "+s.pipeline.Name)
	}
	follow(s.Context())
}

// promoting is a pipeline whose first stage verifies the version that the second one gets next.
func promoting(t *testing.T) *site {
	t.Helper()
	var objects []client.Object
	for _, stage := range []string{"dev", "staging"} {
		objects = append(objects, verifiedRelease(func(hr *v1beta1.HelmRelease) {
			hr.Name = stage
			hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web-" + stage}
		}))
	}
	s := newSite(t, threeStages(func(p *v1beta1.ReleasePipeline) { p.Spec.Stages = p.Spec.Stages[:2] }), objects...)
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "two"}
	s.settle()
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.1.0", Digest: "three"}
	s.settle()
	if has := s.stages(); has[0] != "dev 1.1.0 Verifying web-dev-2" || has[1] != "staging 1.0.0 Blocked web-staging-1" {
		t.Fatalf("the stages are %v", has)
	}
	hr := objects[0].(*v1beta1.HelmRelease)
	hr.Status.History[0].ChartDigest, hr.Status.LastVerified.ChartDigest = "three", "three"
	if err := s.objects.Update(t.Context(), hr); err != nil {
		t.Fatal(err)
	}
	return s
}

// When a stage has verified a candidate, the source of the next one is written in the same Reconcile, after one
// request, which writes the decision. The records follow in the next Reconcile. One more finds nothing to do.
func TestRequestsOfAPromotion(t *testing.T) {
	t.Parallel()
	s := promoting(t)
	requests := s.counted()
	for i, want := range [][]string{
		{"status web", "patch web-staging"},
		{"status web-dev-2", "create web-staging-2", "status web", "status web-staging-2"},
		nil,
	} {
		*requests = nil
		s.reconcile(requests)
		got := *requests
		if i == 1 { // the order of the records does not matter
			slices.Sort(got)
			slices.Sort(want)
		}
		if !slices.Equal(got, want) {
			t.Errorf("reconcile %d sends %q, want %q", i+1, got, want)
		}
	}
	if got := s.source("staging").Spec.Reference.Digest; got != "three" {
		t.Errorf("staging has %s", got)
	}
}

// A pipeline that is suspended or deleted while its decision is written delivers nothing.
func TestAPipelineThatIsSuspendedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*v1beta1.ReleasePipeline){
		"suspended": func(p *v1beta1.ReleasePipeline) { p.Spec.Suspend = true },
		"deleted":   func(p *v1beta1.ReleasePipeline) { p.DeletionTimestamp = &metav1.Time{Time: now} },
	} {
		s := promoting(t)
		ctx, follow := loop.Following(t.Context())
		if _, err := s.Reconcile(ctx, s.pipeline); err != nil {
			t.Fatal(err)
		}
		change(s.pipeline)
		if follow(t.Context()); s.source("staging").Spec.Reference.Digest != "two" {
			t.Errorf("%s, and staging gets another candidate", name)
		}
	}
}

// A source that could not be written after the decision is written by the next Reconcile.
func TestASourceThatWasRefused(t *testing.T) {
	t.Parallel()
	s := promoting(t)
	requests := s.counted("patch web-staging")
	s.reconcile(requests)
	if got := s.source("staging").Spec.Reference.Digest; got != "two" {
		t.Fatalf("staging has %s", got)
	}
	s.counted()
	s.settle()
	if got := s.source("staging").Spec.Reference.Digest; got != "three" {
		t.Errorf("staging has %s", got)
	}
}

// A Reconcile that is ahead of the cache does not write again what was written.
func TestACacheThatIsBehind(t *testing.T) {
	t.Parallel()
	s := promoting(t)
	old := s.source("staging")
	requests := s.counted()
	s.reconcile(requests)
	s.cached = interceptor.NewClient(s.objects.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object,
			options ...client.GetOption) error {
			if outlet, is := o.(*v1beta1.OCIRepository); is && key.Name == old.Name {
				old.DeepCopyInto(outlet)
				return nil
			}
			return c.Get(ctx, key, o, options...)
		},
	})
	*requests = nil
	s.settle()
	if slices.Contains(*requests, "patch web-staging") {
		t.Errorf("the source was written again: %v", *requests)
	}
}

// A source that was deleted while the cache did not have it yet is made again.
func TestASourceThatIsDeletedBeforeTheCacheHasIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeStages())
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	requests := s.counted()
	s.reconcile(requests)
	made := s.source("dev")
	hidden := true
	s.cached = interceptor.NewClient(s.objects.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object,
			options ...client.GetOption) error {
			if _, is := o.(*v1beta1.OCIRepository); is && key.Name == made.Name && hidden {
				return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
			}
			return c.Get(ctx, key, o, options...)
		},
	})
	*requests = nil
	s.settle()
	if slices.Contains(*requests, "create web-dev") {
		t.Errorf("it is made twice: %v", *requests)
	}
	if err := s.objects.Delete(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	s.settle()
	if hidden = false; s.source("dev").Spec.Reference.Digest != "sha256:one" {
		t.Error("it is not made again")
	}
}

// A verdict is decided about before the messages of other HelmReleases are shown.
func TestWhatCanWait(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name           string
		change         func(*v1beta1.HelmRelease)
		wakes, canWait bool
	}{
		{"nothing", func(*v1beta1.HelmRelease) {}, false, true},
		{"another message", func(hr *v1beta1.HelmRelease) {
			hr.Status.Conditions[0].Message = "upgrading"
		}, true, true},
		{"the begin of an upgrade", func(hr *v1beta1.HelmRelease) {
			hr.Status.Conditions[1].Status = metav1.ConditionUnknown
		}, true, true},
		{"another verdict", func(hr *v1beta1.HelmRelease) {
			hr.Status.History[0].ChartDigest, hr.Status.LastVerified.ChartDigest = "three", "three"
		}, true, false},
		{"a rejection", func(hr *v1beta1.HelmRelease) {
			hr.Status.KnownBad = []v1beta1.KnownBad{{
				ChartDigest: "three", ConfigDigest: "values", Reason: v1beta1.BakeFailedReason,
			}}
		}, true, false},
		{"another source", func(hr *v1beta1.HelmRelease) {
			hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web-prod"}
		}, true, false},
		{"another wave", func(hr *v1beta1.HelmRelease) { hr.Labels = map[string]string{"region": "eu"} }, true, true},
		{"its deletion", func(hr *v1beta1.HelmRelease) { hr.DeletionTimestamp = &metav1.Time{Time: now} }, true, false},
	} {
		before, after := verifiedRelease(), verifiedRelease(tt.change)
		if got := saysMore().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != tt.wakes {
			t.Errorf("%s wakes the pipeline: %v", tt.name, got)
		}
		if got := hasNoVerdict(before, after); got != tt.canWait {
			t.Errorf("%s can wait: %v", tt.name, got)
		}
	}
}
