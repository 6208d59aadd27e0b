package refs

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
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
	checked := func(resource string, objects ...client.Object) bool {
		t.Helper()
		live := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
		held, err := NewApprovers(live, time.Now).Checked(t.Context(), resource)
		if err != nil {
			t.Fatal(err)
		}
		return held
	}

	for _, resource := range []string{PromotionApprovals, Approvals} {
		if !checked(resource, p.DeepCopy(), b.DeepCopy()) {
			t.Errorf("the policy of %s is not recognized: %+v", resource, p.Spec)
		}
		if checked(resource, p.DeepCopy()) {
			t.Errorf("a policy of %s without a binding is recognized", resource)
		}
	}
	if checked("promotions", p.DeepCopy(), b.DeepCopy()) {
		t.Error("the policy is taken for one of another resource")
	}

	older := p.DeepCopy()
	older.Spec.MatchConstraints.ResourceRules[0].Resources = []string{PromotionApprovals}
	if checked(Approvals, older, b.DeepCopy()) || !checked(PromotionApprovals, older.DeepCopy(), b.DeepCopy()) {
		t.Error("the policy of an older installation, which is about promotions only, covers other approvals")
	}

	p.Spec.Validations = p.Spec.Validations[:1]
	if checked(Approvals, p, b) {
		t.Error("a policy that checks no groups is recognized")
	}
}

// The API server is asked once a minute.
func TestApproversAreRemembered(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := admissionv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	lists := 0
	live := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, o ...client.ListOption) error {
			lists++
			return c.List(ctx, l, o...)
		},
	}).Build()
	clock := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	approvers := NewApprovers(live, func() time.Time { return clock })
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{0, 2}, {ApproversRemembered - time.Second, 2}, {time.Second, 4}} {
		clock = clock.Add(tt.after)
		if held, err := approvers.Checked(t.Context(), Approvals); held || err != nil {
			t.Errorf("checked: %t, %v", held, err)
		}
		if lists != tt.want {
			t.Errorf("%d lists, want %d", lists, tt.want)
		}
	}
}
