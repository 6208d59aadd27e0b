package release

import (
	"context"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
)

// naming is a HelmRelease whose spec names a Helm release.
func naming(namespace, name string, uid types.UID, target plan.Target, change ...func(*v1beta1.HelmRelease)) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: uid}}
	hr.Spec.ReleaseName, hr.Spec.TargetNamespace, hr.Spec.StorageNamespace = target.Name, target.Namespace, target.StorageNamespace
	for _, c := range change {
		c(hr)
	}
	return hr
}

func managing(hr *v1beta1.HelmRelease) {
	hr.Status.StorageNamespace = hr.Spec.StorageNamespace
	hr.Status.History = []v1beta1.Snapshot{{Name: hr.Spec.ReleaseName, Namespace: hr.Spec.TargetNamespace, Version: 1, Status: plan.StatusDeployed}}
}

func ownersOf(t *testing.T, objects ...client.Object) owners {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&v1beta1.HelmRelease{}, recordsIndex, func(o client.Object) []string {
			hr := o.(*v1beta1.HelmRelease)
			return []string{recordsKey(hr.GetStorageNamespace(), hr.GetReleaseName())}
		}).Build()
	return owners{objects: reader, namesakes: func(ctx context.Context, storageNamespace, name string) []types.NamespacedName {
		return indexOf(reader, "").Find(ctx, client.MatchingFields{recordsIndex: recordsKey(storageNamespace, name)})
	}}
}

func TestWhoElseOwnsAHelmRelease(t *testing.T) {
	t.Parallel()
	target := plan.Target{Name: "web", Namespace: "apps", StorageNamespace: "apps"}
	elsewhere := plan.Target{Name: "shop", Namespace: "team", StorageNamespace: "team"}
	recorded := plan.Owner{Namespace: "team", Name: "shop", UID: "2"}
	none := plan.Owner{}
	again := plan.Owner{Namespace: "team", Name: "shop", UID: "created again"}
	tests := []struct {
		name     string
		recorded plan.Owner
		other    *v1beta1.HelmRelease
		want     plan.Owner
	}{
		{name: "the record names one that exists", recorded: recorded, other: naming("team", "shop", "2", target), want: recorded},
		{name: "the record names one that exists and asks for something else by now", recorded: recorded, other: naming("team", "shop", "2", elsewhere), want: recorded},
		{name: "the record names one that is gone", recorded: recorded, want: none},
		{name: "the record names one that was created again and asks for the release", recorded: recorded, other: naming("team", "shop", again.UID, target), want: again},
		{name: "the record names one that was created again for something else", recorded: recorded, other: naming("team", "shop", again.UID, elsewhere), want: none},
		{name: "the record names one that was created again for another cluster", recorded: recorded, other: naming("team", "shop", again.UID, target, remote("value")), want: none},
		{name: "the record names none", other: naming("team", "shop", "2", target), want: none},
		{name: "the record names none, and a status manages it", other: naming("team", "shop", "2", target, managing), want: recorded},
		{name: "the record names none, and a status manages its like on another cluster", other: naming("team", "shop", "2", target, managing, remote("value")), want: none},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hr := naming("apps", "web", "1", target, managing)
			objects := []client.Object{hr}
			if tt.other != nil {
				objects = append(objects, tt.other)
			}
			got, err := ownersOf(t, objects...).other(t.Context(), hr, target, tt.recorded)
			if err != nil || got != tt.want {
				t.Errorf("%+v, want %+v (error %v)", got, tt.want, err)
			}
		})
	}
}

func TestTheEndOfAnOwnerWakesWhoWaits(t *testing.T) {
	t.Parallel()
	target := plan.Target{Name: "web", Namespace: "apps", StorageNamespace: "apps"}
	former := plan.Target{Name: "old", Namespace: "apps", StorageNamespace: "apps"}
	owner := naming("apps", "web", "1", target, managing)
	owner.Status.History[0].Name = former.Name // it has not moved yet
	o := ownersOf(t, owner, naming("team", "a", "2", target), naming("team", "b", "3", former), naming("team", "c", "4", plan.Target{Name: "other"}))
	watch := o.watch()
	if !watch.When.Delete(event.DeleteEvent{Object: owner}) || watch.When.Update(event.UpdateEvent{}) || watch.When.Create(event.CreateEvent{}) {
		t.Error("not only deletions count")
	}
	woken := map[string]bool{}
	for _, request := range watch.Affects(t.Context(), owner) {
		woken[request.String()] = true
	}
	if len(woken) != 2 || !woken["team/a"] || !woken["team/b"] {
		t.Errorf("woken: %v", woken)
	}
	told := make(chan types.NamespacedName, 4)
	o.wake = func(key types.NamespacedName) { told <- key }
	o.released(t.Context(), client.ObjectKeyFromObject(owner), target)
	if key := <-told; key.String() != "team/a" || len(told) > 0 {
		t.Errorf("an uninstall wakes %v, and %d more", key, len(told))
	}
}

// What another HelmRelease names, looks at or leaves changes nothing for the objects of the one that has them.
func TestWatchesAreKeptForEachHelmRelease(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.at(0)
	victim := client.ObjectKeyFromObject(s.hr)
	thief := s.hr.DeepCopy()
	thief.Namespace, thief.Name = "mallory", "x"
	thief.Spec.TargetNamespace, thief.Spec.ReleaseName, thief.Spec.Suspend = "apps", "web", true

	never := thief.DeepCopy()
	never.Status = v1beta1.HelmReleaseStatus{}
	s.look(never, release.Inputs{Rules: &health.Rules{}})
	if len(s.live.followed) != 1 || !s.live.followed[victim] || len(s.releases) != 1 {
		t.Errorf("one that never had the release is watched: %v", s.live.followed)
	}
	known := s.of(s.hr)
	s.look(thief, release.Inputs{})
	if !s.live.followed[victim] || s.of(s.hr) != known {
		t.Error("a second one has taken the watch over")
	}
	s.unwatch(client.ObjectKeyFromObject(thief))
	if !s.live.followed[victim] || len(s.live.followed) != 1 || s.of(s.hr) != known {
		t.Error("a second one that was refused has ended the watch")
	}
}

// News of records wake the HelmReleases on the cluster of the records, and none of another namespace whose records on
// another cluster have the same name.
func TestNewsOfRecordsAreForTheirCluster(t *testing.T) {
	t.Parallel()
	target := plan.Target{Name: "web", Namespace: "apps", StorageNamespace: "apps"}
	other := plan.Target{Name: "web", Namespace: "apps", StorageNamespace: "team"}
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		naming("apps", "own", "1", target), naming("team", "own", "2", target), naming("team", "elsewhere", "3", other),
		naming("apps", "away", "4", target, remote("value")), naming("team", "away", "5", target, remote("value")),
	)
	for name, values := range indexOf(nil, "").More {
		builder.WithIndex(&v1beta1.HelmRelease{}, name, func(o client.Object) []string {
			return values(o.(*v1beta1.HelmRelease))
		})
	}
	reader := builder.Build()
	tests := map[string][]string{"": {"apps/own", "team/own"}, "apps": {"apps/away"}, "team": {"team/away"}}
	for of, want := range tests {
		var got []string
		woken := func(key types.NamespacedName) { got = append(got, key.String()) }
		wake(t.Context(), indexOf(reader, ""), woken, placeKey(of, "apps", "web"))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("news of %q wake %v, want %v", of, got, want)
		}
	}
}
