package refs

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/approval"
)

// +kubebuilder:rbac:groups=fairlead.dev,resources=approvals,verbs=get;list;watch

// approvalIndex is the field index of Approvals by the object whose plan they are about.
const approvalIndex = "fairlead.approves"

// maxComment bounds what is quoted of a user, in characters.
const maxComment = 200

// IndexApprovals makes Approvals findable by the object whose plan they are about.
func IndexApprovals(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &v1beta1.Approval{}, approvalIndex, func(o client.Object) []string {
		spec := o.(*v1beta1.Approval).Spec
		return []string{approvedObject(spec.Kind, spec.Name)}
	})
	if err != nil {
		return fmt.Errorf("indexing Approvals: %w", err)
	}
	return nil
}

func approvedObject(kind, name string) string { return kind + "/" + name }

// WatchApprovals has the objects of a kind reconciled whose plans users decide about.
func WatchApprovals(kind string) loop.Watch {
	return loop.Watch{Object: &v1beta1.Approval{}, Affects: func(_ context.Context, o client.Object) []reconcile.Request {
		spec := o.(*v1beta1.Approval).Spec
		if spec.Kind != kind {
			return nil
		}
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: spec.Name}}}
	}}
}

// PlanApprovals finds what users decided about the plans of objects.
type PlanApprovals struct {
	// Objects reads the cache.
	Objects   client.Reader
	Approvers *Approvers
}

// Of finds the decisions about plans of one object. It asks the API server only when the gate wants to know who decides.
func (p PlanApprovals) Of(
	ctx context.Context, kind string, key types.NamespacedName, gate approval.Gate,
) (approval.Plans, error) {
	list := &v1beta1.ApprovalList{}
	err := p.Objects.List(ctx, list, client.InNamespace(key.Namespace),
		client.MatchingFields{approvalIndex: approvedObject(kind, key.Name)})
	if err != nil {
		return approval.Plans{}, fmt.Errorf("listing the Approvals of %s %s: %w", kind, key, err)
	}

	var found approval.Plans
	for i := range list.Items {
		found.Decisions = append(found.Decisions, decisionOf(&list.Items[i]))
	}
	if gate.Untrusted() != "" {
		found.Checked, err = p.Approvers.Checked(ctx, Approvals)
	}

	return found, err
}

func decisionOf(a *v1beta1.Approval) approval.PlanDecision {
	return approval.PlanDecision{Digest: a.Spec.Digest, Decision: approval.Decision{
		User: a.Spec.User, Groups: a.Spec.Groups, Reject: a.Spec.Decision == v1beta1.DecisionReject,
		Comment: shortened(a.Spec.Comment, maxComment), At: a.CreationTimestamp.Time,
	}}
}

// Recheck is when an object has to be reconciled again because the API server may check by then who approves; zero when
// it does, or need not. No watch covers the admission policy. known is nil where the approvals were not looked up.
func Recheck(gate approval.Gate, known *approval.Plans) time.Duration {
	if known == nil || known.Checked || gate.Untrusted() == "" {
		return 0
	}
	return ApproversRemembered
}
