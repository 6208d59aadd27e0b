package source

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A change of any Secret that a source names has it polled.
func TestSourcesAreFoundByTheirSecrets(t *testing.T) {
	t.Parallel()
	bucket := &v1beta1.Bucket{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "fleet"}}
	bucket.Spec.SecretRef, bucket.Spec.CertSecretRef = &v1beta1.LocalObjectReference{
		Name: "keys",
	}, &v1beta1.LocalObjectReference{Name: "certificates"}
	open := &v1beta1.Bucket{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "open"}}
	find := bySecret(newClient(t, bucket, open), v1beta1.BucketKind)
	for name, want := range map[string]int{"keys": 1, "certificates": 1, "other": 0} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name}}
		if got := find(t.Context(), secret); len(got) != want || want == 1 && got[0].Name != "fleet" {
			t.Errorf("Secret %s concerns %v", name, got)
		}
	}
}
