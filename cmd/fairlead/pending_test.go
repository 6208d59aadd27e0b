package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// What is missing is named; of secrets nothing is shown.
func TestDiffPendingNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	wanting := func() *v1beta1.HelmRelease {
		hr := shop()
		hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "passwords"}}
		return hr
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "passwords"}, Data: map[string][]byte{"values.yaml": []byte("password: hunter2\n")}}
	refuse := interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, more ...client.GetOption) error {
		if _, is := o.(*corev1.Secret); is {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, key.Name, errors.New("no"))
		}
		return c.Get(ctx, key, o, more...)
	}}
	tests := []struct {
		name  string
		world world
		want  string
	}{
		{"a Secret with values that is not there", world{objects: []client.Object{wanting()}}, "Secret web/passwords of spec.valuesFrom does not exist"},
		{"a right that is missing", world{objects: []client.Object{wanting(), secret}, funcs: refuse},
			"you may not get secrets in namespace web (kubectl auth can-i get secrets -n web)"},
		{"a source that is not there", world{objects: []client.Object{wanting(), secret}}, "does not exist"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := tt.world.run(t, "diff", "release", "shop", "--pending")
			if r.code != 2 || !strings.Contains(r.stderr, tt.want) || strings.Contains(r.stderr, "hunter2") {
				t.Errorf("exit code %d, stderr %q, want %q", r.code, r.stderr, tt.want)
			}
		})
	}
}

func TestHooksOfNext(t *testing.T) {
	t.Parallel()
	hooks := []view.HookDifference{
		{Name: "same", Events: []string{"pre-upgrade"}, Change: view.SameHook}, {Name: "install", Events: []string{"pre-install"}, Change: view.SameHook},
		{Name: "test", Events: []string{"test"}, Change: "changed"}, {Name: "gone", Events: []string{"post-upgrade"}, Change: "deleted"},
	}
	tests := []struct {
		name            string
		first, disabled bool
		want            string
	}{
		{name: "an upgrade", want: "same:true test:false gone:false"},
		{name: "an install", first: true, want: "install:true test:false gone:false"},
		{name: "an upgrade without hooks", disabled: true, want: "test:false gone:false"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, h := range hooksOfNext(hooks, tt.first, tt.disabled) {
				got = append(got, h.Name+map[bool]string{true: ":true", false: ":false"}[h.Runs])
			}
			if text := strings.Join(got, " "); text != tt.want {
				t.Errorf("hooks %q, want %q", text, tt.want)
			}
		})
	}
}
