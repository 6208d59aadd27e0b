package status

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	kustomization "fairlead.dev/fairlead/helmops/kustomize/plan"
)

// keptForOthers says which objects are kept for other Kustomizations, and until when; empty when there are none.
func keptForOthers(k *v1beta1.Kustomization) string {
	r := k.Status.Released
	if r == nil || len(r.Objects) == 0 || len(r.WaitsFor) == 0 {
		return ""
	}

	last := r.Objects[0].Since.Time
	for _, o := range r.Objects {
		if o.Since.After(last) {
			last = o.Since.Time
		}
	}

	return fmt.Sprintf("; %d objects that are no longer in the source are not deleted before %s, at the latest %s",
		len(r.Objects), kustomization.HandsOver(r.WaitsFor), last.Add(k.GetTimeout()).UTC().Format(time.RFC3339))
}
