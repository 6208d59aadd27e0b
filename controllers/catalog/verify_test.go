package catalog

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
)

// A signature is checked once for a chart and the state of the keys; what does not count leaves what was verified
// before.
func TestSignaturesAreCheckedWhenSomethingChanges(t *testing.T) {
	t.Parallel()
	packager, err := servers.NewPackager()
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "team", UID: "1"},
		Data:       map[string][]byte{"team.asc": packager.Armored},
	}
	secrets := fake.NewClientBuilder().WithObjects(secret).Build()
	c := NewCatalog(nil, secrets, nil)
	choice := ChartRef{Kind: v1beta1.HelmRepositoryKind, Namespace: "apps", Name: "charts", Chart: "web", Version: "*"}.
		demands("apps",
			&v1beta1.Verification{Provider: v1beta1.VerifyHelm, SecretRef: &v1beta1.LocalObjectReference{Name: "team"}})
	checks := 0
	var refuse error
	check := func(trusted) (string, error) {
		checks++
		return "the team", refuse
	}
	chart := func(version string) resolved {
		return resolved{Revision: v1beta1.ChartRevision{Name: "web", Version: version, Digest: "sha256:" + version}}
	}

	first := c.signed(t.Context(), choice, chart("1"), resolved{}, check)
	if first.err != nil || first.SignedBy != "the team" || first.Keys == "" || checks != 1 {
		t.Fatalf("%+v after %d checks", first, checks)
	}
	if same := c.signed(t.Context(), choice, chart("1"), first, check); same.SignedBy != first.SignedBy ||
		same.Keys != first.Keys || same.Revision != first.Revision || checks != 1 {
		t.Errorf("the same chart was checked again: %+v", same)
	}
	refuse = sources.Fail(v1beta1.VerificationFailedReason, nil, "a stranger")
	second := c.signed(t.Context(), choice, chart("2"), first, check)
	if second.Revision.Version != "1" || !errors.Is(second.err, refuse) || second.Keys != first.Keys || checks != 2 {
		t.Errorf("%+v after %d checks", second, checks)
	}
	if plain := c.signed(t.Context(), ChartRef{}, chart("3"), resolved{}, check); plain.SignedBy != "" || checks != 2 {
		t.Errorf("nobody asked, and it was checked: %+v", plain)
	}
}

// Other keys put an answer in doubt, once: a check that fails with them is not made again until they change.
func TestOtherKeysAreTriedOnce(t *testing.T) {
	t.Parallel()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "team", UID: "1"}, Data: map[string][]byte{},
	}
	secrets := fake.NewClientBuilder().WithObjects(secret).Build()
	c := NewCatalog(nil, secrets, nil)
	choice := ChartRef{Kind: v1beta1.HelmRepositoryKind, Namespace: "apps", Name: "charts", Chart: "web", Version: "*"}.
		demands("apps", &v1beta1.Verification{SecretRef: &v1beta1.LocalObjectReference{Name: "team"}})
	s := newSourceCache("")
	s.Picks[choice.String()] = resolved{
		Revision: v1beta1.ChartRevision{Name: "web", Version: "1", Digest: "sha256:1"}, Keys: "older",
	}
	c.shelves[choice.Source()] = s
	doubted := func() bool {
		t.Helper()
		if err := c.doubt(t.Context(), choice); err != nil {
			t.Fatal(err)
		}
		return s.Picks[choice.String()].needsReverify
	}
	if !doubted() {
		t.Fatal("other keys put nothing in doubt")
	}
	// there is no key
	failed := c.signed(t.Context(), choice, resolved{Revision: s.Picks[choice.String()].Revision},
		s.Picks[choice.String()], nil)
	if failed.err == nil || failed.needsReverify || failed.Revision.Version != "1" {
		t.Fatalf("%+v", failed)
	}
	s.Picks[choice.String()] = failed
	if doubted() {
		t.Error("the same keys are tried again and again")
	}
	secret.Data["a.pub"] = []byte("x")
	if err := secrets.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if !doubted() {
		t.Error("new keys are not tried")
	}
}
