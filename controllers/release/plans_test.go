package release

import (
	"context"
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/view"
)

// plannedWork is the work of a Preview, and what it foresees: a ConfigMap and a Secret.
func plannedWork() (release.Work, *engine.Foresight, *v1beta1.PlanStatus) {
	hr := helmRelease("web")
	hr.UID = "1"
	work := release.NewPass(hr).Work(plan.Plan{Step: plan.Preview, Message: "chart version 1.0.0 → 1.1.0"}, nil, nil)
	work.Inputs.Chart = v1beta1.ChartRevision{Name: "web", Version: "1.1.0"}
	content := &engine.Content{Manifest: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {key: value}\n" +
		"---\napiVersion: v1\nkind: Secret\nmetadata: {name: web}\nstringData: {key: " + canary + "}\n"}
	f := &engine.Foresight{From: &engine.Content{}, To: content, Again: content, First: true}
	return work, f, &v1beta1.PlanStatus{Digest: "sha256:plan", Risk: v1beta1.RiskNone, Summary: "2 created"}
}

const canary = "correct-horse-battery-staple"

func plansCluster(t *testing.T) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).Build()
}

// The whole plan is an object that the HelmRelease owns. It holds nothing of a Secret.
func TestAPlanIsKept(t *testing.T) {
	t.Parallel()
	work, f, summary := plannedWork()
	objects := plansCluster(t)
	kept := plans{writer: client.WithFieldOwner(objects, planOwner)}
	kept.keep(t.Context(), work, f, summary)

	stored := &v1beta1.ReleasePlan{}
	key := types.NamespacedName{Namespace: work.Release.Namespace, Name: "helmrelease-web"}
	if err := objects.Get(t.Context(), key, stored); err != nil {
		t.Fatal(err)
	}
	whole, err := view.DecodePlan(stored.Spec.Content)
	if err != nil {
		t.Fatal(err)
	}
	if stored.Spec.Digest != "sha256:plan" || len(whole.Objects) != 2 || whole.To.Version != "1.1.0" ||
		len(stored.OwnerReferences) != 1 || stored.OwnerReferences[0].UID != "1" {
		t.Errorf("stored is %+v, the plan %+v", stored, whole)
	}
	for _, o := range whole.Objects {
		for _, field := range o.Fields {
			if field.To == canary {
				t.Errorf("the plan holds a secret: %+v", o)
			}
		}
	}

	kept.keep(t.Context(), work, f, &v1beta1.PlanStatus{Digest: "sha256:next"})
	if err := objects.Get(t.Context(), key, stored); err != nil || stored.Spec.Digest != "sha256:next" {
		t.Errorf("after another plan: %s, %v", stored.Spec.Digest, err)
	}

	kept.drop(t.Context(), work.Release)
	kept.drop(t.Context(), work.Release)
	if err := objects.Get(t.Context(), key, stored); !apierrors.IsNotFound(err) {
		t.Errorf("after the plan has run: %v", err)
	}
}

// A cluster that refuses the object, or does not answer, stops nothing: the writes are bounded, and return.
func TestAPlanThatCannotBeKept(t *testing.T) {
	t.Parallel()
	work, f, summary := plannedWork()
	bounded := 0
	refuse := func(ctx context.Context) error {
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= planWrite {
			bounded++
		}
		return errors.New("exceeded quota")
	}
	objects := interceptor.NewClient(plansCluster(t), interceptor.Funcs{
		Apply: func(ctx context.Context, _ client.WithWatch, _ runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
			return refuse(ctx)
		},
		Delete: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ ...client.DeleteOption) error {
			return refuse(ctx)
		},
	})
	kept := plans{writer: objects}
	kept.keep(t.Context(), work, f, summary)
	kept.drop(t.Context(), work.Release)
	if bounded != 2 {
		t.Errorf("%d of 2 writes are bounded", bounded)
	}
}
