package view

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// HistoryRow is one revision of a Helm release.
type HistoryRow struct {
	Revision int `json:"revision"`
	// Status in Helm's words.
	Status       string                 `json:"status"`
	Chart        *v1beta1.ChartRevision `json:"chart"`
	AppVersion   string                 `json:"appVersion,omitempty"`
	ConfigDigest string                 `json:"configDigest,omitempty"`
	// Action that made the revision: install, upgrade or rollback; absent when another Helm client made it.
	Action string `json:"action,omitempty"`
	// Tests of the chart that have run on the revision, by name, with how they ended in Helm's words.
	Tests            map[string]string `json:"tests,omitempty"`
	DeployedAt       metav1.Time       `json:"deployedAt"`
	DeletedAt        *metav1.Time      `json:"deletedAt,omitempty"`
	ReleaseName      string            `json:"releaseName"`
	ReleaseNamespace string            `json:"releaseNamespace"`
}

// History is the list of revisions of a release, newest first.
type History struct {
	Items []HistoryRow `json:"items"`
	// Phase and Message of the release say why there are no revisions.
	Phase   Phase  `json:"-"`
	Message string `json:"-"`
}

// NewHistory projects the history of a release.
func NewHistory(hr *v1beta1.HelmRelease) History {
	out := History{Items: make([]HistoryRow, 0, len(hr.Status.History)), Phase: PhaseOf(hr), Message: messageOf(hr)}
	for _, s := range hr.Status.History {
		out.Items = append(out.Items, HistoryRow{
			Revision: int(s.Version), Status: s.Status, Chart: chartOf(s), AppVersion: s.AppVersion,
			ConfigDigest: s.ConfigDigest,
			Action:       s.Action, Tests: testsOf(s), DeployedAt: s.LastDeployed, DeletedAt: s.Deleted.DeepCopy(),
			ReleaseName: s.Name, ReleaseNamespace: s.Namespace,
		})
	}
	return out
}

func testsOf(s v1beta1.Snapshot) map[string]string {
	var out map[string]string
	for name, hook := range s.TestHooks {
		if hook.LastStarted == nil {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}

		out[name] = hook.Phase
	}

	return out
}
