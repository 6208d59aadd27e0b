package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	runGolden(t, []goldenCase{
		{"suspend", world{objects: everything()}, "suspend release shop"},
		{"suspend-already", world{objects: everything()}, "suspend release parked"},
		{"suspend-source", world{objects: everything()}, "suspend git fleet -n infra"},
		{"suspend-not-found", world{objects: everything()}, "suspend release nobody"},
		{"suspend-reason", world{objects: everything()}, "suspend release shop --reason INC-1234"},
		{"suspend-reason-changed", world{objects: reasoned()}, "suspend release parked --reason INC-2"},
		{"suspend-reason-same", world{objects: reasoned()}, "suspend release parked --reason INC-1234"},
		{"suspend-reason-long", world{}, "suspend release shop --reason " + strings.Repeat("x", 300)},
		{"suspend-several", world{objects: everything()}, "suspend release shop parked shop"},
		{"suspend-several-not-found", world{objects: everything()}, "suspend release shop shpo"},
		{"suspend-all", world{objects: everything()}, "suspend releases --all -A"},
		{"suspend-all-none", world{objects: everything()}, "suspend buckets --all"},
		{"suspend-all-named", world{objects: everything()}, "suspend release shop --all"},
		{"suspend-all-partly", world{objects: everything(), funcs: refusing("shop")}, "suspend releases --all"},
		{"suspend-which", world{}, "suspend releases"},
		{"suspend-selector", world{objects: selected()}, "suspend releases -A -l tier=test"},
		{"suspend-selector-none", world{objects: selected()}, "suspend releases -A -l tier=none"},
		{"suspend-selector-malformed", world{}, "suspend releases -l =,"},
		{"status-suspended-reason", world{objects: reasoned()}, "status release parked"},
		{"get-suspended-reason", world{objects: reasoned()}, "get releases parked"},
		{"get-suspended-reason-json", world{objects: reasoned()}, "get releases parked -o json"},
		{"resume-all", world{objects: everything()}, "resume releases --all"},
		{"resume-all-none", world{objects: everything()}, "resume kustomizations --all -A"},
		{"resume-all-wait", reconcileWorld(works, becomesReady), "resume releases parked shop --wait"},
		{"resume", world{objects: everything()}, "resume release parked"},
		{"resume-already", world{objects: everything()}, "resume release shop"},
		{"resume-wait", reconcileWorld(works, becomesReady), "resume release parked --wait"},
		{"resume-wait-failed", reconcileWorld(works, fails), "resume release parked --wait"},
		{"resume-wait-already", world{objects: everything()}, "resume release shop --wait"},
	})
}

// reasoned is a cluster with a release that is suspended for a reason.
func reasoned() []client.Object {
	objects := everything()
	for _, o := range objects {
		if o.GetName() == "parked" {
			o.SetAnnotations(map[string]string{v1beta1.SuspendReasonAnnotation: "INC-1234"})
		}
	}
	return objects
}

// refusing refuses every change of the object.
func refusing(name string) interceptor.Funcs {
	return interceptor.Funcs{
		Patch: func(
			ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption,
		) error {
			if o.GetName() == name {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "helmreleases"}, name, errors.New("no"))
			}
			return c.Patch(ctx, o, p, opts...)
		},
	}
}

func TestReasonEndsWithTheSuspension(t *testing.T) {
	t.Parallel()
	w := world{objects: everything()}
	c := w.client(t)
	reason := func() string {
		hr := &v1beta1.HelmRelease{}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "web", Name: "shop"}, hr); err != nil {
			t.Fatal(err)
		}
		return hr.Annotations[v1beta1.SuspendReasonAnnotation]
	}
	w.runWith(t, c, "suspend", "release", "shop", "--reason", "INC-1234")
	if got := reason(); got != "INC-1234" {
		t.Errorf("the reason is %q", got)
	}
	w.runWith(t, c, "resume", "release", "shop")
	if got := reason(); got != "" {
		t.Errorf("the reason is still %q", got)
	}
}

func TestSuspendPatchesOnlySuspend(t *testing.T) {
	t.Parallel()
	var sent []string
	w := world{objects: everything(), funcs: interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			data, err := p.Data(o)
			if err != nil {
				return err
			}
			if p.Type() != types.MergePatchType {
				t.Errorf("patch type %s", p.Type())
			}
			sent = append(sent, string(data))
			return c.Patch(ctx, o, p, opts...)
		},
	}}
	c := w.client(t)
	key := client.ObjectKey{Namespace: "web", Name: "shop"}
	for i, verb := range []string{"suspend", "resume"} {
		if r := w.runWith(t, c, verb, "release", "shop"); r.code != exitOK {
			t.Fatalf("%s: %+v", verb, r)
		}
		hr := &v1beta1.HelmRelease{}
		if err := c.Get(t.Context(), key, hr); err != nil {
			t.Fatal(err)
		}
		if hr.Spec.Suspend != (i == 0) {
			t.Errorf("after %s spec.suspend is %t", verb, hr.Spec.Suspend)
		}
	}
	want := []string{
		`{"metadata":{"annotations":{"fairlead.dev/suspendReason":null}},"spec":{"suspend":true}}`,
		`{"metadata":{"annotations":{"fairlead.dev/suspendReason":null}},"spec":{"suspend":null}}`,
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("patches (-want +got):\n%s", diff)
	}
}
