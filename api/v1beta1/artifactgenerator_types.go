package v1beta1

import (
	"cmp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Values of the strategy of a copy operation.
const (
	// CopyOverwrite: a file replaces the one that is there. It is the default.
	CopyOverwrite = "Overwrite"
	// CopyMerge: a YAML file is merged into the one that is there, as Helm merges values.
	CopyMerge = "Merge"
	// CopyExtract: the content of a tar.gz is copied.
	CopyExtract = "Extract"
)

// ArtifactSourceReference names a source that files are copied from, and gives it an alias.
type ArtifactSourceReference struct {
	// Alias by which copy operations name the source; every source has another one.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	// +required
	Alias string `json:"alias"`
	// Kind of the source.
	// +kubebuilder:validation:Enum=Bucket;GitRepository;OCIRepository;HelmChart;ExternalArtifact
	// +required
	Kind string `json:"kind"`
	// Name of the source.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Namespace of the source, that of the ArtifactGenerator when left out.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// CopyOperation copies files of a source into an artifact.
type CopyOperation struct {
	// From is what is copied, as @ALIAS/PATH or @ALIAS/PATTERN. A directory is copied with its name, DIRECTORY/**
	// stands for what is in it. In a pattern, * stands for any characters but a slash and ** for any directories. With
	// PathPattern it can have placeholders.
	// +kubebuilder:validation:Pattern=`^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)/(.*)$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +required
	From string `json:"from"`
	// To is the path in the artifact, as @artifact/PATH. With a slash at its end it is a directory. With PathPattern it
	// can have placeholders.
	// +kubebuilder:validation:Pattern=`^@(artifact)/(.*)$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +required
	To string `json:"to"`
	// Exclude are patterns of files and directories that are left out. They are compared with paths in the source and
	// below the part of From without wildcards; one without a slash is compared with names, too.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=1024
	// +listType=atomic
	// +optional
	Exclude []string `json:"exclude,omitempty"`
	// Strategy says what is done with files: Overwrite, the default, replaces the one that is there; Merge merges YAML
	// into it, as Helm merges values; Extract copies the content of files named .tar.gz or .tgz and, with a pattern,
	// leaves out all others.
	// +kubebuilder:validation:Enum=Overwrite;Merge;Extract
	// +optional
	Strategy string `json:"strategy,omitempty"`
}

// OutputArtifact is an ExternalArtifact that is generated.
type OutputArtifact struct {
	// Name of the ExternalArtifact, in the namespace of the ArtifactGenerator. With PathPattern it can have placeholders,
	// whose values it has in lower case.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Revision names the source, as @ALIAS, whose revision the artifact has. Left out, the revision is latest@ and the
	// digest of the content.
	// +kubebuilder:validation:Pattern=`^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)$`
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Revision string `json:"revision,omitempty"`
	// OriginRevision names the source, as @ALIAS, whose revision is status.originRevision of the ExternalArtifact. Who
	// uses the artifact is not reconciled for another one.
	// +kubebuilder:validation:Pattern=`^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)$`
	// +kubebuilder:validation:MaxLength=64
	// +optional
	OriginRevision string `json:"originRevision,omitempty"`
	// Copy are the operations that make the content, in order: what comes later counts.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +listType=atomic
	// +required
	Copy []CopyOperation `json:"copy"`
}

// ArtifactGeneratorSpec says which artifacts are made of which files.
// +kubebuilder:validation:XValidation:rule="has(self.pathPattern) && size(self.pathPattern) > 0 || self.artifacts.all(a, a.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'))",message="artifact names must be valid Kubernetes object names when pathPattern is not set"
type ArtifactGeneratorSpec struct {
	// Sources that files are copied from.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +listType=atomic
	// +required
	Sources []ArtifactSourceReference `json:"sources"`
	// OutputArtifacts are the ExternalArtifacts that are made.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +listType=atomic
	// +required
	OutputArtifacts []OutputArtifact `json:"artifacts"`
	// CommonMetadata is put on the ExternalArtifacts.
	// +optional
	CommonMetadata *CommonMetadata `json:"commonMetadata,omitempty"`
	// PathPattern makes the artifacts for each directory of a source that matches, as @ALIAS/PATH. In the path, {name} is
	// a placeholder for the name of one directory, or for a part of it. OutputArtifacts are then templates: their names
	// and the From and To of their copies can have the placeholders. The values are labels of the ExternalArtifacts.
	// +kubebuilder:validation:Pattern=`^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)/(.*)$`
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	PathPattern string `json:"pathPattern,omitempty"`
	// Suspend keeps the artifacts as they are.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// ExternalArtifactReference is a generated ExternalArtifact and what it holds.
type ExternalArtifactReference struct {
	// Name of the ExternalArtifact.
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Namespace of the ExternalArtifact.
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// Digest of its artifact, empty before it has one.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Digest string `json:"digest,omitempty"`
}

// ArtifactGeneratorStatus has the artifacts that were made.
type ArtifactGeneratorStatus struct {
	ReconcileRequest `json:",inline"`
	// ObservedGeneration is the last generation that was handled.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions of the generator: Ready, Reconciling, Stalled.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Inventory are the ExternalArtifacts of the generator, in the order of the directories that match PathPattern, and
	// in that of the spec.
	// +kubebuilder:validation:MaxItems=1000
	// +listType=atomic
	// +optional
	Inventory []ExternalArtifactReference `json:"inventory,omitempty"`
}

// ArtifactGenerator makes artifacts of files of several sources, and of parts of one source.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=flag;ag,categories=fairlead
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message",priority=1
type ArtifactGenerator struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ArtifactGeneratorSpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status ArtifactGeneratorStatus `json:"status,omitempty"`
}

// ArtifactGeneratorList is a list of ArtifactGenerator.
// +kubebuilder:object:root=true
type ArtifactGeneratorList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ArtifactGenerator `json:"items"`
}

// GetKey returns the name of the source, in the given namespace unless the reference says otherwise.
func (r ArtifactSourceReference) GetKey(namespace string) types.NamespacedName {
	return types.NamespacedName{Namespace: cmp.Or(r.Namespace, namespace), Name: r.Name}
}

// Alias returns the alias that the operation copies from.
func (o CopyOperation) Alias() string {
	alias, _, _ := strings.Cut(strings.TrimPrefix(o.From, "@"), "/")
	return alias
}

// Aliases returns the aliases of the sources that decide about the artifact, each once, in the order of their first
// use.
func (o OutputArtifact) Aliases() []string {
	var found []string
	seen := map[string]bool{}
	add := func(alias string) {
		if alias != "" && !seen[alias] {
			seen[alias] = true
			found = append(found, alias)
		}
	}

	for _, operation := range o.Copy {
		add(operation.Alias())
	}

	add(strings.TrimPrefix(o.Revision, "@"))
	add(strings.TrimPrefix(o.OriginRevision, "@"))
	return found
}

// GetOutput returns the artifact of a name; nil when the generator does not declare it. With PathPattern, which
// artifacts it declares depends on a source: then it is nil, too.
func (in *ArtifactGenerator) GetOutput(name string) *OutputArtifact {
	if in.Spec.PathPattern != "" {
		return nil
	}
	for i := range in.Spec.OutputArtifacts {
		if in.Spec.OutputArtifacts[i].Name == name {
			return &in.Spec.OutputArtifacts[i]
		}
	}
	return nil
}

// PatternAlias returns the alias of the source that PathPattern names; empty without one.
func (in *ArtifactGenerator) PatternAlias() string {
	alias, _, _ := strings.Cut(strings.TrimPrefix(in.Spec.PathPattern, "@"), "/")
	return alias
}

// GetInterval implements Source: it is how often the generator is audited; everything else reaches it as an event.
func (in *ArtifactGenerator) GetInterval() time.Duration { return DefaultArtifactInterval }

// GetTimeout implements Source: it bounds the making of one artifact.
func (in *ArtifactGenerator) GetTimeout() time.Duration { return DefaultSourceTimeout }

// GetSecretRefs implements Source.
func (in *ArtifactGenerator) GetSecretRefs() []*LocalObjectReference { return nil }

// GetArtifact implements Source: a generator has no artifact itself, its ExternalArtifacts have.
func (in *ArtifactGenerator) GetArtifact() *Artifact { return nil }

// SetArtifact implements Source: there is none to record.
func (in *ArtifactGenerator) SetArtifact(*Artifact) {}

// GetObservedGeneration implements Source.
func (in *ArtifactGenerator) GetObservedGeneration() int64 { return in.Status.ObservedGeneration }

// SetObservedGeneration implements Source.
func (in *ArtifactGenerator) SetObservedGeneration(g int64) { in.Status.ObservedGeneration = g }

// Request implements Source.
func (in *ArtifactGenerator) Request() *ReconcileRequest { return &in.Status.ReconcileRequest }

// IsSuspended implements Source.
func (in *ArtifactGenerator) IsSuspended() bool { return in.Spec.Suspend }

// GetConditions implements Conditioned.
func (in *ArtifactGenerator) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions implements Conditioned.
func (in *ArtifactGenerator) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }
