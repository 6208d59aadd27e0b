package catalog

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/store"
)

// The index of another tenant names the digest of a private chart, which the cache has. Its own upstream has to have
// it, too.
func TestAnIndexThatNamesTheChartOfAnotherOpensNothing(t *testing.T) {
	t.Parallel()
	asked := 0
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(upstream.Close)
	attacker := repository(func(r *v1beta1.HelmRepository) {
		r.Namespace, r.UID, r.Spec.URL = "mallory", "m1", upstream.URL
	})
	c := newCatalog(t, repository(), attacker)
	private := bring(t, c, repository(), "private chart")
	wanted := v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: private}
	answer := resolved{Revision: wanted, Archive: private, URL: "web-1.0.0.tgz"}
	c.shelves[charts] = shelved(answer)
	theirs, choice := charts, anyWeb
	theirs.Namespace, choice.Namespace = "mallory", "mallory"
	forged := newSourceCache(upstream.URL)
	forged.Picks[choice.String()] = answer
	c.shelves[theirs] = forged

	if archive, err := c.Archive(t.Context(), choice, wanted, false); err == nil ||
		sources.Reason(err) != v1beta1.AuthenticationFailedReason {
		t.Errorf("the other tenant gets %v, %v", archive, err)
	}
	if asked == 0 {
		t.Error("the upstream of the other tenant was not asked")
	}
	archive, err := c.Archive(t.Context(), anyWeb, wanted, false)
	if err != nil {
		t.Fatalf("the owner: %v", err)
	}
	content, err := io.ReadAll(archive)
	if err := errors.Join(err, archive.Close()); err != nil || string(content) != "private chart" {
		t.Errorf("the owner gets %q, %v", content, err)
	}
	if one, err := c.Identity(t.Context(), anyWeb, false); err != nil || one == mustIdentity(t, c, choice) {
		t.Errorf("both sources are %q, %v", one, err)
	}
}

func mustIdentity(t *testing.T, c *Catalog, choice ChartRef) string {
	t.Helper()
	identity, err := c.Identity(t.Context(), choice, false)
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// Who may write a status names in it the artifact of another source.
func TestAStatusThatNamesTheArtifactOfAnotherOpensNothing(t *testing.T) {
	t.Parallel()
	victim := repository()
	forged := &v1beta1.OCIRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: "mallory", Name: "forged", UID: "m2", Generation: 1},
	}
	forged.Spec.URL = "oci://127.0.0.1:1/none"
	c := newCatalog(t, victim, forged)
	private := bring(t, c, victim, "private manifests")
	forged.Status.Artifact = &v1beta1.Artifact{Revision: "latest@" + digest1, Digest: private}
	forged.Status.Chart = &v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: digest1}
	c = NewCatalog(newClient(t, victim, forged), c.secrets, c.store)
	choice := ChartRef{Kind: v1beta1.OCIRepositoryKind, Namespace: "mallory", Name: "forged"}
	if archive, err := c.OpenArtifact(t.Context(), choice, *forged.Status.Artifact); err == nil {
		t.Errorf("its manifests are %v", archive)
	}
	if archive, err := c.Archive(t.Context(), choice, *forged.Status.Chart, false); err == nil {
		t.Errorf("its chart is %v", archive)
	}
	if !c.View(victim).Has(private) || c.View(forged).Has(private) {
		t.Error("the cache gives the artifact to another than who has brought it")
	}
}

// The upstream of a tenant hangs and then fails. Another source that wants the same digest neither waits nor hears of
// it.
func TestAFetchIsJoinedOnlyByTheSameSource(t *testing.T) {
	t.Parallel()
	c := newCatalog(t)
	mallory, victim := store.Holder{Namespace: "mallory", ID: "m"}, store.Holder{Namespace: "apps", ID: "v"}
	started, hanging, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		_, err := c.once(context.WithoutCancel(t.Context()), fetchKey{Holder: mallory, digest: digest1},
			func(context.Context) (string, error) {
				close(started)
				<-hanging
				return "", errors.New("GET https://mallory.example/chart.tgz: 503")
			})
		ended <- err
	}()
	<-started
	soon, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	got, err := c.once(soon, fetchKey{Holder: victim, digest: digest1}, func(context.Context) (string, error) {
		return "its own", nil
	})
	if got != "its own" || err != nil {
		t.Errorf("the victim gets %q, %v", got, err)
	}
	ending, stop := context.WithCancel(t.Context())
	stop()
	_, err = c.once(ending, fetchKey{Holder: mallory, digest: digest1}, func(context.Context) (string, error) {
		return "", errors.New("fetched twice")
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the same source does not wait for its own fetch: %v", err)
	}
	close(hanging)
	if err := <-ended; err == nil {
		t.Error("the failure is lost")
	}
}

func TestWhatIsNeededIsListedForTheSourceThatHasIt(t *testing.T) {
	t.Parallel()
	victim, forged := repository(), repository(func(r *v1beta1.HelmRepository) { r.Namespace, r.UID = "mallory", "m1" })
	victim.Status.Artifact = &v1beta1.Artifact{Digest: digest1}
	forged.Status.Artifact = &v1beta1.Artifact{Digest: digest1}
	c := newCatalog(t, victim, forged)
	keep, err := c.held(t.Context())
	if err != nil || len(keep) != 2 || !keep[store.Claim{Holder: holderOf(victim), Digest: digest1}] {
		t.Errorf("got %v, %v", keep, err)
	}
}
