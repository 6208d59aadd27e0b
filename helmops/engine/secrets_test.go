package engine

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/helmops/engine/kubeclient"
	"fairlead.dev/fairlead/helmops/kube/redact"
)

func secretNamed(name, password string) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": name},
		"stringData": map[string]any{"password": password},
	}
}

// What a record says of a failure hides what the Secrets of the chart hold, as soon as they have been read.
func TestRecordsHideWhatSecretsOfTheChartHold(t *testing.T) {
	t.Parallel()
	r := &run{Action: Action{Mask: redact.NewMask("correct-horse")}}
	const cause = "correct-horse, battery, staple: yaml: unknown anchor 'battery' referenced"
	if got := r.redactCause(cause); got != "***, battery, staple: yaml: unknown anchor referenced" {
		t.Errorf("before: %q", got)
	}
	r.secrets.add(secretNamed("a", "battery"))
	if got := r.redactCause(cause); !strings.HasPrefix(got, "***, ***, staple") {
		t.Errorf("with one Secret: %q", got)
	}
	r.secrets.add(secretNamed("b", "staple"))
	for range 2 {
		if got := r.redactCause(cause); !strings.HasPrefix(got, "***, ***, ***:") {
			t.Errorf("with two Secrets: %q", got)
		}
	}
	if got := r.redactCause(kubeclient.ErrSuperseded.Error()); got != kubeclient.ErrSuperseded.Error() {
		t.Errorf("a text without secrets was changed: %q", got)
	}
}
