package main

import (
	"context"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/view"
)

// The steps a controller goes through. It answers the request when the work is done.

func works(o client.Object) {
	message := "fetching"
	if _, isRelease := o.(*v1beta1.HelmRelease); isRelease {
		message = "upgrading web/shop: version 1.9.1 → 1.9.2"
	}
	status.Progressing(o.(view.Object), message, now)
}

func answers(o client.Object) {
	token := o.GetAnnotations()[v1beta1.ReconcileRequestAnnotation]
	switch v := o.(type) {
	case *v1beta1.HelmRelease:
		v.Status.LastHandledReconcileAt, v.Status.ObservedGeneration = token, v.Generation
	case v1beta1.Source:
		v.Request().LastHandledReconcileAt = token
		v.SetObservedGeneration(v.GetGeneration())
	}
}

func labelled(o client.Object) { o.SetLabels(map[string]string{"touched": "yes"}) }

func becomesReady(o client.Object) {
	answers(o)
	if _, isRelease := o.(*v1beta1.HelmRelease); !isRelease {
		status.Ready(o.(view.Object), v1beta1.SucceededReason, "213 charts", now)
		return
	}
	status.Ready(o.(view.Object), v1beta1.UpgradeSucceededReason, "web/shop revision 43 runs shop 1.9.2", now)
}

func fails(o client.Object) {
	answers(o)
	if _, isRelease := o.(*v1beta1.HelmRelease); !isRelease {
		status.Retrying(o.(view.Object), v1beta1.FetchFailedReason, "charts.example.com answers 503", now)
		return
	}
	status.Retrying(o.(view.Object), v1beta1.UpgradeFailedReason, "upgrade of web/shop failed: Job/migrate: exit code 1", now)
}

func stalls(o client.Object) {
	answers(o)
	status.Stalled(o.(view.Object), v1beta1.SchemaFailedReason, "values: replicas: got string, want integer", now)
}

func endsEarlierWork(o client.Object) {
	status.Ready(o.(view.Object), v1beta1.UpgradeSucceededReason, "web/shop revision 42 runs shop 1.9.1", now)
}

func waitsForDependency(o client.Object) {
	answers(o)
	status.Retrying(o.(view.Object), v1beta1.DependencyNotReadyReason, "dependency infra/db is not ready", now)
}

func isSuspendedMeanwhile(o client.Object) { o.(*v1beta1.HelmRelease).Spec.Suspend = true }

func reconcileWorld(steps ...func(client.Object)) world {
	return world{objects: everything(), funcs: play(steps...)}
}

// valuesOfFleet is a world whose release takes values from a source of another namespace, and from one that is not there.
func valuesOfFleet() world {
	w := reconcileWorld(works, becomesReady)
	hr := shop()
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{
		{Kind: v1beta1.GitRepositoryKind, Namespace: "infra", Name: "fleet", Path: "values.yaml"},
		{Kind: v1beta1.GitRepositoryKind, Namespace: "infra", Name: "fleet", Path: "more/*.yaml"},
		{Kind: v1beta1.BucketKind, Name: "absent", Path: "values.yaml", Optional: true},
	}
	w.objects[0] = hr
	return w
}

func TestReconcile(t *testing.T) {
	t.Parallel()
	onTerminal := reconcileWorld(works, becomesReady)
	onTerminal.width = 80
	runGolden(t, []goldenCase{
		{"reconcile", reconcileWorld(), "reconcile release shop"},
		{"reconcile-force-source", reconcileWorld(), "reconcile oci api -n registry --force"},
		{"reconcile-source", reconcileWorld(), "reconcile oci api -n registry"},
		{"reconcile-wait-ready", reconcileWorld(works, labelled, becomesReady), "reconcile release shop --wait"},
		{"reconcile-wait-failed", reconcileWorld(works, fails), "reconcile release shop --wait"},
		{"reconcile-wait-stalled", reconcileWorld(works, stalls), "reconcile release shop --wait"},
		{"reconcile-wait-after-earlier-work", reconcileWorld(works, endsEarlierWork, works, becomesReady), "reconcile release shop --wait"},
		{"reconcile-wait-dependency", reconcileWorld(waitsForDependency, works, becomesReady), "reconcile release shop --wait"},
		{"reconcile-wait-suspended-meanwhile", reconcileWorld(isSuspendedMeanwhile), "reconcile release shop --wait"},
		{"reconcile-wait-terminal", onTerminal, "reconcile release shop --wait"},
		{"reconcile-wait-unanswered", reconcileWorld(), "reconcile release shop --wait --timeout 1s"},
		{"reconcile-wait-too-long", reconcileWorld(works), "reconcile release shop --wait --timeout 1s"},
		{"reconcile-with-source", reconcileWorld(works, becomesReady), "reconcile release shop --with-source --wait"},
		{"reconcile-with-source-chain", reconcileWorld(works, becomesReady), "reconcile release db -n infra --with-source"},
		{"reconcile-with-source-values", valuesOfFleet(), "reconcile release shop --with-source"},
		{"reconcile-with-source-failed", reconcileWorld(works, fails), "reconcile release shop --with-source"},
		{"reconcile-with-source-none", reconcileWorld(), "reconcile helmrepo charts --with-source"},
		{"reconcile-suspended", reconcileWorld(), "reconcile release parked"},
		{"reconcile-not-found", reconcileWorld(), "reconcile helmrepository chart"},
		{"reconcile-plural", reconcileWorld(), "reconcile helmreleases shop"},
		{"reconcile-slash", reconcileWorld(), "reconcile helmrepositories/charts"},
		{"reconcile-similar-kind", reconcileWorld(), "reconcile helmrelase shop"},
		{"reconcile-unknown-kind", reconcileWorld(), "reconcile deployment shop"},
		{"reconcile-override", reconcileWorld(), "sync release shop --override-window --reason INC-1234"},
		{"reconcile-override-no-reason", reconcileWorld(), "sync release shop --override-window"},
		{"reconcile-override-reason-alone", reconcileWorld(), "reconcile release shop --reason INC-1234"},
		{"reconcile-override-source", reconcileWorld(), "sync oci api -n registry --override-window --reason INC-1234"},
		{"reconcile-no-time", reconcileWorld(), "reconcile release shop --wait --timeout 0s"},
	})
}

func TestReconcileSetsTheAnnotationStrictly(t *testing.T) {
	t.Parallel()
	var options client.PatchOptions
	w := world{objects: everything(), funcs: interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			options.ApplyOptions(opts)
			return c.Patch(ctx, o, p, opts...)
		},
	}}
	c := w.client(t)
	if r := w.runWith(t, c, "reconcile", "release", "shop"); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	if options.FieldValidation != metav1.FieldValidationStrict || options.FieldManager != string(fieldManager) {
		t.Errorf("patch options: %+v", options)
	}
	hr := &v1beta1.HelmRelease{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "web", Name: "shop"}, hr); err != nil {
		t.Fatal(err)
	}
	if got, want := hr.Annotations[v1beta1.ReconcileRequestAnnotation], now.Format(time.RFC3339Nano); got != want {
		t.Errorf("annotation %q, want %q", got, want)
	}
}

func TestReconcileNoticesDeletion(t *testing.T) {
	t.Parallel()
	w := world{objects: everything(), funcs: interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if err := c.Patch(ctx, o, p, opts...); err != nil {
				return err
			}
			return c.Delete(ctx, shop())
		},
	}}
	r := w.run(t, "reconcile", "release", "shop", "--wait")
	if r.code != exitNotReady || r.stdout != "release web/shop is Missing: it was deleted in the meantime\n" {
		t.Errorf("%+v", r)
	}
}

func TestReconcileOutlivesTheEndOfAWatch(t *testing.T) {
	t.Parallel()
	var watches atomic.Int32
	w := reconcileWorld(works, becomesReady)
	w.funcs.Watch = func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
		if watches.Add(1) == 1 {
			ended := watch.NewFake()
			ended.Stop()
			return ended, nil
		}
		return c.Watch(ctx, list, opts...)
	}
	r := w.run(t, "reconcile", "release", "shop", "--wait")
	if r.code != exitOK || !strings.Contains(r.stdout, "is Ready") || watches.Load() != 2 {
		t.Errorf("%+v after %d watches", r, watches.Load())
	}
}

func TestReconcileChangesNothingWithoutTheRightToWatch(t *testing.T) {
	t.Parallel()
	w := world{objects: everything(), funcs: interceptor.Funcs{
		Watch: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
			return nil, forbid("watch", "web")
		},
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			t.Error("patched all the same")
			return nil
		},
	}}
	r := w.run(t, "reconcile", "release", "shop", "--wait")
	want := "fairlead: release shop: forbidden: user alice may not watch helmreleases.fairlead.dev " +
		"in namespace web (kubectl auth can-i watch helmreleases.fairlead.dev -n web); only --wait, --watch and " +
		"--with-source need that right\n"
	if r.code != exitError || r.stderr != want || r.stdout != "" {
		t.Errorf("%+v", r)
	}
}

func TestReconcileAsksForMore(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"":                {v1beta1.ReconcileRequestAnnotation},
		"--force":         {v1beta1.ReconcileRequestAnnotation, v1beta1.ForceRequestAnnotation},
		"--reset":         {v1beta1.ReconcileRequestAnnotation, v1beta1.ResetRequestAnnotation},
		"--reset --force": {v1beta1.ReconcileRequestAnnotation, v1beta1.ForceRequestAnnotation, v1beta1.ResetRequestAnnotation},
	}
	for flags, want := range tests {
		patched := requestPatch("now", special(strings.Contains(flags, "force"), strings.Contains(flags, "reset"))...)
		annotations := patched["metadata"].(map[string]any)["annotations"].(map[string]any)
		if len(annotations) != len(want) {
			t.Errorf("%q sets %v, want %v", flags, annotations, want)
		}
		for _, annotation := range want {
			if annotations[annotation] != "now" {
				t.Errorf("%q sets %v, want %s with the same token", flags, annotations, annotation)
			}
		}
	}
}

// A request that overrides the windows has the token twice, and the reason. Without a reason there is none.
func TestReconcileOverridesAWindow(t *testing.T) {
	t.Parallel()
	patched := overridePatch("now", "INC-1234", special(true, false)...)
	annotations := patched["metadata"].(map[string]any)["annotations"].(map[string]any)
	want := map[string]any{
		v1beta1.ReconcileRequestAnnotation: "now", v1beta1.ForceRequestAnnotation: "now",
		v1beta1.OverrideWindowAnnotation: "now", v1beta1.OverrideReasonAnnotation: "INC-1234",
	}
	if !maps.Equal(annotations, want) {
		t.Errorf("it sets %v, want %v", annotations, want)
	}
}
