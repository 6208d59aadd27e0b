package integration

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A Kustomization tries and writes the objects that differ, once each, and leaves the others alone; one that has
// nothing to do sends nothing, however often it is looked at.
func TestAKustomizationSendsWhatDiffers(t *testing.T) {
	ns := namespace(t)
	alone(t)
	v := newVictim(t, ns, "controller")
	fleet(t, ns, map[string]string{"warm.yaml": settings("warm", "up")})
	k := kustomization(ns, "apps", "", func(s *v1beta1.KustomizationSpec) { s.Interval = often })
	apply(t, k)
	awaitReady(t, k) // the first one makes the process discover and watch ConfigMaps
	v.looksAt(t, v1beta1.KustomizationKind, 3)

	for _, step := range []struct {
		name    string
		changes map[string]string
		want    []string
	}{
		{"three new objects",
			map[string]string{"a.yaml": settings("a", "one"), "b.yaml": settings("b", "one"), "c.yaml": settings("c", "one")},
			[]string{
				"apply configmaps a", "apply configmaps a", "apply configmaps b", "apply configmaps b", "apply configmaps c",
				"apply configmaps c",
			}},
		{
			"one of four changes", map[string]string{"a.yaml": settings("a", "two")},
			[]string{"apply configmaps a", "apply configmaps a"},
		},
		{"a commit that changes no object", map[string]string{"README.md": "hello"}, nil},
		{"one is removed", map[string]string{"b.yaml": ""}, []string{"delete configmaps b", "get configmaps b"}},
	} {
		during := v.proxy.Record(ofFairlead)
		awaitApplied(t, k, commit(t, ns, step.changes))
		v.looksAt(t, v1beta1.KustomizationKind, 3)
		during.Stop()
		if got := ofObjects(requests(during), "configmaps"); !slices.Equal(got, step.want) {
			t.Errorf("%s: the controller sent %q, want %q", step.name, got, step.want)
		}
	}
	during := v.proxy.Record(ofFairlead)
	v.looksAt(t, v1beta1.KustomizationKind, 4)
	expect(t, "audits", during, nil)

	v.kill()
	during = v.proxy.Record(ofFairlead)
	v.start(t)
	v.looksAt(t, v1beta1.KustomizationKind, 3)
	during.Stop()
	for _, r := range during.Requests() {
		if r.Writes() && (r.Resource == "configmaps" || r.Resource == "kustomizations") {
			t.Errorf("a new controller sent %s: %s", describe(r), r.Body)
		}
	}
}

// Objects that change hands cost no request once they have, nor while their former owner waits for a Kustomization
// that may still take another one over.
func TestHandingOverCostsNothingInTheEnd(t *testing.T) {
	ns := namespace(t)
	alone(t)
	v := newVictim(t, ns, "controller")
	fleet(t, ns, map[string]string{
		"one/a.yaml": settings("a", "one"), "one/b.yaml": settings("b", "one"),
		"one/keep.yaml": settings("keep-one", "one"),
		"two/keep.yaml": settings("keep-two", "two"), "bad/c.yaml": "a: [",
	})
	hour := &metav1.Duration{Duration: time.Hour}
	every := func(s *v1beta1.KustomizationSpec) { s.Interval, s.Timeout = often, hour }
	one, two := kustomization(ns, "one", "one", every), kustomization(ns, "two", "two", every)
	bad := kustomization(ns, "bad", "bad", func(s *v1beta1.KustomizationSpec) { s.RetryInterval = hour })
	apply(t, one, two, bad)
	awaitReady(t, one)
	awaitReady(t, two)
	awaitNotReady(t, bad, v1beta1.BuildFailedReason)
	was := configUID(t, ns, "a")
	steady := func(state string) {
		t.Helper()
		v.looksAt(t, v1beta1.KustomizationKind, 6)
		during := v.proxy.Record(ofFairlead)
		v.looksAt(t, v1beta1.KustomizationKind, 8)
		expect(t, state, during, nil)
	}

	sha := commit(t, ns, map[string]string{"one/a.yaml": "", "one/b.yaml": "", "two/a.yaml": settings("a", "two")})
	awaitOwner(t, ns, "a", "two", was)
	awaitApplied(t, two, sha)
	until(t, "the former owner waits", func() bool { return get(t, one).Status.Released != nil })
	steady("waiting for a Kustomization that fails")
	if !holds(t, ns, "b", "one") {
		t.Fatal("the former owner has not waited")
	}

	bad.Spec.Suspend = true
	apply(t, bad)
	until(t, "what no other takes over is deleted", func() bool { return holds(t, ns, "b", "") })
	until(t, "the former owner has ended its wait", func() bool { return get(t, one).Status.Released == nil })
	steady("after objects have changed hands")
}

// ofObjects are the requests about a resource, sorted.
func ofObjects(all []string, resource string) (out []string) {
	for _, r := range all {
		if strings.Contains(r, " "+resource+" ") {
			out = append(out, r)
		}
	}
	slices.Sort(out)
	return out
}
