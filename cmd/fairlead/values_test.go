package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// valued are a release with values of every origin, and what it names.
func valued() []client.Object {
	hr := shop()
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{
		{Kind: "ConfigMap", Name: "shop-values"},
		{Kind: "Secret", Name: "shop-secrets", ValuesKey: "prod.yaml"},
		{Kind: "Secret", Name: "shop-secrets", ValuesKey: "token", TargetPath: "auth.token", Literal: true},
	}
	hr.Spec.Values = &runtime.RawExtension{Raw: []byte(`{"replicas":3,"url":"db://shop:hunter2@db"}`)}
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "web", Name: name} }
	return []client.Object{hr, valueless(),
		&corev1.ConfigMap{ObjectMeta: meta("shop-values"), Data: map[string]string{
			"values.yaml": "replicas: 1\nhosts: [shop.example.com]\n",
		}},
		&corev1.Secret{ObjectMeta: meta("shop-secrets"), Data: map[string][]byte{
			"prod.yaml": []byte("auth: {password: hunter2, pin: 1234}\n"), "token": []byte("t0ps3cret"),
		}},
	}
}

// valueless is a release without values of its own.
func valueless() *v1beta1.HelmRelease {
	hr := fresh()
	hr.Name = "plain"
	return hr
}

func TestValuesOfARelease(t *testing.T) {
	t.Parallel()
	w := world{objects: valued()}
	runGolden(t, []goldenCase{
		{"values", w, "values release shop"},
		{"values-json", w, "values hr/shop -o json"},
		{"values-sources", w, "values release shop --sources"},
		{"values-sources-json", w, "values release shop --sources -o json"},
		{"values-sources-terminal", world{objects: valued(), outWidth: 60}, "values release shop --sources"},
		{"values-none", w, "values release plain"},
		{"values-none-sources", w, "values release plain --sources"},
		{"values-none-sources-json", w, "values release plain --sources -o json"},
		{"values-missing", world{objects: valued()[:3]}, "values release shop"},
		{"values-not-found", w, "values release shpo"},
		{"values-wrong-kind", w, "values ks/apps"},
	})
}
