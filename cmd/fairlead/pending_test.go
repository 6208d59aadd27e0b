package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/values"
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

// While the controller upgrades, the revision that it makes is compared with the one before, without rendering anything.
func TestDiffPendingDuringAnUpgrade(t *testing.T) {
	t.Parallel()
	hr := shop()
	hr.Status.StorageNamespace = "web"
	in := release.Inputs{
		Chart: v1beta1.ChartRevision{Name: "shop", Version: "1.9.2", Digest: digestB}, Values: map[string]any{}, Mask: redact.Mask{},
	}
	records := []plan.Record{
		{Version: 43, Status: plan.StatusPendingUpgrade, Chart: v1beta1.ChartRevision{Name: "shop", Version: "1.9.2", Digest: digestB},
			ConfigDigest: values.Digest(in.Values), Ours: true, Digest: "sha256:43"},
		{Version: 42, Status: plan.StatusSuperseded, Chart: v1beta1.ChartRevision{Name: "shop", Version: "1.9.1", Digest: digestA},
			ConfigDigest: values.Digest(in.Values), Ours: true, Digest: "sha256:42"},
	}
	manifest := func(image string) string {
		return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\nspec: {template: {spec: {containers: [{name: web, image: " + image + "}]}}}\n"
	}
	look := fakeInspector{records: records, stored: map[int]*engine.Content{
		42: {Revision: 42, ChartName: "shop", ChartVersion: "1.9.1", Manifest: manifest("shop:1.9.1")},
		43: {Revision: 43, ChartName: "shop", ChartVersion: "1.9.2", Manifest: manifest("shop:1.9.2")},
	}}
	var stdout, stderr bytes.Buffer
	a := &app{environment: environment{out: &stdout, err: &stderr, now: func() time.Time { return now }}}
	err := a.comparePending(t.Context(), look, hr, in, engine.Action{}, &output{})
	want := `from revision 42 (shop 1.9.1) to the wanted chart and values
chart: shop 1.9.1 9f2c1a2b3c4d → shop 1.9.2 7c1e09a25b3c
why: version 1.9.1 → 1.9.2
but: revision 43 is pending-upgrade: the controller finishes it, at the latest when it starts again
Deployment shop: changed
  .spec.template.spec.containers[name="web"].image: shop:1.9.1 → shop:1.9.2
`
	if got := stderr.String() + stdout.String(); !errors.Is(err, errNotReady) || got != want {
		t.Errorf("error %v, it prints\n%swant\n%s", err, got, want)
	}
}
