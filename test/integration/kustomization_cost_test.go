package integration

import (
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A Kustomization tries and writes the objects that differ, once each, and leaves the others alone; one that has nothing to do sends
// nothing, however often it is looked at.
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
		{"three new objects", map[string]string{"a.yaml": settings("a", "one"), "b.yaml": settings("b", "one"), "c.yaml": settings("c", "one")},
			[]string{"apply configmaps a", "apply configmaps a", "apply configmaps b", "apply configmaps b", "apply configmaps c", "apply configmaps c"}},
		{"one of four changes", map[string]string{"a.yaml": settings("a", "two")}, []string{"apply configmaps a", "apply configmaps a"}},
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
