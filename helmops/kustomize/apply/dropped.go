package apply

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/helmops/kube/drift"
)

// lacks notes what the API server did not keep of an object that was just written. What the Kustomization leaves to
// others was not sent, so its absence says nothing.
func (r *run) lacks(i *item, answer *unstructured.Unstructured) {
	manifest := i.Object.Object
	if ignored := r.Ignore.Of(i.Unstructured); !ignored.Empty() {
		manifest = ignored.Trim(manifest, answer)
	}

	fields := drift.Dropped(answer, manifest)
	if len(fields) == 0 {
		return
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Dropped = append(r.result.Dropped, i.String()+" ("+drift.Named(fields)+")")
	slices.Sort(r.result.Dropped)
}
