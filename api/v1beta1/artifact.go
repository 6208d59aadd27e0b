package v1beta1

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Artifact describes what a source has in the artifact cache.
type Artifact struct {
	// Revision is the upstream name of the content: "main@sha1:…" for Git, "1.4.2@sha256:…" for OCI, the version for a
	// chart, "sha256:…" for a repository index.
	// +kubebuilder:validation:MaxLength=32768
	// +required
	Revision string `json:"revision"`
	// Digest of the cached bytes, as algorithm:hex.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]+:[a-f0-9]+$`
	// +required
	Digest string `json:"digest"`
	// Size of the cached bytes.
	// +optional
	Size int64 `json:"size,omitempty"`
	// LastUpdateTime is when this revision came into the cache.
	// +required
	LastUpdateTime metav1.Time `json:"lastUpdateTime"`
}

// HasRevision reports whether the artifact stands for the revision and the bytes; false on nil.
func (a *Artifact) HasRevision(revision, digest string) bool {
	return a != nil && a.Revision == revision && a.Digest == digest
}

// ChartRevision is one exact chart: made once, by version choice, and carried unchanged from the source to the status
// of the release. Two revisions are the same chart exactly when their digests are equal.
type ChartRevision struct {
	// Name of the chart, from its Chart.yaml.
	// +kubebuilder:validation:MaxLength=32768
	Name string `json:"name"`
	// Version of the chart, from its Chart.yaml.
	// +kubebuilder:validation:MaxLength=32768
	Version string `json:"version"`
	// Digest of the chart, as algorithm:hex: the manifest for a chart in an OCI registry, the archive for one in a Helm
	// repository, the chart directory for one in Git.
	// +kubebuilder:validation:MaxLength=256
	Digest string `json:"digest"`
	// ValuesDigest is the digest of what the files of valuesFiles were merged to, for a chart from a GitRepository or
	// Bucket; empty when valuesFiles names none.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ValuesDigest string `json:"valuesDigest,omitempty"`
}

// String gives name-version@digest, the digest shortened to twelve characters.
func (r ChartRevision) String() string {
	return r.Name + "-" + r.Version + "@" + ShortDigest(r.Digest)
}

// SameVersion reports whether two texts name one version of a chart: they are equal but for a leading v. An index may
// say v1.1.0 where the chart itself says 1.1.0.
func SameVersion(a, b string) bool {
	return strings.TrimPrefix(a, "v") == strings.TrimPrefix(b, "v")
}

// ShortDigest returns the first twelve characters of the digest's hash, the form that is shown to people.
func ShortDigest(digest string) string {
	for i := range len(digest) {
		if digest[i] == ':' {
			digest = digest[i+1:]
			break
		}
	}

	if len(digest) > 12 {
		return digest[:12]
	}

	return digest
}
