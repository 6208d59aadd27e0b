package kustomization

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/referent"
	"fairlead.dev/fairlead/controllers/source"
	"fairlead.dev/fairlead/helmops/manifests"
	"fairlead.dev/fairlead/helmops/manifests/decryption"
	"fairlead.dev/fairlead/helmops/rollout"
	"fairlead.dev/fairlead/helmops/values"
)

// maxTrees is how many artifacts are kept unpacked. All Kustomizations of one revision share one.
const maxTrees = 8

// trees unpacks artifacts, each once for all who ask at the same time.
type trees struct {
	catalog *source.Catalog

	mu    sync.Mutex
	known *lru.Cache // of *tree, by digest
}

type tree struct {
	once sync.Once
	read *manifests.Tree
	err  error
}

func newTrees(catalog *source.Catalog) *trees {
	return &trees{catalog: catalog, known: lru.New(maxTrees)}
}

// of returns the files of an artifact.
func (t *trees) of(ctx context.Context, choice source.Choice, artifact v1beta1.Artifact) (*manifests.Tree, error) {
	t.mu.Lock()
	cached, is := t.known.Get(artifact.Digest)
	if !is {
		cached = &tree{}
		t.known.Add(artifact.Digest, cached)
	}
	t.mu.Unlock()
	own := cached.(*tree) //nolint:forcetypeassert // nothing else is put there
	own.once.Do(func() { own.read, own.err = t.unpack(ctx, choice, artifact) })
	if own.err != nil { // the next one tries again
		t.mu.Lock()
		defer t.mu.Unlock()
		if now, is := t.known.Get(artifact.Digest); is && now == cached {
			t.known.Remove(artifact.Digest)
		}
	}
	return own.read, own.err
}

func (t *trees) unpack(ctx context.Context, choice source.Choice, artifact v1beta1.Artifact) (*manifests.Tree, error) {
	archive, err := t.catalog.OpenArtifact(ctx, choice, artifact)
	if err != nil {
		return nil, err
	}
	read, err := manifests.Read(archive, manifests.Limits{})
	return read, errors.Join(err, archive.Close())
}

// build makes the objects of a Kustomization from its artifact.
func (g *gatherer) build(ctx context.Context, k *v1beta1.Kustomization, in inputs) ([]rollout.Object, error) {
	files, err := g.trees.of(ctx, in.choice, in.artifact)
	if err != nil {
		return nil, err
	}
	built, err := build(ctx, k, files, in.variables, in.keys)
	return objectsOf(built), err
}

// build makes the objects of a Kustomization from files. variables are those of spec.postBuild with what it refers to, keys the content
// of the Secret of spec.decryption.
func build(ctx context.Context, k *v1beta1.Kustomization, files *manifests.Tree, variables map[string]string, keys map[string][]byte) ([]manifests.Object, error) {
	options := manifests.Options{Path: k.Spec.Path, Overlay: k.Spec.Overlay, Owner: client.ObjectKeyFromObject(k), Variables: variables}
	if k.Spec.Decryption != nil {
		decrypt, err := decryption.NewKeys(keys)
		if err != nil {
			return nil, &keysError{fmt.Errorf("the Secret of spec.decryption: %w", err)}
		}
		options.Decrypt = decrypt
	}
	return manifests.Build(ctx, files, options)
}

// Render makes the objects of a Kustomization from the directory at path in files, in place of spec.path, as the controller does. The
// ConfigMaps and Secrets that it names are read with reader. The mask hides what came from Secrets.
func Render(ctx context.Context, reader client.Reader, k *v1beta1.Kustomization, files *manifests.Tree, path string) ([]rollout.Object, values.Mask, error) {
	read := readDocument(func(ctx context.Context, key referent.Document) (map[string][]byte, error) {
		return referent.Read(ctx, reader, key)
	})
	variables, secrets, err := read.variables(ctx, k)
	if err != nil {
		return nil, values.Mask{}, err
	}
	keys, err := read.keys(ctx, k)
	if err != nil {
		return nil, values.Mask{}, err
	}
	own := k.DeepCopy()
	own.Spec.Path = path
	built, err := build(ctx, own, files, variables, keys)
	return objectsOf(built), values.NewMask(secrets), err
}

func objectsOf(built []manifests.Object) []rollout.Object {
	out := make([]rollout.Object, 0, len(built))
	for _, o := range built {
		out = append(out, rollout.Object{Unstructured: o.Unstructured, Origin: o.Origin})
	}
	return out
}

// keysError says that keys cannot be used.
type keysError struct{ error }

// Reason is the reason for a condition.
func (e *keysError) Reason() string { return v1beta1.DecryptionFailedReason }

// Unwrap returns the cause.
func (e *keysError) Unwrap() error { return e.error }
