package preview

import (
	"slices"
	"strings"

	"fairlead.dev/fairlead/helmops/kube/diff"
)

func deletedVolumes(f facts) []Risk {
	if f.id.group == "" && f.change == diff.Deleted {
		switch f.id.kind {
		case "PersistentVolumeClaim":
			return risk(DataLoss, "is deleted, and its volume with it unless the reclaim policy retains it")
		case "PersistentVolume":
			return risk(DataLoss, "is deleted")
		}
	}

	if f.id.group != "apps" || f.id.kind != "StatefulSet" {
		return nil
	}

	if f.change == diff.Deleted &&
		text(f.was, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted") == "Delete" {
		return risk(
			DataLoss,
			"is deleted, and its PersistentVolumeClaims with it (persistentVolumeClaimRetentionPolicy)",
		)
	}

	scaled := f.change == diff.Changed && replicas(f.is) < replicas(f.was)
	if scaled && text(f.is, "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled") == "Delete" {
		return risk(
			DataLoss,
			"is scaled down from %d to %d, and the PersistentVolumeClaims of the pods that go are deleted",
			replicas(f.was),
			replicas(f.is),
		)
	}

	return nil
}

func deletedNamespaces(f facts) []Risk {
	if f.id.group == "" && f.id.kind == "Namespace" && f.change == diff.Deleted {
		return risk(DataLoss, "is deleted, with everything in it")
	}
	return nil
}

// definitions are CustomResourceDefinitions: with one go its custom resources, with a version the clients that use it,
// with a field what is stored in it.
func definitions(f facts) []Risk {
	if f.id.group != "apiextensions.k8s.io" || f.id.kind != "CustomResourceDefinition" {
		return nil
	}
	if f.change == diff.Deleted {
		return risk(DataLoss, "is deleted, and all its custom resources with it")
	}

	var out []Risk
	is := versionsOf(f.is)
	for name, was := range versionsOf(f.was) {
		now, still := is[name]
		if was["served"] == true && (!still || now["served"] != true) {
			out = append(out, risk(DataLoss, "version %s is no longer served", name)...)
			continue
		}

		gone := goneFields(mapAt(was, "schema", "openAPIV3Schema"), mapAt(now, "schema", "openAPIV3Schema"), "")
		if len(gone) > 0 {
			slices.Sort(gone)
			out = append(out, risk(DataLoss, "version %s loses %s, and with it what is stored there",
				name, shortened(gone))...)
		}
	}

	slices.SortFunc(out, func(a, b Risk) int { return strings.Compare(a.Why, b.Why) })
	return out
}

func versionsOf(definition map[string]any) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, version := range mapsIn(list(definition, "spec", "versions")) {
		out[text(version, "name")] = version
	}
	return out
}

// goneFields are the properties of a schema that another one no longer has. Where the other one keeps unknown fields,
// none is gone.
func goneFields(was, is map[string]any, path string) []string {
	if is["x-kubernetes-preserve-unknown-fields"] == true {
		return nil
	}

	var out []string
	properties := mapAt(is, "properties")
	for name, schema := range mapAt(was, "properties") {
		former, _ := schema.(map[string]any)
		now, still := properties[name].(map[string]any)
		if !still {
			out = append(out, path+"."+name)
			continue
		}

		out = append(out, goneFields(former, now, path+"."+name)...)
	}

	for _, key := range []string{"items", "additionalProperties"} {
		former := mapAt(was, key)
		if former != nil && mapAt(is, key) != nil {
			out = append(out, goneFields(former, mapAt(is, key), path+"[]")...)
		}
	}

	return out
}

// shortened names the first of many.
func shortened(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + ", …"
}
