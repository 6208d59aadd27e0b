package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/store"
)

const chartsURL = "https://charts.example.com"

var (
	now      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	charts   = ChartRef{Kind: v1beta1.HelmRepositoryKind, Namespace: "apps", Name: "charts"}
	anyWeb   = ChartRef{Kind: charts.Kind, Namespace: "apps", Name: "charts", Chart: "web", Version: "*"}
	digest1  = sources.DigestPrefix + strings.Repeat("1", 64)
	digest2  = sources.DigestPrefix + strings.Repeat("2", 64)
	revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: digest1}
)

// builder collects the indexes that index registers.
type builder struct{ *fake.ClientBuilder }

func (b builder) IndexField(_ context.Context, object client.Object, field string, extract client.IndexerFunc) error {
	b.WithIndex(object, field, extract)
	return nil
}

func newClient(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(v1beta1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	b := builder{fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...)}
	if err := Index(t.Context(), b, false); err != nil {
		t.Fatal(err)
	}
	return b.Build()
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newCatalog(t *testing.T, objects ...client.Object) *Catalog {
	t.Helper()
	c := newClient(t, objects...)
	return NewCatalog(c, c, newStore(t))
}

func repository(change ...func(*v1beta1.HelmRepository)) *v1beta1.HelmRepository {
	r := &v1beta1.HelmRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "charts", UID: "u1", Generation: 1},
	}
	r.Spec.URL = chartsURL
	for _, c := range change {
		c(r)
	}
	return r
}

// bring has a source bring something into the artifact cache.
func bring(t *testing.T, c *Catalog, source v1beta1.Source, content string) (digest string) {
	t.Helper()
	digest, _, err := c.View(source).Put(t.Context(), "", func(w io.Writer) error {
		_, err := io.WriteString(w, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func failing(r *v1beta1.HelmRepository) {
	status.SourceFailed(r, status.Failure{Reason: v1beta1.FetchFailedReason, Message: "no route to host"}, now)
}

func suspended(r *v1beta1.HelmRepository) { r.Spec.Suspend = true }

// shelved returns a cache with one answer.
func shelved(answer resolved) *sourceCache {
	s := newSourceCache(chartsURL)
	s.Picks[anyWeb.String()] = answer
	return s
}

// reasoned is what errors of the catalog answer.
type reasoned interface {
	Reason() string
	Retryable() bool
}

func TestChartAnswersFromTheShelf(t *testing.T) {
	broken := sources.Fail(v1beta1.NoMatchReason, nil, "nothing fits")
	document := "apiVersion: v1\nentries:\n  web:\n  - name: web\n    version: 1.2.0\n" +
		"    digest: " + strings.TrimPrefix(digest2, sources.DigestPrefix) + "\n    urls: [web-1.2.0.tgz]\n"
	indexed := newSourceCache(chartsURL)
	sum := sha256.Sum256([]byte(document))
	indexed.Digest = sources.DigestPrefix + hex.EncodeToString(sum[:])
	elsewhere := shelved(resolved{Revision: revision})
	elsewhere.URL = "https://elsewhere.example.com"
	tests := []struct {
		name       string
		repository *v1beta1.HelmRepository
		shelf      *sourceCache
		want       v1beta1.ChartRevision
		// pending and woken say that the answer is on its way; reason and text are of another error.
		pending, woken bool
		reason, text   string
	}{
		{
			name: "what the last poll found is the answer", repository: repository(),
			shelf: shelved(resolved{Revision: revision}), want: revision,
		},
		{
			name: "an answer outlives the failure of its source", repository: repository(failing),
			shelf: shelved(resolved{Revision: revision, err: broken}), want: revision,
		},
		{
			name: "an answer outlives the suspension of its source", repository: repository(suspended),
			shelf: shelved(resolved{Revision: revision}), want: revision,
		},
		{name: "an index answers a new choice on the spot", repository: repository(), shelf: indexed,
			want: v1beta1.ChartRevision{Name: "web", Version: "1.2.0", Digest: digest2}},
		{name: "that nothing fits is an answer", repository: repository(), shelf: shelved(resolved{err: broken}),
			reason: v1beta1.NoMatchReason, text: "nothing fits"},
		{name: "without an answer the source is polled", repository: repository(), pending: true, woken: true},
		{
			name: "a shelf of another address is worthless", repository: repository(), shelf: elsewhere, pending: true,
			woken: true,
		},
		{name: "a failing source is told, and polled", repository: repository(failing), woken: true,
			reason: v1beta1.SourceNotReadyReason, text: "no route to host"},
		{name: "a failure of an older generation says nothing",
			repository: repository(failing, func(r *v1beta1.HelmRepository) { r.Generation = 2 }),
			pending:    true, woken: true},
		{name: "a suspended source is told, and not polled", repository: repository(suspended),
			reason: v1beta1.SourceNotReadyReason, text: "HelmRepository apps/charts is suspended"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCatalog(t, tt.repository)
			woken := false
			c.OnWake(charts.Kind, func(source ChartRef) { woken = source == charts })
			if tt.shelf != nil {
				c.shelves[charts] = tt.shelf.copy()
			}
			if tt.shelf == indexed {
				bring(t, c, tt.repository, document)
				_, release, err := c.index(t.Context(), tt.repository, indexed.Digest)
				if err != nil {
					t.Fatal(err)
				}
				release()
			}
			got, err := c.Chart(t.Context(), anyWeb)
			if got != tt.want || IsPending(err) != tt.pending || woken != tt.woken {
				t.Errorf("got %v (error %v), woken %v; want %v, pending %v, woken %v", got, err, woken, tt.want, tt.pending,
					tt.woken)
			}
			if tt.text == "" {
				return
			}
			var known reasoned
			if !errors.As(err, &known) || known.Reason() != tt.reason || !known.Retryable() ||
				!strings.Contains(err.Error(), tt.text) {
				t.Errorf("error = %v, want %s: %s", err, tt.reason, tt.text)
			}
		})
	}
}

func TestChartOfASourceThatIsOneChart(t *testing.T) {
	oci := func(change func(*v1beta1.OCIRepository)) *v1beta1.OCIRepository {
		r := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 1}}
		change(r)
		return r
	}
	tests := []struct {
		name    string
		object  *v1beta1.OCIRepository
		want    v1beta1.ChartRevision
		pending bool
		text    string
	}{
		{name: "its chart is the answer", object: oci(func(r *v1beta1.OCIRepository) {
			r.Status.Chart = &revision
		}), want: revision},
		{name: "before the first poll the answer is on its way", object: oci(func(*v1beta1.OCIRepository) {}), pending: true},
		{name: "its failure is told", object: oci(func(r *v1beta1.OCIRepository) {
			status.SourceFailed(r, status.Failure{Reason: v1beta1.FetchFailedReason, Message: "no route to host"}, now)
		}), text: "OCIRepository apps/web is not ready: no route to host"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := newCatalog(t, tt.object).Chart(t.Context(),
				ChartRef{Kind: v1beta1.OCIRepositoryKind, Namespace: "apps", Name: "web"})
			if got != tt.want || IsPending(err) != tt.pending {
				t.Errorf("got %v (error %v), want %v, pending %v", got, err, tt.want, tt.pending)
			}
			if tt.text != "" && (err == nil || err.Error() != tt.text) {
				t.Errorf("error = %v, want %q", err, tt.text)
			}
		})
	}
}

func TestChartWithoutASource(t *testing.T) {
	t.Parallel()
	tests := []struct {
		choice    ChartRef
		reason    string
		retryable bool
	}{
		{choice: anyWeb, reason: v1beta1.SourceNotFoundReason, retryable: true},
		{choice: ChartRef{Kind: "Shelf", Namespace: "apps", Name: "x"}, reason: v1beta1.InvalidReferenceReason},
		{choice: ChartRef{}, reason: v1beta1.InvalidReferenceReason},
	}
	c := newCatalog(t)
	for _, tt := range tests {
		_, err := c.Chart(t.Context(), tt.choice)
		var known reasoned
		if !errors.As(err, &known) || known.Reason() != tt.reason || known.Retryable() != tt.retryable {
			t.Errorf("%+v: error = %v, want reason %s, retryable %v", tt.choice, err, tt.reason, tt.retryable)
		}
	}
}

func TestPutReportsChangedAnswersOnly(t *testing.T) {
	t.Parallel()
	c, source := newCatalog(t), repository()
	same, other, fresh, broken := anyWeb, anyWeb, anyWeb, anyWeb
	other.Version, fresh.Version, broken.Version = "1", "2", "3"
	fill := func(digest, failure string) *sourceCache {
		s := shelved(resolved{Revision: revision})
		s.Picks[other.String()] = resolved{Revision: v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: digest}}
		s.Picks[broken.String()] = resolved{err: errors.New(failure)}
		return s
	}
	changed, err := c.put(t.Context(), charts, source, fill(digest1, "first"), []ChartRef{same, other, broken})
	if diff := cmp.Diff([]ChartRef{same, other, broken}, changed, cmp.AllowUnexported(ChartRef{})); diff != "" ||
		err != nil {
		t.Errorf("error %v; at first everything is news (-want +got):\n%s", err, diff)
	}
	changed, err = c.put(t.Context(), charts, source, fill(digest1, "first"), []ChartRef{same, other, broken})
	if len(changed) != 0 || err != nil {
		t.Errorf("error %v; the same shelf again changes %v", err, changed)
	}
	next := fill(digest2, "second")
	next.Picks[fresh.String()] = resolved{Revision: revision}
	changed, err = c.put(t.Context(), charts, source, next, []ChartRef{same, other, fresh, broken})
	if diff := cmp.Diff([]ChartRef{other, fresh, broken}, changed, cmp.AllowUnexported(ChartRef{})); diff != "" ||
		err != nil {
		t.Errorf("error %v; changed (-want +got):\n%s", err, diff)
	}
}

func TestANewCatalogFindsTheShelfInTheStore(t *testing.T) {
	t.Parallel()
	objects, artifacts := newClient(t, repository()), newStore(t)
	before := NewCatalog(objects, objects, artifacts)
	if _, err := before.put(t.Context(), charts, repository(),
		shelved(resolved{Revision: revision, Archive: digest2, URL: "web.tgz"}), nil); err != nil {
		t.Fatal(err)
	}
	after := NewCatalog(objects, objects, artifacts)
	if got, err := after.Chart(t.Context(), anyWeb); got != revision || err != nil {
		t.Errorf("after a restart: %v, error %v", got, err)
	}
	if kept := after.before(charts, repository()).Picks[anyWeb.String()]; kept.Archive != digest2 ||
		kept.URL != "web.tgz" {
		t.Errorf("after a restart the pick is %+v", kept)
	}
	moved := repository(func(r *v1beta1.HelmRepository) { r.Spec.URL = "https://elsewhere.example.com" })
	if s := after.before(charts, moved); len(s.Picks) != 0 || s.URL != moved.Spec.URL {
		t.Errorf("a source that moved has the shelf %+v", s)
	}
	anew := NewCatalog(objects, objects, artifacts)
	if s := anew.before(charts, repository(func(r *v1beta1.HelmRepository) { r.UID = "u2" })); len(s.Picks) != 0 {
		t.Errorf("a source that was made anew has the shelf %+v", s)
	}
}

func TestTheShelfOfAPollIsACopy(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	c.shelves[charts] = shelved(resolved{Revision: revision})
	c.before(charts, repository()).Picks["other"] = resolved{}
	if len(c.shelves[charts].Picks) != 1 {
		t.Error("a poll that has not ended changes the answers")
	}
}

func TestTellReachesEverySubscriber(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	var told []ChartRef
	for range 2 {
		c.Subscribe(func(_ context.Context, choice ChartRef) { told = append(told, choice) })
	}
	c.Notify(t.Context(), anyWeb, charts)
	if diff := cmp.Diff([]ChartRef{anyWeb, anyWeb, charts, charts}, told, cmp.AllowUnexported(ChartRef{})); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestArchiveOpensWhatTheShelfNames(t *testing.T) {
	t.Parallel()
	c := newCatalog(t, repository())
	digest := bring(t, c, repository(), "archive")
	c.shelves[charts] = shelved(resolved{Revision: revision, Archive: digest})
	archive, err := c.Archive(t.Context(), anyWeb, revision, false)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(archive)
	if err := errors.Join(err, archive.Close()); err != nil || string(content) != "archive" {
		t.Errorf("read %q, error %v", content, err)
	}
	former := revision
	former.Digest = digest2
	if _, err := c.Archive(t.Context(), anyWeb, former, false); err == nil ||
		!strings.Contains(err.Error(), "no longer stands for web-1.0.0@222222222222") {
		t.Errorf("error = %v for a chart that was replaced", err)
	}
}

func TestChoicesOfAreListedOnce(t *testing.T) {
	t.Parallel()
	objects := newClient(t, release("a", "web", "*"), release("b", "web", ""), release("c", "web", "1"),
		chartObject("d", "web", "1"),
		chartObject("e", "shop", ""), release("f", "web", "*", func(hr *v1beta1.HelmRelease) { hr.Namespace = "elsewhere" }))
	got, err := ChoicesOf(objects)(t.Context(), charts)
	if err != nil {
		t.Fatal(err)
	}
	exact, shop := anyWeb, anyWeb
	exact.Version, shop.Chart = "1", "shop"
	if diff := cmp.Diff([]ChartRef{anyWeb, exact, shop}, got, cmp.AllowUnexported(ChartRef{})); diff != "" {
		t.Errorf("choices (-want +got):\n%s", diff)
	}
	want := []types.NamespacedName{{Namespace: "apps", Name: "a"}, {Namespace: "apps", Name: "b"}}
	if diff := cmp.Diff(want, ReleasesOf(t.Context(), objects, anyWeb), cmp.AllowUnexported(ChartRef{})); diff != "" {
		t.Errorf("releases of a choice (-want +got):\n%s", diff)
	}
	if got := ReleasesOf(t.Context(), objects, charts); len(got) != 3 {
		t.Errorf("releases of the source: %v, want three", got)
	}
}
