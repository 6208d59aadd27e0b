package release

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
)

var (
	now         = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	errSentinel = errors.New("as arranged")
	revision    = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:1"}
)

// named names an object of the namespace apps.
func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "apps", Name: name} }

// newHandler returns a handler over the given objects. get is asked before each read that goes to the API server, and may
// fail it.
func newHandler(t *testing.T, get func(client.Object) error, objects ...client.Object) *handler {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(v1beta1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	chart := &v1beta1.OCIRepository{ObjectMeta: named("web")}
	chart.Status.Chart = &revision
	own := []client.Object{chart}
	for _, object := range objects { // tests share them
		own = append(own, object.DeepCopyObject().(client.Object))
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(own...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if get != nil {
				if err := get(o); err != nil {
					return err
				}
			}
			return c.Get(ctx, key, o, options...)
		},
	}).Build()
	expressions, err := refs.NewExpressions()
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return now }
	lookout := refs.NewDependencyWatcher(t.Context(), nothing{}, func(types.NamespacedName) {}, clock)
	seen := readers{cached: c, live: c, expressions: expressions, dependencyWatcher: lookout, tokens: refs.TokensOf(c)}
	return &handler{now: clock, gatherer: newGatherer(catalog.NewCatalog(c, c, nil), seen, Options{Now: clock})}
}

// nothing is a cluster that does not answer.
type nothing struct{}

func (nothing) Follow(ctx context.Context, _ cluster.Access, _ schema.GroupVersionKind, _ types.NamespacedName, _ func(*unstructured.Unstructured) (bool, error)) error {
	<-ctx.Done()
	return ctx.Err()
}

func helmRelease(name string, change ...func(*v1beta1.HelmRelease)) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: named(name)}
	hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web"}
	for _, c := range change {
		c(hr)
	}
	return hr
}

func from(references ...v1beta1.ValuesReference) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Spec.ValuesFrom = references }
}

func own(document string) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Spec.Values = &runtime.RawExtension{Raw: []byte(document)} }
}

func secret(data map[string]string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: named("db"), Data: map[string][]byte{}}
	for key, value := range data {
		s.Data[key] = []byte(value)
	}
	return s
}

func TestGatherMergesInOrder(t *testing.T) {
	t.Parallel()
	h := newHandler(t, nil,
		&corev1.ConfigMap{ObjectMeta: named("base"), Data: map[string]string{"values.yaml": "a: 1\nb: 1\nc: 1"}},
		secret(map[string]string{"x.yaml": "b: 2\nc: 2\npassword: hunter2", "empty.yaml": "", "token": "correct-horse", "raw": "{a,b}"}))
	hr := helmRelease("web", own(`{"c":3}`), from(
		v1beta1.ValuesReference{Kind: "ConfigMap", Name: "base"},
		v1beta1.ValuesReference{Kind: "Secret", Name: "absent", Optional: true},
		v1beta1.ValuesReference{Kind: "Secret", Name: "db", ValuesKey: "x.yaml"},
		v1beta1.ValuesReference{Kind: "Secret", Name: "db", ValuesKey: "empty.yaml"},
		v1beta1.ValuesReference{Kind: "Secret", Name: "db", ValuesKey: "token", TargetPath: "auth.token"},
		v1beta1.ValuesReference{Kind: "Secret", Name: "db", ValuesKey: "raw", TargetPath: "auth.raw", Literal: true},
	))
	got, err := h.gather(t.Context(), hr)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"a": float64(1), "b": float64(2), "c": float64(3), "password": "hunter2",
		"auth": map[string]any{"token": "correct-horse", "raw": "{a,b}"}}
	if diff := cmp.Diff(want, got.Values); diff != "" || got.Chart != revision {
		t.Errorf("chart %v, values (-want +got):\n%s", got.Chart, diff)
	}
	if masked := got.Mask.Apply("is hunter2 or correct-horse"); masked != "is *** or ***" {
		t.Errorf("what came from the Secret is told: %q", masked)
	}
}

// Values may be in binaryData, where kubectl puts what it does not take for text, such as text with a byte order mark.
func TestGatherReadsBinaryData(t *testing.T) {
	t.Parallel()
	config := &corev1.ConfigMap{ObjectMeta: named("base"), BinaryData: map[string][]byte{"values.yaml": []byte("a: ü")}}
	hr := helmRelease("web", from(v1beta1.ValuesReference{Kind: "ConfigMap", Name: "base"}))
	got, err := newHandler(t, nil, config).gather(t.Context(), hr)
	if err != nil || got.Values["a"] != "ü" {
		t.Errorf("got %v, %v", got.Values, err)
	}
}

func TestGatherSaysWhatIsMissing(t *testing.T) {
	forbidden := func(o client.Object) error {
		if _, ok := o.(*corev1.Secret); ok {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "db", errSentinel)
		}
		return nil
	}
	reference := v1beta1.ValuesReference{Kind: "Secret", Name: "db"}
	optional := reference
	optional.Optional = true
	tests := []struct {
		name    string
		release *v1beta1.HelmRelease
		objects []client.Object
		get     func(client.Object) error
		reason  string
		message string
		final   bool
	}{
		{name: "a Secret that does not exist", release: helmRelease("web", from(reference)), reason: v1beta1.ValuesErrorReason,
			message: "Secret apps/db of spec.valuesFrom does not exist; the controller continues when it is created"},
		{name: "a ConfigMap that does not exist", release: helmRelease("web", from(v1beta1.ValuesReference{Kind: "ConfigMap", Name: "db"})),
			reason: v1beta1.ValuesErrorReason, message: "ConfigMap apps/db of spec.valuesFrom does not exist"},
		{name: "a key that does not exist", release: helmRelease("web", from(reference)), objects: []client.Object{secret(map[string]string{"b": "", "a": ""})},
			reason: v1beta1.ValuesErrorReason,
			message: `Secret apps/db of spec.valuesFrom has no key "values.yaml", it has a, b` +
				`; the controller continues when it has`},
		{name: "a key of an optional Secret that exists", release: helmRelease("web", from(optional)), objects: []client.Object{secret(nil)},
			reason: v1beta1.ValuesErrorReason, message: "it has none"},
		{name: "a key that is binary", release: helmRelease("web", from(v1beta1.ValuesReference{Kind: "ConfigMap", Name: "db"})),
			objects: []client.Object{&corev1.ConfigMap{ObjectMeta: named("db"), BinaryData: map[string][]byte{"values.yaml": {0xff, 0xfe}}}},
			reason:  v1beta1.ValuesErrorReason, message: `key "values.yaml" of ConfigMap apps/db of spec.valuesFrom is binary`},
		{name: "a Secret that may not be read", release: helmRelease("web", from(optional)), get: forbidden, reason: v1beta1.AccessDeniedReason,
			message: "Fairlead may not read Secret apps/db of spec.valuesFrom"},
		{name: "a Secret that is not YAML", release: helmRelease("web", from(reference)), reason: v1beta1.ValuesErrorReason,
			objects: []client.Object{secret(map[string]string{"values.yaml": "password: hunter2\n  broken: ["})}, message: "Secret apps/db, key values.yaml,"},
		{name: "a chart that does not exist", release: helmRelease("web", func(hr *v1beta1.HelmRelease) { hr.Spec.ChartRef.Name = "shop" }),
			reason: v1beta1.SourceNotFoundReason, message: "OCIRepository apps/shop does not exist"},
		{name: "a kind of source that does not exist", release: helmRelease("web", func(hr *v1beta1.HelmRelease) { hr.Spec.ChartRef.Kind = "Parcel" }),
			reason: v1beta1.InvalidReferenceReason, message: `"Parcel" is not a kind of source`, final: true},
		{name: "an artifact that does not exist", release: helmRelease("web", func(hr *v1beta1.HelmRelease) { hr.Spec.ChartRef.Kind = "ExternalArtifact" }),
			reason: v1beta1.SourceNotFoundReason, message: "ExternalArtifact apps/"},
		{name: "a cluster of a cloud provider", release: helmRelease("web", byToken),
			objects: []client.Object{
				&corev1.ConfigMap{ObjectMeta: named("cloud"), Data: map[string]string{"provider": "aws"}},
			},
			reason: v1beta1.UnsupportedReason, final: true,
			message: "spec.kubeConfig.configMapRef: ConfigMap apps/cloud: provider aws is not supported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := newHandler(t, tt.get, tt.objects...).gather(t.Context(), tt.release)
			var known *refs.ObstacleError
			if !errors.As(err, &known) {
				t.Fatalf("error = %v, want an obstacle", err)
			}
			if known.Reason != tt.reason || known.Final != tt.final || !strings.Contains(known.Message, tt.message) || strings.Contains(known.Message, "hunter2") {
				t.Errorf("%s (final %v): %s; want %s (final %v): %s", known.Reason, known.Final, known.Message, tt.reason, tt.final, tt.message)
			}
		})
	}
}

func TestAFaultOfTheAPIServerIsNoObstacle(t *testing.T) {
	t.Parallel()
	h := newHandler(t, func(o client.Object) error {
		if _, ok := o.(*corev1.ConfigMap); ok {
			return errSentinel
		}
		return nil
	})
	_, err := h.gather(t.Context(), helmRelease("web", from(v1beta1.ValuesReference{Kind: "ConfigMap", Name: "base", Optional: true})))
	var known *refs.ObstacleError
	if !errors.Is(err, errSentinel) || errors.As(err, &known) {
		t.Errorf("error = %v, want one that is tried again with back-off", err)
	}
}

func TestAPendingChartIsNoObstacle(t *testing.T) {
	t.Parallel()
	h := newHandler(t, nil, &v1beta1.OCIRepository{ObjectMeta: named("fresh")})
	_, err := h.gather(t.Context(), helmRelease("web", func(hr *v1beta1.HelmRelease) { hr.Spec.ChartRef.Name = "fresh" }))
	if !catalog.IsPending(err) {
		t.Errorf("error = %v, want pending", err)
	}
}
