package review

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// reader reads ConfigMaps, Secrets and sources as one tree declares them, and everything else from the cluster, if
// there is one.
type reader struct{ side *side }

func isNotFound(err error) bool { return apierrors.IsNotFound(err) }

// newDocument is an empty ConfigMap or Secret.
func newDocument(kind string) client.Object {
	if kind == "Secret" {
		return &corev1.Secret{}
	}
	return &corev1.ConfigMap{}
}

// Get implements client.Reader.
func (r reader) Get(
	ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption,
) error {
	kind := kindToRead(object)
	found, declared := r.side.find(kind, key)
	switch {
	case declared && !isUnreadable(found):
		return r.take(ctx, found, key, object)
	case r.side.Cluster != nil:
		return r.side.Cluster.Get(ctx, key, object, options...)
	case kind.Kind == "Secret" && key.Name == dockerSecret:
		return r.side.docker(object)
	}

	return apierrors.NewNotFound(schema.GroupResource{Group: kind.Group, Resource: kind.Kind}, key.String())
}

// List implements client.Reader. Nothing that a review needs is listed.
func (r reader) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("a review lists nothing")
}

// find is an object of the tree.
func (s *side) find(kind schema.GroupKind, key types.NamespacedName) (built, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.objects[objectKey{kind, key}]
	return found, ok
}

// kindToRead is the kind of an object that is to be filled.
func kindToRead(object client.Object) schema.GroupKind {
	source := v1beta1.GroupVersion.Group
	switch object := object.(type) {
	case *metav1.PartialObjectMetadata:
		return object.GroupVersionKind().GroupKind()
	case *corev1.ConfigMap:
		return schema.GroupKind{Kind: "ConfigMap"}
	case *corev1.Secret:
		return schema.GroupKind{Kind: "Secret"}
	case *corev1.ServiceAccount:
		return schema.GroupKind{Kind: "ServiceAccount"}
	case *v1beta1.HelmRepository:
		return schema.GroupKind{Group: source, Kind: v1beta1.HelmRepositoryKind}
	case *v1beta1.HelmChart:
		return schema.GroupKind{Group: source, Kind: v1beta1.HelmChartKind}
	case *v1beta1.OCIRepository:
		return schema.GroupKind{Group: source, Kind: v1beta1.OCIRepositoryKind}
	case *v1beta1.GitRepository:
		return schema.GroupKind{Group: source, Kind: v1beta1.GitRepositoryKind}
	case *v1beta1.Bucket:
		return schema.GroupKind{Group: source, Kind: v1beta1.BucketKind}
	}
	return schema.GroupKind{}
}

// cipherMark is how each value begins that SOPS has encrypted.
var cipherMark = []byte("ENC[AES256_GCM,")

// isUnreadable reports whether an object holds what is still encrypted.
func isUnreadable(object built) bool {
	if kind := object.GetKind(); kind != "Secret" && kind != "ConfigMap" {
		return false
	}
	for _, value := range contentOf(object) {
		if bytes.Contains(value, cipherMark) {
			return true
		}
	}
	return false
}

// contentOf is what a ConfigMap or Secret holds.
func contentOf(object built) map[string][]byte {
	out := map[string][]byte{}
	if object.GetKind() == "Secret" {
		secret := &corev1.Secret{}
		if decode(object.Unstructured, types.NamespacedName{}, secret) != nil {
			return nil
		}
		withText(secret)
		return secret.Data
	}

	config := &corev1.ConfigMap{}
	if decode(object.Unstructured, types.NamespacedName{}, config) != nil {
		return nil
	}
	for name, value := range config.BinaryData {
		out[name] = value
	}
	for name, value := range config.Data {
		out[name] = []byte(value)
	}

	return out
}

// withText puts the texts of a Secret into its data, as the API server does.
func withText(secret *corev1.Secret) {
	for name, value := range secret.StringData {
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		secret.Data[name] = []byte(value)
	}
}

// take fills an object with what is declared. It gets an identity of its own: the catalog keeps what sources have
// brought apart by it.
func (r reader) take(ctx context.Context, found built, key types.NamespacedName, into client.Object) error {
	if metadata, is := into.(*metav1.PartialObjectMetadata); is {
		metadata.Namespace = key.Namespace
		metadata.Name = key.Name
		return nil
	}
	if err := decode(found.Unstructured, key, into); err != nil {
		return err
	}
	if secret, is := into.(*corev1.Secret); is {
		withText(secret)
	}

	text, err := json.Marshal(found.Object.Object)
	if err != nil {
		return err
	}

	sum := sha256.Sum256(append(text, key.String()...))
	into.SetUID(types.UID(hex.EncodeToString(sum[:16])))
	if source, is := into.(v1beta1.Source); is && r.side.Cluster == nil {
		r.side.reachable(ctx, source)
	}

	return nil
}

// dockerSecret stands for the credentials of the caller. It is no name that an object can have.
const dockerSecret = "<docker config>" // #nosec G101 -- it is a name

// docker fills a Secret with the credentials of the caller.
func (s *side) docker(object client.Object) error {
	secret, is := object.(*corev1.Secret)
	if !is {
		return nil // only its metadata are wanted
	}
	secret.Type = corev1.SecretTypeDockerConfigJson
	secret.Data = map[string][]byte{corev1.DockerConfigJsonKey: s.DockerConfig}
	return nil
}

// reachable has a source use the credentials of the caller in place of a Secret that is not known. It notes what is not
// done for want of a Secret.
func (s *side) reachable(ctx context.Context, source v1beta1.Source) {
	switch source := source.(type) {
	case *v1beta1.OCIRepository:
		s.registry(ctx, source, source.Spec.URL, &source.Spec.SecretRef)
		s.drop(ctx, source, &source.Spec.CertSecretRef, "certificates")
		s.drop(ctx, source, &source.Spec.ProxySecretRef, "proxy")
		if source.Spec.ServiceAccountName != "" {
			source.Spec.ServiceAccountName = ""
			s.notes.add("%s is fetched without the pull secrets of its ServiceAccount", nameOf(source))
		}
		source.Spec.Verify = s.verification(ctx, source, source.Spec.Verify)
	case *v1beta1.HelmRepository:
		if source.IsOCI() {
			s.registry(ctx, source, source.Spec.URL, &source.Spec.SecretRef)
		}
		s.drop(ctx, source, &source.Spec.SecretRef, "credentials")
		s.drop(ctx, source, &source.Spec.CertSecretRef, "certificates")
	case *v1beta1.GitRepository:
		if s.isThis(source) {
			return
		}
		s.drop(ctx, source, &source.Spec.SecretRef, "credentials")
		s.drop(ctx, source, &source.Spec.ProxySecretRef, "proxy")
		if v := source.Spec.Verify; v != nil && !s.knows(ctx, "Secret", keyIn(source, v.SecretRef.Name)) {
			source.Spec.Verify = nil
			s.unverified(source)
		}
	case *v1beta1.Bucket:
		s.drop(ctx, source, &source.Spec.SecretRef, "credentials")
		s.drop(ctx, source, &source.Spec.CertSecretRef, "certificates")
		s.drop(ctx, source, &source.Spec.ProxySecretRef, "proxy")
	}
}

func nameOf(source v1beta1.Source) string {
	kind := ""
	if object, is := source.(client.Object); is {
		kind = kindToRead(object).Kind
	}
	return kind + " " + source.GetNamespace() + "/" + source.GetName()
}

func keyIn(source v1beta1.Source, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: source.GetNamespace(), Name: name}
}

// registry has a source use the credentials that the caller has for its registry.
func (s *side) registry(
	ctx context.Context, source v1beta1.Source, url string, ref **v1beta1.LocalObjectReference,
) {
	if *ref != nil && s.knows(ctx, "Secret", keyIn(source, (*ref).Name)) {
		return
	}

	asked := *ref != nil
	*ref = nil
	repository := strings.TrimPrefix(url, "oci://")
	data := map[string][]byte{corev1.DockerConfigJsonKey: s.DockerConfig}
	if len(s.DockerConfig) > 0 {
		if _, err := sources.RegistryCredentials(string(corev1.SecretTypeDockerConfigJson), data, repository); err == nil {
			*ref = &v1beta1.LocalObjectReference{Name: dockerSecret}
			return
		}
	}
	if asked {
		s.notes.add("%s is fetched without credentials: its Secret is not in the tree", nameOf(source))
	}
}

// drop clears a reference to a Secret that is not known.
func (s *side) drop(ctx context.Context, source v1beta1.Source, ref **v1beta1.LocalObjectReference, what string) {
	if *ref == nil || (*ref).Name == dockerSecret || s.knows(ctx, "Secret", keyIn(source, (*ref).Name)) {
		return
	}
	*ref = nil
	s.notes.add("%s is fetched without %s: the Secret is not in the tree", nameOf(source), what)
}

// verification is what is asked of signatures, nil when the keys are not known.
func (s *side) verification(
	ctx context.Context, source v1beta1.Source, v *v1beta1.Verification,
) *v1beta1.Verification {
	if v == nil || v.Keys() == nil || s.knows(ctx, "Secret", keyIn(source, v.Keys().Name)) {
		return v
	}
	s.unverified(source)
	return nil
}

func (s *side) unverified(source v1beta1.Source) {
	s.notes.add("the signatures of %s are not checked: the Secret with the keys is not in the tree", nameOf(source))
}

// withKnownKeys drops the check of a signature whose keys are not known.
func (s *side) withKnownKeys(ctx context.Context, hr *v1beta1.HelmRelease) {
	if hr.Spec.Chart == nil || s.Cluster != nil {
		return
	}

	verify := hr.Spec.Chart.Spec.Verify
	if verify == nil || verify.Keys() == nil {
		return
	}
	if key := (types.NamespacedName{Namespace: hr.Namespace, Name: verify.Keys().Name}); s.knows(ctx, "Secret", key) {
		return
	}

	hr.Spec.Chart.Spec.Verify = nil
	s.notes.add("the signature of the chart of release %s/%s is not checked: "+
		"the Secret with the keys is not in the tree", hr.Namespace, hr.Name)
}
