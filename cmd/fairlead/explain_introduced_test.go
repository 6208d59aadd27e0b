package main

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/values"
)

const failedShop = `apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: web}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - {name: web, image: "shop:1.9.1", env: [{name: PASSWORD, value: "s3cret"}]}
`

// failedRecords are those of a revision whose image comes from a value and whose password comes from another one.
func failedRecords() fakeInspector {
	look := records()
	look.stored[42].Manifest = failedShop
	render := func(image, password string) string {
		return strings.NewReplacer("shop:1.9.1", "shop:"+image, "s3cret", password).Replace(failedShop)
	}
	look.stored[43].Manifest = render("1.9.2", "hunter2")
	for version, content := range look.stored {
		content.Revision, content.ChartName, content.ChartVersion = version, "shop", "1.9.1"
	}
	look.retraces = &engine.Retracing{
		Former: look.stored[42].Values,
		Values: values.Deltas(look.stored[42].Values, look.stored[43].Values),
		TakeBack: func(_ bool, back []values.Delta) (preview.Rendering, error) {
			image, password := "1.9.2", "hunter2"
			for _, d := range back {
				switch d.Text() {
				case "image.tag":
					image = "1.9.1"
				case "password":
					password = "s3cret"
				}
			}
			return preview.Rendering{Manifest: render(image, password)}, nil
		},
	}
	return look
}

// declaredShop is the release that failed, with values of its own, as a Kustomization declares it.
func declaredShop() []client.Object {
	objects := tracedShop()
	hr := objects[0].(*v1beta1.HelmRelease)
	failing(hr)
	hr.Spec.ValuesFrom = nil
	hr.Spec.Values = &runtime.RawExtension{Raw: []byte(`{"image":{"tag":"1.9.2"},"password":"other"}`)}
	hr.Status.LastFailure.Objects = hr.Status.Unhealthy
	return objects
}

func TestExplainNamesWhatIntroducedAFailure(t *testing.T) {
	t.Parallel()
	w := world{objects: declaredShop(), live: crashedShop(), looks: failedRecords()}
	unrendered := w
	unrendered.looks.retraces = nil
	unreadable := w
	unreadable.objects = declaredShop()
	unreadable.objects[0].(*v1beta1.HelmRelease).Spec.ValuesFrom = shop().Spec.ValuesFrom
	runGolden(t, []goldenCase{
		{"explain-introduced", w, "explain release shop --no-logs"},
		{"explain-introduced-json", w, "explain release shop --no-logs -o json"},
		{"explain-introduced-no-values", unreadable, "explain release shop --no-logs"},
		{"explain-introduced-not-rendered", unrendered, "explain release shop --no-logs"},
	})
	for _, format := range []string{"", "-o json", "-o yaml"} {
		args := strings.Fields("explain release shop --no-logs " + format)
		r := w.run(t, args...)
		if said := r.stdout + r.stderr; strings.Contains(said, "hunter2") || strings.Contains(said, "s3cret") {
			t.Errorf("%q shows a value: %s", args, r.stdout)
		}
	}
}
