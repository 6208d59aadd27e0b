package plan

import (
	"fmt"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Behind says which of the Kustomizations that k depends on have not applied a revision of the same source yet; empty
// when all have. That they are Ready says nothing about it while they have an older one.
func Behind(k *v1beta1.Kustomization, revision string, dependencies []v1beta1.Kustomization) string {
	var behind []string
	for i := range dependencies {
		d := &dependencies[i]
		if !SameSource(d, k) || d.Status.LastAppliedRevision == revision {
			continue
		}

		name := keyOf(d).String()
		if d.Namespace == k.Namespace {
			name = d.Name
		}
		if d.Spec.Suspend {
			name += " (suspended)"
		}

		behind = append(behind, name)
	}

	if len(behind) == 0 {
		return ""
	}

	return fmt.Sprintf("%d of %d dependencies have not applied %s of the same source yet: %s",
		len(behind), len(k.Spec.DependsOn), revision, listed(behind))
}

// listed joins names, at most five of them.
func listed(names []string) string {
	const shown = 5
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
