package pipeline

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"
)

// The controller recognizes the policy of the installation as the one that checks users and groups.
func TestThePolicyOfTheInstallation(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "approvals", "policies.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	policy, binding, ok := bytes.Cut(content, []byte("\n---\n"))
	if !ok {
		t.Fatal("the file has one document only")
	}
	p, b := &admissionv1.ValidatingAdmissionPolicy{}, &admissionv1.ValidatingAdmissionPolicyBinding{}
	if err := yaml.UnmarshalStrict(policy, p); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(binding, b); err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := admissionv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	holds := func(objects ...client.Object) bool {
		t.Helper()
		live := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
		held, err := (&policyCheck{live: live, now: time.Now}).holds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	if !holds(p.DeepCopy(), b.DeepCopy()) {
		t.Errorf("the policy is not recognized: %+v", p.Spec.Validations)
	}
	p.Spec.Validations = p.Spec.Validations[:1]
	if holds(p, b) {
		t.Error("a policy that checks no groups is recognized")
	}
}
