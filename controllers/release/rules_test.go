package release

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/health"
)

func TestTheWaitStrategyChoosesTheRules(t *testing.T) {
	t.Parallel()
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Widget", "metadata": map[string]any{"name": "a"},
		"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False"}}},
	}}
	for name, tt := range map[string]struct {
		strategy *v1beta1.WaitStrategy
		want     health.State
	}{
		"none":   {nil, health.InProgress},
		"poller": {&v1beta1.WaitStrategy{Name: "poller"}, health.InProgress},
		"legacy": {&v1beta1.WaitStrategy{Name: v1beta1.WaitStrategyLegacy}, health.Current},
	} {
		hr := &v1beta1.HelmRelease{Spec: v1beta1.HelmReleaseSpec{WaitStrategy: tt.strategy}}
		judge, _, err := new(rules).of(hr)
		if err != nil {
			t.Fatal(err)
		}
		if got := judge.Assess(object, true).State; got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}
