package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
		name string
		next view.NextHooks
		want string
	}{
		{name: "an upgrade", want: "same:true test:false gone:false"},
		{name: "an install", next: view.NextHooks{Install: true}, want: "install:true test:false gone:false"},
		{name: "an upgrade without hooks", next: view.NextHooks{Disabled: true}, want: "test:false gone:false"},
		{
			name: "tests", next: view.NextHooks{Disabled: true, Tests: plan.Tests{Enabled: true}}, want: "test:true gone:false",
		},
		{
			name: "other tests", want: "same:true test:false gone:false",
			next: view.NextHooks{Tests: plan.Tests{Enabled: true, Filters: []v1beta1.TestFilter{{Name: "other"}}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, h := range view.HooksOfNext(hooks, tt.next) {
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
	err := a.comparePending(t.Context(), look, &wantedRelease{release: hr, in: in}, &output{})
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

// valuedRelease is the release shop with a Secret in spec.valuesFrom: revision 42 runs, the image and the password are
// others now.
func valuedRelease() (*wantedRelease, fakeInspector) {
	hr := shop()
	hr.Status.StorageNamespace = "web"
	layers := []values.Layer{
		{Origin: "Secret web/shop-secrets, key prod.yaml,", Secret: true, Data: []byte("password: hunter3")},
		{Origin: "spec.values", Data: []byte(`image: {tag: 1.19.0}`)},
	}
	chart := v1beta1.ChartRevision{Name: "shop", Version: "1.9.1", Digest: digestA}
	wanted := map[string]any{"image": map[string]any{"tag": "1.19.0"}, "password": "hunter3"}
	former := map[string]any{"image": map[string]any{"tag": "1.18.4"}, "password": "hunter2"}
	manifest := func(tag, password string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\n" +
			"data: {tag: " + tag + ", url: \"https://" + password + "@host\"}\n"
	}
	look := fakeInspector{
		records: []plan.Record{{
			Version: 42, Status: plan.StatusDeployed, Chart: chart, ConfigDigest: values.Digest(former), Ours: true,
			Digest: "sha256:42",
		}},
		stored: map[int]*engine.Content{
			41: {
				Revision: 41, ChartName: "shop", ChartVersion: "1.9.0",
				Values: map[string]any{"password": "hunter1"}, Manifest: manifest("old", "hunter1"),
			},
			42: {
				Revision: 42, ChartName: "shop", ChartVersion: "1.9.1",
				Values: former, Manifest: manifest("1.18.4", "hunter2"),
			},
		},
		renders: &engine.Content{Values: wanted, Manifest: manifest("1.19.0", "hunter3")},
	}
	return &wantedRelease{
		release: hr, layers: layers, takesSecrets: true,
		in: release.Inputs{Chart: chart, Values: wanted, Mask: redact.NewMask("hunter3")},
	}, look
}

// The values are listed before the objects. What came from a Secret, now or formerly, is in none of them.
func TestDiffPendingShowsValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		compare func(*app, *wantedRelease, fakeInspector) error
		want    string
	}{
		{
			name: "with what is deployed",
			compare: func(a *app, w *wantedRelease, look fakeInspector) error {
				return a.comparePending(t.Context(), look, w, &output{})
			},
			want: `from revision 42 (shop 1.9.1) to the wanted chart and values
chart: shop 1.9.1 9f2c1a2b3c4d → shop 1.9.1 9f2c1a2b3c4d
why: values
value image.tag: *** → 1.19.0
value password: *** → ***
ConfigMap shop: changed
  .data.tag: *** → 1.19.0
  .data.url: https://***@host → https://***@host
`,
		},
		{
			name: "with another version",
			compare: func(a *app, w *wantedRelease, look fakeInspector) error {
				w.label = "shop 1.9.1 and the wanted values"
				w.in.Values = look.stored[42].Values
				w.layers = []values.Layer{{Origin: "spec.values", Data: []byte("password: hunter2")}}
				return a.comparePending(t.Context(), look, w, &output{})
			},
			want: `from revision 42 (shop 1.9.1) to shop 1.9.1 and the wanted values
nothing would change
`,
		},
		{
			name: "with a revision in storage",
			compare: func(a *app, w *wantedRelease, look fakeInspector) error {
				return a.compareWithPending(t.Context(), look, w, "41", &output{})
			},
			want: `from revision 41 (shop 1.9.0) to the wanted chart (shop 1.9.1) and values
value image.tag: - → 1.19.0
value password: *** → ***
ConfigMap shop: changed
  .data.tag: old → 1.19.0
  .data.url: https://***@host → https://***@host
`,
		},
		{
			name: "with a revision in storage, when what is wanted is deployed",
			compare: func(a *app, w *wantedRelease, look fakeInspector) error {
				w.in.Values = look.stored[42].Values
				w.in.Mask = redact.NewMask("hunter2")
				w.layers = []values.Layer{
					{Secret: true, Data: []byte("password: hunter2")}, {Data: []byte("image: {tag: 1.18.4}")},
				}
				return a.compareWithPending(t.Context(), look, w, "41", &output{})
			},
			want: `from revision 41 (shop 1.9.0) to the wanted chart (shop 1.9.1) and values
value image.tag: - → 1.18.4
value password: *** → ***
ConfigMap shop: changed
  .data.tag: old → 1.18.4
  .data.url: https://***@host → https://***@host
`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, look := valuedRelease()
			var stdout, stderr bytes.Buffer
			a := &app{environment: environment{out: &stdout, err: &stderr, now: func() time.Time { return now }}}
			err := tt.compare(a, w, look)
			wantErr := errNotReady
			if strings.Contains(tt.want, "nothing would change") {
				wantErr = nil
			}
			if !errors.Is(err, wantErr) {
				t.Errorf("error %v, want %v", err, wantErr)
			}
			got := stderr.String() + stdout.String()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if strings.Contains(got, "hunter") {
				t.Errorf("it shows a secret:\n%s", got)
			}
		})
	}
}
