package build

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestWholeNumbersStayWhole(t *testing.T) {
	t.Parallel()
	o := Object(t, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n")
	replicas, _, err := unstructured.NestedInt64(o.Object, "spec", "replicas")
	if err != nil || replicas != 3 || o.GetKind() != "Deployment" || o.GetName() != "web" {
		t.Errorf("replicas %d, error %v, object %v", replicas, err, o.Object)
	}
}
