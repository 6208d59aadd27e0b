package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/values"
)

// InputDigest returns the digest of what a release is made from: the chart, the values and the post renderers.
func InputDigest(hr *v1beta1.HelmRelease, in Inputs) string {
	chart := in.Chart.Digest
	if versionOnly(hr) {
		chart = in.Chart.Version
	}
	return digest(in.Chart.Name, chart, values.Digest(in.Values), RenderDigest(hr.Spec))
}

// SettingsDigest returns the digest of the settings under which an input succeeds or fails: timeouts, waits, tests, health and
// remediation.
func SettingsDigest(hr *v1beta1.HelmRelease) string {
	s := hr.Spec
	parts := []any{
		s.Timeout, s.Install, s.Upgrade, s.Test, s.Rollback, s.HealthCheckExprs, s.Bake, s.Preflight, s.AutoRollback,
	}
	if hr.WaitsAsHelm() {
		parts = append(parts, s.WaitStrategy)
	}
	return digest(parts...)
}

func digest(parts ...any) string {
	content, err := json.Marshal(parts)
	if err != nil {
		content = fmt.Append(nil, parts...) // every part is a type of the API
	}
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// knownBadInput is the input as one that has failed permanently.
func knownBadInput(desired plan.Desired, p plan.Plan, now time.Time) v1beta1.KnownBad {
	return v1beta1.KnownBad{
		ChartVersion: desired.Chart.Version, ChartDigest: desired.Chart.Digest,
		ConfigDigest: desired.ConfigDigest, RenderDigest: desired.RenderDigest,
		SettingsDigest: desired.SettingsDigest, Reason: p.Reason, Since: metav1.NewTime(now),
	}
}

// RollbackRequested reads the request of a user for a former revision; nil when there is none.
func RollbackRequested(hr *v1beta1.HelmRelease) (*v1beta1.RollbackRequest, error) {
	text, is := hr.Annotations[v1beta1.RollbackRequestAnnotation]
	if !is || text == "" {
		return nil, nil
	}

	request := &v1beta1.RollbackRequest{}
	if err := json.Unmarshal([]byte(text), request); err != nil {
		return nil, fmt.Errorf("annotation %s is not JSON: %w", v1beta1.RollbackRequestAnnotation, err)
	}
	if request.Revision < 1 || request.InputDigest == "" {
		return nil, fmt.Errorf("annotation %s needs a revision above 0 and an inputDigest", v1beta1.RollbackRequestAnnotation)
	}

	return request, nil
}

// pinOf returns the request of a user as long as it holds: against any other input it says nothing.
func pinOf(hr *v1beta1.HelmRelease, in Inputs) *plan.Pin {
	request, err := RollbackRequested(hr)
	if err != nil || request == nil || in.Chart.Name == "" || request.InputDigest != InputDigest(hr, in) {
		return nil
	}
	return &plan.Pin{Revision: request.Revision, Reason: request.Reason}
}
