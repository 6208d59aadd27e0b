package main

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

const (
	digestA = "sha256:9f2c1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7"
	digestB = "sha256:7c1e09a25b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6"
	commit  = "4f3c9a1b2c3d4e5f60718293a4b5c6d7e8f90a1b"
)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }

func named(namespace, name string, age time.Duration) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Generation: 3, CreationTimestamp: ago(age)}
}

func snapshot(name, namespace string, version int32, chart, state, action string, age time.Duration) v1beta1.Snapshot {
	dash := strings.LastIndexByte(chart, '-')
	return v1beta1.Snapshot{
		Name: name, Namespace: namespace, Version: version, Status: state, ChartName: chart[:dash], ChartVersion: chart[dash+1:],
		ChartDigest: digestA, AppVersion: "2.4.0", ConfigDigest: digestB, Digest: digestB, Action: action,
		FirstDeployed: ago(40 * 24 * time.Hour), LastDeployed: ago(age),
	}
}

// shop is a release that runs well.
func shop() *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{
		ObjectMeta: named("web", "shop", 40*24*time.Hour),
		Spec: v1beta1.HelmReleaseSpec{
			Chart: &v1beta1.HelmChartTemplate{Spec: v1beta1.HelmChartTemplateSpec{Chart: "shop", Version: "1.x",
				SourceRef: v1beta1.SourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"}}},
			DependsOn: []v1beta1.DependencyReference{{Name: "db", Namespace: "infra"}},
			ValuesFrom: []v1beta1.ValuesReference{
				{Kind: "ConfigMap", Name: "shop-values"}, {Kind: "Secret", Name: "shop-secrets", ValuesKey: "prod.yaml", Optional: true},
			},
			Values: &runtime.RawExtension{Raw: []byte(`{"replicas":3}`)},
		},
		Status: v1beta1.HelmReleaseStatus{
			ObservedGeneration: 3, LastAttemptedGeneration: 3, LastAttemptedRevision: "1.9.1", LastAttemptedRevisionDigest: digestA,
			LastAttemptedReleaseAction: "upgrade", LastAttemptedAt: &metav1.Time{Time: now.Add(-72 * time.Hour)},
			History: []v1beta1.Snapshot{
				snapshot("shop", "web", 42, "shop-1.9.1", "deployed", "upgrade", 72*time.Hour),
				snapshot("shop", "web", 41, "shop-1.9.0", "superseded", "upgrade", 9*24*time.Hour),
				snapshot("shop", "web", 40, "shop-1.8.7", "failed", "", 10*24*time.Hour),
			},
			Inventory: &v1beta1.ResourceInventory{Entries: []v1beta1.ResourceRef{
				{ID: "web_shop_apps_Deployment", Version: "v1"}, {ID: "web_shop-a__ConfigMap", Version: "v1"},
				{ID: "web_shop-b__ConfigMap", Version: "v1"}, {ID: "web_shop__Service", Version: "v1"},
			}},
		},
	}
	status.Ready(hr, v1beta1.UpgradeSucceededReason, "web/shop revision 42 runs shop 1.9.1", now.Add(-72*time.Hour))
	return hr
}

// api is a release whose upgrade failed twice and is tried again.
func api() *v1beta1.HelmRelease {
	hr := shop()
	hr.ObjectMeta = named("web", "api", 5*24*time.Hour)
	hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "api", Namespace: "registry"}
	hr.Spec.Chart, hr.Spec.ValuesFrom, hr.Spec.Values, hr.Spec.DependsOn = nil, nil, nil, []v1beta1.DependencyReference{{Name: "shop"}, {Name: "gone"}}
	hr.Status.History = []v1beta1.Snapshot{snapshot("api", "web", 7, "api-4.3.0", "failed", "upgrade", 20*time.Second)}
	hr.Status.Failures, hr.Status.LastAttemptedAt = 2, &metav1.Time{Time: now.Add(-20 * time.Second)}
	hr.Status.LastAttemptedRevision = "4.3.0"
	status.Retrying(hr, v1beta1.UpgradeFailedReason, "upgrade of web/api to api 4.3.0 failed: Deployment/api: 0 of 3 pods are ready:\n"+
		"ImagePullBackOff \x1b[31mregistry.example.com/api:4.3.0\x1b[0m; attempt 2, the next one follows 1m0s later, at 2026-05-04T03:00:40Z", now.Add(-20*time.Second))
	return hr
}

// db is a release that is installed for the first time right now.
func db() *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{
		ObjectMeta: named("infra", "db", 90*time.Second),
		Spec: v1beta1.HelmReleaseSpec{ChartRef: &v1beta1.ChartSourceReference{Kind: v1beta1.HelmChartKind, Name: "postgres"},
			TargetNamespace: "databases"},
		Status: v1beta1.HelmReleaseStatus{ObservedGeneration: -1},
	}
	status.Progressing(hr, "installing databases/databases-db: installs postgres-16.2.0@9f2c1a2b3c4d", now.Add(-time.Minute))
	return hr
}

// fresh is a release that no controller has seen.
func fresh() *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{
		ObjectMeta: named("web", "fresh", 4*time.Second),
		Spec: v1beta1.HelmReleaseSpec{Chart: &v1beta1.HelmChartTemplate{Spec: v1beta1.HelmChartTemplateSpec{Chart: "fresh",
			SourceRef: v1beta1.SourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"}}}},
		Status: v1beta1.HelmReleaseStatus{ObservedGeneration: -1},
	}
	return hr
}

// parked is a suspended release.
func parked() *v1beta1.HelmRelease {
	hr := shop()
	hr.ObjectMeta = named("web", "parked", 24*time.Hour)
	hr.Spec.Suspend, hr.Spec.DependsOn = true, nil
	return hr
}

// broken is a release that only new input can help.
func broken() *v1beta1.HelmRelease {
	hr := fresh()
	hr.ObjectMeta = named("web", "broken", time.Hour)
	hr.Status.ObservedGeneration = 3
	status.Stalled(hr, v1beta1.SchemaFailedReason, "values: replicas: got string, want integer", now.Add(-time.Hour))
	return hr
}

func charts() *v1beta1.HelmRepository {
	source := &v1beta1.HelmRepository{ObjectMeta: named("web", "charts", 41*24*time.Hour),
		Spec: v1beta1.HelmRepositorySpec{URL: "https://charts.example.com"}}
	status.SourceReady(source, v1beta1.Artifact{Revision: digestB, Digest: digestB, Size: 48211}, "212 charts", now.Add(-2*time.Hour))
	return source
}

func fleet() *v1beta1.GitRepository {
	source := &v1beta1.GitRepository{ObjectMeta: named("infra", "fleet", 41*24*time.Hour),
		Spec: v1beta1.GitRepositorySpec{URL: "https://git.example.com/fleet.git"}}
	status.SourceReady(source, v1beta1.Artifact{Revision: "main@sha1:" + commit, Digest: digestA, Size: 1024}, "branch main", now.Add(-time.Hour))
	return source
}

func postgres() *v1beta1.HelmChart {
	source := &v1beta1.HelmChart{ObjectMeta: named("infra", "postgres", 2*time.Hour),
		Spec: v1beta1.HelmChartSpec{Chart: "charts/postgres", SourceRef: v1beta1.LocalSourceReference{Kind: v1beta1.GitRepositoryKind, Name: "fleet"}}}
	source.Status.Chart = &v1beta1.ChartRevision{Name: "postgres", Version: "16.2.0", Digest: digestA}
	status.SourceReady(source, v1beta1.Artifact{Revision: "16.2.0", Digest: digestA, Size: 2048}, "chart postgres 16.2.0", now.Add(-time.Hour))
	return source
}

func ociAPI() *v1beta1.OCIRepository {
	source := &v1beta1.OCIRepository{ObjectMeta: named("registry", "api", 5*24*time.Hour),
		Spec: v1beta1.OCIRepositorySpec{URL: "oci://registry.example.com/charts/api"}}
	source.SetArtifact(&v1beta1.Artifact{Revision: "4.3.0@" + digestA, Digest: digestA, LastUpdateTime: ago(26 * time.Hour)})
	status.SourceFailed(source, status.Failure{Reason: v1beta1.AuthenticationFailedReason,
		Message: "registry.example.com refused the credentials of Secret registry/pull"}, now.Add(-10*time.Minute))
	return source
}

// everything is a cluster with an object in every phase.
func everything() []client.Object {
	return []client.Object{shop(), api(), db(), fresh(), parked(), broken(), charts(), fleet(), postgres(), ociAPI()}
}
