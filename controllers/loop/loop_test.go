package loop

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"fairlead.dev/fairlead/api/v1beta1"
)

var errSentinel = errors.New("as arranged")

// handlerFake does what the test says and notes what it was asked.
type handlerFake struct {
	calls      []string
	finalizers []string // of the object at the last call
	reconcile  func(*v1beta1.HelmRelease) (time.Duration, error)
	finalize   func(*v1beta1.HelmRelease) (bool, time.Duration, error)
}

func (h *handlerFake) Reconcile(_ context.Context, hr *v1beta1.HelmRelease) (time.Duration, error) {
	h.calls, h.finalizers = append(h.calls, "reconcile"), slices.Clone(hr.Finalizers)
	if h.reconcile == nil {
		return 0, nil
	}
	return h.reconcile(hr)
}

func (h *handlerFake) Finalize(_ context.Context, hr *v1beta1.HelmRelease) (bool, time.Duration, error) {
	h.calls, h.finalizers = append(h.calls, "finalize"), slices.Clone(hr.Finalizers)
	return h.finalize(hr)
}

func (h *handlerFake) Forget(key types.NamespacedName) {
	h.calls = append(h.calls, "forget "+key.String())
}

// fixture is a reconciler over a fake API server that counts the writes.
type fixture struct {
	*reconciler[*v1beta1.HelmRelease]
	handler *handlerFake
	writes  []string
	// before is called before a write and may refuse it.
	before func(kind string) error
}

func newFixture(t *testing.T, h *handlerFake, objects ...client.Object) *fixture {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	f := &fixture{handler: h, before: func(string) error { return nil }}
	api := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1beta1.HelmRelease{}).WithObjects(objects...).
		WithInterceptorFuncs(interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
				f.writes = append(f.writes, "metadata")
				if err := f.before("metadata"); err != nil {
					return err
				}
				return c.Patch(ctx, o, p, options...)
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, options ...client.SubResourcePatchOption) error {
				f.writes = append(f.writes, sub)
				if err := f.before(sub); err != nil {
					return err
				}
				return c.SubResource(sub).Patch(ctx, o, p, options...)
			},
		}).Build()
	f.reconciler = &reconciler[*v1beta1.HelmRelease]{
		client: api, handler: h, empty: func() *v1beta1.HelmRelease { return &v1beta1.HelmRelease{} },
		finalizer: v1beta1.Finalizer, former: v1beta1.FormerFinalizer, metrics: readiness{kind: t.Name()},
		written: &Written[*v1beta1.HelmRelease]{},
	}
	return f
}

func (f *fixture) run(t *testing.T) (ctrl.Result, error) {
	t.Helper()
	f.writes, f.handler.calls = nil, nil
	return f.Reconcile(t.Context(), ctrl.Request{NamespacedName: web})
}

func (f *fixture) stored(t *testing.T) *v1beta1.HelmRelease {
	t.Helper()
	hr := &v1beta1.HelmRelease{}
	if err := f.client.Get(t.Context(), web, hr); err != nil {
		t.Fatal(err)
	}
	return hr
}

func release(finalizers ...string) *v1beta1.HelmRelease {
	return &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: web.Name, Finalizers: finalizers, Generation: 1}}
}

func deleted(finalizers ...string) *v1beta1.HelmRelease {
	hr := release(finalizers...)
	hr.DeletionTimestamp = &metav1.Time{Time: noon}
	return hr
}

func observe(hr *v1beta1.HelmRelease) (time.Duration, error) {
	hr.Status.ObservedGeneration = hr.Generation
	return time.Minute, nil
}

func TestTheFinalizerIsThereBeforeTheHandler(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &handlerFake{reconcile: observe}, release("other"))
	result, err := f.run(t)
	if err != nil || result.RequeueAfter != time.Minute {
		t.Fatalf("result %+v, error %v", result, err)
	}
	if want := []string{"other", v1beta1.Finalizer}; !slices.Equal(f.handler.finalizers, want) || !slices.Equal(f.stored(t).Finalizers, want) {
		t.Errorf("the handler saw %v, stored is %v, want %v", f.handler.finalizers, f.stored(t).Finalizers, want)
	}
	if diff := cmp.Diff([]string{"metadata", "status"}, f.writes); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

// Objects of earlier versions have a finalizer that API servers warn about. One write replaces it.
func TestTheFormerFinalizerIsReplaced(t *testing.T) {
	t.Parallel()
	for _, finalizers := range [][]string{
		{v1beta1.FormerFinalizer, "other"},
		{"other", v1beta1.Finalizer, v1beta1.FormerFinalizer},
	} {
		f := newFixture(t, &handlerFake{reconcile: observe}, release(finalizers...))
		for range 2 {
			if _, err := f.run(t); err != nil {
				t.Fatal(err)
			}
		}
		if want := []string{"other", v1beta1.Finalizer}; !slices.Equal(f.handler.finalizers, want) || !slices.Equal(f.stored(t).Finalizers, want) {
			t.Errorf("the handler saw %v, stored is %v, want %v", f.handler.finalizers, f.stored(t).Finalizers, want)
		}
		if len(f.writes) != 0 {
			t.Errorf("the second reconcile writes again: %v", f.writes)
		}
	}
}

func TestTheStatusIsWrittenOnlyWhenItChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &handlerFake{reconcile: observe}, release(v1beta1.Finalizer))
	for pass, want := range [][]string{{"status"}, nil, nil} {
		if _, err := f.run(t); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, f.writes); diff != "" {
			t.Errorf("writes of pass %d (-want +got):\n%s", pass, diff)
		}
	}
	if f.stored(t).Status.ObservedGeneration != 1 {
		t.Error("the status was not stored")
	}
}

func TestTheHandlersErrorIsReturnedAfterTheStatusIsWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &handlerFake{reconcile: func(hr *v1beta1.HelmRelease) (time.Duration, error) {
		hr.Status.Failures = 3
		return 0, errSentinel
	}}, release(v1beta1.Finalizer))
	if _, err := f.run(t); !errors.Is(err, errSentinel) {
		t.Errorf("error = %v", err)
	}
	if f.stored(t).Status.Failures != 3 {
		t.Error("the status was not stored")
	}
}

func TestDeletion(t *testing.T) {
	done := func(*v1beta1.HelmRelease) (bool, time.Duration, error) { return true, 0, nil }
	tests := []struct {
		name     string
		object   *v1beta1.HelmRelease
		finalize func(*v1beta1.HelmRelease) (bool, time.Duration, error)
		calls    []string
		// left is what is left of the finalizers; gone is set when nothing keeps the object.
		left  []string
		gone  bool
		again time.Duration
	}{
		{name: "when all is done the object goes", object: deleted(v1beta1.Finalizer), finalize: done, calls: []string{"finalize"}, gone: true},
		{name: "finalizers of others stay", object: deleted("other", v1beta1.Finalizer), finalize: done, calls: []string{"finalize"}, left: []string{"other"}},
		{name: "one with the former finalizer goes as well", object: deleted(v1beta1.FormerFinalizer), finalize: done,
			calls: []string{"finalize"}, gone: true},
		{name: "one with both finalizers goes as well", object: deleted(v1beta1.Finalizer, v1beta1.FormerFinalizer), finalize: done,
			calls: []string{"finalize"}, gone: true},
		{name: "while there is work left the object stays", object: deleted(v1beta1.Finalizer), calls: []string{"finalize"},
			finalize: func(*v1beta1.HelmRelease) (bool, time.Duration, error) { return false, time.Second, nil },
			left:     []string{v1beta1.Finalizer}, again: time.Second},
		{name: "an object that is no longer ours is left alone, and gets no finalizer", object: deleted("other"), left: []string{"other"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, &handlerFake{finalize: tt.finalize}, tt.object)
			result, err := f.run(t)
			if err != nil || result.RequeueAfter != tt.again {
				t.Fatalf("result %+v, error %v", result, err)
			}
			if diff := cmp.Diff(tt.calls, f.handler.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			hr := &v1beta1.HelmRelease{}
			err = f.client.Get(t.Context(), web, hr)
			if apierrors.IsNotFound(err) != tt.gone || !slices.Equal(hr.Finalizers, tt.left) {
				t.Errorf("left %v (error %v), want %v", hr.Finalizers, err, tt.left)
			}
		})
	}
}

func TestTheStatusIsWrittenBeforeTheFinalizerGoes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &handlerFake{finalize: func(hr *v1beta1.HelmRelease) (bool, time.Duration, error) {
		hr.Status.Failures = 7
		return true, 0, nil
	}}, deleted(v1beta1.Finalizer))
	if _, err := f.run(t); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"status", "metadata"}, f.writes); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestAnObjectThatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &handlerFake{})
	f.written.Remember(release())
	if _, err := f.run(t); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"forget apps/web"}, f.handler.calls); diff != "" || len(f.written.objects) != 0 {
		t.Errorf("%d objects remembered, calls (-want +got):\n%s", len(f.written.objects), diff)
	}
}

func TestFailedWrites(t *testing.T) {
	resource := schema.GroupResource{Resource: "helmreleases"}
	gone := apierrors.NewNotFound(resource, web.Name)
	faster := apierrors.NewConflict(resource, web.Name, errSentinel)
	tests := []struct {
		name   string
		object *v1beta1.HelmRelease
		refuse string // the kind of write that fails
		cause  error
		want   error // nil for success
		again  time.Duration
		calls  []string
	}{
		{name: "another client was faster before the finalizer is there", object: release(), refuse: "metadata", cause: faster,
			again: conflictRetry},
		{name: "another client was faster before the finalizer goes", object: deleted(v1beta1.Finalizer), refuse: "metadata", cause: faster,
			again: conflictRetry, calls: []string{"finalize"}},
		{name: "without its finalizer the handler is not called", object: release(), refuse: "metadata", cause: errSentinel, want: errSentinel},
		{name: "a status that cannot be written is an error", object: release(v1beta1.Finalizer), refuse: "status", cause: errSentinel, want: errSentinel,
			calls: []string{"reconcile"}},
		{name: "the status of an object that went meanwhile is no loss", object: release(v1beta1.Finalizer), refuse: "status", cause: gone,
			again: time.Minute, calls: []string{"reconcile"}},
		{name: "an object that went before it had its finalizer is not handled", object: release(), refuse: "metadata", cause: gone,
			calls: []string{"forget apps/web"}},
		{name: "the finalizer of an object that went meanwhile is no loss", object: deleted(v1beta1.Finalizer), refuse: "metadata", cause: gone,
			calls: []string{"finalize"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &handlerFake{reconcile: observe, finalize: func(*v1beta1.HelmRelease) (bool, time.Duration, error) { return true, 0, nil }}
			f := newFixture(t, h, tt.object)
			f.before = func(kind string) error {
				if kind == tt.refuse {
					return tt.cause
				}
				return nil
			}
			result, err := f.run(t)
			if !errors.Is(err, tt.want) || result.RequeueAfter != tt.again {
				t.Errorf("error = %v, want %v; requeued after %s, want %s", err, tt.want, result.RequeueAfter, tt.again)
			}
			if diff := cmp.Diff(tt.calls, h.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// A cache that is behind our own write must not bring the status of before back.
// The outcome of an action is reported once. While the API server is away it must not be lost, or the action is taken again.
func TestAStatusThatCouldNotBeWrittenIsKept(t *testing.T) {
	t.Parallel()
	counted := func(hr *v1beta1.HelmRelease) (time.Duration, error) {
		hr.Status.Failures++
		return 0, nil
	}
	f := newFixture(t, &handlerFake{reconcile: counted}, release(v1beta1.Finalizer))
	f.before = func(string) error { return errSentinel }
	for range 2 {
		if _, err := f.run(t); !errors.Is(err, errSentinel) {
			t.Fatalf("error = %v, want %v", err, errSentinel)
		}
	}
	f.before = func(string) error { return nil }
	if _, err := f.run(t); err != nil {
		t.Fatal(err)
	}
	if got := f.stored(t).Status.Failures; got != 3 {
		t.Errorf("%d of 3 looks left their mark", got)
	}
}

func TestAStaleReadIsReplacedByOwnWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &handlerFake{reconcile: observe}, release(v1beta1.Finalizer))
	stale := f.stored(t)
	f.client = interceptor.NewClient(f.client.(client.WithWatch), interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
			stale.DeepCopyInto(o.(*v1beta1.HelmRelease))
			return nil
		},
	})
	for range 2 {
		if _, err := f.run(t); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.writes) != 0 {
		t.Errorf("the status was written again: %v", f.writes)
	}
}

func TestWantedLetsThroughWhatChangesTheWish(t *testing.T) {
	asking := func(token string) *v1beta1.HelmRelease {
		hr := release()
		hr.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: token}
		return hr
	}
	second, touched := release(), release()
	second.Generation = 2
	touched.Annotations, touched.Status.Failures = map[string]string{"note": "x"}, 3
	tests := []struct {
		name   string
		update event.UpdateEvent
		want   bool
	}{
		{name: "a new generation", update: event.UpdateEvent{ObjectOld: release(), ObjectNew: second}, want: true},
		{name: "a request", update: event.UpdateEvent{ObjectOld: release(), ObjectNew: asking("1")}, want: true},
		{name: "another request", update: event.UpdateEvent{ObjectOld: asking("1"), ObjectNew: asking("2")}, want: true},
		{name: "deletion", update: event.UpdateEvent{ObjectOld: release(), ObjectNew: deleted()}, want: true},
		{name: "a status, or another annotation", update: event.UpdateEvent{ObjectOld: release(), ObjectNew: touched}},
		{name: "a request that stays", update: event.UpdateEvent{ObjectOld: asking("1"), ObjectNew: asking("1")}},
		{name: "half an event", update: event.UpdateEvent{ObjectNew: second}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := wanted().Update(tt.update); got != tt.want {
				t.Errorf("let through: %v, want %v", got, tt.want)
			}
		})
	}
}
