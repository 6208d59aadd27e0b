package catalog

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
)

// guarded is a source that needs credentials, with a catalog that polls it.
type guarded struct {
	t       *testing.T
	objects client.Client
	catalog *Catalog
	source  Object
	poll    poller
	// web and other are choices that the source answers; each is one chart.
	web, other ChartRef
	// answers is the code with which upstream answers every request instead of serving, 0 for none.
	answers *atomic.Int32
}

// credentials are the right ones.
func credentials(password string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "key"}, Data: map[string][]byte{
		"username": []byte("team"), "password": []byte(password),
	}}
}

// guardedBy has a catalog for a source.
func guardedBy(t *testing.T, source Object, answers *atomic.Int32) *guarded {
	t.Helper()
	objects := newClient(t, source, credentials("right"))
	g := &guarded{
		t: t, objects: objects, catalog: NewCatalog(objects, objects, newStore(t)), source: source, answers: answers,
	}
	g.web = ChartRef{Kind: v1beta1.HelmRepositoryKind, Namespace: "apps", Name: "charts", Chart: "web", Version: "1.0.0"}
	g.other = g.web
	g.other.Version = "1.1.0"
	g.poll = g.catalog.pollHelmRepository
	return g
}

// polled polls the source, and notes in its status what came of it.
func (g *guarded) polled(choices ...ChartRef) error {
	g.t.Helper()
	found := g.poll(g.t.Context(), g.source, choices)
	object := g.source
	if found.Err != nil {
		status.SourceFailed(object, FailureOf(found.Err), now)
	} else {
		found.Fill(object)
		status.SourceReady(object, found.Artifact, found.Message, now)
	}
	g.must(g.objects.Update(g.t.Context(), object))
	return found.Err
}

func (g *guarded) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// opens returns the error with which the archive of a choice is not opened.
func (g *guarded) opens(choice ChartRef, want v1beta1.ChartRevision, has bool) error {
	archive, err := g.catalog.Archive(context.WithoutCancel(g.t.Context()), choice, want, has)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, archive)
	return errors.Join(err, archive.Close())
}

// guardedSources are sources that want user and password, with two versions of a chart.
func guardedSources(t *testing.T) map[string]func(t *testing.T) *guarded {
	t.Helper()
	archives := make([][]byte, 0, 2)
	for _, version := range []string{"1.0.0", "1.1.0"} {
		archive, err := servers.BuildChart(
			map[string]string{"Chart.yaml": "apiVersion: v2\nname: web\nversion: " + version + "\n"})
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, archive)
	}
	options := func(answers *atomic.Int32) servers.Options {
		return servers.Options{Username: "team", Password: "right",
			Intercept: func(w http.ResponseWriter, _ *http.Request) bool {
				code := int(answers.Load())
				if code != 0 {
					w.WriteHeader(code)
				}
				return code != 0
			}}
	}
	index := func(noDigests bool) func(t *testing.T) *guarded {
		return func(t *testing.T) *guarded {
			t.Helper()
			answers := &atomic.Int32{}
			server, err := servers.ChartRepository(servers.ChartOptions{Options: options(answers), NoDigests: noDigests})
			if err == nil {
				err = errors.Join(server.Add(archives[0]), server.Add(archives[1]))
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Close() })
			return guardedBy(t, repository(func(r *v1beta1.HelmRepository) {
				r.Spec.URL, r.Spec.SecretRef = server.URL(), &v1beta1.LocalObjectReference{Name: "key"}
			}), answers)
		}
	}
	registry := func(t *testing.T) (*servers.RegistryServer, *atomic.Int32) {
		t.Helper()
		answers := &atomic.Int32{}
		server, err := servers.Registry(t.TempDir(), options(answers))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Close() })
		for _, archive := range archives {
			if _, err := server.PushChart(t.Context(), "charts", archive); err != nil {
				t.Fatal(err)
			}
		}
		return server, answers
	}
	return map[string]func(t *testing.T) *guarded{
		"an index":                 index(false),
		"an index without digests": index(true),
		"a registry": func(t *testing.T) *guarded {
			t.Helper()
			server, answers := registry(t)
			return guardedBy(t, repository(func(r *v1beta1.HelmRepository) {
				r.Spec.URL, r.Spec.Type, r.Spec.Insecure = "oci://"+server.Host()+"/charts", "oci", true
				r.Spec.SecretRef = &v1beta1.LocalObjectReference{Name: "key"}
			}), answers)
		},
		"an artifact": func(t *testing.T) *guarded {
			t.Helper()
			server, answers := registry(t)
			object := &v1beta1.OCIRepository{
				ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "charts", UID: "u1", Generation: 1},
			}
			object.Spec.URL, object.Spec.Insecure = "oci://"+server.Host()+"/charts/web", true
			object.Spec.SecretRef, object.Spec.Reference = &v1beta1.LocalObjectReference{Name: "key"}, &v1beta1.OCIRepositoryRef{
				Tag: "1.0.0",
			}
			g := guardedBy(t, object, answers)
			g.web = ChartRef{Kind: v1beta1.OCIRepositoryKind, Namespace: "apps", Name: "charts"}
			g.other, g.poll = ChartRef{}, g.catalog.pollOCIRepository
			return g
		},
	}
}

// revocations end the access of a source.
var revocations = map[string]func(g *guarded) error{
	"the Secret is deleted": func(g *guarded) error {
		return g.objects.Delete(g.t.Context(), credentials(""))
	},
	"the Secret holds another password": func(g *guarded) error {
		return g.objects.Update(g.t.Context(), credentials("wrong"))
	},
	"upstream refuses the same password": func(g *guarded) error { g.answers.Store(http.StatusUnauthorized); return nil },
}

// What was fetched with credentials that do not count any more stays for the objects that have it. Nothing else gets
// it: no new object, none that wants another version, whether the source has been polled since or not.
func TestCredentialsThatAreRevokedOpenNothingNew(t *testing.T) {
	t.Parallel()
	for kind, start := range guardedSources(t) {
		for name, revoke := range revocations {
			t.Run(kind+", "+name, func(t *testing.T) {
				t.Parallel()
				start(t).revoked(t, revoke)
			})
		}
	}
}

func (g *guarded) revoked(t *testing.T, revoke func(*guarded) error) {
	t.Helper()
	choices := []ChartRef{g.web}
	if g.other.Chart != "" {
		choices = append(choices, g.other)
	}
	g.must(g.polled(choices...))
	wanted := map[ChartRef]v1beta1.ChartRevision{}
	for _, choice := range choices {
		revision, err := g.catalog.Chart(t.Context(), choice)
		g.must(err)
		g.must(g.opens(choice, revision, false))
		wanted[choice] = revision
	}
	before, err := g.catalog.Identity(t.Context(), g.web, false)
	g.must(err)
	g.must(revoke(g))
	if g.answers.Load() != 0 {
		_ = g.polled(choices...) // not known before
	}
	g.refused(t, choices, wanted, before)
	if err := g.polled(choices...); sources.Reason(err) != v1beta1.AuthenticationFailedReason {
		t.Errorf("the poll fails with %v", err)
	}
	g.refused(t, choices, wanted, before)

	g.answers.Store(0)
	if err := g.objects.Update(t.Context(), credentials("right")); err != nil {
		g.must(g.objects.Create(t.Context(), credentials("right")))
	}
	g.must(g.polled(choices...))
	for _, choice := range choices {
		if err := g.opens(choice, wanted[choice], false); err != nil {
			t.Errorf("with the right credentials again: %v", err)
		}
	}
}

func (g *guarded) refused(t *testing.T, choices []ChartRef, wanted map[ChartRef]v1beta1.ChartRevision, before string) {
	t.Helper()
	for _, choice := range choices {
		if err := g.opens(choice, wanted[choice], false); sources.Reason(err) != v1beta1.AuthenticationFailedReason {
			t.Errorf("a new object: %s is opened, or %v", choice, err)
		}
		if err := g.opens(choice, wanted[choice], true); err != nil {
			t.Errorf("an object that has %s: %v", choice, err)
		}
	}
	if now, err := g.catalog.Identity(t.Context(), g.web, false); err != nil || now == before {
		t.Errorf("parsed charts are kept for %q as before, %v", now, err)
	}
	if g.web.Kind != v1beta1.HelmRepositoryKind {
		return
	}
	another := g.web
	another.Version = ">=1.0.0"
	if found, err := g.catalog.Chart(t.Context(), another); err == nil {
		t.Errorf("another choice is answered: %v", found)
	}
	fresh := chartObject("fresh", "web", "1.0.0")
	fresh.UID = "fresh"
	if found := g.catalog.pollHelmChart(t.Context(), fresh, nil); found.Err == nil {
		t.Errorf("a new HelmChart gets %v", found.Artifact)
	}
	had := chartObject("had", "web", "1.0.0")
	had.UID, had.Status.Chart = "had", &v1beta1.ChartRevision{}
	*had.Status.Chart = wanted[g.web]
	if found := g.catalog.pollHelmChart(t.Context(), had, nil); found.Err != nil {
		t.Errorf("a HelmChart loses what it has: %v", found.Err)
	}
}

// A Secret that is written again, with the same or other credentials that count, costs one fetch of what is asked for.
func TestCredentialsThatAreReplaced(t *testing.T) {
	t.Parallel()
	for kind, start := range guardedSources(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := start(t)
			g.must(g.polled(g.web))
			revision, err := g.catalog.Chart(t.Context(), g.web)
			g.must(err)
			secret := credentials("right")
			secret.Labels = map[string]string{"rotated": "yes"}
			g.must(g.objects.Update(t.Context(), secret))
			g.must(g.opens(g.web, revision, false))
			g.must(g.polled(g.web))
			g.answers.Store(http.StatusServiceUnavailable) // an outage that the source has not noticed
			if err := g.opens(g.web, revision, false); err != nil {
				t.Errorf("what was fetched with the present credentials is not in the cache: %v", err)
			}
			keep, err := g.catalog.held(t.Context())
			g.must(err)
			if _, _, err := g.catalog.store.Collect(keep, now.AddDate(100, 0, 0)); err != nil {
				t.Fatal(err)
			}
			if err := g.opens(g.web, revision, false); err != nil {
				t.Errorf("it is collected as garbage: %v", err)
			}
			if found, err := g.catalog.Chart(t.Context(), g.web); err != nil || found != revision {
				t.Errorf("got %v, %v", found, err)
			}
		})
	}
}

// After a restart an index answers new choices while upstream is away, but not when it was fetched with another access.
func TestAnIndexOfAnotherAccessAnswersNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		code     int32
		password string
		answered bool
	}{
		"upstream is away": {http.StatusServiceUnavailable, "right", true},
		"upstream is away, and the Secret is another":   {http.StatusServiceUnavailable, "wrong", false},
		"upstream refuses the credentials that it took": {http.StatusForbidden, "right", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := guardedSources(t)["an index"](t)
			g.must(g.polled(g.web))
			if tt.password != "right" {
				g.must(g.objects.Update(t.Context(), credentials(tt.password)))
			}
			g.catalog = NewCatalog(g.objects, g.objects, g.catalog.store)
			g.poll = g.catalog.pollHelmRepository
			g.answers.Store(tt.code)
			if err := g.polled(g.web, g.other); err == nil {
				t.Fatal("the poll has not failed")
			}
			if found, err := g.catalog.Chart(t.Context(), g.other); (err == nil) != tt.answered {
				t.Errorf("got %v, %v", found, err)
			}
		})
	}
}
