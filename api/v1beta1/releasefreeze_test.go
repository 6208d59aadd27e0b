package v1beta1

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAFreezeCovers(t *testing.T) {
	t.Parallel()
	web := &HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web",
		Labels: map[string]string{"tier": "front"}}}
	byTier := func(tier string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"tier": tier}}
	}
	unreadable := &metav1.LabelSelector{
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: "Near"}},
	}
	for _, tt := range []struct {
		name string
		spec ReleaseFreezeSpec
		want bool
	}{
		{"everything", ReleaseFreezeSpec{}, true},
		{"its namespace", ReleaseFreezeSpec{Namespaces: []string{"infra", "apps"}}, true},
		{"another namespace", ReleaseFreezeSpec{Namespaces: []string{"infra"}}, false},
		{"its labels", ReleaseFreezeSpec{Selector: byTier("front")}, true},
		{"other labels", ReleaseFreezeSpec{Selector: byTier("back")}, false},
		{"an empty selector", ReleaseFreezeSpec{Selector: &metav1.LabelSelector{}}, true},
		{"its labels in another namespace",
			ReleaseFreezeSpec{Namespaces: []string{"infra"}, Selector: byTier("front")}, false},
		{"a selector that cannot be read", ReleaseFreezeSpec{Selector: unreadable}, true},
		{"a selector that cannot be read, in another namespace",
			ReleaseFreezeSpec{Namespaces: []string{"infra"}, Selector: unreadable}, false},
	} {
		if got := (&ReleaseFreeze{Spec: tt.spec}).Covers(web); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
