package v1beta1

// ValuesDigestAnnotation is on what a pipeline with shared values makes: the digest of the values of the candidate.
const ValuesDigestAnnotation = "fairlead.dev/values-digest"

// SharedValuesKey is the key of the ConfigMaps with shared values.
const SharedValuesKey = "values.yaml"

// MaxSharedValues bounds a file of shared values, in bytes.
const MaxSharedValues = 256 << 10

// PipelineValues names a file of values. The controller writes its content into the ConfigMap PIPELINE-STAGE, key
// values.yaml, of each stage, in the namespace of the pipeline; the HelmReleases of the stage name it in valuesFrom.
type PipelineValues struct {
	// SourceRef names where the file comes from, in the namespace of the pipeline.
	// +required
	SourceRef PipelineValuesSource `json:"sourceRef"`
	// Path of the file in the artifact of the source. It is a YAML map of up to 256 KiB.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Path string `json:"path"`
}

// PipelineValuesSource names a source whose artifact holds files, in the namespace of the pipeline.
type PipelineValuesSource struct {
	// Kind of the source.
	// +kubebuilder:validation:Enum=GitRepository;OCIRepository;Bucket
	// +required
	Kind string `json:"kind"`
	// Name of the source.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}

// SharedValues are the values of a pipeline among those of a HelmRelease.
type SharedValues struct {
	// Digest of the shared values.
	// +kubebuilder:validation:MaxLength=256
	// +required
	Digest string `json:"digest"`
	// ConfigDigest is the digest of all values of the HelmRelease with these among them.
	// +kubebuilder:validation:MaxLength=256
	// +required
	ConfigDigest string `json:"configDigest"`
}

// SharedValuesName is the name of the ConfigMap that keeps shared values for the candidates of the pipeline.
func (in *ReleasePipeline) SharedValuesName(digest string) string {
	return in.Name + ".values." + ShortDigest(digest)
}

// TakesSharedValues reports whether a HelmRelease takes the shared values of a stage as they are.
func (in *HelmRelease) TakesSharedValues(p *ReleasePipeline, stage string) bool {
	for _, from := range in.Spec.ValuesFrom {
		if from.Kind == "ConfigMap" && from.Name == p.SourceName(stage) && in.Namespace == p.Namespace &&
			from.GetValuesKey() == SharedValuesKey && from.TargetPath == "" {
			return true
		}
	}
	return false
}
