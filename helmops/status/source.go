package status

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Failure says why something did not work, in the words of a condition.
type Failure struct {
	Reason  string
	Message string
	// Final is set when the same input can never succeed.
	Final bool
	// Class of a failed action of a release, one of v1beta1.Failure…; empty when it does not matter.
	Class string
	// Objects that were not healthy.
	Objects []v1beta1.ObjectHealth
	// Unused is set when nothing was taken from what a source has in the cache.
	Unused bool
	// Superseded is set when it was ended because something else is wanted by now; then it is not a failure.
	Superseded bool
	// Cancelled is set when a user ended it; then it is not a failure either.
	Cancelled bool
}

// SourceReady records what a source has in the cache. The time of the artifact moves only when the artifact does.
func SourceReady(source v1beta1.Source, artifact v1beta1.Artifact, message string, now time.Time) {
	if had := source.GetArtifact(); had.HasRevision(artifact.Revision, artifact.Digest) {
		artifact.LastUpdateTime = had.LastUpdateTime
	} else {
		artifact.LastUpdateTime = metav1.NewTime(now)
	}

	source.SetArtifact(&artifact)
	source.SetObservedGeneration(source.GetGeneration())
	current(source, now).set(v1beta1.ArtifactInStorageCondition, metav1.ConditionTrue, v1beta1.SucceededReason,
		"artifact "+artifact.Revision+" is in the cache")
	Ready(source, v1beta1.SucceededReason, message, now)
}

// SourceVerified records who has signed what a source has in the cache.
func SourceVerified(source v1beta1.Source, by string, now time.Time) {
	current(source, now).set(v1beta1.SourceVerifiedCondition, metav1.ConditionTrue, v1beta1.SucceededReason, "signed: "+by)
}

// SourceNotVerified records why what upstream has is not taken over. What is in the cache was verified when it came.
func SourceNotVerified(source v1beta1.Source, why string, now time.Time) {
	current(source, now).set(v1beta1.SourceVerifiedCondition, metav1.ConditionFalse, v1beta1.VerificationFailedReason, why)
}

// SourceUnsigned records that what a source has needs no signature.
func SourceUnsigned(source v1beta1.Source, now time.Time) {
	current(source, now).unset(v1beta1.SourceVerifiedCondition)
}

// SourceFailed records why a source could not be brought up to date. What it has in the cache stays.
func SourceFailed(source v1beta1.Source, f Failure, now time.Time) {
	source.SetObservedGeneration(source.GetGeneration())
	message := f.Message
	if kept := inUse(source); kept != "" && !f.Unused {
		message += "; " + kept + " stays in use"
	}

	if f.Final {
		Stalled(source, f.Reason, message, now)
		return
	}

	Retrying(source, f.Reason, message, now)
}

// inUse names what a source has in the cache; empty when it has nothing.
func inUse(source v1beta1.Source) string {
	artifact := source.GetArtifact()
	if artifact == nil {
		return ""
	}
	if repository, is := source.(*v1beta1.HelmRepository); is && repository.IsOCI() {
		return "what was found before" // its artifact is a list of that
	}
	return artifact.Revision
}

// SourceContent is what only sources of some kinds have.
type SourceContent struct {
	// Chart that an OCIRepository or a HelmChart stands for; nil for none.
	Chart *v1beta1.ChartRevision
	// Include are the artifacts of other sources that one of a GitRepository includes, Content a digest of what its
	// artifact was made from.
	Include []v1beta1.Artifact
	Content string
	// Origin is the revision of the source that an ExternalArtifact names as its origin.
	Origin string
}

// SourceObserved records by which rules an ExternalArtifact was made, or failed to be made.
func SourceObserved(source v1beta1.Source, rules string) {
	if artifact, is := source.(*v1beta1.ExternalArtifact); is {
		artifact.Status.ObservedRules = rules
	}
}

// SourceHolds records what only sources of the kind of a source have.
func SourceHolds(source v1beta1.Source, content SourceContent) {
	switch source := source.(type) {
	case *v1beta1.OCIRepository:
		source.Status.Chart = content.Chart
	case *v1beta1.HelmChart:
		source.Status.Chart = content.Chart
	case *v1beta1.ExternalArtifact:
		source.Status.Chart = content.Chart
		source.Status.OriginRevision = content.Origin
	case *v1beta1.GitRepository:
		source.Status.IncludedArtifacts = content.Include
		source.Status.ObservedContent = content.Content
	}
}
