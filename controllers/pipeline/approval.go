package pipeline

import (
	"cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
)

// approvalGateOf is what a stage wants of approvals. A gate that does not say when it applies always does.
func approvalGateOf(spec *v1beta1.StageApproval) promotion.ApprovalGate {
	g := promotion.ApprovalGate{
		When: cmp.Or(spec.When, promotion.Always), Count: int(spec.Count), Groups: spec.Groups,
	}
	if spec.Expires != nil {
		g.Expires = spec.Expires.Duration
	}
	return g
}

// maxComment bounds what is quoted of a user, in characters.
const maxComment = 200

// approvalOf is what a user decided.
func approvalOf(a *v1beta1.PromotionApproval) promotion.Approval {
	return promotion.Approval{
		User: a.Spec.User, Groups: a.Spec.Groups,
		ID:      promotion.Identity{Chart: a.Spec.Digest, Values: a.Spec.ValuesDigest},
		Reject:  a.Spec.Decision == v1beta1.DecisionReject,
		Comment: short(a.Spec.Comment, maxComment), At: a.CreationTimestamp.Time,
	}
}
