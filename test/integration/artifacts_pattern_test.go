package integration

import (
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// artifactsOf returns the ExternalArtifacts of a namespace by their names.
func artifactsOf(t *testing.T, ns string) map[string]v1beta1.ExternalArtifact {
	t.Helper()
	list := &v1beta1.ExternalArtifactList{}
	if err := world.cluster.Client.List(t.Context(), list, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	found := map[string]v1beta1.ExternalArtifact{}
	for _, item := range list.Items {
		found[item.Name] = item
	}
	return found
}

// Each directory has an artifact of its own: one that is added has another made, one that is removed has it deleted, and
// who uses the others is not reconciled. A directory without an artifact makes and deletes none, and the others follow.
func TestArtifactsOfDirectories(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{
		"apps/Web/a.yaml": settings("a", "one"), "apps/api/b.yaml": settings("b", "one"), "README.md": "x",
	})
	generator := &v1beta1.ArtifactGenerator{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "apps"},
		Spec: v1beta1.ArtifactGeneratorSpec{
			Sources:     []v1beta1.ArtifactSourceReference{{Alias: "repo", Kind: v1beta1.GitRepositoryKind, Name: "fleet"}},
			PathPattern: "@repo/apps/{app}",
			OutputArtifacts: []v1beta1.OutputArtifact{{
				Name: "{app}-dev", Copy: []v1beta1.CopyOperation{{From: "@repo/apps/{app}/**", To: "@artifact/{app}/"}},
			}},
		},
	}
	k := kustomization(ns, "web", "./Web", func(s *v1beta1.KustomizationSpec) {
		s.SourceRef = v1beta1.ManifestSourceReference{Kind: v1beta1.ExternalArtifactKind, Name: "web-dev"}
	})
	apply(t, generator, k)
	awaitReady(t, generator)
	awaitReady(t, k)
	made := artifactsOf(t, ns)
	web := made["web-dev"]
	if len(made) != 2 || web.Labels["app"] != "web" || !holds(t, ns, "a", "one") {
		t.Errorf("there are %v with the labels %v", slices.Sorted(maps.Keys(made)), web.Labels)
	}

	settled := get(t, k).ResourceVersion
	commit(t, ns, map[string]string{"apps/db/c.yaml": settings("c", "one"), "apps/api/b.yaml": "", "README.md": "y"})
	until(t, "the artifacts are those of the directories", func() bool {
		inventory := get(t, generator).Status.Inventory
		return len(inventory) == 2 && inventory[1].Name == "db-dev" && inventory[1].Digest != "" &&
			!exists(t, artifact(ns, "api-dev"))
	})
	if got := get(t, artifact(ns, "web-dev")).ResourceVersion; got != web.ResourceVersion ||
		get(t, k).ResourceVersion != settled {
		t.Error("another directory changed an artifact, or who uses it")
	}

	commit(t, ns, map[string]string{
		"apps/.hidden/x.yaml": settings("x", "one"), "apps/db/c.yaml": "", "apps/Web/a.yaml": settings("a", "two"),
	})
	ready := awaitNotReady(t, generator, v1beta1.InvalidContentReason)
	if !strings.Contains(ready.Message, `"apps/.hidden"`) ||
		!strings.Contains(ready.Message, "no artifact is made or deleted") {
		t.Errorf("message: %s", ready.Message)
	}
	until(t, "the artifact of another directory follows its files", func() bool { return holds(t, ns, "a", "two") })
	if !exists(t, artifact(ns, "db-dev")) {
		t.Error("an artifact was deleted although the generator failed")
	}

	commit(t, ns, map[string]string{"apps/.hidden/x.yaml": ""})
	until(t, "the generator is Ready without the artifact whose directory is gone", func() bool {
		return len(get(t, generator).Status.Inventory) == 1 && !exists(t, artifact(ns, "db-dev"))
	})
	awaitReady(t, generator)
}
