package pipeline

import (
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"fairlead.dev/fairlead/helmops/promotion"
)

// shareOf reads a count or a percentage of HelmReleases; nil is all of them.
func shareOf(value *intstr.IntOrString) (promotion.Share, error) {
	if value == nil {
		return promotion.Share{}, nil
	}

	if value.Type == intstr.Int {
		if value.IntVal < 1 {
			return promotion.Share{}, fmt.Errorf("%d is not at least 1", value.IntVal)
		}
		return promotion.Share{Count: int(value.IntVal)}, nil
	}

	text, isPercent := strings.CutSuffix(value.StrVal, "%")
	percent, err := strconv.Atoi(text)
	if !isPercent || err != nil || percent < 1 || percent > 100 {
		return promotion.Share{}, fmt.Errorf("%q is neither a count nor a percentage from 1%% to 100%%", value.StrVal)
	}

	return promotion.Share{Percent: percent}, nil
}
