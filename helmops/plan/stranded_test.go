package plan

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestStranded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		facts Stranded
		step  Step
		says  string
	}{
		{"no identity, and its namespace goes", Stranded{Reason: v1beta1.AccessDeniedReason, Terminating: true, Released: true}, None, ""},
		{"no identity, and never released", Stranded{Reason: v1beta1.AccessDeniedReason}, None, ""},
		{"no kubeconfig, and never released", Stranded{Reason: v1beta1.KubeConfigInvalidReason}, None, ""},
		{"a cluster of no supported kind, and never released", Stranded{Reason: v1beta1.UnsupportedReason}, None, ""},
		{"no identity", Stranded{Reason: v1beta1.AccessDeniedReason, Released: true}, Wait, "cannot uninstall apps/web: why; to keep"},
		{"a cluster that does not answer", Stranded{Reason: v1beta1.ClusterUnreachableReason}, Wait, "cannot uninstall apps/web: why; to keep"},
		{"no right to read records", Stranded{Reason: v1beta1.AccessDeniedReason, Forbidden: true}, Wait,
			"why; restore the ServiceAccount and its rights"},
		{"no right to read records, and its namespace goes", Stranded{Reason: v1beta1.AccessDeniedReason, Forbidden: true, Terminating: true},
			None, "cluster-wide objects of the release and those in other namespaces may be left"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.facts.Message = "why"
			p := tt.facts.Decide(Target{Namespace: "apps", Name: "web"})
			if p.Step != tt.step || !strings.Contains(p.Message, tt.says) {
				t.Errorf("the plan is %+v", p)
			}
			if p.Step == Wait && (p.After <= 0 || p.Reason != tt.facts.Reason) {
				t.Errorf("it waits for %s because of %s", p.After, p.Reason)
			}
		})
	}
}
