package view

import (
	"fmt"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
)

// SelectObjects returns the IDs of the objects of a release that a user names: Deployment/web, Deployment/ns/web or
// Deployment.apps/web. It fails with a complete sentence when a name is that of no object, or of several.
func SelectObjects(hr *v1beta1.HelmRelease, names []string) ([]string, error) {
	var entries []v1beta1.ResourceRef
	if hr.Status.Inventory != nil {
		entries = hr.Status.Inventory.Entries
	}

	var out []string
	for _, name := range names {
		var found []string
		for _, ref := range entries {
			if slices.ContainsFunc(namesOf(ref), func(n string) bool { return strings.EqualFold(n, name) }) {
				found = append(found, ref.ID)
			}
		}

		switch len(found) {
		case 0:
			return nil, fmt.Errorf("%s/%s has no object %s; nothing was changed; to list its objects: fairlead tree "+
				"release %s -n %s", hr.Namespace, hr.Name, name, hr.Name, hr.Namespace)
		case 1:
			out = append(out, found[0])
		default:
			return nil, fmt.Errorf("%s/%s has %d objects %s; name the namespace and the group, as in Kind.group/namespace/name",
				hr.Namespace, hr.Name, len(found), name)
		}
	}

	slices.Sort(out)
	return slices.Compact(out), nil
}

// namesOf are the ways to name an object.
func namesOf(ref v1beta1.ResourceRef) []string {
	namespace, name, group, kind, ok := ref.Split()
	if !ok {
		return nil
	}

	var out []string
	for _, kind := range []string{kind, kind + "." + group} {
		out = append(out, kind+"/"+name)
		if namespace != "" {
			out = append(out, kind+"/"+namespace+"/"+name)
		}
	}

	return out
}
