package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// Each case runs a release, breaks one thing, reads what is said of it, checks that what runs was not touched, fixes it
// and waits for the recovery that needs no further help.
func TestBadInput(t *testing.T) {
	t.Parallel()
	const secret = "swordfish-in-values"
	tests := []struct {
		name string
		// before changes the release before it is applied for the first time.
		before func(hr *v1beta1.HelmRelease)
		// break and fix change the world or the release; what is returned is applied.
		breakIt func(t *testing.T, ns string, charts *servers.Charts, hr *v1beta1.HelmRelease) []client.Object
		fix     func(t *testing.T, ns string, charts *servers.Charts, hr *v1beta1.HelmRelease) []client.Object
		reason  string
		says    []string
		stalled bool
	}{
		{
			name: "missing chart",
			breakIt: func(_ *testing.T, _ string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				hr.Spec.Chart.Spec.Chart = "smaple"
				return []client.Object{hr}
			},
			fix: func(_ *testing.T, _ string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				hr.Spec.Chart.Spec.Chart = "sample"
				return []client.Object{withValues(hr, `{"message":"fixed"}`)}
			},
			reason: v1beta1.NotFoundReason, says: []string{`"smaple"`, "HelmRepository", "sample"},
		},
		{
			name: "no version in range",
			breakIt: func(_ *testing.T, _ string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				hr.Spec.Chart.Spec.Version = ">=3.0.0"
				return []client.Object{withValues(hr, `{"message":"fixed"}`)}
			},
			fix: func(t *testing.T, _ string, charts *servers.Charts, _ *v1beta1.HelmRelease) []client.Object {
				if err := charts.Add(chartArchive(t, "sample", "3.1.0", nil)); err != nil {
					t.Fatal(err)
				}
				return nil
			},
			reason: v1beta1.NoMatchReason, says: []string{">=3.0.0", "1.0.0"},
		},
		{
			name: "malformed range",
			breakIt: func(_ *testing.T, _ string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				hr.Spec.Chart.Spec.Version = "newest please"
				return []client.Object{hr}
			},
			fix: func(_ *testing.T, _ string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				hr.Spec.Chart.Spec.Version = "1.x"
				return []client.Object{withValues(hr, `{"message":"fixed"}`)}
			},
			reason: v1beta1.InvalidReferenceReason, says: []string{"newest please"}, stalled: true,
		},
		{
			name: "missing source",
			breakIt: func(_ *testing.T, _ string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				hr.Spec.Chart.Spec.SourceRef.Name = "elsewhere"
				return []client.Object{withValues(hr, `{"message":"fixed"}`)}
			},
			fix: func(_ *testing.T, ns string, charts *servers.Charts, _ *v1beta1.HelmRelease) []client.Object {
				return []client.Object{helmRepository(ns, "elsewhere", charts.URL())}
			},
			reason: v1beta1.SourceNotFoundReason, says: []string{"HelmRepository", "elsewhere", "does not exist"},
		},
		{
			name: "broken index",
			breakIt: func(_ *testing.T, ns string, charts *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				charts.Break([]byte("entries: [this is\nno index"))
				hr.Spec.Chart.Spec.SourceRef.Name = "other"
				return []client.Object{helmRepository(ns, "other", charts.URL()), withValues(hr, `{"message":"fixed"}`)}
			},
			fix: func(_ *testing.T, _ string, charts *servers.Charts, _ *v1beta1.HelmRelease) []client.Object {
				charts.Break(nil)
				return nil
			},
			reason: v1beta1.SourceNotReadyReason, says: []string{"HelmRepository", "other"},
		},
		{
			name: "unreachable repository",
			breakIt: func(_ *testing.T, ns string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				hr.Spec.Chart.Spec.SourceRef.Name = "other"
				return []client.Object{helmRepository(ns, "other", "http://127.0.0.1:1"), withValues(hr, `{"message":"fixed"}`)}
			},
			fix: func(_ *testing.T, ns string, charts *servers.Charts, _ *v1beta1.HelmRelease) []client.Object {
				return []client.Object{helmRepository(ns, "other", charts.URL())}
			},
			reason: v1beta1.SourceNotReadyReason, says: []string{"HelmRepository", "other", "127.0.0.1:1"},
		},
		{
			name: "render failure",
			breakIt: func(_ *testing.T, _ string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				return []client.Object{withValues(hr, `{"fail":"message is required"}`)}
			},
			fix: func(_ *testing.T, _ string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				return []client.Object{withValues(hr, `{"message":"fixed"}`)}
			},
			reason: v1beta1.RenderFailedReason,
			says:   []string{"message is required", "configmap.yaml", "nothing in the cluster was changed"},
		},
		{
			name: "schema violation",
			breakIt: func(_ *testing.T, _ string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				return []client.Object{withValues(hr, `{"replicas":"three"}`)}
			},
			fix: func(_ *testing.T, _ string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				return []client.Object{withValues(hr, `{"message":"fixed"}`)}
			},
			reason:  v1beta1.SchemaFailedReason,
			says:    []string{"values break the schema of sample 1.", "replicas: got string, want integer (from spec.values)"},
			stalled: true,
		},
		{
			name: "missing secret",
			breakIt: func(_ *testing.T, _ string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "later"}}
				return []client.Object{withValues(hr, "")}
			},
			fix: func(_ *testing.T, ns string, _ *servers.Charts, _ *v1beta1.HelmRelease) []client.Object {
				return []client.Object{valuesSecret(ns, "values.yaml", "message: fixed")}
			},
			reason: v1beta1.ValuesErrorReason, says: []string{"Secret", "later", "does not exist"},
		},
		{
			name: "missing key",
			breakIt: func(_ *testing.T, ns string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "later", ValuesKey: "good"}}
				return []client.Object{valuesSecret(ns, "bad", "message: "+secret), withValues(hr, "")}
			},
			fix: func(_ *testing.T, ns string, _ *servers.Charts, _ *v1beta1.HelmRelease) []client.Object {
				return []client.Object{valuesSecret(ns, "good", "message: fixed")}
			},
			reason: v1beta1.ValuesErrorReason, says: []string{"Secret", "later", `"good"`, "bad"},
		},
		{
			name: "values that are not YAML",
			breakIt: func(_ *testing.T, ns string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "later"}}
				return []client.Object{valuesSecret(ns, "values.yaml", "message: ["+secret), withValues(hr, "")}
			},
			fix: func(_ *testing.T, ns string, _ *servers.Charts, _ *v1beta1.HelmRelease) []client.Object {
				return []client.Object{valuesSecret(ns, "values.yaml", "message: fixed")}
			},
			reason: v1beta1.ValuesErrorReason, says: []string{"Secret", "later", "not a YAML map"},
		},
		{
			name: "a secret in a render failure",
			breakIt: func(_ *testing.T, ns string, _ *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "later"}}
				return []client.Object{valuesSecret(ns, "values.yaml", "fail: "+secret), withValues(hr, "")}
			},
			fix: func(_ *testing.T, ns string, _ *servers.Charts, _ *v1beta1.HelmRelease) []client.Object {
				return []client.Object{valuesSecret(ns, "values.yaml", "message: fixed")}
			},
			reason: v1beta1.RenderFailedReason, says: []string{"***"},
		},
		{
			name: "an object that the API server refuses",
			breakIt: func(t *testing.T, _ string, charts *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				wrong := map[string]string{
					"templates/wrong.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: Not_A_Name}\nspec: {ports: [{port: 1}]}\n",
				}
				if err := charts.Add(chartArchive(t, "sample", "1.1.0", wrong)); err != nil {
					t.Fatal(err)
				}
				return []client.Object{hr}
			},
			fix: func(t *testing.T, _ string, charts *servers.Charts, hr *v1beta1.HelmRelease) []client.Object {
				return []client.Object{withValues(pinned(hr, "1.0.0"), `{"message":"fixed"}`)}
			},
			reason: v1beta1.PreflightRejectedReason, says: []string{"Not_A_Name", "nothing in the cluster was changed"},
			stalled: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			charts := chartRepository(t, servers.ChartOptions{}, "sample", "1.0.0")
			apply(t, helmRepository(ns, "charts", charts.URL()))
			hr := release(ns, "web", "sample", "1.x", "charts", `{"message":"runs"}`)
			if tt.name == "no version in range" || tt.name == "broken index" {
				hr.Spec.Chart.Spec.Version = "*"
			}
			apply(t, hr)
			awaitReady(t, hr)

			apply(t, tt.breakIt(t, ns, charts, hr)...)
			ready := awaitNotReady(t, hr, tt.reason)
			for _, text := range tt.says {
				if !strings.Contains(ready.Message, text) {
					t.Errorf("the message lacks %q: %s", text, ready.Message)
				}
			}
			if strings.Contains(fmt.Sprintf("%+v", get(t, hr).Status), secret) {
				t.Errorf("the status shows the secret: %+v", hr.Status)
			}
			isStalled := condition(t, hr, v1beta1.StalledCondition).Status == metav1.ConditionTrue
			isRetried := condition(t, hr, v1beta1.ReconcilingCondition).Status == metav1.ConditionTrue
			if isStalled != tt.stalled || isRetried == tt.stalled {
				t.Errorf("Stalled is %v and Reconciling is %v, want %v and %v", isStalled, isRetried, tt.stalled, !tt.stalled)
			}
			if got := configMap(t, ns, "web")["message"]; got != "runs" {
				t.Errorf("what runs was touched: message is %q", got)
			}
			noSecretInEvents(t, ns, secret)

			apply(t, tt.fix(t, ns, charts, hr)...)
			awaitReady(t, hr)
			if tt.name != "no version in range" {
				until(t, "the fixed release is there", func() bool { return configMap(t, ns, "web")["message"] == "fixed" })
			}
		})
	}
}

func pinned(hr *v1beta1.HelmRelease, version string) *v1beta1.HelmRelease {
	hr.Spec.Chart.Spec.Version = version
	return hr
}

func valuesSecret(namespace, key, values string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "later"},
		Data:       map[string][]byte{key: []byte(values)},
	}
}

func noSecretInEvents(t *testing.T, namespace, secret string) {
	t.Helper()
	events := &corev1.EventList{}
	if err := world.cluster.Client.List(t.Context(), events, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	for _, event := range events.Items {
		if strings.Contains(event.Message, secret) {
			t.Errorf("an event shows the secret: %s", event.Message)
		}
	}
}

// The API refuses what can never work, immediately and with a hint.
func TestValidation(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	both := release(ns, "both", "sample", "*", "charts", "")
	both.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.HelmChartKind, Name: "x"}
	neither := release(ns, "neither", "sample", "*", "charts", "")
	neither.Spec.Chart = nil
	mismatch := helmRepository(ns, "mismatch", "oci://example.com/charts")
	mismatch.Spec.Type, mismatch.Spec.Insecure = "", false
	tests := map[string]client.Object{
		"exactly one of spec.chart and spec.chartRef": both,
		"exactly one of":    neither,
		"spec.type must be": mismatch,
		"write ssh://git@github.com/org/fleet.git": &v1beta1.GitRepository{
			ObjectMeta: named(ns, "scp"), Spec: v1beta1.GitRepositorySpec{URL: "git@github.com:org/fleet.git"},
		},
		"write ssh://git@example.com/srv/fleet.git": &v1beta1.GitRepository{
			ObjectMeta: named(ns, "absolute"), Spec: v1beta1.GitRepositorySpec{URL: "git@example.com:/srv/fleet.git"},
		},
		"spec.url must begin with http://, https:// or ssh://": &v1beta1.GitRepository{
			ObjectMeta: named(ns, "option"),
			Spec:       v1beta1.GitRepositorySpec{URL: "-oProxyCommand=id@example.com:fleet"},
		},
		"spec.url": &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "bad"},
			Spec: v1beta1.GitRepositorySpec{URL: "file:///etc"}},
		"spec.releaseName": func() client.Object {
			hr := release(ns, "long", "x", "*", "y", "")
			hr.Spec.ReleaseName = strings.Repeat("x", 54)
			return hr
		}(),
		"a release name has lower-case letters": func() client.Object {
			hr := release(ns, "named", "x", "*", "y", "")
			hr.Spec.ReleaseName = "Bad_Name"
			return hr
		}(),
		"verify needs a HelmRepository": func() client.Object {
			hr := signedRelease(ns, "signed", "y")
			hr.Spec.Chart.Spec.SourceRef.Kind = v1beta1.GitRepositoryKind
			return hr
		}(),
		"the provider helm needs secretRef": func() client.Object {
			repository := ociRepository(ns, "oci://example.com/x", nil)
			repository.Spec.Verify = &v1beta1.Verification{
				Provider: v1beta1.VerifyHelm, MatchOIDCIdentity: []v1beta1.OIDCIdentityMatch{{Issuer: "x", Subject: "y"}},
				TrustedRootSecretRef: local("root"),
			}
			return repository
		}(),
	}
	for want, object := range tests {
		err := world.cluster.Apply(t.Context(), object)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", object.GetName(), err, want)
		}
	}
	fresh := helmRepository(ns, "fresh", "http://127.0.0.1:1")
	fresh.Spec.Interval, fresh.Spec.Suspend = nil, true
	apply(t, fresh)
	if got := get(t, fresh); got.Status.ObservedGeneration != -1 || got.Spec.Interval == nil ||
		got.Spec.Interval.Duration != 5*time.Minute {
		t.Errorf("defaults: observed generation %d, interval %v; want -1 and 5m", got.Status.ObservedGeneration,
			got.Spec.Interval)
	}
}
