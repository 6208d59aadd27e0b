package build

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/worker"
)

// Options are what is wanted of the files.
type Options struct {
	// Path of the directory, the root when empty.
	Path string
	// Overlay is changed in the objects.
	Overlay v1beta1.Overlay
	// Owner is the Kustomization, whose labels the objects get; none when empty.
	Owner types.NamespacedName
	// Variables of Overlay.PostBuild, and of what it refers to.
	Variables map[string]string
	// Decrypt decrypts files; nil refuses those that are encrypted.
	Decrypt Decryptor
	// LeaveEncrypted takes encrypted files as they are when Decrypt is nil.
	LeaveEncrypted bool
	// Working is called with the name of each file before it is read; it may be nil.
	Working func(file string)
}

// substitutes reports whether variables are substituted.
func (o Options) substitutes() bool {
	pb := o.Overlay.PostBuild
	return pb != nil && (len(o.Variables) > 0 || pb.SubstituteStrategy == v1beta1.SubstituteAlways)
}

// Decryptor decrypts files.
type Decryptor interface {
	// Decrypt returns the content of an encrypted file, by whose name its format is known. Errors quote no content.
	Decrypt(name string, content []byte) ([]byte, error)
	// DecryptObjects returns the objects in an encrypted file, as YAML that is read as the values that were encrypted.
	// Errors quote no content.
	DecryptObjects(name string, content []byte) ([]byte, error)
}

// Object is an object with the file that it comes from, empty when that is not known.
type Object struct {
	*unstructured.Unstructured
	Origin string
}

// Build makes the objects of a directory. One without any object gives none, and no error. The error is an *Error. It
// works on untrusted files in this process, for as long as they want: use a Builder for files of others.
func Build(ctx context.Context, tree *Tree, o Options) (objects []Object, err error) {
	defer recovered(&err, "the files make the build panic")
	objects, err = build(ctx, tree, o)
	if tree.failure != nil {
		return nil, tree.failure
	}
	return objects, err
}

// recovered turns a panic into an error. What a panic says may quote content.
func recovered(err *error, message string) {
	if recover() != nil {
		*err = &Error{reason: v1beta1.InternalErrorReason, err: worker.Panicked(message)}
	}
}

func build(ctx context.Context, tree *Tree, o Options) ([]Object, error) {
	dir, err := tree.directory(o.Path)
	if err != nil {
		return nil, err
	}
	if err := checkVariables(o.Variables); err != nil {
		return nil, err
	}

	files := newView(tree, decrypting(o.Decrypt, o.LeaveEncrypted), o.Working)
	files.marks = o.substitutes()
	objects, err := objectsOf(ctx, files, dir, o.Overlay)
	if err != nil {
		return nil, reasoned(o.Path, err)
	}

	return finished(objects, o)
}

// objectsOf takes plain manifests as they are, and has everything else built by kustomize.
func objectsOf(ctx context.Context, files *view, dir string, overlay v1beta1.Overlay) ([]Object, error) {
	file := kustomizationIn(files, dir)
	var resources []string
	if file == "" {
		plain, err := plainIn(files, dir)
		if err != nil {
			return nil, err
		}
		if !needsKustomize(overlay) && !slices.ContainsFunc(plain, files.IsDir) {
			return read(files, plain)
		}
		if len(plain) == 0 {
			return nil, nil
		}

		resources = plain
	} else {
		resources = []string{dir}
	}

	if err := layOver(files, dir, resources, overlay); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}

	return kustomized(files)
}

func needsKustomize(o v1beta1.Overlay) bool {
	return o.TargetNamespace != "" || o.NamePrefix != "" || o.NameSuffix != "" ||
		len(o.Patches)+len(o.Images)+len(o.Components)+len(o.BuildMetadata) > 0
}

// plainIn lists the manifests below a directory, and the directories below it that have a kustomization of their own.
func plainIn(files *view, dir string) ([]string, error) {
	var out []string
	var walk func(at string, depth int) error
	walk = func(at string, depth int) error {
		if depth > maxDepth {
			return broken(at, "directories are nested too deeply")
		}

		for _, name := range files.tree.list(at) {
			child := path.Join(at, name)
			switch {
			case strings.HasPrefix(name, "."):
			case files.tree.isDir(child):
				if kustomizationIn(files, child) != "" {
					out = append(out, child)
				} else if err := walk(child, depth+1); err != nil {
					return err
				}
			case path.Ext(name) == ".yaml" || path.Ext(name) == ".yml":
				out = append(out, child)
			}
		}

		return nil
	}
	err := walk(dir, 0)
	slices.Sort(out)
	return out, err
}

// read parses plain manifests.
func read(files *view, names []string) ([]Object, error) {
	var out []Object
	for _, name := range names {
		content, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}

		objects, err := Parse(name, content)
		if err != nil {
			return nil, err
		}

		out = append(out, objects...)
	}

	return out, nil
}

// Parse reads the objects of a file of manifests. Lists are taken apart. The error names the line; it is an *Error.
func Parse(name string, content []byte) ([]Object, error) {
	documents, err := parse(name, content)
	if err != nil {
		return nil, err
	}

	out := make([]Object, 0, len(documents))
	for _, d := range documents {
		if err := d.check(name); err != nil {
			return nil, err
		}
		out = append(out, Object{&unstructured.Unstructured{Object: d.object}, name})
	}

	return out, nil
}

// layOver adds a kustomization to the files that applies the overlay to what the source has.
func layOver(files *view, dir string, resources []string, o v1beta1.Overlay) error {
	k := kustypes.Kustomization{
		TypeMeta:  kustypes.TypeMeta{APIVersion: kustypes.KustomizationVersion, Kind: kustypes.KustomizationKind},
		Namespace: o.TargetNamespace, NamePrefix: o.NamePrefix, NameSuffix: o.NameSuffix, BuildMetadata: o.BuildMetadata,
	}
	g := newGraph(files)
	found := product{builds: 1}
	for _, name := range resources {
		below, err := g.resource(name)
		if err != nil {
			return err
		}

		found.add(below)
		k.Resources = append(k.Resources, "./"+path.Join("..", sourceRoot, name))
	}

	for i := range o.Components {
		at, err := componentOf(files, dir, i, o)
		if err != nil {
			return err
		}
		if at == "" {
			continue
		}

		below, err := g.walk(at)
		if err != nil {
			return err
		}

		found.component(below)
		k.Components = append(k.Components, "./"+path.Join("..", sourceRoot, at))
	}

	changes := len(o.Images)
	for _, p := range o.Patches {
		changes += documentsIn([]byte(p.Patch))
		patch := string(files.marked([]byte(p.Patch)))
		k.Patches = append(k.Patches, kustypes.Patch{Patch: patch, Target: selectorOf(p.Target)})
	}

	for _, i := range o.Images {
		k.Images = append(k.Images, kustypes.Image{Name: i.Name, NewName: i.NewName, NewTag: i.NewTag, Digest: i.Digest})
	}

	found.change(changes)
	if err := found.check(dir); err != nil {
		return err
	}

	content, err := yaml.Marshal(k)
	if err != nil {
		return fmt.Errorf("writing the overlay: %w", err)
	}

	files.overlay = content
	return nil
}

// componentOf returns the directory of a component of the overlay, empty for one that is missing and may be.
func componentOf(files *view, dir string, i int, o v1beta1.Overlay) (string, error) {
	component := o.Components[i]
	from := fmt.Sprintf("spec.components[%d]", i)
	if path.IsAbs(component) || remote.MatchString(component) {
		return "", broken("", "%s has to be a path relative to spec.path", from)
	}
	if err := checkReference("", from, component); err != nil {
		return "", err
	}

	at := dir + "/" + component
	if !files.IsDir(at) {
		if o.IgnoreMissingComponents {
			return "", nil
		}
		return "", broken("", "%s: the source has no directory %.200q below spec.path", from, component)
	}

	resolved, err := files.tree.resolve(at)
	if err != nil {
		return "", broken("", "%s: %w", from, err)
	}

	return resolved, checkReference("", from, "./"+resolved)
}

func selectorOf(s *v1beta1.Selector) *kustypes.Selector {
	if s == nil {
		return nil
	}

	out := &kustypes.Selector{AnnotationSelector: s.AnnotationSelector, LabelSelector: s.LabelSelector}
	out.Group = s.Group
	out.Version = s.Version
	out.Kind = s.Kind
	out.Name = s.Name
	out.Namespace = s.Namespace
	return out
}

// finished does what follows the build: variables, metadata, owner; and checks what came of it.
func finished(objects []Object, o Options) ([]Object, error) {
	if len(objects) > maxObjects {
		return nil, exceeded(o.Path, "it has %d objects, more than %d", len(objects), maxObjects)
	}

	seen := make(map[string]string, len(objects))
	values := &variables{values: o.Variables}
	for i := range objects {
		object := &objects[i]
		if o.substitutes() {
			out, err := substitute(*object, values)
			if err != nil {
				return nil, err
			}

			*object = out
		}

		if encrypted(object.Object) && !o.LeaveEncrypted {
			return nil, undecrypted(object.Origin, "%s is encrypted and was not decrypted, so it is not applied",
				nameOf(object.Unstructured))
		}

		mark(object.Unstructured, o)
		key := object.GroupVersionKind().GroupKind().String() + "/" + object.GetNamespace() + "/" + object.GetName()
		if at, twice := seen[key]; twice {
			return nil, broken(object.Origin, "%s is there twice%s", nameOf(object.Unstructured), also(at, object.Origin))
		}

		seen[key] = object.Origin
	}

	return objects, nil
}

func also(at, origin string) string {
	if at == "" || at == origin {
		return ""
	}
	return ", also in " + at
}

// mark puts common metadata and the owner on an object.
func mark(object *unstructured.Unstructured, o Options) {
	if common := o.Overlay.CommonMetadata; common != nil {
		object.SetLabels(merged(object.GetLabels(), common.Labels))
		object.SetAnnotations(merged(object.GetAnnotations(), common.Annotations))
	}
	if o.Owner.Name != "" {
		Own(object, o.Owner)
	}
}

// Own puts the labels of the Kustomization that owns an object on it.
func Own(object *unstructured.Unstructured, owner types.NamespacedName) {
	object.SetLabels(merged(object.GetLabels(), map[string]string{
		v1beta1.KustomizationNameLabel: owner.Name, v1beta1.KustomizationNamespaceLabel: owner.Namespace,
	}))
}

func merged(under, over map[string]string) map[string]string {
	if len(over) == 0 {
		return under
	}

	out := make(map[string]string, len(under)+len(over))
	for key, value := range under {
		out[key] = value
	}

	for key, value := range over {
		out[key] = value
	}

	return out
}

func nameOf(object *unstructured.Unstructured) string {
	if object.GetNamespace() == "" {
		return object.GetKind() + " " + object.GetName()
	}
	return object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
}
