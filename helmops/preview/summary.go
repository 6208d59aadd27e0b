package preview

import (
	"fmt"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/diff"
)

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
	for _, o := range p.Objects {
		counts[o.change()]++
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

	return strings.Join(parts, ", ")
}

// Riskiest are the riskiest objects as a status has them, ten at most. remark adds to why an object is risky; nil, and an
// empty text, add nothing.
func (p Preview) Riskiest(remark func(Object) string) []v1beta1.PlannedObject {
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
		if remark != nil {
			reasons = append(reasons, remark(o))
		}

		reasons = slices.DeleteFunc(reasons, func(s string) bool { return s == "" })
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
