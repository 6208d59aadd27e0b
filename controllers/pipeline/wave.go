package pipeline

import (
	"fmt"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
)

// checkWaves says what is wrong with waves that the API server takes.
func checkWaves(waves []v1beta1.StageWave, field string) error {
	for i := range waves {
		if _, err := metav1.LabelSelectorAsSelector(&waves[i].Selector); err != nil {
			return fmt.Errorf("%s[%d].selector: %w", field, i, err)
		}
		if _, _, err := limitOf(waves[i].MaxUnavailable); err != nil {
			return fmt.Errorf("%s[%d].maxUnavailable has to be a number from 1 to %d or a percentage: %w",
				field, i, promotion.MaxAdmitted, err)
		}
	}
	return nil
}

// limitOf reads a number or a percentage; 0 when there is none.
func limitOf(value *intstr.IntOrString) (limit int, percent bool, err error) {
	if value == nil {
		return 0, false, nil
	}

	percent = value.Type == intstr.String
	limit = value.IntValue()
	if percent {
		text, is := strings.CutSuffix(value.StrVal, "%")
		if !is {
			return 0, false, fmt.Errorf("%q is no percentage", value.StrVal)
		}
		if limit, err = strconv.Atoi(text); err != nil {
			return 0, false, fmt.Errorf("%q is no percentage", value.StrVal)
		}
	}

	if limit < 1 || limit > promotion.MaxAdmitted {
		return 0, false, fmt.Errorf("%d is out of range", limit)
	}

	return limit, percent, nil
}

// waves adds the waves of a stage, and that of each release, which are in the order of those of the stage.
func waves(s *promotion.Stage, spec []v1beta1.StageWave, releases []v1beta1.HelmRelease) {
	for _, w := range spec {
		wave := promotion.Wave{Name: w.Name}
		wave.Limit, wave.Percent, _ = limitOf(w.MaxUnavailable) // it was checked
		s.Waves = append(s.Waves, wave)
	}
	for i := range s.Releases {
		s.Releases[i].Wave = promotion.WaveOf(spec, &releases[i])
	}
}

// admit writes into the status of a stage which of its releases may take what it has.
func admit(next *v1beta1.StageStatus, had v1beta1.StageStatus, s promotion.Stage) {
	a := s.Admit(promotion.AdmissionOf(had.Wave))
	if a.ID.Chart == "" {
		return
	}

	next.Wave = &v1beta1.StageWaveStatus{
		Digest: a.ID.Chart, ValuesDigest: a.ID.Values, Open: a.Name, Index: v1beta1.Number(a.Wave),
		All: a.All, Admitted: a.Admitted, Done: a.Done,
	}
	if text := a.String(); text != "" {
		next.Message = short(next.Message+"; "+text, maxMessage)
	}
}
