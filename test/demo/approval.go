package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// guarded is lighthouse with upgrades that wait for an approval when rights grow; %[1]s is what it says, %[2]s the plan that the
// commit approves.
const guarded = `apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata:
  name: lighthouse
spec:
  sync:
    approval:
      minRisk: Escalation
%[2]s  chart:
    spec:
      chart: charts/beacon
      reconcileStrategy: Revision # a commit to the chart is a change, whatever its version
      sourceRef: {kind: GitRepository, name: fleet}
  values:
    message: %[1]s
`

// role lets the pods of a chart use resources; %s is what.
const role = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .Release.Name }}
rules:
  - apiGroups: [""]
    resources: [%s]
    verbs: [list]
`

const (
	lighthouseFile = followed + "/lighthouse.yaml"
	roleFile       = "charts/beacon/templates/role.yaml"
)

// pushGuard has upgrades of lighthouse wait when rights grow.
func (s *show) pushGuard(ctx context.Context) error {
	err := s.repository.push(ctx, "Rights of lighthouse need an approval",
		map[string]string{lighthouseFile: fmt.Sprintf(guarded, "from Git", "")})
	if err != nil {
		return err
	}
	return s.until(ctx, "lighthouse has its guard", func() (bool, error) {
		hr, err := s.release(ctx, "lighthouse")
		return err == nil && hr.Spec.Sync != nil && hr.Status.ObservedGeneration == hr.Generation, err
	})
}

// approveRight has the chart of lighthouse ask for a right, and approves the plan that shows it.
func (s *show) approveRight(ctx context.Context) error {
	if err := s.pushGuard(ctx); err != nil {
		return err
	}
	err := s.repository.push(ctx, "Let lighthouse list Secrets", map[string]string{roleFile: fmt.Sprintf(role, "secrets")})
	if err != nil {
		return err
	}
	waits, err := s.waiting(ctx, "")
	if err != nil {
		return err
	}
	answer, err := s.run(ctx, "approve", "release", "lighthouse", "--plan", waits.Digest)
	if err != nil {
		return err
	}
	say("      lighthouse  %s", answer)
	return s.until(ctx, "lighthouse has the right", func() (bool, error) {
		hr, err := s.release(ctx, "lighthouse")
		if err != nil || hr.Status.Plan != nil || !meta.IsStatusConditionTrue(hr.Status.Conditions, v1beta1.ReadyCondition) {
			return false, err
		}
		say("      lighthouse  did what the plan said, and nothing else")
		return true, nil
	})
}

// refuseMoved has the chart ask for another right, and approves its plan in a commit that changes the values, too: the
// controller refuses what was not approved.
func (s *show) refuseMoved(ctx context.Context) error {
	err := s.repository.push(ctx, "Let lighthouse list ConfigMaps",
		map[string]string{roleFile: fmt.Sprintf(role, "secrets, configmaps")})
	if err != nil {
		return err
	}
	waits, err := s.waiting(ctx, "")
	if err != nil {
		return err
	}
	approved := fmt.Sprintf("    approved: %s\n", waits.Digest)
	err = s.repository.push(ctx, "Approve the plan of lighthouse, and change a value",
		map[string]string{lighthouseFile: fmt.Sprintf(guarded, "changed in passing", approved)})
	if err != nil {
		return err
	}
	if _, err := s.waiting(ctx, "values"); err != nil {
		return err
	}
	hr, err := s.release(ctx, "lighthouse")
	if err != nil {
		return err
	}
	say("      lighthouse  stays at revision %d: nothing runs that was not approved", hr.Status.Latest().Version)
	return nil
}

// waiting waits until lighthouse has a plan that waits for its approval, and that differs from the approved one as moved
// says.
func (s *show) waiting(ctx context.Context, moved string) (waits v1beta1.PlanStatus, err error) {
	began := time.Now()
	err = s.until(ctx, "lighthouse waits for an approval", func() (bool, error) {
		hr, err := s.release(ctx, "lighthouse")
		if err != nil {
			return false, err
		}
		ready := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.ReadyCondition)
		planned := hr.Status.Plan
		if planned == nil || planned.Moved != moved || ready == nil || ready.Status != metav1.ConditionUnknown ||
			ready.Reason != v1beta1.AwaitingApprovalReason || ready.ObservedGeneration != hr.Generation {
			return false, nil
		}
		for _, o := range planned.Objects {
			why := o.Risk
			if o.Why != "" {
				why += ": " + o.Why
			}
			say("      lighthouse  %s %s: %s, %s", o.Kind, o.Name, o.Change, why)
		}
		say("      lighthouse  %s (%s after the push)", strings.TrimSpace(ready.Message), since(began))
		waits = *planned
		return true, nil
	})
	return waits, err
}
