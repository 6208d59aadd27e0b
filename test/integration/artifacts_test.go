package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// composed is a generator of manifests from the repository fleet, and of its chart with values of the repository
// config.
func composed(ns string) *v1beta1.ArtifactGenerator {
	return &v1beta1.ArtifactGenerator{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "shop"},
		Spec: v1beta1.ArtifactGeneratorSpec{
			Sources: []v1beta1.ArtifactSourceReference{
				{Alias: "repo", Kind: v1beta1.GitRepositoryKind, Name: "fleet"},
				{Alias: "values", Kind: v1beta1.GitRepositoryKind, Name: "config"},
			},
			OutputArtifacts: []v1beta1.OutputArtifact{
				{Name: "manifests", OriginRevision: "@repo", Copy: []v1beta1.CopyOperation{
					{From: "@repo/deploy/**", To: "@artifact/", Exclude: []string{"*.md"}},
				}},
				{Name: "chart", Copy: []v1beta1.CopyOperation{
					{From: "@repo/charts/sample/", To: "@artifact/"},
					{From: "@values/prod.yaml", To: "@artifact/sample/values.yaml", Strategy: v1beta1.CopyMerge},
				}},
			},
			CommonMetadata: &v1beta1.CommonMetadata{Labels: map[string]string{"team": "shop"}},
		},
	}
}

func artifact(ns, name string) *v1beta1.ExternalArtifact {
	return &v1beta1.ExternalArtifact{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
}

// composedSources makes the repositories of the generator.
func composedSources(t *testing.T, ns string) {
	t.Helper()
	files := map[string]string{"deploy/a.yaml": settings("a", "one"), "deploy/notes.md": "no manifest", "README.md": "x"}
	for name, content := range chartFiles("sample", "1.0.0", nil) {
		files["charts/sample/"+name] = content
	}
	fleet(t, ns, files)
	url, err := world.git.Create(ns + "-config")
	if err != nil {
		t.Fatal(err)
	}
	commit(t, ns+"-config", map[string]string{"prod.yaml": "message: prod\nreplicas: 0\n"})
	apply(t, &v1beta1.GitRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "config"},
		Spec: v1beta1.GitRepositorySpec{
			URL: url, Reference: &v1beta1.GitRepositoryRef{Branch: "main"}, Interval: often,
		},
	})
}

// Two repositories make an artifact for a Kustomization and a chart for a release. A commit of other files changes
// nothing, one of their files only who uses them, and what is no longer declared is deleted.
func TestArtifactsAreComposed(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	composedSources(t, ns)
	generator := composed(ns)
	apply(t, generator)
	k := kustomization(ns, "apps", "./", func(s *v1beta1.KustomizationSpec) {
		s.SourceRef = v1beta1.ManifestSourceReference{Kind: v1beta1.ExternalArtifactKind, Name: "manifests"}
	})
	hr := &v1beta1.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"},
		Spec: v1beta1.HelmReleaseSpec{
			ChartRef: &v1beta1.ChartSourceReference{Kind: v1beta1.ExternalArtifactKind, Name: "chart"},
			Bake:     &metav1.Duration{Duration: time.Second},
		},
	}
	apply(t, k, hr)
	awaitReady(t, generator)
	awaitReady(t, k)
	awaitReady(t, hr)
	if message := configMap(t, ns, "web")["message"]; message != "prod" || !holds(t, ns, "a", "one") {
		t.Errorf("the release has the message %q; the manifests are applied: %t", message, holds(t, ns, "a", "one"))
	}
	until(t, "the release is verified", func() bool { return get(t, hr).Status.LastVerified != nil })

	manifests, chart := get(t, artifact(ns, "manifests")), get(t, artifact(ns, "chart"))
	if manifests.Status.Artifact.Revision != "latest@"+manifests.Status.Artifact.Digest || manifests.Labels["team"] != "shop" {
		t.Errorf("the revision is %s, the labels are %v", manifests.Status.Artifact.Revision, manifests.Labels)
	}
	if got := get(t, generator).Status.Inventory; len(got) != 2 || got[0].Digest != manifests.Status.Artifact.Digest ||
		got[1].Digest != chart.Status.Artifact.Digest {
		t.Errorf("the inventory is %v", got)
	}

	settledK, settledHR := get(t, k).ResourceVersion, get(t, hr).ResourceVersion
	sha := commit(t, ns, map[string]string{"README.md": "y", "deploy/notes.md": "still none"})
	until(t, "the commit of other files is the origin", func() bool {
		return strings.HasSuffix(get(t, artifact(ns, "manifests")).Status.OriginRevision, sha)
	})
	after := get(t, artifact(ns, "manifests")).Status.Artifact
	if *after != *manifests.Status.Artifact || get(t, artifact(ns, "chart")).ResourceVersion != chart.ResourceVersion {
		t.Errorf("a commit of other files made the artifact %+v of %+v", after, manifests.Status.Artifact)
	}
	if get(t, k).ResourceVersion != settledK || get(t, hr).ResourceVersion != settledHR {
		t.Error("a commit of other files changed who uses the artifacts")
	}

	commit(t, ns, map[string]string{"deploy/a.yaml": settings("a", "two")})
	until(t, "the manifests are applied", func() bool { return holds(t, ns, "a", "two") })
	if got := get(t, hr).ResourceVersion; got != settledHR {
		t.Error("manifests of another artifact changed the release")
	}
	awaitReady(t, k)
	settledK = get(t, k).ResourceVersion
	commit(t, ns+"-config", map[string]string{"prod.yaml": "message: changed\nreplicas: 0\n"})
	until(t, "the values are rolled out", func() bool { return configMap(t, ns, "web")["message"] == "changed" })
	if got := get(t, k).ResourceVersion; got != settledK {
		t.Error("values of a chart changed the Kustomization")
	}

	says(t, mustRun(t, "fairlead", "get", "sources", "-n", ns), "ArtifactGenerator", "ExternalArtifact", "latest@")
	says(t, mustRun(t, "fairlead", "tree", "artifactgenerator", "shop", "-n", ns), "manifests", "apps", "chart", "web")

	generator.Spec.OutputArtifacts = generator.Spec.OutputArtifacts[1:]
	apply(t, generator)
	awaitNotReady(t, k, v1beta1.SourceNotFoundReason)
	if exists(t, artifact(ns, "manifests")) || !exists(t, artifact(ns, "chart")) || !holds(t, ns, "a", "two") {
		t.Error("the artifact that is no longer declared is still there, or more is gone than that")
	}
	remove(t, generator)
	until(t, "the artifacts are deleted with the generator", func() bool { return !exists(t, artifact(ns, "chart")) })
}

// What cannot be composed says why, in the ExternalArtifact and in the generator, and what was made before stays.
func TestArtifactsThatCannotBeComposed(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	composedSources(t, ns)
	generator := composed(ns)
	generator.Spec.OutputArtifacts = generator.Spec.OutputArtifacts[:1]
	apply(t, generator)
	awaitReady(t, generator)
	made := get(t, artifact(ns, "manifests")).Status.Artifact.Digest

	generator.Spec.OutputArtifacts[0].Copy[0].From = "@repo/none/**"
	apply(t, generator)
	ready := awaitNotReady(t, generator, v1beta1.NotFoundReason)
	if !strings.Contains(ready.Message, "ExternalArtifact manifests") || !strings.Contains(ready.Message, "@repo/none/**") ||
		!strings.Contains(ready.Message, "stays in use") {
		t.Errorf("message: %s", ready.Message)
	}
	if got := get(t, artifact(ns, "manifests")).Status.Artifact.Digest; got != made {
		t.Errorf("the artifact is %s, want %s", got, made)
	}

	generator.Spec.OutputArtifacts[0].Copy[0].From = "@other/none/**"
	apply(t, generator)
	awaitNotReady(t, generator, v1beta1.InvalidReferenceReason)
	generator.Spec.OutputArtifacts[0].Copy[0].From = "@repo/deploy/**"
	generator.Spec.PathPattern = "@repo/none/{app}"
	apply(t, generator)
	awaitNotReady(t, generator, v1beta1.NotFoundReason)
	if got := get(t, artifact(ns, "manifests")).Status.Artifact.Digest; got != made {
		t.Errorf("the artifact is %s, want %s", got, made)
	}
	generator.Spec.PathPattern = ""
	apply(t, generator)
	awaitReady(t, generator)

	foreign := artifact(ns, "foreign")
	foreign.Spec.SourceRef = &v1beta1.ArtifactOriginReference{Kind: "Terraform", Name: "x"}
	circle := composed(ns)
	circle.Name = "circle"
	circle.Spec.Sources = append(circle.Spec.Sources,
		v1beta1.ArtifactSourceReference{Alias: "self", Kind: v1beta1.ExternalArtifactKind, Name: "round"})
	circle.Spec.OutputArtifacts = []v1beta1.OutputArtifact{{
		Name: "round", Copy: []v1beta1.CopyOperation{{From: "@self/", To: "@artifact/more/"}},
	}}
	taken := composed(ns)
	taken.Name = "taken"
	taken.Spec.OutputArtifacts = taken.Spec.OutputArtifacts[:1]
	apply(t, foreign, circle, taken)
	awaitNotReady(t, foreign, v1beta1.InvalidReferenceReason)
	awaitNotReady(t, circle, v1beta1.DependencyCycleReason)
	if ready := awaitNotReady(t, taken, v1beta1.InvalidReferenceReason); !strings.Contains(ready.Message,
		"is not of this ArtifactGenerator") {
		t.Errorf("message: %s", ready.Message)
	}
}

// Artifacts that the cache has lost are made again, with the same bytes.
func TestComposedArtifactsOutliveTheCache(t *testing.T) {
	ns := namespace(t)
	alone(t)
	v := newVictim(t, ns, "controller")
	composedSources(t, ns)
	generator := composed(ns)
	apply(t, generator)
	awaitReady(t, generator)
	made := get(t, artifact(ns, "chart")).Status.Artifact
	v.kill()
	lost := 0
	err := filepath.WalkDir(v.dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == "blobs" {
			lost++
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			return filepath.SkipDir
		}
		return err
	})
	if err != nil || lost == 0 {
		t.Fatalf("%d caches were emptied, error %v", lost, err)
	}
	v.start(t)
	hr := &v1beta1.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"},
		Spec: v1beta1.HelmReleaseSpec{
			ChartRef: &v1beta1.ChartSourceReference{Kind: v1beta1.ExternalArtifactKind, Name: "chart"},
		},
	}
	apply(t, hr)
	awaitReady(t, hr)
	if got := get(t, artifact(ns, "chart")).Status.Artifact; *got != *made {
		t.Errorf("the artifact is %+v, want %+v", got, made)
	}
}
