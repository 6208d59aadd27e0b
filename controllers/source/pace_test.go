package source

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
)

// paced is a release that asks the HelmRepository charts for a chart at an interval, 0 for none.
func paced(name string, every time.Duration, change ...func(*v1beta1.HelmRelease)) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: charts.Namespace, Name: name, Generation: 1}}
	hr.Spec.Chart = &v1beta1.HelmChartTemplate{
		Spec: v1beta1.HelmChartTemplateSpec{Chart: "web", SourceRef: v1beta1.SourceReference{
			Kind: charts.Kind, Namespace: charts.Namespace, Name: charts.Name,
		}}}
	if every > 0 {
		hr.Spec.Chart.Spec.Interval = &metav1.Duration{Duration: every}
	}
	for _, c := range change {
		c(hr)
	}
	return hr
}

func TestPacesOfASource(t *testing.T) {
	t.Parallel()
	suspended := func(hr *v1beta1.HelmRelease) { hr.Spec.Suspend = true }
	elsewhere := func(hr *v1beta1.HelmRelease) { hr.Spec.Chart.Spec.SourceRef.Name = "others" }
	for _, tt := range []struct {
		name     string
		releases []*v1beta1.HelmRelease
		want     time.Duration
	}{
		{"none", nil, 0},
		{"of no release", []*v1beta1.HelmRelease{paced("a", 0)}, 0},
		{
			"the shortest", []*v1beta1.HelmRelease{paced("a", time.Minute), paced("b", 30*time.Second), paced("c", 0)},
			30 * time.Second,
		},
		{"not below the least", []*v1beta1.HelmRelease{paced("a", time.Second)}, v1beta1.MinInterval()},
		{"not of a suspended release", []*v1beta1.HelmRelease{paced("a", time.Minute, suspended)}, 0},
		{"not of another source", []*v1beta1.HelmRelease{paced("a", time.Minute, elsewhere)}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t)
			for _, hr := range tt.releases {
				if err := c.Create(t.Context(), hr); err != nil {
					t.Fatal(err)
				}
			}
			if got := catalog.PacesOf(c)(t.Context(), charts); got != tt.want {
				t.Errorf("the source is asked every %s, want %s", got, tt.want)
			}
		})
	}
}

func TestDueAt(t *testing.T) {
	t.Parallel()
	start := time.Unix(1700000000, 0)
	later := func(d time.Duration) time.Time { return start.Add(d) }
	for _, tt := range []struct {
		name string
		last visit
		pace time.Duration
		want time.Time
	}{
		{"no release asks sooner", visit{polled: start, next: later(time.Hour)}, 0, later(time.Hour)},
		{"a release asks sooner", visit{polled: start, next: later(time.Hour)}, time.Minute, later(time.Minute)},
		{"the source asks sooner", visit{polled: start, next: later(time.Minute)}, time.Hour, later(time.Minute)},
		{
			"a failed poll has its own pause", visit{polled: start, next: later(time.Hour), failures: 1}, time.Minute,
			later(time.Hour),
		},
		{"it was never polled", visit{next: start}, time.Minute, start},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &handler[*v1beta1.HelmRepository]{pace: func(context.Context, catalog.ChartRef) time.Duration {
				return tt.pace
			}}
			if got := h.dueAt(t.Context(), &v1beta1.HelmRepository{}, tt.last); !got.Equal(tt.want) {
				t.Errorf("due at %s, want %s", got, tt.want)
			}
		})
	}
}

// A source is looked at when a release begins to ask more often, not whenever a release changes.
func TestPaceIsNoticed(t *testing.T) {
	t.Parallel()
	when := hasPace()
	changed := paced("a", time.Minute)
	changed.Generation = 2
	if !when.Create(event.CreateEvent{Object: paced("a", time.Minute)}) ||
		!when.Update(event.UpdateEvent{ObjectOld: paced("a", 0), ObjectNew: changed}) {
		t.Error("an interval is not noticed")
	}
	if when.Create(event.CreateEvent{Object: paced("a", 0)}) ||
		when.Update(event.UpdateEvent{ObjectOld: paced("a", time.Minute), ObjectNew: paced("a", time.Minute)}) {
		t.Error("a source is looked at without a reason")
	}
	affects := paceWatch(v1beta1.HelmRepositoryKind).Affects
	if got := affects(t.Context(), changed); len(got) != 1 || got[0].Name != charts.Name ||
		got[0].Namespace != charts.Namespace {
		t.Errorf("it is about %v", got)
	}
	if got := paceWatch(v1beta1.BucketKind).Affects(t.Context(), changed); len(got) > 0 {
		t.Errorf("a Bucket is looked at: %v", got)
	}
}

// The source of a stage is pinned: it is not looked at as often as the subject, which has the same interval.
func TestPollInterval(t *testing.T) {
	t.Parallel()
	pipeline := []metav1.OwnerReference{{Kind: v1beta1.ReleasePipelineKind, Name: "web", Controller: new(true)}}
	repository := func(
		ref v1beta1.OCIRepositoryRef, owners []metav1.OwnerReference, interval time.Duration,
	) catalog.Object {
		source := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{OwnerReferences: owners}}
		source.Spec.Reference, source.Spec.Interval = &ref, &metav1.Duration{Duration: interval}
		return source
	}
	pinned := v1beta1.OCIRepositoryRef{Digest: "sha256:one"}
	for _, tt := range []struct {
		name   string
		source catalog.Object
		want   time.Duration
	}{
		{"the source of a stage", repository(pinned, pipeline, time.Minute), pinnedInterval},
		{"one whose subject is polled less often", repository(pinned, pipeline, time.Hour), time.Hour},
		{"a digest that a user wrote", repository(pinned, nil, time.Minute), time.Minute},
		{"a range", repository(v1beta1.OCIRepositoryRef{SemVer: "*"}, pipeline, time.Minute), time.Minute},
		{"no reference", &v1beta1.OCIRepository{
			ObjectMeta: metav1.ObjectMeta{OwnerReferences: pipeline},
			Spec:       v1beta1.OCIRepositorySpec{Interval: &metav1.Duration{Duration: time.Minute}},
		}, time.Minute},
	} {
		if got := pollInterval(tt.source); got != tt.want {
			t.Errorf("%s is polled every %s, want %s", tt.name, got, tt.want)
		}
	}
}
