package catalog

import (
	"context"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// An object whose choice had no answer yet is woken once there is one, from any origin: a poll, the
// question whether a poll is due, or another object with the same choice.
func TestWhoWaitsForAnAnswerIsWoken(t *testing.T) {
	t.Parallel()
	server, err := servers.ChartRepository(servers.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if err := server.Add(archiveOf(t, "1.0.0")); err != nil {
		t.Fatal(err)
	}
	source := repository(func(r *v1beta1.HelmRepository) { r.Spec.URL = server.URL() })
	for name, find := range map[string]func(*Catalog){
		"a poll": func(c *Catalog) { c.Poll(t.Context(), source, []ChartRef{anyWeb}) },
		"the question whether a poll is due": func(c *Catalog) {
			if !c.Answered(t.Context(), source, []ChartRef{anyWeb}) {
				t.Error("there is no answer")
			}
		},
		"another object": func(c *Catalog) {
			if _, err := c.Chart(t.Context(), anyWeb); err != nil {
				t.Error(err)
			}
		},
	} {
		woken := 0
		c := newCatalog(t, source.DeepCopy())
		c.SetKubeVersion(func(context.Context) (string, error) { return "v1.37.0", nil })
		c.Subscribe(func(_ context.Context, choice ChartRef) {
			if choice == anyWeb {
				woken++
			}
		})
		// The index is there, and the version of the cluster, which a chart has to fit, is not known yet.
		if polled := c.Poll(t.Context(), source, nil); polled.Err != nil {
			t.Fatal(polled.Err)
		}
		if _, err := c.Chart(t.Context(), anyWeb); !IsPending(err) {
			t.Fatalf("%s: the choice is answered with %v", name, err)
		}
		c.mu.Lock()
		c.kube = "v1.37.0" // as a poll for another choice leaves it
		c.mu.Unlock()
		find(c)
		if woken == 0 {
			t.Errorf("%s has found the answer, and those who wait for it were not woken", name)
		}
		before := woken
		if _, err := c.Chart(t.Context(), anyWeb); err != nil || woken != before {
			t.Errorf("%s: it is answered with %v, and woke %d more", name, err, woken-before)
		}
	}
}

// A poll that does not know of a choice yet leaves its answer out. When the answer of a newer index is found in its
// place, those whose choice it is are woken: they have the former answer.
func TestWhoHasAFormerAnswerIsWoken(t *testing.T) {
	t.Parallel()
	server, err := servers.ChartRepository(servers.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	source := repository(func(r *v1beta1.HelmRepository) { r.Spec.URL = server.URL() })
	c, woken := newCatalog(t, source.DeepCopy()), 0
	c.Subscribe(func(context.Context, ChartRef) { woken++ })
	for _, version := range []string{"1.0.0", "1.1.0"} {
		if err := server.Add(archiveOf(t, version)); err != nil {
			t.Fatal(err)
		}
		if polled := c.Poll(t.Context(), source, nil); polled.Err != nil {
			t.Fatal(polled.Err)
		}
		if version == "1.0.0" {
			if chart, err := c.Chart(t.Context(), anyWeb); err != nil || chart.Version != version {
				t.Fatalf("it has %s, %v", chart, err)
			}
		}
	}
	if !c.Answered(t.Context(), source, []ChartRef{anyWeb}) || woken == 0 {
		t.Errorf("there is a newer answer, and those who have the former one were woken %d times", woken)
	}
}
