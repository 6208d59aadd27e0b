package integration

import (
	"context"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/test/build"
)

// The texts of the API server that helmops/kube/ssa recognizes are those that it sends.
func TestServerTexts(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	texts := serverTexts{t: t, client: world.cluster.Client}
	metadata := "\nmetadata: {name: web, namespace: " + ns + "}\n"
	deployment := func(env string) string {
		return "apiVersion: apps/v1\nkind: Deployment" + metadata +
			"spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, " +
			"spec: {containers: [{name: web, image: nginx, env: " + env + "}]}}}"
	}
	config := "apiVersion: v1\nkind: ConfigMap" + metadata
	service := "apiVersion: v1\nkind: Service" + metadata + "spec: {type: ClusterIP, ports: [{port: 80}]}"

	twice := texts.apply(deployment("[{name: A, value: a}, {name: A, value: b}]"))
	texts.says("a key twice in a list", twice, ssa.IsApplyOnly, "duplicate entries for key")
	texts.says("a key twice in a list", twice, ssa.IsMismatched, "failed to create typed patch object")
	undeclared := texts.apply(config + "datum: {a: b}")
	texts.says("a field that the kind does not have", undeclared, ssa.IsApplyOnly, "field not declared in schema")
	mistyped := texts.apply(config + "data: {a: 1}")
	texts.says("a value of a wrong type", mistyped, ssa.IsMismatched, "failed to create typed patch object")
	if ssa.IsApplyOnly(mistyped) {
		t.Errorf("a value of a wrong type is taken for one that is accepted otherwise: %v", mistyped)
	}

	strictly := client.WithFieldValidation(texts.client, metav1.FieldValidationStrict)
	unknown := strictly.Create(t.Context(), build.Object(t, config+"datum: {a: b}"))
	texts.says("a field that is not known", unknown, ssa.IsUnknownField, "strict decoding error", "unknown field")

	texts.must(deployment("[]"))
	selector := strings.ReplaceAll(deployment("[]"), "{a: b}", "{a: c}")
	texts.says("another selector", texts.apply(selector), ssa.IsImmutable, "field is immutable")
	texts.must(service)
	address := strings.Replace(service, "spec: {", "spec: {clusterIP: None, ", 1)
	texts.says("another address", texts.apply(address), ssa.IsImmutable, "may not change once set")
	if invalid := texts.apply(strings.Replace(service, "80", "0", 1)); !apierrors.IsInvalid(invalid) ||
		ssa.IsImmutable(invalid) {
		t.Errorf("a port that is not valid is taken for one that cannot be changed: %v", invalid)
	}

	stranger := rest.CopyConfig(world.cluster.Config)
	stranger.Impersonate = rest.ImpersonationConfig{UserName: "stranger"}
	other, err := client.New(stranger, client.Options{Scheme: texts.client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	denied := other.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "web"}, build.Object(t, config))
	isDenied := func(err error) bool { return apierrors.IsForbidden(err) && ssa.IsRightMissing(err.Error()) }
	texts.says("a right that is missing", denied, isDenied, `User "stranger" cannot get resource`)
}

// What the API server says of an admission webhook that does not answer is recognized.
func TestServerTextsOfWebhooks(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	texts := serverTexts{t: t, client: world.cluster.Client}
	object := build.Object(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: "+ns+"}")

	texts.must(webhook(ns))
	t.Cleanup(func() {
		if err := texts.client.Delete(context.Background(), build.Object(t, webhook(ns))); err != nil {
			t.Error(err)
		}
	})
	until(t, "the webhook is called", func() bool {
		err := texts.client.Create(t.Context(), object.DeepCopy())
		if err == nil {
			remove(t, object)
			return false
		}
		texts.says("a webhook that does not answer", err, ssa.IsWebhookUnanswered, "failed calling webhook")
		return true
	})
}

// webhook is an admission webhook for the ConfigMaps of a namespace that does not answer.
func webhook(ns string) string {
	return "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\n" +
		"metadata: {name: " + ns + "}\n" + `
webhooks:
- name: texts.example.com
  admissionReviewVersions: [v1]
  clientConfig: {url: "https://127.0.0.1:1/"}
  failurePolicy: Fail
  sideEffects: None
  timeoutSeconds: 1
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ` + ns + `}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
`
}

// serverTexts asks the API server for errors.
type serverTexts struct {
	t      *testing.T
	client client.Client
}

// says asserts that an error is recognized, and that the API server uses each of the texts.
func (s serverTexts) says(what string, err error, recognized func(error) bool, texts ...string) {
	s.t.Helper()
	if err == nil {
		s.t.Errorf("%s: accepted", what)
		return
	}
	if !recognized(err) {
		s.t.Errorf("%s is not recognized: %v", what, err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			s.t.Errorf("%s: the API server does not say %q: %v", what, text, err)
		}
	}
}

// apply applies a manifest and returns the answer.
func (s serverTexts) apply(manifest string) error {
	s.t.Helper()
	object := build.Object(s.t, manifest)
	document, err := object.MarshalJSON()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.client.Patch(s.t.Context(), object, client.RawPatch(types.ApplyPatchType, document),
		client.FieldOwner("texts"), client.ForceOwnership)
}

func (s serverTexts) must(manifest string) {
	s.t.Helper()
	if err := s.apply(manifest); err != nil {
		s.t.Fatal(err)
	}
}
