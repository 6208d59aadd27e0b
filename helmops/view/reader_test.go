package view

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
)

func named(kind, namespace, name string) Object {
	o := NewObject(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	o.SetGeneration(3)
	return o
}

func reader(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) Reader {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	b := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(funcs)
	for _, kind := range append([]string{v1beta1.HelmReleaseKind}, SourceKinds...) {
		b = b.WithIndex(NewObject(kind), "metadata.name", func(o client.Object) []string { return []string{o.GetName()} })
	}
	return NewReader(b.Build())
}

func TestListsAreSorted(t *testing.T) {
	t.Parallel()
	r := reader(t, interceptor.Funcs{},
		named(v1beta1.OCIRepositoryKind, "b", "a"), named(v1beta1.GitRepositoryKind, "b", "z"),
		named(v1beta1.GitRepositoryKind, "b", "c"),
		named(v1beta1.HelmChartKind, "a", "z"), named(v1beta1.HelmRepositoryKind, "c", "a"),
		named(v1beta1.HelmReleaseKind, "b", "a"), named(v1beta1.HelmReleaseKind, "a", "z"),
		named(v1beta1.HelmReleaseKind, "a", "b"))
	sources, err := r.Sources(t.Context(), SourceKinds, "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sources.Items {
		got = append(got, s.Namespace+" "+s.Kind+" "+s.Name)
	}
	want := []string{"a HelmChart z", "b GitRepository c", "b GitRepository z", "b OCIRepository a", "c HelmRepository a"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	releases, err := r.Releases(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if len(releases.Items) != 2 || releases.Items[0].Name != "b" || releases.Items[1].Name != "z" {
		t.Errorf("%+v", releases.Items)
	}
}

func TestReleaseTellsWhatItCannotRead(t *testing.T) {
	t.Parallel()
	hr := release(ready, func(hr *v1beta1.HelmRelease) {
		hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "shop", Namespace: "secret"}
		hr.Spec.DependsOn = []v1beta1.DependencyReference{
			{Name: "gone"}, {Name: "away", Namespace: "infra"}, {Name: "parked"},
		}
	})
	parked := release(suspended, ready)
	parked.Name = "parked"
	r := reader(t, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object,
			opts ...client.GetOption) error {
			switch key.Namespace {
			case "secret":
				return apierrors.NewForbidden(schema.GroupResource{}, key.Name, errors.New("no"))
			case "infra":
				return errors.New("etcd is away")
			}
			return c.Get(ctx, key, o, opts...)
		},
	}, hr, parked)
	s, err := r.Release(t.Context(), types.NamespacedName{Namespace: "web", Name: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	ref := func(kind, namespace, name string) Reference {
		return Reference{Kind: kind, Namespace: namespace, Name: name}
	}
	if diff := cmp.Diff(
		&Related{Reference: ref("OCIRepository", "secret", "shop"), Phase: Unknown, Message: "you may not read it"},
		s.SourceStatus); diff != "" {
		t.Error(diff)
	}
	want := []Related{
		{Reference: ref("HelmRelease", "web", "gone"), Phase: Missing, Message: "does not exist"},
		{Reference: ref("HelmRelease", "infra", "away"), Phase: Unknown,
			Message: "could not be read: get helmreleases away in namespace infra: etcd is away"},
		// What is suspended may well be good enough for what depends on it.
		{Reference: ref("HelmRelease", "web", "parked"), Phase: Suspended, Ready: true, Message: "runs"},
	}
	if diff := cmp.Diff(want, s.Dependencies); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsSayWhatWasAsked(t *testing.T) {
	t.Parallel()
	cause := errors.New("no")
	r := reader(t, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return cause
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return cause },
	})
	key := types.NamespacedName{Namespace: "web", Name: "shop"}
	tests := map[string]func() error{
		"get helmreleases shop in namespace web: no": func() error { _, err := r.Release(t.Context(), key); return err },
		"get ocirepositories shop in namespace web: no": func() error {
			_,
				err := r.Object(t.Context(), v1beta1.OCIRepositoryKind, key)
			return err
		},
		"list helmreleases in namespace web: no": func() error {
			_,
				err := r.Releases(t.Context(), "web")
			return err
		},
		"list artifactgenerators in all namespaces: no": func() error {
			_,
				err := r.Sources(t.Context(), SourceKinds, "")
			return err
		},
		"list helmcharts in namespace web: no": func() error {
			_,
				err := r.Names(t.Context(), v1beta1.HelmChartKind, "web")
			return err
		},
	}
	for want, call := range tests {
		var request *RequestError
		if err := call(); !errors.As(err, &request) || !errors.Is(err, cause) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	r := reader(t, interceptor.Funcs{}, named(v1beta1.HelmReleaseKind, "b", "shop"),
		named(v1beta1.HelmReleaseKind, "a", "shop"),
		named(v1beta1.HelmReleaseKind, "a", "api"), named(v1beta1.GitRepositoryKind, "c", "shop"))
	names, err := r.Names(t.Context(), v1beta1.HelmReleaseKind, "a")
	if diff := cmp.Diff([]string{"api", "shop"}, names); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	namespaces, err := r.Namespaces(t.Context(), v1beta1.HelmReleaseKind, "shop")
	if diff := cmp.Diff([]string{"a", "b"}, namespaces); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestSimilar(t *testing.T) {
	t.Parallel()
	candidates := []string{
		"shop", "shop-eu", "shop-us", "api", "api-gateway", "payments", "shops", "chop", "ship", "stop", "shot",
	}
	tests := []struct {
		name string
		want []string
	}{
		{"shpo", []string{"shop"}},
		{"Payment", []string{"payments"}},
		{"shop-e", []string{"shop-eu", "shop", "shop-us", "shops"}},
		{"sho", []string{"shop", "shop-eu", "shop-us", "shops", "shot"}},
		{"zebra", []string{}},
		{"x", []string{}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, Similar(tt.name, candidates, 5)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestEveryKindHasItsList(t *testing.T) {
	t.Parallel()
	for _, kind := range append([]string{v1beta1.HelmReleaseKind}, SourceKinds...) {
		o := NewObject(kind)
		if KindOf(o) != kind || NewList(kind) == nil {
			t.Errorf("%s: %T %T", kind, o, NewList(kind))
		}
	}
	if NewObject("Pod") != nil || NewList("Pod") != nil {
		t.Error("Pod is of this API")
	}
}

// A list of one kind of source asks for that kind only, and a selector reaches the request.
func TestListsOfAKind(t *testing.T) {
	t.Parallel()
	git, helm, labelled := named(v1beta1.GitRepositoryKind, "a", "git"), named(v1beta1.HelmRepositoryKind, "a",
		"helm"), named(v1beta1.HelmRepositoryKind, "a", "mine")
	labelled.SetLabels(map[string]string{"team": "shop"})
	r := reader(t, interceptor.Funcs{}, git, helm, labelled)
	tests := map[string][]client.ListOption{
		"helm mine": nil,
		"mine":      {client.MatchingLabels{"team": "shop"}},
	}
	for want, options := range tests {
		list, err := r.Sources(t.Context(), []string{v1beta1.HelmRepositoryKind}, "a", options...)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range list.Items {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("listed %q, want %q", got, want)
		}
	}
}
