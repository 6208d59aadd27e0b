package catalog

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/build"
)

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	return string(build.Archive(t, files, nil))
}

func generatorOf(change ...func(*v1beta1.ArtifactGenerator)) *v1beta1.ArtifactGenerator {
	g := &v1beta1.ArtifactGenerator{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "shop", UID: "g1", Generation: 1}}
	g.Spec.Sources = []v1beta1.ArtifactSourceReference{
		{Alias: "repo", Kind: v1beta1.GitRepositoryKind, Name: "fleet"},
		{Alias: "other", Kind: v1beta1.BucketKind, Name: "files"},
	}
	g.Spec.OutputArtifacts = []v1beta1.OutputArtifact{{
		Name: "web", Copy: []v1beta1.CopyOperation{{From: "@repo/deploy/**", To: "@artifact/"}},
	}}
	for _, c := range change {
		c(g)
	}
	return g
}

func artifactOf(name string, change ...func(*v1beta1.ExternalArtifact)) *v1beta1.ExternalArtifact {
	a := &v1beta1.ExternalArtifact{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name, UID: types.UID("a-" + name), Generation: 1},
	}
	a.Spec.SourceRef = &v1beta1.ArtifactOriginReference{Kind: v1beta1.ArtifactGeneratorKind, Name: "shop"}
	for _, c := range change {
		c(a)
	}
	return a
}

// composing is a generator with its source in a cluster.
type composing struct {
	*Catalog

	t      *testing.T
	client client.Client
	repo   *v1beta1.GitRepository
}

func newComposing(t *testing.T, objects ...client.Object) *composing {
	t.Helper()
	repo := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "fleet", UID: "r1", Generation: 1}}
	c := newClient(t, append(objects, repo)...)
	return &composing{Catalog: NewCatalog(c, c, newStore(t)), t: t, client: c, repo: repo}
}

// suspendAfterPoll suspends a generator whose artifact was made once.
func (c *composing) suspendAfterPoll(t *testing.T, artifact *v1beta1.ExternalArtifact, g *v1beta1.ArtifactGenerator) {
	t.Helper()
	first := c.Poll(t.Context(), artifact, nil)
	if first.Err != nil {
		t.Fatal(first.Err)
	}
	artifact.Status.Artifact = &first.Artifact
	g.Spec.Suspend = true
	if err := c.client.Update(t.Context(), g); err != nil {
		t.Fatal(err)
	}
}

// commit gives the source another artifact.
func (c *composing) commit(revision string, files map[string]string) {
	c.t.Helper()
	digest := bring(c.t, c.Catalog, c.repo, tree(c.t, files))
	c.repo.Status.Artifact = &v1beta1.Artifact{Revision: revision, Digest: digest}
	if err := c.client.Update(c.t.Context(), c.repo); err != nil {
		c.t.Fatal(err)
	}
}

// The content decides about the digest and the revision; a revision and an origin are those of a source where the
// generator says so.
func TestTheContentDecidesAboutARevision(t *testing.T) {
	t.Parallel()
	web := artifactOf("web")
	named := artifactOf("named")
	c := newComposing(t, web, named, generatorOf(func(g *v1beta1.ArtifactGenerator) {
		output := g.Spec.OutputArtifacts[0]
		output.Name, output.Revision, output.OriginRevision = "named", "@repo", "@repo"
		g.Spec.OutputArtifacts = append(g.Spec.OutputArtifacts, output)
	}))
	c.commit("main@sha1:1", map[string]string{"deploy/a.yaml": "a", "README.md": "one"})
	first, firstNamed := c.Poll(t.Context(), web, nil), c.Poll(t.Context(), named, nil)
	c.commit("main@sha1:2", map[string]string{"deploy/a.yaml": "a", "README.md": "two"})
	second, secondNamed := c.Poll(t.Context(), web, nil), c.Poll(t.Context(), named, nil)
	c.commit("main@sha1:3", map[string]string{"deploy/a.yaml": "b"})
	third := c.Poll(t.Context(), web, nil)
	for _, found := range []Polled{first, firstNamed, second, secondNamed, third} {
		if found.Err != nil {
			t.Fatal(found.Err)
		}
	}
	if first.Artifact.Revision != "latest@"+first.Artifact.Digest || second.Artifact != first.Artifact ||
		second.Message != first.Message || second.Origin != "" {
		t.Errorf("a commit of other files made %+v of %+v", second, first)
	}
	if third.Artifact.Digest == first.Artifact.Digest {
		t.Error("other files have the same digest")
	}
	if firstNamed.Artifact.Revision != "main@sha1:1" || secondNamed.Artifact.Revision != "main@sha1:2" ||
		secondNamed.Origin != "main@sha1:2" || secondNamed.Artifact.Digest != first.Artifact.Digest {
		t.Errorf("the revisions of a source are %+v, then %+v", firstNamed, secondNamed)
	}
	if first.Rules == "" || first.Rules == firstNamed.Rules || first.Rules != second.Rules {
		t.Errorf("the rules are %s, then %s, others %s", first.Rules, second.Rules, firstNamed.Rules)
	}
}

// An artifact that the cache has lost is made again; a chart in it is opened by its digest.
func TestAComposedChartIsOpened(t *testing.T) {
	t.Parallel()
	web := artifactOf("web")
	c := newComposing(t, web, generatorOf(func(g *v1beta1.ArtifactGenerator) {
		g.Spec.OutputArtifacts[0].Copy[0].From = "@repo/charts/web"
	}))
	c.commit("main@sha1:1", map[string]string{
		"charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.2.3\n", "charts/web/values.yaml": "a: 1\n",
	})
	found := c.Poll(t.Context(), web, nil)
	if found.Err != nil || found.Chart == nil || found.Chart.Version != "1.2.3" {
		t.Fatalf("found the chart %+v, error %v", found.Chart, found.Err)
	}
	choice := keyOf(v1beta1.ExternalArtifactKind, web)
	c.Forget(choice) // as after a restart
	archive, err := c.Archive(t.Context(), choice, *found.Chart, true)
	if err != nil {
		t.Fatal(err)
	}
	if names := filesOf(t, archive); !slices.Contains(names, "web/Chart.yaml") {
		t.Errorf("the archive has %v", names)
	}
	other := *found.Chart
	other.Digest = digest1
	if _, err := c.Archive(t.Context(), choice, other, true); sources.Reason(err) != v1beta1.SourceNotReadyReason {
		t.Errorf("another chart: %v", err)
	}
	again, err := c.OpenArtifact(t.Context(), choice, found.Artifact)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestArtifactsThatAreNotMade(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		artifact  func(*v1beta1.ExternalArtifact)
		generator func(*v1beta1.ArtifactGenerator)
		own       bool
		reason    string
		final     bool
		message   string
	}{
		{
			name: "of another program", artifact: func(a *v1beta1.ExternalArtifact) { a.Spec.SourceRef.Kind = "Terraform" },
			reason: v1beta1.InvalidReferenceReason, final: true, message: "other programs",
		},
		{
			name: "of another API", artifact: func(a *v1beta1.ExternalArtifact) {
				a.Spec.SourceRef.APIVersion = "source.extensions.fluxcd.io/v1beta1"
			},
			reason: v1beta1.InvalidReferenceReason, final: true, message: "other programs",
		},
		{
			name:     "of another namespace",
			artifact: func(a *v1beta1.ExternalArtifact) { a.Spec.SourceRef.Namespace = "secret" },
			reason:   v1beta1.InvalidReferenceReason, final: true, message: "of namespace apps",
		},
		{
			name: "of nothing", artifact: func(a *v1beta1.ExternalArtifact) { a.Spec.SourceRef = nil },
			reason: v1beta1.InvalidReferenceReason, final: true, message: "names no ArtifactGenerator",
		},
		{
			name:     "of a generator that does not exist",
			artifact: func(a *v1beta1.ExternalArtifact) { a.Spec.SourceRef.Name = "none" },
			reason:   v1beta1.SourceNotFoundReason, message: "ArtifactGenerator apps/none does not exist",
		},
		{
			name:      "not declared",
			generator: func(g *v1beta1.ArtifactGenerator) { g.Spec.OutputArtifacts[0].Name = "api" },
			reason:    v1beta1.InvalidReferenceReason, final: true, message: "does not declare the artifact web",
		},
		{
			name: "an alias twice", generator: func(g *v1beta1.ArtifactGenerator) { g.Spec.Sources[1].Alias = "repo" },
			reason: v1beta1.InvalidReferenceReason, final: true, message: "the alias repo is used twice",
		},
		{
			name: "an alias that is not there",
			generator: func(g *v1beta1.ArtifactGenerator) {
				g.Spec.OutputArtifacts[0].Revision = "@none"
			},
			reason: v1beta1.InvalidReferenceReason, final: true, message: "no source with the alias none",
		},
		{
			name: "a path that leads out",
			generator: func(g *v1beta1.ArtifactGenerator) {
				g.Spec.OutputArtifacts[0].Copy[0].To = "@artifact/../x"
			},
			reason: v1beta1.InvalidReferenceReason, final: true, message: "inside of it",
		},
		{
			name: "a pattern with wildcards", generator: func(g *v1beta1.ArtifactGenerator) { g.Spec.PathPattern = "@repo/*" },
			reason: v1beta1.InvalidReferenceReason, final: true, message: "* ? [ and ] are not supported",
		},
		{
			name:      "a pattern of a source that is not there",
			generator: func(g *v1beta1.ArtifactGenerator) { g.Spec.PathPattern = "@none/{app}" },
			reason:    v1beta1.InvalidReferenceReason, final: true, message: "no source with the alias none",
		},
		{
			name: "a pattern that no directory matches", generator: func(g *v1beta1.ArtifactGenerator) {
				g.Spec.PathPattern = "@repo/apps/{app}"
			},
			reason: v1beta1.NotFoundReason, message: "no directory of the source @repo matches",
		},
		{
			name: "no directory of its own", generator: func(g *v1beta1.ArtifactGenerator) {
				g.Spec.PathPattern = "@repo/{app}"
				g.Spec.OutputArtifacts[0].Name = "{app}"
			},
			reason: v1beta1.InvalidReferenceReason, final: true, message: "does not declare the artifact web",
		},
		{
			name:      "a source in another namespace, which is refused",
			generator: func(g *v1beta1.ArtifactGenerator) { g.Spec.Sources[1].Namespace = "secret" }, own: true,
			reason: v1beta1.AccessDeniedReason, final: true, message: "--no-cross-namespace-refs",
		},
		{
			name: "a source that does not exist", generator: func(g *v1beta1.ArtifactGenerator) {
				g.Spec.OutputArtifacts[0].Copy[0].From = "@other/x"
			},
			reason: v1beta1.SourceNotFoundReason, message: "the source @other: Bucket apps/files does not exist",
		},
		{
			name: "no such file", generator: func(g *v1beta1.ArtifactGenerator) {
				g.Spec.OutputArtifacts[0].Copy[0].From = "@repo/none"
			},
			reason: v1beta1.NotFoundReason, message: "no file of the source @repo is there",
		},
		{
			name: "made of itself", generator: func(g *v1beta1.ArtifactGenerator) {
				g.Spec.Sources[0] = v1beta1.ArtifactSourceReference{
					Alias: "repo", Kind: v1beta1.ExternalArtifactKind, Name: "web",
				}
			},
			reason: v1beta1.DependencyCycleReason, message: "is made of itself",
		},
		{
			name: "made of one that is made of it", generator: func(g *v1beta1.ArtifactGenerator) {
				g.Spec.Sources = []v1beta1.ArtifactSourceReference{
					{Alias: "repo", Kind: v1beta1.ExternalArtifactKind, Name: "other"},
					{Alias: "back", Kind: v1beta1.ExternalArtifactKind, Name: "web"},
				}
				g.Spec.OutputArtifacts = append(g.Spec.OutputArtifacts, v1beta1.OutputArtifact{
					Name: "other", Copy: []v1beta1.CopyOperation{{From: "@back/", To: "@artifact/"}},
				})
			},
			reason: v1beta1.DependencyCycleReason, message: "by way of",
		},
		{
			name: "suspended", generator: func(g *v1beta1.ArtifactGenerator) { g.Spec.Suspend = true },
			reason: v1beta1.SourceNotReadyReason, message: "ArtifactGenerator shop is suspended",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			web, g := artifactOf("web"), generatorOf()
			if tt.artifact != nil {
				tt.artifact(web)
			}
			if tt.generator != nil {
				tt.generator(g)
			}
			c := newComposing(t, web, artifactOf("other"), g)
			if tt.own {
				c.RefuseOtherNamespaces()
			}
			c.commit("main@sha1:1", map[string]string{"deploy/a.yaml": "a"})
			found := c.Poll(t.Context(), web, nil)
			failure := FailureOf(found.Err)
			if found.Err == nil || failure.Reason != tt.reason || failure.Final != tt.final ||
				!strings.Contains(failure.Message, tt.message) {
				t.Errorf("found %+v, error %v", failure, found.Err)
			}
		})
	}
}

// Two artifacts of one name would be one ExternalArtifact.
func TestAGeneratorNamesAnArtifactOnce(t *testing.T) {
	t.Parallel()
	g := generatorOf()
	g.Spec.OutputArtifacts = append(g.Spec.OutputArtifacts, g.Spec.OutputArtifacts[0])
	err := newCatalog(t).AdmitGenerator(g)
	if sources.Reason(err) != v1beta1.InvalidReferenceReason || !strings.Contains(err.Error(), "the name web twice") {
		t.Errorf("error %v", err)
	}
}

// An artifact of a generator that is suspended stays as it is, and is made again when the cache has lost it.
func TestASuspendedGeneratorKeepsItsArtifacts(t *testing.T) {
	t.Parallel()
	web, g := artifactOf("web"), generatorOf()
	c := newComposing(t, web, g)
	c.commit("main@sha1:1", map[string]string{"deploy/a.yaml": "a"})
	c.suspendAfterPoll(t, web, g)
	c.commit("main@sha1:2", map[string]string{"deploy/a.yaml": "b"})
	if found := c.Poll(t.Context(), web, nil); !IsPending(found.Err) {
		t.Errorf("found %+v", found)
	}
	lost := *web
	lost.UID = "a-new" // what another object has brought, this one has not
	if found := c.Poll(t.Context(), &lost, nil); sources.Reason(found.Err) != v1beta1.SourceNotReadyReason {
		t.Errorf("found %+v", found)
	}
}

// The artifacts that a source decides about are found by it.
func TestArtifactsAreFoundByTheirSources(t *testing.T) {
	t.Parallel()
	c := newClient(t, generatorOf(func(g *v1beta1.ArtifactGenerator) {
		g.Spec.OutputArtifacts = append(g.Spec.OutputArtifacts, v1beta1.OutputArtifact{
			Name: "api", Revision: "@other", Copy: []v1beta1.CopyOperation{{From: "@repo/x", To: "@artifact/"}},
		})
	}))
	for name, want := range map[string][]string{"fleet": {"web", "api"}, "none": nil} {
		source := ChartRef{Kind: v1beta1.GitRepositoryKind, Namespace: "apps", Name: name}
		checkNames(t, ArtifactsOf(t.Context(), c, source), want)
	}
	checkNames(t, ArtifactsOf(t.Context(), c, ChartRef{Kind: v1beta1.BucketKind, Namespace: "apps", Name: "files"}),
		[]string{"api"})
}

func checkNames(t *testing.T, keys []types.NamespacedName, want []string) {
	t.Helper()
	names := make([]string, 0, len(keys))
	for _, key := range keys {
		names = append(names, key.Name)
	}
	if !slices.Equal(names, want) && len(names)+len(want) > 0 {
		t.Errorf("found %v, want %v", names, want)
	}
}
