package v1beta1

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestResourceRefsAreTakenApart(t *testing.T) {
	t.Parallel()
	for _, parts := range [][4]string{
		{"apps", "web", "apps", "Deployment"}, {"", "admin", "rbac.authorization.k8s.io", "ClusterRole"},
		{"apps", "web", "", "ConfigMap"},
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
	if hr.GetBake() != 2*time.Minute || hr.GetDriftMode() != DriftEnabled || !hr.PreflightEnabled() ||
		!hr.AutoRollbackEnabled() || count != 3 || per != 24*time.Hour {
		t.Errorf("bake %s, drift %s, budget %d in %s", hr.GetBake(), hr.GetDriftMode(), count, per)
	}
	none := int32(0)
	hr.Spec = HelmReleaseSpec{
		Bake: &metav1.Duration{}, Preflight: Disabled, DriftDetection: &DriftDetection{Mode: DriftWarn},
		AutoRollback: &AutoRollback{
			Mode: Disabled, Budget: &RollbackBudget{Count: &none, Per: &metav1.Duration{Duration: time.Hour}},
		},
	}
	count, per = hr.GetRollbackBudget()
	if hr.GetBake() != 0 || hr.GetDriftMode() != DriftWarn || hr.PreflightEnabled() || hr.AutoRollbackEnabled() ||
		count != 0 || per != time.Hour {
		t.Errorf("bake %s, drift %s, budget %d in %s", hr.GetBake(), hr.GetDriftMode(), count, per)
	}
}

func TestNumbersFit(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int32{
		0: 0, 7: 7, -3: -3, math.MaxInt32 + 1: math.MaxInt32, math.MinInt32 - 1: math.MinInt32,
	} {
		if got := Number(n); got != want {
			t.Errorf("%d became %d, want %d", n, got, want)
		}
	}
}

// Inventories of earlier versions are read, and written with the names of today.
func TestInventoriesOfEarlierVersionsAreRead(t *testing.T) {
	t.Parallel()
	now := `{"id":"apps_web_apps_Deployment","v":"v1","ownership":"0a","payload":"1b"}`
	for _, text := range []string{
		now,
		`{"id":"apps_web_apps_Deployment","v":"v1","o":"0a","d":"1b"}`,
		`{"id":"apps_web_apps_Deployment","v":"v1","o":"old","ownership":"0a","d":"old","payload":"1b"}`,
	} {
		var ref ResourceRef
		if err := json.Unmarshal([]byte(text), &ref); err != nil {
			t.Fatal(err)
		}
		written, err := json.Marshal(ref)
		if err != nil {
			t.Fatal(err)
		}
		if string(written) != now {
			t.Errorf("%s became %s", text, written)
		}
	}
	var ref ResourceRef
	if err := json.Unmarshal([]byte(`{"id":1}`), &ref); err == nil {
		t.Error("an ID that is no text is read")
	}
}

// The names of today cost a status of 500 objects less than 8 KiB more than the letters of earlier versions did.
func TestAnInventoryStaysSmall(t *testing.T) {
	t.Parallel()
	inventory := ResourceInventory{}
	letters := 0
	for i := range 500 {
		ref := NewResourceRef("apps", fmt.Sprintf("web-%d", i), "apps", "Deployment", "v1")
		ref.Ownership = "0123456789abcdef"
		ref.Payload = "0123456789abcdef"
		inventory.Entries = append(inventory.Entries, ref)
		letters += len(fmt.Sprintf(`{"id":%q,"v":"v1","o":%q,"d":%q},`, ref.ID, ref.Ownership, ref.Payload))
	}
	written, err := json.Marshal(inventory)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes with full names, %d with letters", len(written), letters)
	if more := len(written) - letters; more > 8<<10 {
		t.Errorf("the inventory is %d bytes larger than with letters", more)
	}
}
