package v1beta1

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestResourceRefsAreTakenApart(t *testing.T) {
	t.Parallel()
	for _, parts := range [][4]string{
		{"apps", "web", "apps", "Deployment"}, {"", "admin", "rbac.authorization.k8s.io", "ClusterRole"}, {"apps", "web", "", "ConfigMap"},
		{"apps", "system:a_b_c", "rbac.authorization.k8s.io", "Role"}, {"", "_", "", "Namespace"},
	} {
		namespace, name, group, kind, ok := NewResourceRef(parts[0], parts[1], parts[2], parts[3], "v1").Split()
		if got := [4]string{namespace, name, group, kind}; !ok || got != parts {
			t.Errorf("%v became %v, %v", parts, got, ok)
		}
	}
	for _, id := range []string{"", "a", "a_b", "a_b_c", "a__c_d", "a_b_c_"} {
		if _, _, _, _, ok := (ResourceRef{ID: id}).Split(); ok {
			t.Errorf("%q is taken for an object", id)
		}
	}
}

func TestDefaultsOfRecovery(t *testing.T) {
	t.Parallel()
	hr := &HelmRelease{}
	count, per := hr.GetRollbackBudget()
	if hr.GetBake() != 2*time.Minute || hr.GetDriftMode() != DriftEnabled || !hr.PreflightEnabled() || !hr.AutoRollbackEnabled() || count != 3 || per != 24*time.Hour {
		t.Errorf("bake %s, drift %s, budget %d in %s", hr.GetBake(), hr.GetDriftMode(), count, per)
	}
	none := 0
	hr.Spec = HelmReleaseSpec{
		Bake: &metav1.Duration{}, Preflight: Disabled, DriftDetection: &DriftDetection{Mode: DriftWarn},
		AutoRollback: &AutoRollback{Mode: Disabled, Budget: &RollbackBudget{Count: &none, Per: &metav1.Duration{Duration: time.Hour}}},
	}
	count, per = hr.GetRollbackBudget()
	if hr.GetBake() != 0 || hr.GetDriftMode() != DriftWarn || hr.PreflightEnabled() || hr.AutoRollbackEnabled() || count != 0 || per != time.Hour {
		t.Errorf("bake %s, drift %s, budget %d in %s", hr.GetBake(), hr.GetDriftMode(), count, per)
	}
}
