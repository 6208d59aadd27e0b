package status

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

func sourceWith(artifact *v1beta1.Artifact) *v1beta1.HelmRepository {
	source := &v1beta1.HelmRepository{ObjectMeta: metav1.ObjectMeta{Generation: 2}}
	source.Status.Artifact = artifact
	return source
}

func TestSourceReadyMovesTheTimeWithTheArtifactOnly(t *testing.T) {
	earlier := metav1.NewTime(now.Add(-time.Hour))
	had := v1beta1.Artifact{Revision: "1", Digest: "sha256:1", Size: 1, LastUpdateTime: earlier}
	tests := []struct {
		name string
		had  *v1beta1.Artifact
		got  v1beta1.Artifact
		want metav1.Time
	}{
		{name: "the first artifact is new", got: v1beta1.Artifact{Revision: "1", Digest: "sha256:1"}, want: metav1.NewTime(now)},
		{name: "the same artifact keeps its time", had: &had, got: v1beta1.Artifact{Revision: "1", Digest: "sha256:1"}, want: earlier},
		{name: "another revision is new", had: &had, got: v1beta1.Artifact{Revision: "2", Digest: "sha256:1"}, want: metav1.NewTime(now)},
		{name: "other bytes are new", had: &had, got: v1beta1.Artifact{Revision: "1", Digest: "sha256:2"}, want: metav1.NewTime(now)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source := sourceWith(tt.had)
			SourceReady(source, tt.got, "index with 3 charts", now)
			want := tt.got
			want.LastUpdateTime = tt.want
			if diff := cmp.Diff(&want, source.Status.Artifact); diff != "" {
				t.Errorf("artifact (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]string{"Ready": "True Succeeded", "ArtifactInStorage": "True Succeeded"}, conditions(source)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			if source.Status.ObservedGeneration != 2 || Message(source) != "index with 3 charts" {
				t.Errorf("generation %d, message %q", source.Status.ObservedGeneration, Message(source))
			}
		})
	}
}

func TestSourceFailedKeepsWhatIsInUse(t *testing.T) {
	tests := []struct {
		name       string
		had        *v1beta1.Artifact
		registry   bool
		unused     bool
		final      bool
		message    string
		conditions map[string]string
	}{
		{name: "without an artifact the failure speaks alone", message: "no route",
			conditions: map[string]string{"Ready": "False FetchFailed", "Reconciling": "True ProgressingWithRetry"}},
		{name: "an artifact stays in use", had: &v1beta1.Artifact{Revision: "main@sha1:1", Digest: "sha256:1"},
			message:    "no route; main@sha1:1 stays in use",
			conditions: map[string]string{"Ready": "False FetchFailed", "Reconciling": "True ProgressingWithRetry"}},
		{name: "of a registry the list of charts is not named", had: &v1beta1.Artifact{Revision: "sha256:1", Digest: "sha256:1"}, registry: true,
			message:    "no route; what was found before stays in use",
			conditions: map[string]string{"Ready": "False FetchFailed", "Reconciling": "True ProgressingWithRetry"}},
		{name: "nothing is in use", had: &v1beta1.Artifact{Revision: "sha256:1", Digest: "sha256:1"}, registry: true, unused: true,
			message:    "no route",
			conditions: map[string]string{"Ready": "False FetchFailed", "Reconciling": "True ProgressingWithRetry"}},
		{name: "a failure for good stalls", final: true, message: "no route",
			conditions: map[string]string{"Ready": "False FetchFailed", "Stalled": "True FetchFailed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source := sourceWith(tt.had)
			if tt.registry {
				source.Spec.Type = v1beta1.HelmRepositoryTypeOCI
			}
			SourceFailed(source, Failure{Reason: v1beta1.FetchFailedReason, Message: "no route", Final: tt.final, Unused: tt.unused}, now)
			if diff := cmp.Diff(tt.conditions, conditions(source)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.had, source.Status.Artifact); diff != "" {
				t.Errorf("artifact (-want +got):\n%s", diff)
			}
			if Message(source) != tt.message || source.Status.ObservedGeneration != 2 {
				t.Errorf("message %q of generation %d, want %q of 2", Message(source), source.Status.ObservedGeneration, tt.message)
			}
		})
	}
}
