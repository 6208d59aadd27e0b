package kubeclient

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/test/build"
)

func infoOf(t *testing.T, text string) *resource.Info {
	t.Helper()
	content := build.Object(t, text)
	return &resource.Info{
		Namespace: "apps", Name: content.GetName(), Object: content,
		Mapping: &meta.RESTMapping{GroupVersionKind: content.GroupVersionKind()},
	}
}

func TestScaledBy(t *testing.T) {
	t.Parallel()
	deployment := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	tests := []struct {
		name, object string
		want         map[scaled]bool
	}{
		{name: "HorizontalPodAutoscaler", want: map[scaled]bool{{deployment, "apps", "web"}: true},
			object: `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}}`},
		{name: "of another version of the API",
			want:   map[scaled]bool{{schema.GroupKind{Group: "apps", Kind: "StatefulSet"}, "apps", "db"}: true},
			object: `{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {scaleTargetRef: {apiVersion: apps/v1beta9, kind: StatefulSet, name: db}}}`},
		{name: "ScaledObject without a kind", want: map[scaled]bool{{deployment, "apps", "web"}: true},
			object: `{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: a}, spec: {scaleTargetRef: {name: web, envSourceContainerName: x, extra: 1}}}`},
		{name: "ScaledObject of a custom resource",
			want:   map[scaled]bool{{schema.GroupKind{Group: "argoproj.io", Kind: "Rollout"}, "apps", "web"}: true},
			object: `{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: a}, spec: {scaleTargetRef: {apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: web}}}`},
		{name: "nonsense", want: map[scaled]bool{},
			object: `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {scaleTargetRef: {apiVersion: a/b/c, kind: 1}}}`},
		{name: "another kind", want: map[scaled]bool{},
			object: `{apiVersion: example.com/v1, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {scaleTargetRef: {kind: Deployment, name: web}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, scaledBy(kube.ResourceList{infoOf(t, tt.object)}),
				cmp.AllowUnexported(scaled{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWithoutReplicas(t *testing.T) {
	t.Parallel()
	info := infoOf(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 2, paused: true}}`)
	got := withoutReplicas(info)
	if diff := cmp.Diff(
		build.Object(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {paused: true}}`),
		got.Object); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(
		build.Object(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 2, paused: true}}`),
		info.Object); diff != "" {
		t.Errorf("the original was changed: %s", diff)
	}
	if withoutReplicas(nil) != nil {
		t.Error("nothing became something")
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	a, b := infoOf(t, `{apiVersion: v1, kind: Secret, metadata: {name: a}}`), infoOf(t,
		`{apiVersion: v1, kind: Secret, metadata: {name: b}}`)
	list := kube.ResourceList{a, b, b}
	if got := (Inspection{}).choose(list); len(got) != 2 {
		t.Errorf("of all there are %d", len(got))
	}
	got := Inspection{Objects: []v1beta1.ResourceRef{{ID: "apps_b__Secret"}, {ID: "apps_gone__Secret"}}}.choose(list)
	if len(got) != 1 || got[0] != b {
		t.Errorf("chosen are %v", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	kind := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	invalid := apierrors.NewInvalid(kind, "web", field.ErrorList{
		field.Invalid(field.NewPath("spec", "selector"), "x", "field is immutable"),
		field.Invalid(field.NewPath("spec", "a"), 1, ""),
		field.Invalid(field.NewPath("spec", "b"), 1, ""), field.Invalid(field.NewPath("spec", "c"), 1, ""),
	})
	tests := []struct {
		name             string
		err              error
		refused, untried bool
		fields           string
	}{
		{name: "invalid", err: invalid, refused: true, fields: ": spec.selector, spec.a, spec.b"},
		{
			name: "a webhook that takes no part", err: apierrors.NewBadRequest(`admission webhook "a" does not support dry run`),
			refused: true, untried: true,
		},
		{name: "the API server is away", err: apierrors.NewServiceUnavailable("later")},
		{name: "no answer", err: errors.New("connection refused")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if isRefusal(tt.err) != tt.refused || ssa.IsDryRunUnsupported(tt.err) != tt.untried ||
				invalidFields(tt.err) != tt.fields {
				t.Errorf("refused %v, untried %v, fields %q", isRefusal(tt.err), ssa.IsDryRunUnsupported(tt.err),
					invalidFields(tt.err))
			}
		})
	}
}
