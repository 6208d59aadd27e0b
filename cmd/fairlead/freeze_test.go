package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestFreeze(t *testing.T) {
	t.Parallel()
	there := world{objects: []client.Object{&v1beta1.ReleaseFreeze{ObjectMeta: metav1.ObjectMeta{Name: "sale"}}}}
	runGolden(t, []goldenCase{
		{"freeze", world{}, "freeze incident --reason INC-1234 --namespaces web,shop --for 4h"},
		{"freeze-one", world{}, "freeze incident --reason INC-1234 --namespaces web --until 2026-05-04T08:00:00+02:00"},
		{"freeze-open", world{}, "freeze freeze/incident --reason INC-1234 --from 2026-05-05T00:00:00Z"},
		{"freeze-labels", world{}, "freeze front --reason sale --selector tier=front,team=shop --for 4h"},
		{"freeze-labels-wrong", world{}, "freeze front --reason sale --selector tier=front=x"},
		{"freeze-exists", there, "freeze sale --reason again"},
		{"freeze-no-reason", world{}, "freeze sale"},
		{"freeze-no-name", world{}, "freeze --reason x"},
		{"freeze-bad-name", world{}, "freeze The_Sale --reason x"},
		{"freeze-bad-time", world{}, "freeze sale --reason x --until tomorrow"},
		{"freeze-over", world{}, "freeze sale --reason x --until 2026-05-04T02:00:00Z"},
		{"freeze-both-ends", world{}, "freeze sale --reason x --until 2026-06-04T02:00:00Z --for 1h"},
		{"freeze-no-time", world{}, "freeze sale --reason x --for 0s"},
		{"unfreeze", there, "unfreeze sale"},
		{"unfreeze-unknown", there, "unfreeze sael"},
		{"help-freeze", world{}, "freeze --help"},
	})
}

func TestFreezeWrites(t *testing.T) {
	t.Parallel()
	w := world{}
	c := w.client(t)
	from := "2026-05-04T05:00:00Z"
	line := []string{"freeze", "sale", "--reason", "x", "--namespaces", "web", "--from", from, "--for", "90m"}
	if r := w.runWith(t, c, line...); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	got := &v1beta1.ReleaseFreeze{}
	key := types.NamespacedName{Name: "sale"}
	if err := c.Get(t.Context(), key, got); err != nil {
		t.Fatal(err)
	}
	want := v1beta1.ReleaseFreezeSpec{
		Reason: "x", Namespaces: []string{"web"},
		From: ptr.To(metav1.NewTime(now.Add(2 * time.Hour))), Until: ptr.To(metav1.NewTime(now.Add(210 * time.Minute))),
	}
	same := cmp.Comparer(func(a, b metav1.Time) bool { return a.Time.Equal(b.Time) })
	if diff := cmp.Diff(want, got.Spec, same); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r := w.runWith(t, c, "__completeNoDesc", "unfreeze", ""); r.stdout != "sale\n:4\n" {
		t.Errorf("completes %q", r.stdout)
	}
	if r := w.runWith(t, c, "unfreeze", "sale"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	if err := c.Get(t.Context(), key, got); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("the freeze is still there: %v", err)
	}
}
