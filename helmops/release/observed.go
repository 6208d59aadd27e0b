package release

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// observedOf is what a status says of the release at target, and what is known of its objects.
func observedOf(hr *v1beta1.HelmRelease, target plan.Target, live Live) plan.Observed {
	s := &hr.Status
	latest := s.Latest()
	observed := plan.Observed{
		Cancelled: plan.CancelledOf(s),
		Managed:   latest != nil, Attempt: plan.AttemptOf(s), KnownBad: s.KnownBad,
		Health: live.Health, Drifted: live.Drifted, AuditAt: live.AuditAt, NotAttributable: live.NotAttributable,
		Differs:  meta.IsStatusConditionTrue(s.Conditions, v1beta1.DriftedCondition),
		Matches:  meta.IsStatusConditionFalse(s.Conditions, v1beta1.DriftedCondition),
		Unlisted: live.Unlisted, Probation: live.Probation, Planned: plan.PlannedOf(s),
	}
	if a := s.Adoption; a != nil {
		observed.Adoption = &plan.Adoption{
			Record: a.RecordDigest, Generation: a.ObservedGeneration, ChartDigest: a.ChartDigest,
			ConfigDigest: a.ConfigDigest,
		}
		if a.Until != nil {
			observed.Adoption.Until = a.Until.Time
		}
	}

	if s.Bake != nil {
		observed.Bake = &plan.Bake{Revision: int(s.Bake.Revision), Until: s.Bake.Until.Time}
	}

	for _, rollback := range s.Rollbacks {
		observed.Rollbacks = append(observed.Rollbacks, rollback.At.Time)
	}
	if latest == nil {
		return observed
	}

	former := plan.Target{Name: latest.Name, Namespace: latest.Namespace, StorageNamespace: s.StorageNamespace}
	if former != target {
		observed.Moved = &former
		return observed
	}

	observed.Recorded = int(latest.Version)
	observed.RecordedDigest = latest.Digest
	if s.LastVerified != nil {
		observed.Verified = int(s.LastVerified.Revision)
	}

	return observed
}

// annotated returns the records with what only status remembers of them.
func annotated(hr *v1beta1.HelmRelease, records []plan.Record) []plan.Record {
	known := map[int]v1beta1.Snapshot{}
	for _, s := range hr.Status.History {
		known[int(s.Version)] = s
	}

	out := slices.Clone(records)
	for i := range out {
		r := &out[i]
		had := known[r.Version]
		if r.Action == "" {
			r.Action = plan.Step(had.Action)
		}

		if r.Chart.Digest == "" && had.Digest == r.Digest {
			r.Chart.Digest = had.ChartDigest
			r.RenderDigest = had.RenderDigest
		}
	}

	return out
}
