package status

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// GeneratorHolds records the ExternalArtifacts of a generator.
func GeneratorHolds(g *v1beta1.ArtifactGenerator, inventory []v1beta1.ExternalArtifactReference) {
	g.Status.Inventory = inventory
}

// GeneratorMade records that the artifacts of a generator are made by its present rules.
func GeneratorMade(g *v1beta1.ArtifactGenerator, now time.Time) {
	generatorAnswered(g)
	made := "1 artifact is in the cache"
	if count := len(g.Status.Inventory); count != 1 {
		made = fmt.Sprintf("%d artifacts are in the cache", count)
	}
	Ready(g, v1beta1.SucceededReason, made, now)
}

// GeneratorFailed records why an artifact of a generator is not made. Those that it has stay.
func GeneratorFailed(g *v1beta1.ArtifactGenerator, f Failure, now time.Time) {
	generatorAnswered(g)
	if f.Final {
		Stalled(g, f.Reason, f.Message, now)
		return
	}
	Retrying(g, f.Reason, f.Message, now)
}

// generatorAnswered records that the present generation was handled, and the request of the user.
func generatorAnswered(g *v1beta1.ArtifactGenerator) {
	g.Status.ObservedGeneration = g.Generation
	g.Status.LastHandledReconcileAt = g.Annotations[v1beta1.ReconcileRequestAnnotation]
}

// HasFailed reports whether an object says of its present generation that it is not Ready.
func HasFailed(object v1beta1.Conditioned) bool {
	ready := meta.FindStatusCondition(object.GetConditions(), v1beta1.ReadyCondition)
	return ready != nil && ready.Status == metav1.ConditionFalse && ready.ObservedGeneration == object.GetGeneration()
}

// Reason is the reason of the condition Ready; empty without one.
func Reason(object v1beta1.Conditioned) string {
	if ready := meta.FindStatusCondition(object.GetConditions(), v1beta1.ReadyCondition); ready != nil {
		return ready.Reason
	}
	return ""
}
