package view

import (
	"bytes"
	"encoding/json"

	"fairlead.dev/fairlead/helmops/values"
)

// valuesHistory knows since which revision values are as they are.
type valuesHistory struct {
	// revisions, the newest first.
	revisions []ValuesRevision
	// isRead is set when it is known which revisions there are.
	isRead bool
}

func newValuesHistory(revisions []ValuesRevision) valuesHistory {
	return valuesHistory{revisions: revisions, isRead: revisions != nil}
}

// of returns the oldest revision of the unbroken row in which the chart got what is at a path of all values, 0 when the
// newest one has something else there. next is set when the value is wanted and not deployed. Of a subchart that
// Chart.yaml does not declare Helm records no default values, so that neither is known.
func (h valuesHistory) of(all map[string]any, path []string, subchart bool) (since int, next bool) {
	if !h.isRead {
		return 0, false
	}

	value, has := values.At(all, path)
	for _, r := range h.revisions {
		was, had := values.At(r.Values, path)
		if has != had || !sameValue(was, value) {
			break
		}

		since = r.Revision
	}

	if since == 0 && subchart && len(h.revisions) > 0 {
		if _, recorded := h.revisions[0].Values[path[0]]; !recorded {
			return 0, false
		}
	}

	return since, since == 0
}

// sameValue compares values as a record has them, in which every number is a floating point number.
func sameValue(a, b any) bool {
	left, leftErr := json.Marshal(a)
	right, rightErr := json.Marshal(b)
	return leftErr == nil && rightErr == nil && bytes.Equal(left, right)
}
