package main

import (
	"context"
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/status"
)

const (
	oldRevision = "main@sha1:5b1b1d3c0c6e2a8f9b5f6f9d3f1c7a6c0f9e8d7c"
	newRevision = "main@sha1:" + commit
)

// kustomizationOf is a Kustomization of infra/fleet that has applied oldRevision an hour ago.
func kustomizationOf(name string, change ...func(*v1beta1.Kustomization)) *v1beta1.Kustomization {
	k := &v1beta1.Kustomization{
		ObjectMeta: named("web", name, 30*24*time.Hour),
		Spec: v1beta1.KustomizationSpec{
			SourceRef: v1beta1.ManifestSourceReference{Kind: v1beta1.GitRepositoryKind, Name: "fleet", Namespace: "infra"},
			Path:      "./" + name, Prune: true,
		},
	}
	at := now.Add(-time.Hour)
	inventory := []v1beta1.ResourceRef{{ID: "web_shop_apps_Deployment", Version: "v1"}, {ID: "web_shop-a__ConfigMap", Version: "v1"}}
	status.KustomizationApplied(k, status.Applied{Generation: 3, Revision: oldRevision, Digest: "sha256:d1", Inventory: inventory}, at)
	status.KustomizationSettled(k, nil, false, at)
	status.KustomizationHealth(k, status.Health{Known: true, Of: 2}, at)
	for _, c := range change {
		c(k)
	}
	return k
}

// refuses is a Kustomization that could not apply a revision.
func refuses(revision, digest, message string) func(*v1beta1.Kustomization) {
	return func(k *v1beta1.Kustomization) {
		failure := &status.Failure{Reason: v1beta1.BuildFailedReason, Message: message}
		outcome := status.Applied{Generation: 3, Revision: revision, Digest: digest, Failure: failure, Next: "attempt 3 follows at 2026-05-04T03:02:00Z"}
		status.KustomizationApplied(k, outcome, now.Add(-5*time.Minute))
		status.KustomizationApplied(k, outcome, now.Add(-2*time.Minute))
	}
}

func dependsOn(name string) func(*v1beta1.Kustomization) {
	return func(k *v1beta1.Kustomization) {
		k.Spec.DependsOn = []v1beta1.DependencyReference{{Name: name}}
		status.KustomizationBlocked(k, plan.Obstacle{Reason: v1beta1.DependencyNotReadyReason,
			Message: "Kustomization web/" + name + " is not Ready"}, now.Add(-4*time.Minute))
	}
}

// blockedBySource is a HelmChart that waits for its source.
func blockedBySource() *v1beta1.HelmChart {
	chart := postgres()
	status.SourceFailed(chart, status.Failure{Reason: v1beta1.SourceNotReadyReason, Message: "GitRepository infra/fleet is not Ready"},
		now.Add(-9*time.Minute))
	return chart
}

func unreachable() *v1beta1.GitRepository {
	source := fleet()
	status.SourceFailed(source, status.Failure{Reason: v1beta1.FetchFailedReason,
		Message: "git.example.com cannot be reached: connection refused; the next attempt is at 2026-05-04T03:01:00Z"}, now.Add(-10*time.Minute))
	return source
}

func TestExplainOthers(t *testing.T) {
	t.Parallel()
	healthy := []client.Object{fleet(), postgres(), db(), kustomizationOf("shop"), kustomizationOf("front")}
	broken := []client.Object{
		fleet(), kustomizationOf("shop", refuses(newRevision, "sha256:d2", "shop/a.yaml, line 3: it is not YAML")),
		kustomizationOf("front", dependsOn("shop")), kustomizationOf("back", dependsOn("front")),
	}
	unhealthy := kustomizationOf("shop", func(k *v1beta1.Kustomization) {
		status.KustomizationHealth(k, status.Health{Known: true, Of: 2, Objects: []v1beta1.ObjectHealth{
			{Kind: "Deployment", Group: "apps", Namespace: "web", Name: "shop", State: "InProgress", Message: "Available: 1/2"},
		}}, now.Add(-3*time.Minute))
	})
	drifts := kustomizationOf("shop", func(k *v1beta1.Kustomization) {
		status.KustomizationApplied(k, status.Applied{Generation: 3, Revision: oldRevision, Digest: "sha256:d1",
			Kept: []string{"ConfigMap web/shop-a (.data.region), because of spec.ignore"}}, now.Add(-3*time.Minute))
	})
	repeated := kustomizationOf("shop", refuses(oldRevision, "sha256:d3", "Secret web/variables not found"))
	down := []client.Object{unreachable(), blockedBySource(), kustomizationOf("shop")}
	terminal := world{objects: broken, live: healthyShop(), outWidth: 80, errWidth: 80}
	crashed := world{
		objects: []client.Object{fleet(), unhealthy}, live: crashedShop(),
		logs: map[string][]string{"web": {"loading 2000000 products", "fatal: out of memory"}},
	}
	runGolden(t, []goldenCase{
		{"explain-ks-healthy", world{objects: healthy, live: healthyShop()}, "explain kustomization shop"},
		{"explain-ks-failed", world{objects: broken, live: healthyShop()}, "explain ks/shop"},
		{"explain-ks-failed-80", terminal, "explain ks/shop"},
		{"explain-ks-failed-json", world{objects: broken, live: healthyShop()}, "explain ks/shop -o json"},
		{"explain-ks-waits", world{objects: broken, live: healthyShop()}, "explain ks front"},
		{"explain-ks-repeated", world{objects: []client.Object{fleet(), repeated}, live: healthyShop()}, "explain ks shop"},
		{"explain-ks-unhealthy", crashed, "explain ks shop"},
		{"explain-ks-no-logs", crashed, "explain ks shop --no-logs"},
		{"explain-ks-drifted", world{objects: []client.Object{fleet(), drifts}, live: healthyShop()}, "explain ks shop"},
		{"explain-ks-new", world{objects: []client.Object{stuck()}}, "explain ks infra"},
		{"explain-ks-not-found", world{objects: broken}, "explain ks shpo"},
		{"explain-source-healthy", world{objects: healthy}, "explain git fleet -n infra"},
		{"explain-source-failed", world{objects: down}, "explain gitrepository fleet -n infra"},
		{"explain-source-failed-json", world{objects: down}, "explain gitrepository fleet -n infra -o json"},
		{"explain-source-chart", world{objects: down}, "explain helmchart postgres -n infra"},
		{"explain-source-unused", world{objects: []client.Object{ociAPI()}}, "explain oci api -n registry"},
		{"explain-source-forbidden", world{objects: down, funcs: hidesKustomizations()}, "explain git fleet -n infra"},
		{"explain-receiver", world{}, "explain receiver hook"},
		{"explain-promotion", world{}, "explain promotion shop-prod-7"},
	})
}

// hidesKustomizations forbids lists of Kustomizations in all namespaces.
func hidesKustomizations() interceptor.Funcs {
	return interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		options := (&client.ListOptions{}).ApplyOptions(opts)
		if _, is := list.(*v1beta1.KustomizationList); is && options.Namespace == "" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "kustomizations"}, "", errors.New("no"))
		}
		return c.List(ctx, list, opts...)
	}}
}

func TestSourcesShowWhoUsesThem(t *testing.T) {
	t.Parallel()
	w := world{objects: []client.Object{fleet(), postgres(), db(), kustomizationOf("shop", refuses(newRevision, "sha256:d2", "broken"))}}
	runGolden(t, []goldenCase{
		{"status-source-used", w, "status git fleet -n infra"},
		{"tree-source-used", w, "tree git fleet -n infra"},
		{"tree-source-used-json", w, "tree git fleet -n infra -o json"},
		{"tree-source-used-name", w, "tree git fleet -n infra -o name"},
		{"tree-source-used-80", world{objects: w.objects, outWidth: 80}, "tree git fleet -n infra"},
		{"tree-source-unused", world{objects: []client.Object{charts()}}, "tree helmrepository charts"},
		{"tree-pipeline", w, "tree pipeline shop"},
		{"tree-freeze", w, "tree freeze sale"},
	})
}

// hook is a Receiver that reconciles infra/fleet.
func hook() *v1beta1.Receiver {
	r := &v1beta1.Receiver{ObjectMeta: named("infra", "hook", time.Hour)}
	r.Spec = v1beta1.ReceiverSpec{
		Type: v1beta1.ReceiverGitHub, Events: []string{"push"},
		Resources: []v1beta1.ReceiverResource{{Kind: v1beta1.GitRepositoryKind, Name: "fleet"}, {Kind: v1beta1.HelmRepositoryKind, Name: "*", Namespace: "web"}},
	}
	r.Status.ObservedGeneration, r.Status.WebhookPath = 3, "/hook/0123456789abcdef"
	status.Ready(r, v1beta1.SucceededReason, "its path is /hook/0123456789abcdef", now.Add(-time.Hour))
	return r
}

// request is a Promotion of a user that waits.
func request() *v1beta1.Promotion {
	p := &v1beta1.Promotion{ObjectMeta: named("web", "shop-prod-8", time.Hour)}
	p.Spec = v1beta1.PromotionSpec{Pipeline: "shop", Stage: "prod", Version: "1.4.3", Digest: candidateDigest,
		Cause: v1beta1.ManualCause, Reason: "INC-7", Bypass: []string{"soak"}, RequestedBy: "alice"}
	p.Status.Phase = "Waiting"
	status.Progressing(p, "1.4.3: approval: not approved", now.Add(-time.Hour))
	return p
}

func freezeOf(from, until time.Duration) *v1beta1.ReleaseFreeze {
	f := &v1beta1.ReleaseFreeze{ObjectMeta: metav1.ObjectMeta{Name: "sale", CreationTimestamp: ago(time.Hour)}}
	begin, end := metav1.NewTime(now.Add(from)), metav1.NewTime(now.Add(until))
	f.Spec = v1beta1.ReleaseFreezeSpec{Reason: "the sale", Namespaces: []string{"web"}, From: &begin, Until: &end,
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "front"}}}
	return f
}

func TestReceiversPipelinesPromotionsAndFreezes(t *testing.T) {
	t.Parallel()
	pipeline := shopPipeline(func(p *v1beta1.ReleasePipeline) {
		p.Generation, p.Status.ObservedGeneration = 3, 3
		p.Spec.Subject.SourceRef = v1beta1.PipelineSourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"}
		p.Spec.Subject.Chart = "shop"
		status.Ready(p, v1beta1.SucceededReason, "2 candidates, 2 stages", now.Add(-time.Hour))
	})
	done := request()
	done.Name, done.Status.Phase, done.Status.Gates = "shop-prod-7", v1beta1.PromotionVerified, pipeline.Status.Stages[1].Gates
	done.Status.ApprovedBy = []string{"bob"}
	finished := ago(30 * time.Minute)
	done.Status.FinishedAt = &finished
	w := world{objects: []client.Object{hook(), pipeline, request(), done, freezeOf(-time.Hour, time.Hour), charts()}}
	runGolden(t, []goldenCase{
		{"get-receivers", w, "get receivers -A"},
		{"get-receivers-json", w, "get receivers hook -n infra -o json"},
		{"get-receivers-none", world{}, "get receivers"},
		{"get-promotions-name", w, "get promotions -o name"},
		{"status-receiver", w, "status receiver hook -n infra"},
		{"status-receiver-json", w, "status receiver hook -n infra -o json"},
		{"status-pipeline", w, "status pipeline shop"},
		{"status-pipeline-80", world{objects: w.objects, outWidth: 80}, "status pipeline shop"},
		{"status-pipeline-json", w, "status pipeline shop -o json"},
		{"status-pipeline-not-found", w, "status pipeline shpo"},
		{"status-promotion", w, "status promotion shop-prod-8"},
		{"status-promotion-done", w, "status promotion shop-prod-7"},
		{"status-promotion-json", w, "status promotion shop-prod-8 -o json"},
		{"status-freeze", w, "status freeze sale"},
		{"status-freeze-planned", world{objects: []client.Object{freezeOf(time.Hour, 2*time.Hour)}}, "status freeze sale"},
		{"status-freeze-ended", world{objects: []client.Object{freezeOf(-2*time.Hour, -time.Hour)}}, "status freeze sale -o json"},
		{"status-freeze-not-found", w, "status freeze sal"},
		{"tree-source-pipeline", w, "tree helmrepository charts"},
		{"events-pipeline-none", w, "events pipeline shop"},
		{"events-freeze", w, "events freeze sale"},
		{"reconcile-pipeline", w, "reconcile pipeline shop"},
		{"suspend-pipeline", w, "suspend pipeline shop"},
		{"suspend-freeze", w, "suspend freeze sale"},
		{"suspend-externalartifact", w, "suspend externalartifact web"},
		{"history-receiver", w, "history receiver hook"},
	})
}
