package apply

import (
	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/drift"
)

// Inspection is what Drift looks at, and how.
type Inspection struct {
	// Objects to look at; empty is all of the manifest.
	Objects []v1beta1.ResourceRef
	// Rules say what may differ.
	Rules *drift.Rules
	// Audit reports fields that others added, too.
	Audit bool
	// Correct brings the objects back; without it nothing is written.
	Correct bool
	// Mask hides secrets in values, paths and notes. Nil hides none.
	Mask func(string) string
}

// Drift tells how objects differ from a manifest of the release, and corrects them if that is asked for. What fails with one
// object keeps no other from being looked at; the errors are *ObjectError, joined.
func (c *Client) Drift(manifest string, o Inspection) ([]drift.Object, error) {
	return nil, nil
}
