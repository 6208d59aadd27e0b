package engine

import (
	"errors"
	"fmt"
	"strings"

	"fairlead.dev/fairlead/helmops/engine/kubeclient"
)

// maxTargets is how many revisions a NoUsableTargetError names.
const maxTargets = 3

// NoUsableTargetError says that the cluster can no longer take any of the revisions to go back to. Nothing was changed.
type NoUsableTargetError struct {
	// Targets are the revisions, with what they need: "revision 3 needs kind Widget of example.com/v1 (Widget web)".
	Targets []string
}

// Error implements error.
func (e *NoUsableTargetError) Error() string {
	named := e.Targets
	more := ""
	if len(named) > maxTargets {
		named = named[:maxTargets]
		more = fmt.Sprintf("; and %d more", len(e.Targets)-maxTargets)
	}
	return "the cluster can take none of the revisions to go back to: " + strings.Join(named, "; ") + more +
		"; serve what they need again, or fix the chart or the values"
}

// usable returns the first of the revisions to go back to that the cluster can still take.
func (r *run) usable() (int, error) {
	unusable := &NoUsableTargetError{}
	probe := r.newClient(nil, nil)
	for _, version := range append([]int{r.To}, r.Others...) {
		revision, err := r.site.records.One(r.ctx, r.reader, r.key, version)
		if err != nil {
			return 0, err
		}

		if revision == nil {
			unusable.Targets = append(unusable.Targets, fmt.Sprintf("revision %d is no longer in storage", version))
			continue
		}

		_, err = probe.Build(strings.NewReader(revision.Release.Manifest), false)
		var unknown *kubeclient.UnknownKindError
		switch {
		case err == nil:
			return version, nil
		case !errors.As(err, &unknown):
			return 0, fmt.Errorf("reading revision %d: %w", version, err)
		}

		unusable.Targets = append(unusable.Targets,
			fmt.Sprintf("revision %d needs kind %s of %s (%s %s), which is not served", version,
				unknown.Kind.Kind, unknown.Kind.GroupVersion(), unknown.Kind.Kind, unknown.Name))
	}

	return 0, unusable
}
