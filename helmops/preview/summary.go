package preview

import (
	"fmt"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/diff"
)

// ComparedByManifest begins the remark about an object that is Untried.
const ComparedByManifest = "compared by its manifest, because "

const (
	// kept is the change of an object that is no longer wanted, and stays.
	kept = "kept"
	// maxSummarized bounds the objects that a status holds, and maxWhy the bytes about each.
	maxSummarized = 10
	maxWhy        = 500
)

// Summary counts the objects in words.
func (p Preview) Summary() string {
	counts := map[string]int{}
	refused := 0
	for _, o := range p.Objects {
		counts[o.change()]++
		if o.Refused {
			refused++
		}
	}

	var parts []string
	for _, change := range []string{diff.Created, diff.Changed, diff.Deleted, kept} {
		if counts[change] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[change], change))
		}
	}

	if len(parts) == 0 {
		return "no object changes"
	}

	if refused > 0 {
		parts = append(parts, fmt.Sprintf("%d refused by the dry run", refused))
	}

	return strings.Join(parts, ", ")
}

// Riskiest are the riskiest objects as a status has them, ten at most.
func (p Preview) Riskiest() []v1beta1.PlannedObject {
	riskiest := p.Objects[:min(len(p.Objects), maxSummarized)]
	out := make([]v1beta1.PlannedObject, 0, len(riskiest))
	for _, o := range riskiest {
		planned := v1beta1.PlannedObject{
			Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Change: o.change(), Risk: o.Class().String(),
		}
		var reasons []string
		for _, r := range o.Risks {
			reasons = append(reasons, r.Why)
		}
		if o.Untried != "" {
			reasons = append(reasons, ComparedByManifest+o.Untried)
		}

		planned.Why = strings.Join(reasons, "; ")
		if len(planned.Why) > maxWhy {
			planned.Why = strings.ToValidUTF8(planned.Why[:maxWhy], "") + "…"
		}

		out = append(out, planned)
	}

	return out
}

func (o Object) change() string {
	if o.Kept != "" {
		return kept
	}
	return o.Change
}
