package status

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// What fails in the same way again and again says what a person can do, not only what is wrong.
func TestAdvice(t *testing.T) {
	t.Parallel()
	change := Failure{Reason: v1beta1.ValidationFailedReason, Message: "Job apps/a: spec.template: field is immutable"}
	of := func(reason string) Failure { return Failure{Reason: reason, Message: "no"} }
	for name, tt := range map[string]struct{ got, want string }{
		"a release, twice":                   {adviceRelease(change, adviseAfter-1), ""},
		"a Kustomization, twice":             {adviceKustomization(change, adviseAfter-1, false), ""},
		"a release that changes a field":     {adviceRelease(change, adviseAfter), "delete the object"},
		"a set that changes a field":         {adviceKustomization(change, adviseAfter, false), "--force"},
		"a set that changes it by force":     {adviceKustomization(change, adviseAfter, true), "by hand"},
		"an object of another":               {adviceKustomization(of(v1beta1.OwnershipConflictReason), 5, false), "follow one source"},
		"a webhook that is not there":        {adviceKustomization(of(v1beta1.ApplyFailedReason), 5, false), "spec.dependsOn"},
		"a missing right of a release":       {adviceRelease(of(v1beta1.AccessDeniedReason), 5), "missing right"},
		"a missing right of a set":           {adviceKustomization(of(v1beta1.AccessDeniedReason), 5, false), "missing right"},
		"a kind that is not there":           {adviceKustomization(of(v1beta1.KindUnknownReason), 5, false), "spec.dependsOn"},
		"a failure that nothing is known of": {adviceRelease(of(v1beta1.UpgradeFailedReason), 5), ""},
	} {
		if (tt.want == "") != (tt.got == "") || !strings.Contains(tt.got, tt.want) {
			t.Errorf("%s: %q, want %q in it", name, tt.got, tt.want)
		}
	}
}
