package view

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// The list of charts that the controller keeps of a registry is no revision of it: it is there before anything was
// fetched.
func TestARegistryHasNoRevision(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ kind, want string }{
		{v1beta1.HelmRepositoryTypeOCI, ""},
		{v1beta1.HelmRepositoryTypeDefault, "sha256:44136fa3"},
	} {
		repository := &v1beta1.HelmRepository{}
		repository.Spec.Type = tt.kind
		repository.Status.Artifact = &v1beta1.Artifact{Revision: "sha256:44136fa3", Digest: "sha256:44136fa3"}
		if got := NewSourceRow(repository); got.Revision != tt.want || got.Digest != tt.want {
			t.Errorf("type %s: revision %q, digest %q, want %q", tt.kind, got.Revision, got.Digest, tt.want)
		}
		if got := relatedOf(Reference{}, repository, nil); got.Revision != tt.want {
			t.Errorf("type %s: related revision %q, want %q", tt.kind, got.Revision, tt.want)
		}
	}
}
