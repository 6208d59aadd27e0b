package v1beta1

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StageDeliver says how a stage gets its candidates.
// +kubebuilder:validation:XValidation:rule="has(self.copy)",message="spec.stages[].deliver has a copy, or is left out"
type StageDeliver struct {
	// Copy makes the stage a repository of a registry that candidates are copied to, instead of an OCIRepository.
	// +optional
	Copy *StageCopy `json:"copy,omitempty"`
}

// StageCopy is a repository that candidates are copied to, by their digest, with all that refers to them.
// +kubebuilder:validation:XValidation:rule="has(self.tag) == (has(self.channel) && self.channel)",message="spec.stages[].deliver.copy.tag goes with channel: true, since it moves"
type StageCopy struct {
	// URL of the repository of the chart, as oci://host/path/chart, without a tag.
	// +kubebuilder:validation:Pattern=`^oci://.*$`
	// +kubebuilder:validation:MaxLength=2048
	// +required
	URL string `json:"url"`
	// SecretRef names a Secret in the namespace of the pipeline with username and password, or of type
	// kubernetes.io/dockerconfigjson. They need the right to pull and to push.
	// +optional
	SecretRef *LocalObjectReference `json:"secretRef,omitempty"`
	// CertSecretRef names a Secret in the namespace of the pipeline with ca.crt, or tls.crt and tls.key, or all of
	// them.
	// +optional
	CertSecretRef *LocalObjectReference `json:"certSecretRef,omitempty"`
	// Insecure lets the registry be reached over plain HTTP.
	// +optional
	Insecure bool `json:"insecure,omitempty"`
	// Tag is a tag that points to what the stage has, and goes back with it, beside the tag of the version, which never
	// moves.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`
	// +optional
	Tag string `json:"tag,omitempty"`
	// Channel allows Tag to move from one candidate to another.
	// +optional
	Channel bool `json:"channel,omitempty"`
	// Verify has the signatures checked at the destination, before the tag of the version is written.
	// +optional
	Verify *Verification `json:"verify,omitempty"`
	// Attest makes the controller publish a signed statement beside the chart: which stages have verified it.
	// +optional
	Attest *StageAttest `json:"attest,omitempty"`
}

// StageAttest says with which key a stage signs.
type StageAttest struct {
	// SecretRef names a Secret in the namespace of the pipeline with one private key, ECDSA or Ed25519 in PEM, under a
	// name that ends in .key; a password for a key of cosign has the same name with .password instead.
	// +required
	SecretRef LocalObjectReference `json:"secretRef"`
}

// RequiredAttestation is a signed statement that has to be beside a chart.
// +kubebuilder:validation:XValidation:rule="!has(self.predicateType) || !has(self.stage) && !has(self.pipeline) && !has(self.namespace)",message="stage, pipeline and namespace are those of a promotion, without predicateType"
// +kubebuilder:validation:XValidation:rule="has(self.predicateType) || has(self.stage)",message="an attestation has a stage, or a predicateType"
type RequiredAttestation struct {
	// Stage that has to have verified the chart.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +optional
	Stage string `json:"stage,omitempty"`
	// Pipeline of the stage, any when left out.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Pipeline string `json:"pipeline,omitempty"`
	// Namespace of the pipeline, any when left out.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// PredicateType is the type of another statement of in-toto, for example https://slsa.dev/provenance/v1, in a
	// Sigstore bundle. Left out, it is that of promotions.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	PredicateType string `json:"predicateType,omitempty"`
	// SecretRef names a Secret in the same namespace with public keys, PEM, in keys that end in .pub, one of which has
	// to have signed the statement.
	// +required
	SecretRef LocalObjectReference `json:"secretRef"`
}

// StageCopyStatus is how the copy of what a stage has goes.
type StageCopyStatus struct {
	// URL that is copied to.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	URL string `json:"url"`
	// Digest of the candidate.
	// +kubebuilder:validation:MaxLength=256
	// +required
	Digest string `json:"digest"`
	// Input identifies the candidate and the settings of the copy.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Input string `json:"input"`
	// Bytes that are copied, of Total. They are written every few seconds while the copy runs.
	// +optional
	Bytes int64 `json:"bytes,omitempty"`
	// Total is the size of the chart and of all that refers to it.
	// +optional
	Total int64 `json:"total,omitempty"`
	// CopiedAt is when the destination first had all of it.
	// +optional
	CopiedAt *metav1.Time `json:"copiedAt,omitempty"`
	// Referrers is how many manifests were copied that refer to the chart.
	// +optional
	Referrers int64 `json:"referrers,omitempty"`
	// Attested is set when the statement of the stage is beside the chart.
	// +optional
	Attested bool `json:"attested,omitempty"`
	// SignedBy says whose signature was found at the destination.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	SignedBy string `json:"signedBy,omitempty"`
	// Attempts is how many attempts have failed in a row.
	// +optional
	Attempts int64 `json:"attempts,omitempty"`
	// Reason of the last failure.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Reason string `json:"reason,omitempty"`
	// Message of the last failure.
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	Message string `json:"message,omitempty"`
	// Rejected is set when the candidate cannot be copied, whatever is tried again.
	// +optional
	Rejected bool `json:"rejected,omitempty"`
	// NextAttempt is when the copy is tried again.
	// +optional
	NextAttempt *metav1.Time `json:"nextAttempt,omitempty"`
}

// Unsupported implements Supporter.
func (in *ReleasePipeline) Unsupported() []string {
	var u unsupported
	for i := range in.Spec.Stages {
		if to := in.Spec.Stages[i].CopyOf(); to != nil {
			u.verification(fmt.Sprintf("spec.stages[%d].deliver.copy.verify", i), to.Verify)
		}
	}
	return u
}

// CopyOf is the repository that a stage copies to; nil for a stage that has an OCIRepository.
func (in *PipelineStage) CopyOf() *StageCopy {
	if in.Deliver == nil {
		return nil
	}
	return in.Deliver.Copy
}
