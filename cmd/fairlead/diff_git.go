package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/kustomization"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/build"
	"fairlead.dev/fairlead/helmops/view"
)

// diffGit compares what is deployed with the release as it is at a branch, tag or commit.
func (a *app) diffGit(
	ctx context.Context, c *connection, hr *v1beta1.HelmRelease, ref string, out *output,
) (err error) {
	dir, err := os.MkdirTemp("", "fairlead-")
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	at := &gitRelease{
		wantedSource: wantedSource{
			release: hr, reader: callerReader{c.client}, takesSecrets: view.TakesSecretValues(hr),
		},
		ref: ref, dir: dir,
	}
	if err := at.find(ctx); err != nil {
		return fmt.Errorf("compare release %s/%s with %q in Git: %w", hr.Namespace, hr.Name, ref, err)
	}

	for _, note := range at.notes {
		a.note("%s", oneLine(note))
	}

	from := at.wantedSource
	return withWantedRelease(ctx, c, from, func(ctx context.Context, look inspector, w *wantedRelease) error {
		w.label = "the release at " + at.revision
		return a.comparePending(ctx, look, w, out)
	})
}

// gitRelease finds out what a release is at a branch, tag or commit.
type gitRelease struct {
	wantedSource
	// ref is the branch, tag or commit; dir is for files.
	ref, dir string
	// revision is what ref stands for; notes say what was taken from where.
	revision string
	notes    []string
}

// find takes the release from the Kustomization that declares it, and its chart and values from their GitRepositories,
// all at the commit. A repository that does not have the ref is left as it is when another one has it.
func (g *gitRelease) find(ctx context.Context) error {
	declared, err := g.declaration(ctx)
	if err != nil {
		return err
	}

	key, ok, err := catalog.GitRepositoryOf(ctx, g.reader, g.release)
	switch {
	case err != nil:
		return err
	case ok && (declared == nil || declared.Key != key):
		err = g.chart(ctx, key, declared != nil)
	case ok:
		g.takeChart(*declared)
	}
	if err != nil {
		return err
	}

	if !ok {
		key = types.NamespacedName{}
	}
	if err := g.values(ctx, key, declared); err != nil {
		return err
	}
	if g.revision == "" {
		return fmt.Errorf("neither its chart, nor its values, nor the HelmRelease comes from a GitRepository: the chart is "+
			"of %s; compare with another version by --to-version", catalog.ChoiceOfRelease(g.release).Source())
	}

	return nil
}

// values takes the values files of GitRepositories at the commit, but for the repository of the chart, which is at the
// commit already; chart is zero when the chart comes from elsewhere.
func (g *gitRelease) values(ctx context.Context, chart types.NamespacedName, declared *catalog.GitAt) error {
	for _, key := range catalog.ValuesRepositoriesOf(g.release) {
		switch {
		case key == chart:
			continue
		case declared != nil && declared.Key == key:
			g.takeValues(*declared)
			continue
		}

		at, err := catalog.ResolveGit(ctx, g.reader, filepath.Join(g.dir, "values-ref"), key, g.ref)
		if g.revision != "" && catalog.IsNoGitRef(err) {
			g.notes = append(g.notes, fmt.Sprintf("GitRepository %s has no %q: the values are the wanted ones", key, g.ref))
			continue
		}
		if err != nil {
			return err
		}

		g.takeValues(at)
	}

	return nil
}

func (g *gitRelease) takeValues(at catalog.GitAt) {
	g.notes = append(g.notes, fmt.Sprintf("values are taken from GitRepository %s at %s", at.Key, at.Revision))
	g.revision = cmp.Or(g.revision, at.Revision)
	g.reader = at.Reader(g.reader, types.NamespacedName{})
}

// chart takes the chart from a GitRepository at the commit. With optional, the chart stays as it is when the
// repository does not have the ref.
func (g *gitRelease) chart(ctx context.Context, key types.NamespacedName, optional bool) error {
	at, err := catalog.ResolveGit(ctx, g.reader, filepath.Join(g.dir, "chart-ref"), key, g.ref)
	if optional && catalog.IsNoGitRef(err) {
		g.notes = append(g.notes, fmt.Sprintf("GitRepository %s has no %q: the chart is the wanted one", key, g.ref))
		return nil
	}
	if err != nil {
		return err
	}

	g.takeChart(at)
	return nil
}

func (g *gitRelease) takeChart(at catalog.GitAt) {
	g.notes = append(g.notes, fmt.Sprintf("the chart is taken from GitRepository %s at %s", at.Key, at.Revision))
	g.revision = cmp.Or(g.revision, at.Revision)
	g.reader = at.Reader(g.reader, chartKey(g.release))
}

// chartKey is the HelmChart that a release refers to; zero for none.
func chartKey(hr *v1beta1.HelmRelease) types.NamespacedName {
	choice := catalog.ChoiceOfRelease(hr)
	if choice.Kind != v1beta1.HelmChartKind {
		return types.NamespacedName{}
	}
	return types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}
}

// declaration takes the spec of the release from the Kustomization that declares it, as its files are at the commit. It
// returns nil when no Kustomization of a GitRepository declares the release, or when only the chart or the values are
// in a repository with the ref.
func (g *gitRelease) declaration(ctx context.Context) (*catalog.GitAt, error) {
	ks, err := declaringKustomization(ctx, g.reader, g.release)
	if ks == nil || err != nil {
		return nil, err
	}

	ref := ks.Spec.SourceRef
	key := types.NamespacedName{Namespace: cmp.Or(ref.Namespace, ks.Namespace), Name: ref.Name}
	at, err := catalog.ResolveGit(ctx, g.reader, filepath.Join(g.dir, "ref"), key, g.ref)
	if catalog.IsNoGitRef(err) {
		others := catalog.ValuesRepositoriesOf(g.release)
		if chart, ok, chartErr := catalog.GitRepositoryOf(ctx, g.reader, g.release); chartErr == nil && ok {
			others = append(others, chart)
		}
		if slices.ContainsFunc(others, func(other types.NamespacedName) bool { return other != key }) {
			g.notes = append(g.notes, fmt.Sprintf("GitRepository %s of Kustomization %s/%s has no %q: "+
				"the HelmRelease is the one in the cluster", key, ks.Namespace, ks.Name, g.ref))
			return nil, nil //nolint:nilnil // that there is none is no error
		}
	}
	if err != nil {
		return nil, err
	}

	if err := g.build(ctx, ks, at); err != nil {
		return nil, fmt.Errorf("build Kustomization %s/%s at %s: %w", ks.Namespace, ks.Name, at.Revision, err)
	}

	g.revision = at.Revision
	g.notes = append(g.notes, fmt.Sprintf("the HelmRelease is taken from Kustomization %s/%s at %s",
		ks.Namespace, ks.Name, at.Revision))
	return &at, nil
}

// declaringKustomization is the Kustomization of a GitRepository that declares a release; nil when there is none.
func declaringKustomization(
	ctx context.Context, reader client.Reader, hr *v1beta1.HelmRelease,
) (*v1beta1.Kustomization, error) {
	key := types.NamespacedName{
		Namespace: hr.Labels[v1beta1.KustomizationNamespaceLabel], Name: hr.Labels[v1beta1.KustomizationNameLabel],
	}
	if key.Name == "" || key.Namespace == "" {
		return nil, nil //nolint:nilnil // that there is none is no error
	}

	ks := &v1beta1.Kustomization{}
	err := reader.Get(ctx, key, ks)
	switch {
	case apierrors.IsNotFound(err), err == nil && ks.Spec.SourceRef.Kind != v1beta1.GitRepositoryKind:
		return nil, nil //nolint:nilnil // that there is none is no error
	case err != nil:
		return nil, fmt.Errorf("read Kustomization %s, which declares the release: %w", key, err)
	}

	return ks, nil
}

// build makes the objects of a Kustomization at the commit, and takes the release and what it names from them.
func (g *gitRelease) build(ctx context.Context, ks *v1beta1.Kustomization, at catalog.GitAt) error {
	var tree *build.Tree
	err := at.Fetch(ctx, g.reader, filepath.Join(g.dir, "tree"), func(archive io.Reader) (err error) {
		tree, err = build.Read(archive, build.Limits{})
		return err
	})
	if err != nil {
		return err
	}

	pool := newPool()
	defer pool.Close()
	objects, mask, err := kustomization.Render(ctx, g.reader, build.Builder{Runner: pool}, ks, tree, ks.Spec.Path)
	if err != nil {
		return errors.New(mask.Apply(err.Error()))
	}

	spec, err := specIn(objects, ks.Namespace, g.release)
	if err != nil {
		return err
	}

	would := g.release.DeepCopy()
	would.Spec = *spec
	would.Generation++ // an older version is then one that a user wants, not what is left of a range
	g.release = would
	g.mask = g.mask.Join(mask)
	g.takesSecrets = g.takesSecrets || kustomization.TakesSecrets(ks)
	g.reader = builtReader{g.reader, objects, ks.Namespace}
	if would.Spec.KubeConfig != nil {
		return errors.New("spec.kubeConfig is set there, and your kubeconfig does not reach that cluster")
	}

	return nil
}

// specIn finds a release among the objects of a Kustomization in the namespace.
func specIn(objects []apply.Object, namespace string, hr *v1beta1.HelmRelease) (*v1beta1.HelmReleaseSpec, error) {
	kind := v1beta1.GroupVersion.WithKind(v1beta1.HelmReleaseKind).GroupKind()
	at := slices.IndexFunc(objects, func(o apply.Object) bool {
		return isBuilt(o, kind, namespace, client.ObjectKeyFromObject(hr))
	})
	if at < 0 {
		return nil, fmt.Errorf("it has no HelmRelease %s/%s there, and would no longer declare it",
			hr.Namespace, hr.Name)
	}

	found := &v1beta1.HelmRelease{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[at].Object, found); err != nil {
		return nil, fmt.Errorf("read HelmRelease %s/%s there: %w", hr.Namespace, hr.Name, err)
	}

	return &found.Spec, nil
}
