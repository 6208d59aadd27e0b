package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"fairlead.dev/fairlead/api/v1beta1"
)

// The cache keeps of a ConfigMap only what a pipeline looks for in its own.
func TestStripConfigMap(t *testing.T) {
	t.Parallel()
	owner := metav1.OwnerReference{Kind: v1beta1.ReleasePipelineKind, Name: "web", UID: "1", Controller: ptr.To(true)}
	full := metav1.ObjectMeta{
		Namespace: "apps", Name: "web-dev", ResourceVersion: "7",
		Labels:          map[string]string{v1beta1.PipelineLabel: "1", "team": "shop"},
		Annotations:     map[string]string{v1beta1.ValuesDigestAnnotation: "sha256:1", "note": "long"},
		OwnerReferences: []metav1.OwnerReference{{Kind: "Other", Name: "x"}, owner},
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "fairlead"}},
	}
	kept := metav1.ObjectMeta{
		Namespace: "apps", Name: "web-dev", ResourceVersion: "7",
		Labels:          map[string]string{v1beta1.PipelineLabel: "1"},
		Annotations:     map[string]string{v1beta1.ValuesDigestAnnotation: "sha256:1"},
		OwnerReferences: []metav1.OwnerReference{owner},
	}
	foreign := full
	foreign.Labels = map[string]string{"team": "shop"}
	for _, tt := range []struct{ has, want metav1.ObjectMeta }{
		{full, kept},
		{foreign, metav1.ObjectMeta{Namespace: "apps", Name: "web-dev", ResourceVersion: "7"}},
	} {
		object := &metav1.PartialObjectMetadata{ObjectMeta: tt.has}
		if _, err := stripConfigMap(object); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, object.ObjectMeta); diff != "" {
			t.Errorf("it keeps (-want +got):\n%s", diff)
		}
	}
}
