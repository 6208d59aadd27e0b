package view

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// What is made of a source is below it, and what uses that below that. Artifacts that are made of one another end the
// tree.
func TestTheTreeOfAComposedSource(t *testing.T) {
	t.Parallel()
	generator := &v1beta1.ArtifactGenerator{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "shop"}}
	generator.Spec.Sources = []v1beta1.ArtifactSourceReference{
		{Alias: "repo", Kind: v1beta1.GitRepositoryKind, Name: "fleet", Namespace: "infra"},
		{Alias: "self", Kind: v1beta1.ExternalArtifactKind, Name: "web"},
	}
	artifact := &v1beta1.ExternalArtifact{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	artifact.Spec.SourceRef = &v1beta1.ArtifactOriginReference{Kind: v1beta1.ArtifactGeneratorKind, Name: "shop"}
	k := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	k.Spec.SourceRef = v1beta1.ManifestSourceReference{Kind: v1beta1.ExternalArtifactKind, Name: "web"}

	of := Reference{Kind: v1beta1.GitRepositoryKind, Namespace: "infra", Name: "fleet"}
	tree := NewSourceTree(of, []Object{generator, artifact, k})
	if len(tree.Users) != 1 || tree.Users[0].Kind != v1beta1.ArtifactGeneratorKind || len(tree.Users[0].Users) != 1 {
		t.Fatalf("the tree is %+v", tree.Users)
	}
	made := tree.Users[0].Users[0]
	if made.Kind != v1beta1.ExternalArtifactKind || len(made.Users) != 2 || made.Users[1].Kind != v1beta1.KustomizationKind {
		t.Errorf("below the generator is %+v", made)
	}
	if len(made.Users) > 0 && len(made.Users[0].Users) != 0 {
		t.Errorf("the cycle continues: %+v", made.Users[0])
	}
	if tree.Total != 4 || tree.Ready != 0 {
		t.Errorf("%d of %d are ready", tree.Ready, tree.Total)
	}
}
