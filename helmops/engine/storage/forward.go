package storage

import (
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/release"
	"sigs.k8s.io/yaml"
)

const (
	// rollbackAnnotation of a chart, with forwardOnly, says that one does not go back from what it makes.
	rollbackAnnotation = "fairlead.dev/rollback"
	forwardOnly        = "forward-only"
	// migrationAnnotation of a hook says that what it does cannot be undone by going back.
	migrationAnnotation = "fairlead.dev/migration"
)

// forwardOnlyOf says why one does not go back from a revision; empty when one may.
func forwardOnlyOf(rel *release.Release) string {
	if rel.Chart != nil && rel.Chart.Metadata != nil && rel.Chart.Metadata.Annotations[rollbackAnnotation] == forwardOnly {
		return fmt.Sprintf("the chart says that it cannot be rolled back (annotation %s: %s)", rollbackAnnotation,
			forwardOnly)
	}
	for _, hook := range rel.Hooks {
		if migrated(rel, hook) {
			return bound(fmt.Sprintf("its migration hook %q has run", hook.Name))
		}
	}
	return ""
}

// migrated reports whether a hook is a migration that succeeded for this revision. A rollback takes over the hooks of
// the revision it goes back to, with when they ran.
func migrated(rel *release.Release, hook *release.Hook) bool {
	run := hook.LastRun
	if run.Phase != release.HookPhaseSucceeded || rel.Info == nil || run.StartedAt.Before(rel.Info.LastDeployed) ||
		!strings.Contains(hook.Manifest, migrationAnnotation) {
		return false
	}

	var object struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	return yaml.Unmarshal([]byte(hook.Manifest), &object) == nil &&
		object.Metadata.Annotations[migrationAnnotation] == "true"
}
