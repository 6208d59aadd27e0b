package pipeline

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
)

func TestShareOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]promotion.Share{
		"2": {Count: 2}, "80%": {Percent: 80}, "100%": {Percent: 100}, "1%": {Percent: 1},
	} {
		value := intstr.Parse(text)
		if got, err := shareOf(&value); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	if got, err := shareOf(nil); err != nil || got != (promotion.Share{}) {
		t.Errorf("nothing is %v, %v", got, err)
	}
	for _, text := range []string{"0", "-1", "0%", "101%", "most", "%", "5 %"} {
		value := intstr.Parse(text)
		err := check(threeStages(func(p *v1beta1.ReleasePipeline) { p.Spec.Stages[1].MinVerified = &value }))
		if err == nil || !strings.Contains(err.Error(), "spec.stages[1].minVerified") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// The share of the spec is what the decision sees.
func TestMinVerifiedOfTheSpec(t *testing.T) {
	t.Parallel()
	value := intstr.FromString("80%")
	p := threeStages(func(p *v1beta1.ReleasePipeline) { p.Spec.Stages[1].MinVerified = &value })
	if got := factsOf(p, inputs{}).Stages[1].MinVerified; got != (promotion.Share{Percent: 80}) {
		t.Errorf("the share is %s", got)
	}
}
