package refs

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingadmissionpolicies;validatingadmissionpolicybindings,verbs=list

// The label of the admission policy, and of its binding, that check who makes an approval, and what it checks.
const (
	ApprovalsLabel   = "fairlead.dev/approvals"
	ApprovalsChecked = "checked"
	UserCheck        = "object.spec.user == request.userInfo.username"
	GroupsCheck      = "!has(object.spec.groups) || has(request.userInfo.groups) && " +
		"object.spec.groups.all(g, g in request.userInfo.groups)"
)

// The resources of approvals.
const (
	PromotionApprovals = "promotionapprovals"
	Approvals          = "approvals"
)

// ApproversRemembered is how long an answer about the admission policy counts: no watch covers it.
const ApproversRemembered = time.Minute

// Approvers finds out whether the API server checks who makes an approval. Several goroutines may ask.
type Approvers struct {
	live client.Reader
	now  func() time.Time

	mu      sync.Mutex
	checked []string
	until   time.Time
}

// NewApprovers reads the policies from the API server.
func NewApprovers(live client.Reader, now func() time.Time) *Approvers {
	return &Approvers{live: live, now: now}
}

// Checked reports whether the admission policy of a resource and its binding are there. It asks the API server once a
// minute at most.
func (a *Approvers) Checked(ctx context.Context, resource string) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.now().Before(a.until) {
		checked, err := a.ask(ctx)
		if err != nil {
			return false, err
		}

		a.checked = checked
		a.until = a.now().Add(ApproversRemembered)
	}

	return slices.Contains(a.checked, resource), nil
}

// ask returns the resources of approvals with a policy that checks the user and the groups, and a binding that denies by
// it. A cluster that does not serve policies, or does not show them to the controller, has none.
func (a *Approvers) ask(ctx context.Context) ([]string, error) {
	policies := &admissionv1.ValidatingAdmissionPolicyList{}
	bindings := &admissionv1.ValidatingAdmissionPolicyBindingList{}
	for _, list := range []client.ObjectList{policies, bindings} {
		err := a.live.List(ctx, list, client.MatchingLabels{ApprovalsLabel: ApprovalsChecked})
		switch {
		case err == nil:
		case apierrors.IsNotFound(err), apierrors.IsForbidden(err), meta.IsNoMatchError(err):
			return nil, nil
		default:
			return nil, fmt.Errorf("reading the admission policies that check approvals: %w", err)
		}
	}

	var checked []string
	for _, p := range policies.Items {
		if denies(bindings.Items, p.Name) {
			checked = append(checked, coveredBy(p)...)
		}
	}

	return checked, nil
}

// denies reports whether a binding has the API server refuse what violates a policy.
func denies(bindings []admissionv1.ValidatingAdmissionPolicyBinding, policy string) bool {
	return slices.ContainsFunc(bindings, func(b admissionv1.ValidatingAdmissionPolicyBinding) bool {
		return b.Spec.PolicyName == policy && slices.Contains(b.Spec.ValidationActions, admissionv1.Deny)
	})
}

// coveredBy are the resources of approvals whose users and groups a policy checks.
func coveredBy(p admissionv1.ValidatingAdmissionPolicy) []string {
	expressions := make([]string, 0, len(p.Spec.Validations))
	for _, v := range p.Spec.Validations {
		expressions = append(expressions, v.Expression)
	}
	if !slices.Contains(expressions, UserCheck) || !slices.Contains(expressions, GroupsCheck) ||
		p.Spec.MatchConstraints == nil {
		return nil
	}

	var covered []string
	for _, rule := range p.Spec.MatchConstraints.ResourceRules {
		if !slices.Contains(rule.APIGroups, v1beta1.GroupVersion.Group) {
			continue
		}

		for _, resource := range []string{PromotionApprovals, Approvals} {
			if slices.Contains(rule.Resources, resource) && slices.Contains(rule.Operations, admissionv1.Create) {
				covered = append(covered, resource)
			}
		}
	}

	return covered
}
