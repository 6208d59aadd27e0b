package review

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/build"
	"fairlead.dev/fairlead/helmops/view"
	"fairlead.dev/fairlead/sources/git"
)

// maxUnits is how many directories and Kustomizations one side may have.
const maxUnits = 1000

// unitKey identifies what is built: a Kustomization, or a directory by its path.
type unitKey struct{ kind, namespace, name string }

func (k unitKey) String() string {
	if k.namespace == "" {
		return k.kind + " " + k.name
	}
	return k.kind + " " + k.namespace + "/" + k.name
}

// unit is what was built of one directory.
type unit struct {
	key unitKey
	// declared is the Kustomization; nil for a directory.
	declared *v1beta1.Kustomization
	// file declares it.
	file    string
	path    string
	objects []apply.Object
	mask    redact.Mask
	notes   []string
	// err says why there are no objects.
	err error
}

// namespace is that of objects that name none.
func (u *unit) namespace(other string) string {
	if u.declared == nil {
		return other
	}
	return u.declared.Namespace
}

// prunes reports whether objects that are no longer declared are deleted.
func (u *unit) prunes() bool { return u.declared == nil || u.declared.Spec.Prune }

// objectKey identifies an object.
type objectKey struct {
	schema.GroupKind
	types.NamespacedName
}

// built is an object with what it was built of.
type built struct {
	apply.Object
	unit *unit
}

// declared is a release in a tree.
type declared struct {
	*v1beta1.HelmRelease
	built
	side *side
}

// side is one of the two trees, with what is built of it.
type side struct {
	*runner
	name   string
	tree   *git.LocalTree
	lookup *catalog.Lookup
	reader reader

	units    map[unitKey]*unit
	releases map[types.NamespacedName]*declared
	// mu guards objects, which are read while others are built.
	mu      sync.Mutex
	objects map[objectKey]built
	// plain is the tree without the settings of a GitRepository.
	plain *build.Tree
	// trees are those with the settings of a GitRepository.
	trees map[types.NamespacedName]*build.Tree

	// places are where objects are declared, by kind and name, once one was asked for.
	placing sync.Once
	places  map[string][]place
}

func newSide(r *runner, name string, tree *git.LocalTree, dir string) (*side, error) {
	s := &side{
		runner: r, name: name, tree: tree, units: map[unitKey]*unit{}, releases: map[types.NamespacedName]*declared{},
		objects: map[objectKey]built{}, trees: map[types.NamespacedName]*build.Tree{},
	}
	s.reader = reader{s}
	var err error
	s.lookup, err = catalog.NewLookup(catalog.LookupConfig{
		Reader: s.reader, Dir: dir,
		KubeVersion: func(context.Context) (string, error) { return r.offline.KubeVersion(), nil },
		Tree: func(repository *v1beta1.GitRepository) *git.LocalTree {
			if s.isThis(repository) {
				return tree
			}
			return nil
		},
	})
	return s, err
}

// isThis reports whether a GitRepository is the one that is looked at.
func (s *side) isThis(repository *v1beta1.GitRepository) bool {
	for _, named := range s.Sources {
		if named.Namespace == repository.Namespace && named.Name == repository.Name {
			return true
		}
	}
	return s.Checkout.Has(repository.Spec.URL)
}

// has reports whether the tree has a directory.
func (s *side) has(dir string) bool { return s.tree.Has(dir) }

// build builds the directories, and the Kustomizations of this repository in what is built.
func (s *side) build(ctx context.Context) error {
	var waiting []*unit
	for _, dir := range s.Paths {
		if s.has(dir) {
			waiting = append(waiting, &unit{key: unitKey{kind: view.DirectoryKind, name: dir}, path: dir})
		}
	}

	for len(waiting) > 0 {
		later := waiting[:0:0]
		progress := false
		for _, u := range waiting {
			ready, err := s.isReady(ctx, u)
			if err != nil {
				return err
			}
			if !ready {
				later = append(later, u)
				continue
			}

			progress = true
			found, err := s.buildUnit(ctx, u)
			if err != nil {
				return err
			}

			later = append(later, found...)
		}

		if !progress {
			s.unfollowed(later)
			break
		}

		waiting = later
	}

	s.dropDirectories()
	return s.collect(ctx)
}

// isReady reports whether it is known that a unit is of this repository. Its GitRepository may be built later.
func (s *side) isReady(ctx context.Context, u *unit) (bool, error) {
	if u.declared == nil {
		return true, nil
	}
	_, found, err := s.repositoryOf(ctx, u.declared)
	return found, err
}

// repositoryOf is the GitRepository that a Kustomization is built from; false when it is not known. It is nil when only
// its name is known.
func (s *side) repositoryOf(ctx context.Context, ks *v1beta1.Kustomization) (*v1beta1.GitRepository, bool, error) {
	key := sourceOf(ks)
	repository := &v1beta1.GitRepository{}
	if found, ok := s.find(kindOf(v1beta1.GitRepositoryKind), key); ok {
		return repository, true, decode(found.Unstructured, key, repository)
	}

	err := s.reader.Get(ctx, key, repository)
	if err == nil {
		return repository, true, nil
	}
	if !isNotFound(err) {
		return nil, false, fmt.Errorf("read GitRepository %s of Kustomization %s/%s: %w", key, ks.Namespace, ks.Name, err)
	}

	for _, named := range s.Sources {
		if named == key {
			return nil, true, nil
		}
	}

	return nil, false, nil
}

// sourceOf is the source of a Kustomization.
func sourceOf(ks *v1beta1.Kustomization) types.NamespacedName {
	key := types.NamespacedName{Namespace: ks.Spec.SourceRef.Namespace, Name: ks.Spec.SourceRef.Name}
	if key.Namespace == "" {
		key.Namespace = ks.Namespace
	}
	return key
}

// foreign notes that a Kustomization is of another repository.
func (s *side) foreign(u *unit) {
	source := sourceOf(u.declared)
	s.notes.add("the Kustomizations of GitRepository %s are not built: its URL is that of no remote of the checkout; "+
		"name it by --source %s when it is this repository", source, source)
}

// unfollowed notes the Kustomizations whose source is not known.
func (s *side) unfollowed(units []*unit) {
	for _, u := range units {
		s.notes.add("Kustomization %s/%s is not built: GitRepository %s is not in the tree; name it by --source %s "+
			"when it is this repository", u.key.namespace, u.key.name, sourceOf(u.declared), sourceOf(u.declared))
	}
}

// buildUnit builds one directory, unless it is of another repository, and returns the Kustomizations in it.
func (s *side) buildUnit(ctx context.Context, u *unit) ([]*unit, error) {
	if s.units[u.key] != nil {
		return nil, nil
	}
	if len(s.units) >= maxUnits {
		return nil, fmt.Errorf("%s has more than %d Kustomizations", s.tree.Revision, maxUnits)
	}

	own := true
	if u.declared != nil {
		repository, _, err := s.repositoryOf(ctx, u.declared)
		if err != nil {
			return nil, err
		}
		own = repository == nil || s.isThis(repository)
	}
	if !own {
		s.foreign(u)
		return nil, nil
	}

	s.units[u.key] = u
	s.Progress(fmt.Sprintf("building %s of %s", u.key, s.name))
	if u.objects, u.mask, u.err = s.objectsOf(ctx, u); u.err != nil {
		return nil, ctx.Err()
	}

	return s.take(u)
}

// take notes the objects of a unit, and returns the Kustomizations among them.
func (s *side) take(u *unit) ([]*unit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*unit
	for _, o := range u.objects {
		key := u.keyOf(o.Unstructured, s.Namespace)
		if has, known := s.objects[key]; !known || has.unit.declared == nil {
			s.objects[key] = built{o, u}
		}
		if key.GroupKind != kindOf(v1beta1.KustomizationKind) {
			continue
		}

		ks := &v1beta1.Kustomization{}
		if err := decode(o.Unstructured, key.NamespacedName, ks); err != nil {
			return nil, err
		}
		if kind := ks.Spec.SourceRef.Kind; kind != v1beta1.GitRepositoryKind {
			s.notes.add("Kustomization %s/%s is not built: the files of %s %s are not in the tree", ks.Namespace, ks.Name, kind,
				sourceOf(ks))
			continue
		}

		found = append(found, &unit{
			key:      unitKey{v1beta1.KustomizationKind, ks.Namespace, ks.Name},
			declared: ks, file: o.Origin, path: cleaned(ks.Spec.Path),
		})
	}

	return found, nil
}

func kindOf(name string) schema.GroupKind { return v1beta1.GroupVersion.WithKind(name).GroupKind() }

// keyOf identifies an object of the unit.
func (u *unit) keyOf(o *unstructured.Unstructured, other string) objectKey {
	key := types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
	if key.Namespace == "" {
		key.Namespace = u.namespace(other)
	}
	return objectKey{o.GroupVersionKind().GroupKind(), key}
}

// decode reads an object as its type.
func decode(o *unstructured.Unstructured, key types.NamespacedName, into interface {
	SetNamespace(namespace string)
}) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, into); err != nil {
		return fmt.Errorf("read %s %s: %w", o.GetKind(), key, err)
	}
	into.SetNamespace(key.Namespace)
	return nil
}

// dropDirectories drops the directories that a Kustomization builds.
func (s *side) dropDirectories() {
	for key, u := range s.units {
		if u.declared != nil {
			continue
		}
		for _, other := range s.units {
			if other.declared != nil && other.path == u.path {
				delete(s.units, key)
			}
		}
	}
}

// collect finds the releases.
func (s *side) collect(ctx context.Context) error {
	s.mu.Lock()
	objects := maps.Clone(s.objects)
	s.mu.Unlock()
	for key, object := range objects {
		if key.GroupKind != kindOf(v1beta1.HelmReleaseKind) {
			continue
		}
		hr := &v1beta1.HelmRelease{}
		if err := decode(object.Unstructured, key.NamespacedName, hr); err != nil {
			return err
		}
		s.withKnownKeys(ctx, hr)
		s.releases[key.NamespacedName] = &declared{HelmRelease: hr, built: object, side: s}
	}
	return nil
}

// filesOf are the files that a unit is built of.
func (s *side) filesOf(ctx context.Context, u *unit) (*build.Tree, error) {
	var repository *v1beta1.GitRepository
	if u.declared != nil {
		var err error
		if repository, _, err = s.repositoryOf(ctx, u.declared); err != nil {
			return nil, err
		}
	}

	if repository == nil {
		if s.plain == nil {
			var archive bytes.Buffer
			err := s.tree.Write(ctx, git.Content{}, &archive)
			if err == nil {
				s.plain, err = build.Read(&archive, build.Limits{})
			}
			return s.plain, err
		}
		return s.plain, nil
	}

	key := sourceOf(u.declared)
	if s.trees[key] == nil {
		choice := catalog.ChartRef{Kind: v1beta1.GitRepositoryKind, Namespace: key.Namespace, Name: key.Name}
		err := s.lookup.Files(ctx, choice, func(archive io.Reader) (err error) {
			s.trees[key], err = build.Read(archive, build.Limits{})
			return err
		})
		if err != nil {
			return nil, err
		}
	}

	return s.trees[key], nil
}
