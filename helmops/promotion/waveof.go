package promotion

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"fairlead.dev/fairlead/api/v1beta1"
)

// WaveOf is the index of the first wave that selects a release, that after the last when none does. A selector that
// cannot be read selects nothing.
func WaveOf(waves []v1beta1.StageWave, release metav1.Object) int {
	for i := range waves {
		selector, err := metav1.LabelSelectorAsSelector(&waves[i].Selector)
		if err == nil && selector.Matches(labels.Set(release.GetLabels())) {
			return i
		}
	}
	return len(waves)
}

// AdmissionOf reads what was decided about the waves of a stage.
func AdmissionOf(s *v1beta1.StageWaveStatus) Admission {
	if s == nil {
		return Admission{}
	}
	return Admission{
		ID: Identity{Chart: s.Digest, Values: s.ValuesDigest}, Wave: int(s.Index), Name: s.Open, All: s.All,
		Admitted: s.Admitted, Done: s.Done,
	}
}

// WaitsForWave says which wave of a stage a release waits for before it may take a candidate; empty when it may.
func WaitsForWave(p *v1beta1.ReleasePipeline, stage string, id Identity, release metav1.Object) string {
	var waves []v1beta1.StageWave
	for _, s := range p.Spec.Stages {
		if s.Name == stage {
			waves = s.Waves
		}
	}

	if len(waves) == 0 {
		return ""
	}

	admission := Admission{}
	for i := range p.Status.Stages {
		if p.Status.Stages[i].Name == stage {
			admission = AdmissionOf(p.Status.Stages[i].Wave)
		}
	}

	wave := WaveOf(waves, release)
	name := release.GetNamespace() + "/" + release.GetName()
	if admission.Admits(id, Release{Name: name, Wave: wave}) {
		return ""
	}

	what := "the HelmReleases of no wave"
	if wave < len(waves) {
		what = "wave " + waves[wave].Name
	}

	text := fmt.Sprintf("waits for %s of stage %s of ReleasePipeline %s/%s", what, stage, p.Namespace, p.Name)
	if admission.ID == id && admission.String() != "" {
		text += "; " + admission.String()
	}

	return text
}
