package helmtext_test

import (
	"errors"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/kube/fake"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"

	"fairlead.dev/fairlead/helmops/engine/helmtext"
)

var errCause = errors.New("1 of 4 objects not ready")

// helm is Helm with records in memory and a cluster that fails with the errors that are set.
type helm struct {
	t       *testing.T
	config  *action.Configuration
	cluster *fake.FailingKubeClient
}

func newHelm(t *testing.T) *helm {
	t.Helper()
	cluster := &fake.FailingKubeClient{PrintingKubeClient: fake.PrintingKubeClient{Out: t.Output(), LogOutput: t.Output()}}
	return &helm{t: t, cluster: cluster, config: &action.Configuration{
		Releases: storage.Init(driver.NewMemory()), KubeClient: cluster, Capabilities: chartutil.DefaultCapabilities,
		Log: func(string, ...any) {},
	}}
}

const hookText = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: h\n  annotations:\n    helm.sh/hook: "

func newChart(change ...func(*chart.Chart)) *chart.Chart {
	c := &chart.Chart{
		Metadata: &chart.Metadata{Name: "web", Version: "1.0.0", APIVersion: "v2"},
		Templates: []*chart.File{
			{Name: "templates/a.yaml", Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n")},
		},
	}
	for _, one := range change {
		one(c)
	}
	return c
}

func template(text string) func(*chart.Chart) {
	return func(c *chart.Chart) { c.Templates[0].Data = []byte(text) }
}

func (h *helm) install(c *chart.Chart) error {
	install := action.NewInstall(h.config)
	install.ReleaseName, install.Namespace, install.Replace = "web", "apps", true
	install.Wait = true
	_, err := install.Run(c, map[string]any{})
	return err
}

func (h *helm) upgrade(c *chart.Chart) error {
	upgrade := action.NewUpgrade(h.config)
	upgrade.Namespace = "apps"
	upgrade.Wait = true
	_, err := upgrade.Run("web", c, map[string]any{})
	return err
}

func (h *helm) rollback(to int) error {
	rollback := action.NewRollback(h.config)
	rollback.Version = to
	rollback.Wait = true
	return rollback.Run("web")
}

func (h *helm) newest() *release.Release {
	h.t.Helper()
	last, err := h.config.Releases.Last("web")
	if err != nil {
		h.t.Fatal(err)
	}
	return last
}

// describes checks the description of the newest revision.
func (h *helm) describes(want string, isRollback bool) {
	h.t.Helper()
	description := h.newest().Info.Description
	cause, failed := helmtext.Cause(description)
	if description != want || !failed || cause != errCause.Error() || helmtext.IsRollback(description) != isRollback {
		h.t.Errorf("Helm says %q: cause %q, failed %v; want %q", description, cause, failed, want)
	}
}

func TestHelmDescribesRevisionsLikeThis(t *testing.T) {
	t.Parallel()
	h := newHelm(t)
	h.cluster.WaitError = errCause
	if err := h.install(newChart()); err == nil {
		t.Fatal("the install did not fail")
	}
	h.describes(helmtext.OfInstall("web", errCause), false)
	h.cluster.WaitError = nil
	if err := h.install(newChart()); err != nil {
		t.Fatal(err)
	}
	if cause, failed := helmtext.Cause(h.newest().Info.Description); failed || cause != "Install complete" {
		t.Errorf("a good revision says %q", cause)
	}
	h.cluster.WaitError = errCause
	if err := h.upgrade(newChart()); err == nil {
		t.Fatal("the upgrade did not fail")
	}
	h.describes(helmtext.OfUpgrade("web", errCause), false)
	if err := h.rollback(2); err == nil {
		t.Fatal("the rollback did not fail")
	}
	h.describes(helmtext.OfInstall("web", errCause), false) // Helm does not say here that it was a rollback
	h.cluster.WaitError, h.cluster.UpdateError = nil, errCause
	if err := h.rollback(2); err == nil {
		t.Fatal("the rollback did not fail")
	}
	h.describes(helmtext.OfRollback("web", errCause), true)
	h.cluster.UpdateError = nil
	if err := h.rollback(2); err != nil {
		t.Fatal(err)
	}
	rolledBack := h.newest().Info.Description
	if _, failed := helmtext.Cause(rolledBack); failed || !helmtext.IsRollback(rolledBack) {
		t.Errorf("the revision of a rollback says %q", rolledBack)
	}
}

func TestHelmFailsLikeThis(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		is   func(text string) bool
		do   func(*helm) error
	}{
		{name: "values that break the schema", is: helmtext.IsSchema, do: func(h *helm) error {
			return h.install(newChart(func(c *chart.Chart) { c.Schema = []byte(`{"required":["replicas"]}`) }))
		}},
		{name: "a chart for another Kubernetes", is: helmtext.IsRendering, do: func(h *helm) error {
			return h.install(newChart(func(c *chart.Chart) { c.Metadata.KubeVersion = ">=99" }))
		}},
		{name: "a template that refuses", is: helmtext.IsRendering, do: func(h *helm) error {
			return h.install(newChart(template(`{{ fail "no" }}`)))
		}},
		{name: "a template that cannot be parsed", is: helmtext.IsRendering, do: func(h *helm) error {
			return h.install(newChart(template(`{{ if }`)))
		}},
		{name: "a template that fails", is: helmtext.IsRendering, do: func(h *helm) error {
			return h.install(newChart(template(`{{ .Values.a.b }}`)))
		}},
		{name: "a template that makes no YAML", is: helmtext.IsRendering, do: func(h *helm) error {
			return h.install(newChart(template("a: b: c\n")))
		}},
		{name: "a hook before an install", is: helmtext.IsHook, do: func(h *helm) error {
			h.cluster.WatchUntilReadyError = errCause
			return h.install(newChart(template(hookText + "pre-install\n")))
		}},
		{name: "a hook after an install", is: helmtext.IsHook, do: func(h *helm) error {
			h.cluster.WatchUntilReadyError = errCause
			return h.install(newChart(template(hookText + "post-install\n")))
		}},
		{name: "a hook before an upgrade", is: helmtext.IsHook, do: func(h *helm) error {
			return h.hookOfUpgrade("pre-upgrade")
		}},
		{name: "a hook after an upgrade", is: helmtext.IsHook, do: func(h *helm) error {
			return h.hookOfUpgrade("post-upgrade")
		}},
		{name: "another Helm client is at work", is: helmtext.IsPending, do: func(h *helm) error {
			if err := h.install(newChart()); err != nil {
				return err
			}
			pending := *h.newest()
			pending.Version = 2
			pending.Info = &release.Info{Status: release.StatusPendingUpgrade}
			if err := h.config.Releases.Create(&pending); err != nil {
				return err
			}
			return h.upgrade(newChart())
		}},
	}
	all := map[string]func(string) bool{
		"schema": helmtext.IsSchema, "rendering": helmtext.IsRendering, "hook": helmtext.IsHook,
		"pending": helmtext.IsPending,
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.do(newHelm(t))
			if err == nil || !tt.is(err.Error()) {
				t.Fatalf("Helm says %v, which is not recognized", err)
			}
			kinds := 0
			for _, is := range all {
				if is(err.Error()) {
					kinds++
				}
			}
			if kinds != 1 {
				t.Errorf("Helm says %v, which is recognized as %d kinds of errors", err, kinds)
			}
		})
	}
}

func (h *helm) hookOfUpgrade(event string) error {
	if err := h.install(newChart()); err != nil {
		return err
	}
	h.cluster.WatchUntilReadyError = errCause
	return h.upgrade(newChart(template(hookText + event + "\n")))
}
