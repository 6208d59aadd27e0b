package apply

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// How Helm labels the records of a release.
const (
	recordOwnerLabel   = "owner"
	recordOwner        = "helm"
	recordNameLabel    = "name"
	recordStatusLabel  = "status"
	recordVersionLabel = "version"
	uninstalledStatus  = "uninstalled"
	// recordOwnerAnnotation is on records that Fairlead has written.
	recordOwnerAnnotation = "fairlead.dev/owner"
)

var secretResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// fate is what became of a Helm release: ended, and by Fairlead.
type fate struct{ ended, ours bool }

// leftover reports whether an object is what a Helm release left that is uninstalled, and so has no owner any more: the
// object of a hook, which Helm leaves behind, or a record of its history that Fairlead has kept. soon is as in
// occupied: then a release that goes too counts.
func (r *run) leftover(
	ctx context.Context, o *metav1.PartialObjectMetadata, resource schema.GroupVersionResource, soon bool,
) (bool, error) {
	mark := o.Annotations[v1beta1.HookOfAnnotation]
	record := false
	if resource == secretResource && o.Labels[recordOwnerLabel] == recordOwner && o.Labels[recordNameLabel] != "" {
		mark, record = v1beta1.HookOf(o.Namespace, o.Labels[recordNameLabel]), true
	}

	storage, name, ok := strings.Cut(mark, "/")
	switch {
	case !ok:
		return false, nil
	case soon && r.uninstalls():
		return true, nil
	}

	known, is := r.fates[mark]
	if !is {
		var err error
		if known, err = r.fateOf(ctx, storage, name); err != nil {
			return false, err
		}
		if r.fates == nil {
			r.fates = map[string]fate{}
		}

		r.fates[mark] = known
	}

	return known.ended && (known.ours || !record), nil
}

// fateOf finds out what became of a Helm release. One whose records the identity may not see counts as one that lives.
func (r *run) fateOf(ctx context.Context, storage, name string) (fate, error) {
	list, err := r.as.Metadata().Resource(secretResource).Namespace(storage).List(ctx, metav1.ListOptions{
		LabelSelector: recordOwnerLabel + "=" + recordOwner + "," + recordNameLabel + "=" + name,
	})
	if apierrors.IsForbidden(err) {
		return fate{}, nil
	}
	if err != nil {
		return fate{}, fmt.Errorf("looking whether the Helm release %s/%s is uninstalled: %w", storage, name, err)
	}

	return judgeRecords(list.Items), nil
}

// judgeRecords tells the fate of a release by the newest of its records; one without a record has ended.
func judgeRecords(records []metav1.PartialObjectMetadata) fate {
	out := fate{ended: true}
	newest := -1
	for i := range records {
		labels := records[i].Labels
		version, err := strconv.Atoi(labels[recordVersionLabel])
		if err != nil || version <= newest {
			continue
		}

		newest = version
		out.ended = labels[recordStatusLabel] == uninstalledStatus
		out.ours = records[i].Annotations[recordOwnerAnnotation] != ""
	}

	return out
}

// isInTheWay notes the first object of others.
func (r *run) isInTheWay(o *metav1.PartialObjectMetadata, resource schema.GroupVersionResource) {
	if r.inTheWay != nil {
		return
	}
	kind, err := r.site.cluster.Mapper().KindFor(resource)
	if err != nil {
		return // it is looked for again with the next attempt
	}
	r.inTheWay = &tracker.Ref{GVK: kind, Namespace: o.Namespace, Name: o.Name}
}
