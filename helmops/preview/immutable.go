package preview

import (
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/diff"
)

// kindOf is a kind without its version.
type kindOf struct{ group, kind string }

// immutable are fields that the API server does not let change, by kind. The lists follow the validation of Kubernetes
// 1.37 (pkg/apis/*/validation).
var immutable = map[kindOf][]string{
	{"", "PersistentVolumeClaim"}: {
		".spec.accessModes", ".spec.storageClassName", ".spec.volumeMode", ".spec.volumeName", ".spec.selector",
		".spec.dataSource", ".spec.dataSourceRef",
	},
	{"", "Secret"}:         {".type"},
	{"apps", "DaemonSet"}:  {".spec.selector"},
	{"apps", "Deployment"}: {".spec.selector"},
	{"apps", "ReplicaSet"}: {".spec.selector"},
	{"apps", "StatefulSet"}: {
		".spec.selector",
		".spec.serviceName",
		".spec.podManagementPolicy",
		".spec.volumeClaimTemplates",
	},
	{"batch", "Job"}: {
		".spec.selector",
		".spec.template",
		".spec.completionMode",
		".spec.podFailurePolicy",
	},
	{"scheduling.k8s.io", "PriorityClass"}: {".value", ".preemptionPolicy"},
	{"storage.k8s.io", "StorageClass"}: {
		".provisioner", ".parameters", ".reclaimPolicy", ".volumeBindingMode",
	},
	{"networking.k8s.io", "IngressClass"}:               {".spec.controller"},
	{"rbac.authorization.k8s.io", "RoleBinding"}:        {".roleRef"},
	{"rbac.authorization.k8s.io", "ClusterRoleBinding"}: {".roleRef"},
	{"node.k8s.io", "RuntimeClass"}:                     {".handler"},
	{"apiextensions.k8s.io", "CustomResourceDefinition"}: {
		".spec.group",
		".spec.names.kind",
		".spec.names.plural",
		".spec.scope",
	},
	{"storage.k8s.io", "CSIDriver"}: {".spec.attachRequired"},
}

func immutableFields(f facts) []Risk {
	if f.change != diff.Changed {
		return nil
	}

	becomes := ""
	if text(f.is, "metadata", "annotations", v1beta1.ForceAnnotation) == v1beta1.Enabled {
		becomes = "; it is deleted and created again (" + v1beta1.ForceAnnotation + ")"
	}

	var out []Risk
	for _, path := range immutable[kindOf{f.id.group, f.id.kind}] {
		if changes(f.fields, path) {
			out = append(out, risk(recreated(f.id), "%s cannot be changed in place%s", path, becomes)...)
		}
	}

	switch {
	case f.id.group == "" && f.id.kind == "Pod" && slices.ContainsFunc(f.fields, sealedInPods):
		out = append(out, risk(Recreate, "is a pod, of which only images can be changed in place%s", becomes)...)
	case f.id.group == "" && f.id.kind == "Service" && addressMoves(f):
		out = append(out, risk(Recreate, ".spec.clusterIP cannot be changed in place%s", becomes)...)
	case f.id.group == "" && (f.id.kind == "ConfigMap" || f.id.kind == "Secret") && f.was["immutable"] == true:
		out = append(out, risk(Recreate, "is immutable%s", becomes)...)
	}

	return out
}

// recreated is what it means to delete and create an object of a kind.
func recreated(id ref) Class {
	switch {
	case id.group == "" && id.kind == "PersistentVolumeClaim", id.kind == "CustomResourceDefinition":
		return DataLoss
	}
	return Recreate
}

// changes reports whether one of the fields is at a path, or above or below it.
func changes(fields []diff.Field, path string) bool {
	return slices.ContainsFunc(fields, func(f diff.Field) bool { return covers(path, f.Path) || covers(f.Path, path) })
}

// sealedInPods reports whether the API server refuses the change of a field of a pod.
func sealedInPods(f diff.Field) bool {
	if !covers(".spec", f.Path) {
		return false
	}
	open := strings.HasSuffix(f.Path, ".image") || covers(".spec.tolerations", f.Path)
	return !open && f.Path != ".spec.activeDeadlineSeconds"
}

// addressMoves reports whether a Service asks for another address than before. Addresses that it leaves to the API
// server stay.
func addressMoves(f facts) bool {
	was := text(f.was, "spec", "clusterIP")
	is := text(f.is, "spec", "clusterIP")
	return is != "" && was != "" && is != was
}
