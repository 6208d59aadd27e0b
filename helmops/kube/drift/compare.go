package drift

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Compare returns the fields in which an object in the cluster differs from what it would be, or has become, when its
// release was applied: those that the release owns then, and that have another value or none. Of parents that are gone
// as a whole only the topmost is reported. mask hides secrets; nil hides none.
func Compare(live, would *unstructured.Unstructured, mask func(string) string) []Field {
	owners := ownersOf(live)
	show := printerFor(live, mask)
	found := fields{}
	union(ownersOf(would), owner.ours).Leaves().Iterate(func(path fieldpath.Path) {
		wants, given := lookup(would.Object, path)
		was, ok := lookup(live.Object, path)
		switch {
		case !given && !ok, ok && equal(was, wants), !given && equal(was, ""):
			return // the API server leaves an empty value out
		case !ok:
			gone := firstAbsent(live.Object, path)
			if wants, ok = lookup(would.Object, gone); ok {
				found.add(Field{Path: show.path(gone), Change: v1beta1.DriftRemoved, Wants: show.value(wants)})
			}

			return
		}

		field := Field{Path: show.path(path), Change: v1beta1.DriftChanged, Was: show.value(was)}
		if given {
			field.Wants = show.value(wants)
		}

		field.Manager, field.Since = otherManager(owners, path)
		found.add(field)
	})
	return found.sorted()
}

// firstAbsent is the shortest part of a path that does not exist.
func firstAbsent(object map[string]any, path fieldpath.Path) fieldpath.Path {
	for length := 1; length < len(path); length++ {
		if _, ok := lookup(object, path[:length]); !ok {
			return path[:length]
		}
	}
	return path
}

// fields by their path.
type fields map[string]Field

func (f fields) add(field Field) {
	if _, ok := f[field.Path]; !ok {
		f[field.Path] = field
	}
}

func (f fields) sorted() []Field {
	out := make([]Field, 0, len(f))
	for _, field := range f {
		out = append(out, field)
	}
	slices.SortFunc(out, func(a, b Field) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// controllers are managers whose additions are the work of the cluster itself.
var controllers = sets.New(
	"kube-controller-manager", "kube-scheduler", "kubelet", "kube-apiserver", "kube-proxy", "cloud-controller-manager",
	"cluster-autoscaler",
	"horizontal-pod-autoscaler", "vpa-admission-controller", "vpa-recommender", "vpa-updater", "karpenter",
	"keda-operator",
	"before-first-apply", // the API server's name for the client that wrote an object before any apply
)

// notes are the beginnings of annotations that controllers and clients keep for themselves.
var notes = []string{
	"deployment.kubernetes.io/", "deprecated.daemonset.template.generation",
	"kubectl.kubernetes.io/last-applied-configuration",
	"autoscaling.alpha.kubernetes.io/", "control-plane.alpha.kubernetes.io/", "pv.kubernetes.io/", "volume.kubernetes.io/",
	"volume.beta.kubernetes.io/", "batch.kubernetes.io/",
}

// Added returns the fields of an object that others have added to what its release says. What controllers of the
// cluster add, subresources, and what may differ are left out. would is the object as Compare takes it.
func Added(live, would *unstructured.Unstructured, ignored Ignored, mask func(string) string) []Field {
	ours := union(ownersOf(would), owner.ours)
	show := printerFor(live, mask)
	found := fields{}
	for _, o := range ownersOf(live) {
		if o.ours() || o.subresource != "" || o.version != live.GetAPIVersion() || controllers.Has(o.manager) ||
			ignored.managers.Has(o.manager) {
			continue
		}
		o.fields.Leaves().Iterate(func(path fieldpath.Path) {
			if owns(ours, path) || !isReportable(path) || ignored.covers(live.Object, path) {
				return
			}

			top := firstForeign(ours, path)
			if was, ok := lookup(live.Object, top); ok {
				found.add(
					Field{Path: show.path(top), Change: v1beta1.DriftAdded, Manager: o.manager, Since: o.since, Was: show.value(was)})
			}
		})
	}

	return found.sorted()
}

// isReportable reports whether an addition at a path is of interest: of the metadata only labels and annotations are.
func isReportable(path fieldpath.Path) bool {
	if path[0].FieldName == nil || *path[0].FieldName == "status" {
		return false
	}
	if *path[0].FieldName != "metadata" {
		return true
	}
	if len(path) < 3 || path[1].FieldName == nil || path[2].FieldName == nil {
		return false
	}

	switch name := *path[2].FieldName; *path[1].FieldName {
	case "labels":
		return true
	case "annotations":
		return !slices.ContainsFunc(notes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	}

	return false
}

// firstForeign is the shortest part of a path at and below which nothing is ours. Labels and annotations are reported
// one by one.
func firstForeign(ours *fieldpath.Set, path fieldpath.Path) fieldpath.Path {
	length := 1
	if *path[0].FieldName == "metadata" {
		length = 3
	}

	for ; length < len(path); length++ {
		if !owns(ours, path[:length]) {
			return path[:length]
		}
	}

	return path
}
