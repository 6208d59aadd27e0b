package catalog

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// ofDirectories has a generator make an artifact for each directory below apps.
func ofDirectories(g *v1beta1.ArtifactGenerator) {
	g.Spec.PathPattern = "@repo/apps/{app}"
	g.Spec.OutputArtifacts[0].Name = "{app}"
	g.Spec.OutputArtifacts[0].Copy[0].From = "@repo/apps/{app}/**"
}

// controlled makes a generator the owner of an artifact.
func controlled(a *v1beta1.ExternalArtifact) {
	a.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1beta1.GroupVersion.String(), Kind: v1beta1.ArtifactGeneratorKind, Name: "shop", UID: "g1",
		Controller: ptr.To(true),
	}}
}

// outputs are the artifacts that a generator declares, by what is known before and after the directories are read.
func (c *composing) outputs(g *v1beta1.ArtifactGenerator, wasKnown bool) ([]Output, error) {
	c.t.Helper()
	_, known, err := c.Outputs(c.t.Context(), g)
	if err != nil {
		return nil, err
	}
	if known != wasKnown {
		c.t.Errorf("known: %t, want %t", known, wasKnown)
	}
	if err := c.Expand(c.t.Context(), g); err != nil {
		return nil, err
	}
	found, known, err := c.Outputs(c.t.Context(), g)
	if !known {
		c.t.Error("the directories were read, and are not known")
	}
	return found, err
}

func namesOf(outputs []Output) []string {
	var names []string
	for _, output := range outputs {
		names = append(names, output.Name)
	}
	return names
}

// A directory that comes or goes changes the artifacts of the others in nothing, and a commit of other files nothing at
// all.
func TestArtifactsOfDirectories(t *testing.T) {
	t.Parallel()
	g := generatorOf(ofDirectories)
	web, api := artifactOf("web", controlled), artifactOf("api", controlled)
	c := newComposing(t, web, api, g)
	if _, err := c.outputs(g, false); !IsPending(err) {
		t.Errorf("before the source has an artifact: %v", err)
	}

	c.commit("main@sha1:1", map[string]string{"apps/Web/a.yaml": "a", "README.md": "one"})
	first, err := c.outputs(g, false)
	if err != nil || !slices.Equal(namesOf(first), []string{"web"}) || first[0].Labels["app"] != "web" {
		t.Fatalf("declared: %+v, error %v", first, err)
	}
	polled := c.Poll(t.Context(), web, nil)
	if polled.Err != nil || polled.Rules != first[0].Rules || !strings.Contains(polled.Message, "1 files of @repo") {
		t.Fatalf("found %+v", polled)
	}
	if !c.Declares(g, "web") || c.Declares(g, "api") || c.Declares(g, "{app}") {
		t.Error("other artifacts are declared")
	}

	c.commit("main@sha1:2", map[string]string{"apps/Web/a.yaml": "a", "apps/api/b.yaml": "b", "README.md": "two"})
	second, err := c.outputs(g, false)
	if err != nil || !slices.Equal(namesOf(second), []string{"web", "api"}) || second[0].Rules != first[0].Rules {
		t.Errorf("declared: %+v, error %v", second, err)
	}
	again, other := c.Poll(t.Context(), web, nil), c.Poll(t.Context(), api, nil)
	if again.Err != nil || again.Artifact != polled.Artifact || again.Rules != polled.Rules ||
		again.Message != polled.Message {
		t.Errorf("another directory made %+v of %+v", again, polled)
	}
	if other.Err != nil || other.Artifact.Digest == again.Artifact.Digest || other.Rules == again.Rules {
		t.Errorf("found %+v", other)
	}
	if _, err := c.outputs(g, true); err != nil {
		t.Error(err)
	}

	c.commit("main@sha1:3", map[string]string{"apps/api/b.yaml": "b"})
	third, err := c.outputs(g, false)
	if err != nil || !slices.Equal(namesOf(third), []string{"api"}) || third[0].Rules != second[1].Rules {
		t.Errorf("declared: %+v, error %v", third, err)
	}
	if found := c.Poll(t.Context(), web, nil); !IsPending(found.Err) {
		t.Errorf("an artifact whose directory is gone: %+v", found)
	}

	c.ForgetGenerator(generatorKey(g))
	if _, err := c.outputs(g, false); err != nil {
		t.Error(err)
	}
}

// A directory that cannot have an artifact fails the generator; the artifacts of others follow their files.
func TestADirectoryWithAProblem(t *testing.T) {
	t.Parallel()
	g := generatorOf(ofDirectories)
	web, lost := artifactOf("web", controlled), artifactOf("lost", controlled)
	c := newComposing(t, web, lost, g)
	c.commit("main@sha1:1", map[string]string{"apps/web/a.yaml": "a", "apps/.hidden/a.yaml": "a"})
	if _, err := c.outputs(g, false); sources.Reason(err) != v1beta1.InvalidContentReason {
		t.Errorf("error %v", err)
	}
	if found := c.Poll(t.Context(), web, nil); found.Err != nil {
		t.Errorf("an artifact without a problem: %v", found.Err)
	}
	found := c.Poll(t.Context(), lost, nil)
	if sources.Reason(found.Err) != v1beta1.InvalidContentReason || !strings.Contains(found.Err.Error(), ".hidden") {
		t.Errorf("an artifact that may be declared: %v", found.Err)
	}
}

// What the cache has lost is fetched again; a source that fails is no reason to have other artifacts.
func TestDirectoriesOfASourceThatFails(t *testing.T) {
	t.Parallel()
	g := generatorOf(ofDirectories)
	c := newComposing(t, g)
	c.repo.Status.ObservedGeneration = 1
	c.repo.Status.Conditions = []metav1.Condition{{
		Type: v1beta1.ReadyCondition, Status: metav1.ConditionFalse, Reason: v1beta1.FetchFailedReason, Message: "no route",
	}}
	c.repo.Status.Artifact = nil
	if err := c.client.Update(t.Context(), c.repo); err != nil {
		t.Fatal(err)
	}
	_, known, err := c.Outputs(t.Context(), g)
	if !known || sources.Reason(err) != v1beta1.SourceNotReadyReason || !strings.Contains(err.Error(), "no route") {
		t.Errorf("known: %t, error %v", known, err)
	}

	c.repo.Status.Artifact = &v1beta1.Artifact{Revision: "main@sha1:1", Digest: digest1}
	if err := c.client.Update(t.Context(), c.repo); err != nil {
		t.Fatal(err)
	}
	if found, known, err := c.Outputs(t.Context(), g); known || err != nil || found != nil {
		t.Errorf("known: %t, found %v, error %v", known, found, err)
	}
	if err := c.Expand(t.Context(), g); err == nil {
		t.Error("an artifact that upstream does not have was read")
	}
	if found, known, err := c.Outputs(t.Context(), g); known || err != nil || found != nil {
		t.Errorf("after a failure: known: %t, found %v, error %v", known, found, err)
	}
}

func TestPatternsOfItself(t *testing.T) {
	t.Parallel()
	g := generatorOf(ofDirectories, func(g *v1beta1.ArtifactGenerator) {
		g.Spec.Sources[0] = v1beta1.ArtifactSourceReference{Alias: "repo", Kind: v1beta1.ExternalArtifactKind, Name: "base"}
	})
	base := generatorOf(func(g *v1beta1.ArtifactGenerator) {
		g.Name, g.UID = "base", "g2"
		g.Spec.Sources[0] = v1beta1.ArtifactSourceReference{Alias: "repo", Kind: v1beta1.ExternalArtifactKind, Name: "web"}
	})
	c := newComposing(t, g, base, artifactOf("web"), artifactOf("base", func(a *v1beta1.ExternalArtifact) {
		a.Spec.SourceRef.Name = "base"
	}))
	_, known, err := c.Outputs(t.Context(), g)
	if !known || sources.Reason(err) != v1beta1.DependencyCycleReason {
		t.Errorf("known: %t, error %v", known, err)
	}
	if found := c.Poll(t.Context(), artifactOf("web"), nil); sources.Reason(found.Err) != v1beta1.DependencyCycleReason {
		t.Errorf("found %+v", found)
	}
}

// A generator that is suspended keeps its artifacts, those of directories that are gone included.
func TestASuspendedGeneratorOfDirectories(t *testing.T) {
	t.Parallel()
	g := generatorOf(ofDirectories)
	web := artifactOf("web", controlled)
	c := newComposing(t, web, g)
	c.commit("main@sha1:1", map[string]string{"apps/web/a.yaml": "a"})
	c.suspendAfterPoll(t, web, g)
	c.commit("main@sha1:2", map[string]string{"apps/api/a.yaml": "a"})
	if found := c.Poll(t.Context(), web, nil); !IsPending(found.Err) || !strings.Contains(found.Err.Error(), "suspended") {
		t.Errorf("found %+v", found)
	}
}

// The source of the pattern decides about every artifact that there is, and others about those that copy from them.
func TestArtifactsOfDirectoriesAreFoundByTheirSources(t *testing.T) {
	t.Parallel()
	foreign := artifactOf("foreign", func(a *v1beta1.ExternalArtifact) { a.Spec.SourceRef.Name = "another" })
	g := generatorOf(ofDirectories, func(g *v1beta1.ArtifactGenerator) {
		g.Spec.Sources = append(g.Spec.Sources,
			v1beta1.ArtifactSourceReference{Alias: "unused", Kind: v1beta1.BucketKind, Name: "unused"})
	})
	c := newClient(t, g, artifactOf("api"), artifactOf("web"), foreign)
	fleet := ChartRef{Kind: v1beta1.GitRepositoryKind, Namespace: "apps", Name: "fleet"}
	checkNames(t, ArtifactsOf(t.Context(), c, fleet), []string{"api", "web"})
	checkNames(t, DeclaredBy(t.Context(), c, g), []string{"api", "web"})
	checkNames(t, PatternsOf(t.Context(), c, fleet), []string{"shop"})
	for _, name := range []string{"files", "unused"} {
		bucket := ChartRef{Kind: v1beta1.BucketKind, Namespace: "apps", Name: name}
		checkNames(t, ArtifactsOf(t.Context(), c, bucket), nil)
		checkNames(t, PatternsOf(t.Context(), c, bucket), nil)
	}
}
