package view

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Ways in which an object uses another one.
const (
	// UsesAsSource: it takes its chart or its manifests from the other object.
	UsesAsSource = "source"
	// UsesAsValues: it takes values from files of the other object.
	UsesAsValues = "values"
	// UsesAsDependency: it names the other object in spec.dependsOn.
	UsesAsDependency = "dependsOn"
)

// userKinds are the kinds of objects that use others.
var userKinds = []string{
	v1beta1.ArtifactGeneratorKind, v1beta1.ExternalArtifactKind, v1beta1.HelmChartKind, v1beta1.HelmReleaseKind,
	v1beta1.KustomizationKind, v1beta1.ReleasePipelineKind,
}

// User is an object that uses another one.
type User struct {
	Related
	// By is source, values or dependsOn.
	By string `json:"by"`
	// HeldUp is set when the user waits: it is not brought up to date before what it waits for is ready.
	HeldUp bool `json:"heldUp"`
	// Users use this user. Only trees have them.
	Users []User `json:"users,omitempty"`
}

// Users lists what uses an object, sorted by kind, namespace and name: in all namespaces, or where that is forbidden in
// the namespace of the object. The notes name what could not be listed.
func (r Reader) Users(ctx context.Context, of Reference) (users []User, notes []string) {
	objects, notes := r.possibleUsers(ctx, of)
	return UsersOf(of, objects), notes
}

// possibleUsers lists the objects that may use another one.
func (r Reader) possibleUsers(ctx context.Context, of Reference) (objects []Object, notes []string) {
	for _, kind := range userKinds {
		found, err := r.Objects(ctx, kind, "")
		if apierrors.IsForbidden(err) {
			notes = append(notes, fmt.Sprintf("you may not list %s in all namespaces; only namespace %s was looked at",
				ResourceOf(kind), of.Namespace))
			found, err = r.Objects(ctx, kind, of.Namespace)
		}

		switch {
		case apierrors.IsForbidden(err):
			notes[len(notes)-1] = "you may not list " + ResourceOf(kind)
		case err != nil:
			notes = append(notes, fmt.Sprintf("%s could not be listed: %s", ResourceOf(kind), err))
		}

		objects = append(objects, found...)
	}
	return objects, notes
}

// UsersOf chooses those of the objects that use an object, sorted by kind, namespace and name.
func UsersOf(of Reference, objects []Object) []User {
	users := []User{}
	for _, o := range objects {
		by := usesBy(o, of)
		if by == "" {
			continue
		}

		reference := Reference{Kind: KindOf(o), Namespace: o.GetNamespace(), Name: o.GetName()}
		user := User{Related: relatedOf(reference, o, nil), By: by}
		user.HeldUp = user.Phase == Waiting
		users = append(users, user)
	}

	slices.SortFunc(users, func(a, b User) int {
		return cmp.Or(
			strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return users
}

// usesBy reports in which way an object uses another one; empty when it does not.
func usesBy(o Object, of Reference) string {
	if source, ok := SourceOf(o); ok && source == of {
		return UsesAsSource
	}
	if generator, ok := o.(*v1beta1.ArtifactGenerator); ok && slices.Contains(copiedSources(generator), of) {
		return UsesAsSource
	}
	if hr, ok := o.(*v1beta1.HelmRelease); ok && slices.Contains(valuesSources(hr), of) {
		return UsesAsValues
	}

	for _, d := range dependenciesOf(o) {
		reference := Reference{
			Kind: cmp.Or(d.Kind, KindOf(o)), Namespace: cmp.Or(d.Namespace, o.GetNamespace()), Name: d.Name,
		}
		kind, err := d.GetGroupVersionKind(KindOf(o))
		if err == nil && kind.Group == v1beta1.GroupVersion.Group && reference == of {
			return UsesAsDependency
		}
	}

	return ""
}

// copiedSources are the sources that a generator copies from, in the order of the spec.
func copiedSources(generator *v1beta1.ArtifactGenerator) []Reference {
	found := make([]Reference, 0, len(generator.Spec.Sources))
	for _, ref := range generator.Spec.Sources {
		key := ref.GetKey(generator.Namespace)
		found = append(found, Reference{Kind: ref.Kind, Namespace: key.Namespace, Name: key.Name})
	}
	return found
}

// valuesSources are the sources that a release takes values from, in the order of the spec.
func valuesSources(hr *v1beta1.HelmRelease) []Reference {
	var found []Reference
	for _, ref := range hr.Spec.ValuesFrom {
		if ref.IsSource() {
			found = append(found, valuesSource(hr, ref))
		}
	}
	return found
}

// valuesSource is the source that an entry of spec.valuesFrom names.
func valuesSource(hr *v1beta1.HelmRelease, ref v1beta1.ValuesReference) Reference {
	return Reference{Kind: ref.Kind, Namespace: cmp.Or(ref.Namespace, hr.Namespace), Name: ref.Name}
}

// SourcesOf are the sources that an object cannot do without, each once: that of its chart or manifests first, then those
// of its values that are not optional. It is empty for an object without a source.
func SourcesOf(o Object) []Reference {
	var found []Reference
	if ref, ok := SourceOf(o); ok {
		found = append(found, ref)
	}

	hr, ok := o.(*v1beta1.HelmRelease)
	if !ok {
		return found
	}

	for _, reference := range hr.Spec.ValuesFrom {
		ref := valuesSource(hr, reference)
		if reference.IsSource() && !reference.Optional && !slices.Contains(found, ref) {
			found = append(found, ref)
		}
	}

	return found
}

func dependenciesOf(o Object) []v1beta1.DependencyReference {
	switch v := o.(type) {
	case *v1beta1.HelmRelease:
		return v.Spec.DependsOn
	case *v1beta1.Kustomization:
		return v.Spec.DependsOn
	}
	return nil
}

// SourceTree is a source with what uses it, and what uses that.
type SourceTree struct {
	Reference
	// Ready and Total count the users, also those of users.
	Ready int    `json:"ready"`
	Total int    `json:"total"`
	Users []User `json:"users"`
	// Notes say what could not be looked at.
	Notes []string `json:"notes"`
}

// SourceTree reads what uses a source.
func (r Reader) SourceTree(ctx context.Context, of Reference) SourceTree {
	objects, notes := r.possibleUsers(ctx, of)
	tree := NewSourceTree(of, objects)
	tree.Notes = orEmpty(notes)
	return tree
}

// NewSourceTree arranges the objects that use a source. Those that use a HelmChart, an ArtifactGenerator or an
// ExternalArtifact are below it.
func NewSourceTree(of Reference, objects []Object) SourceTree {
	tree := SourceTree{Reference: of, Notes: []string{}}
	tree.Users = tree.below(of, objects, map[Reference]bool{of: true})
	return tree
}

// below lists and counts the users of a source, with theirs. One that is seen already, in a cycle, has none.
func (t *SourceTree) below(of Reference, objects []Object, seen map[Reference]bool) []User {
	users := UsersOf(of, objects)
	for i := range users {
		user := &users[i]
		t.Total++
		if user.Phase == Ready {
			t.Ready++
		}
		if passesOn(user.Kind) && !seen[user.Reference] {
			seen[user.Reference] = true
			user.Users = t.below(user.Reference, objects, seen)
		}
	}
	return users
}

// passesOn reports whether objects of a kind are sources that are made of others.
func passesOn(kind string) bool {
	return kind == v1beta1.HelmChartKind || kind == v1beta1.ArtifactGeneratorKind || kind == v1beta1.ExternalArtifactKind
}

// heldUp are the users that wait.
func heldUp(users []User) []User {
	return slices.DeleteFunc(slices.Clone(users), func(u User) bool { return !u.HeldUp })
}

// pipelineSource is the source of the subject of a pipeline.
func pipelineSource(p *v1beta1.ReleasePipeline) Reference {
	ref := p.Spec.Subject.SourceRef
	return Reference{Kind: ref.Kind, Namespace: p.Namespace, Name: ref.Name}
}
