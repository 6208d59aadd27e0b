package review

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/kustomization"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/build"
)

// objectsOf builds a unit. The error holds no secret.
func (s *side) objectsOf(ctx context.Context, u *unit) ([]apply.Object, redact.Mask, error) {
	files, err := s.filesOf(ctx, u)
	if err != nil {
		return nil, redact.Mask{}, err
	}

	var objects []apply.Object
	var mask redact.Mask
	if u.declared == nil {
		objects, mask, err = s.directory(ctx, u, files)
	} else {
		objects, mask, err = s.kustomization(ctx, u, files)
	}
	if err != nil {
		return nil, mask, errors.New(mask.Apply(err.Error()))
	}

	if n := withoutMetadataOfSOPS(objects); n > 0 {
		u.notes = append(u.notes, fmt.Sprintf(
			"%d objects are encrypted and compared as they are: the keys of SOPS are not known", n))
	}

	return objects, mask, nil
}

// directory builds a directory as it is.
func (s *side) directory(ctx context.Context, u *unit, files *build.Tree) ([]apply.Object, redact.Mask, error) {
	request := build.Request{Path: u.path, LeaveEncrypted: true}
	response, err := build.Builder{Runner: s.Pool}.Build(ctx, u.key.String(), files, request)
	out := make([]apply.Object, 0, len(response.Objects))
	secrets := make([]any, 0, len(response.Objects))
	for _, o := range response.Objects {
		out = append(out, apply.Object{Unstructured: o.Unstructured, Origin: o.Origin})
		secrets = append(secrets, redact.SecretContent(o.Object)...)
	}
	return out, redact.NewMask(secrets...), err
}

// kustomization builds a Kustomization as the controller does. What it names and is not known is left out.
func (s *side) kustomization(ctx context.Context, u *unit, files *build.Tree) ([]apply.Object, redact.Mask, error) {
	ks := u.declared.DeepCopy()
	if post := ks.Spec.PostBuild; post != nil {
		post.SubstituteFrom = slices.DeleteFunc(post.SubstituteFrom, func(ref v1beta1.SubstituteReference) bool {
			key := types.NamespacedName{Namespace: ks.Namespace, Name: ref.Name}
			if s.knows(ctx, ref.Kind, key) || ref.Optional {
				return false
			}

			u.notes = append(u.notes, fmt.Sprintf(
				"the variables of %s %s are not known: it is not in the tree", ref.Kind, key))
			return true
		})
	}

	builder := kustomization.Builder(build.Builder{Runner: s.Pool})
	if d := ks.Spec.Decryption; d != nil && d.SecretRef != nil {
		key := types.NamespacedName{Namespace: ks.Namespace, Name: d.SecretRef.Name}
		if !s.knows(ctx, "Secret", key) {
			ks.Spec.Decryption = nil
			builder = leaving{builder}
		}
	}

	return kustomization.Render(ctx, s.reader, builder, ks, files, u.path)
}

// leaving builds without decrypting.
type leaving struct{ builder kustomization.Builder }

// Build implements kustomization.Builder.
func (l leaving) Build(
	ctx context.Context, namespace string, files *build.Tree, request build.Request,
) (build.Response, error) {
	request.LeaveEncrypted = true
	return l.builder.Build(ctx, namespace, files, request)
}

// knows reports whether a ConfigMap or Secret can be read. One that the caller may not read is known: reading it says
// why it cannot be read.
func (s *side) knows(ctx context.Context, kind string, key types.NamespacedName) bool {
	object := newDocument(kind)
	return !isNotFound(s.reader.Get(ctx, key, object))
}

// withoutMetadataOfSOPS removes from encrypted objects what changes whenever a file is encrypted, and counts them.
func withoutMetadataOfSOPS(objects []apply.Object) int {
	n := 0
	for _, o := range objects {
		if (build.Object{Unstructured: o.Unstructured}).Encrypted() {
			delete(o.Object, "sops")
			n++
		}
	}
	return n
}
