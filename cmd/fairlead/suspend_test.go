package main

import (
	"context"
	"testing"

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
		{"resume", world{objects: everything()}, "resume release parked"},
		{"resume-already", world{objects: everything()}, "resume release shop"},
		{"resume-wait", reconcileWorld(works, becomesReady), "resume release parked --wait"},
		{"resume-wait-failed", reconcileWorld(works, fails), "resume release parked --wait"},
		{"resume-wait-already", world{objects: everything()}, "resume release shop --wait"},
	})
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
	if len(sent) != 2 || sent[0] != `{"spec":{"suspend":true}}` || sent[1] != `{"spec":{"suspend":null}}` {
		t.Errorf("patches: %q", sent)
	}
}
