package release

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/redact"
)

// A password that was replaced is as secret as the new one.
func TestMasksHideFormerSecrets(t *testing.T) {
	t.Parallel()
	hr := helmRelease(func(hr *v1beta1.HelmRelease) {
		hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "passwords"}}
	})
	former := map[string]any{"db": map[string]any{"password": "hunter1"}, "tier": "front"}
	in := Inputs{Values: map[string]any{"db": map[string]any{"password": "hunter2"}, "tier": "front"}, Mask: redact.NewMask("hunter2")}
	if got := MaskOf(hr, in, former).Apply("hunter1 hunter2 front"); got != "*** *** front" {
		t.Errorf("masked it is %q", got)
	}
	hr.Spec.ValuesFrom[0].Kind = "ConfigMap"
	if got := MaskOf(hr, in, former).Apply("hunter1 hunter2 front"); got != "hunter1 *** front" {
		t.Errorf("without values from Secrets it is %q", got)
	}
}
