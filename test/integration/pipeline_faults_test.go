package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

// writes reports whether a request writes objects of a resource: their spec, or a subresource of them.
func writes(resource, subresource string) match {
	return func(r env.Request) bool {
		return r.Resource == resource && r.Subresource == subresource && r.Writes()
	}
}

// A controller that is killed at any step of a promotion leaves work that the next one finishes: each stage gets the
// version once, by its digest, with one record.
func TestPromotionKilledAtAPoint(t *testing.T) {
	ns := namespace(t)
	alone(t)
	v := newVictim(t, ns, "controller")
	p := newPipelineIn(t, ns, func(p *v1beta1.ReleasePipeline) { p.Spec.Stages = p.Spec.Stages[:2] })
	p.publish("1.0.0")
	p.await("dev 1.0.0 Verified", "staging 1.0.0 Verified")
	status := writes("releasepipelines", "status")
	for i, at := range []struct {
		name  string
		point match
	}{
		{"the decision", nth(1, status)},
		{"the source of the stage", nth(1, writes("ocirepositories", ""))},
		{"the record", nth(1, writes("promotions", ""))},
		{"the phase of the record", nth(1, writes("promotions", "status"))},
		{"the verdict", nth(1, following(writes("promotions", "status"), status))},
		{"the decision of the second stage", nth(2, following(writes("promotions", "status"), status))},
		{"the source of the second stage", nth(2, writes("ocirepositories", ""))},
		{"the record of the second stage", nth(2, writes("promotions", ""))},
	} {
		version := fmt.Sprintf("1.%d.0", i+2)
		var digest string
		v.killAt(t, at.point, func() { digest = p.publish(version) })
		v.start(t)
		p.await("dev "+version+" Verified", "staging "+version+" Verified")
		for _, name := range []string{"dev", "staging"} {
			if source, verified := p.digestIn(name); source != digest || verified != digest {
				t.Errorf("killed at %s: %s has %s and verified %s, want %s", at.name, name, source, verified, digest)
			}
			record := version + " Auto Verified"
			until(t, "killed at "+at.name+": one record of "+name, func() bool {
				return strings.Count(strings.Join(p.promotions(name), ", "), record) == 1
			})
		}
	}
}

// The status of a pipeline is lost while the subject moves on. What runs stays, and each stage keeps its gates: the
// newest version does not get to prod without its approval, and staging does not get what it rejected.
func TestAPipelineLosesItsStatus(t *testing.T) {
	amongOthers(t)
	p := newPipeline(t, func(p *v1beta1.ReleasePipeline) { p.Spec.Stages[2].Promote = "Manual" })
	first := p.publish("1.0.0")
	p.await("dev 1.0.0 Verified", "staging 1.0.0 Verified", "prod - AwaitingApproval")
	p.approve("alice", "alice", first)
	p.await("dev 1.0.0 Verified", "staging 1.0.0 Verified", "prod 1.0.0 Verified")
	p.publish("1.1.0")
	p.await("dev 1.1.0 Verified", "staging 1.0.0 Blocked", "prod 1.0.0 Blocked")
	until(t, "staging has verified 1.0.0 again", func() bool { return p.stage("staging").Delivery.Verified })
	until(t, "the records say so", func() bool {
		return strings.Join(p.promotions("staging"), ", ") ==
			"1.0.0 Auto Verified, 1.1.0 Auto Rejected, 1.0.0 Rollback Verified"
	})

	if err := world.controller.Stop(); err != nil {
		t.Fatal(err)
	}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"status":null}`))
	if err := world.cluster.Client.Status().Patch(t.Context(), p.pipeline, patch); err != nil {
		t.Fatal(err)
	}
	fix := p.publish("1.1.1")
	if err := startController(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.await("dev 1.1.1 Verified", "staging 1.1.1 Verified", "prod 1.0.0 AwaitingApproval")
	if source, verified := p.digestIn("prod"); source != first || verified != first {
		t.Errorf("prod has %s and verified %s, want %s", source, verified, first)
	}
	want := "1.0.0 Auto Verified, 1.1.0 Auto Rejected, 1.0.0 Rollback Verified, 1.1.1 Auto Verified"
	until(t, "the Promotions of staging are "+want, func() bool {
		return strings.Join(p.promotions("staging"), ", ") == want
	})
	p.approve("alice", "alice", fix)
	p.await("dev 1.1.1 Verified", "staging 1.1.1 Verified", "prod 1.1.1 Verified")
}

// A registry that refuses, is busy, or no longer has the subject changes nothing that runs. The subject says what the
// registry answers, the pipeline says that the subject is not ready, and continues when the registry is back.
func TestARegistryFailsAPipeline(t *testing.T) {
	t.Parallel()
	var code atomic.Int32
	registry, err := servers.Registry(t.TempDir(), servers.Options{
		Intercept: func(w http.ResponseWriter, _ *http.Request) bool {
			answer := int(code.Load())
			switch answer {
			case 0:
				return false
			case http.StatusTooManyRequests, http.StatusServiceUnavailable:
				w.Header().Set("Retry-After", "1")
			}
			w.WriteHeader(answer)
			return true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	p := newPipeline(t, func(p *v1beta1.ReleasePipeline) { p.Spec.Stages = p.Spec.Stages[:1] })
	source := &v1beta1.OCIRepository{ObjectMeta: named(p.ns, "web")}
	source.Spec.URL, source.Spec.Insecure = "oci://"+registry.Host()+"/"+p.ns+"/sample", true
	source.Spec.Interval, source.Spec.Reference = often, &v1beta1.OCIRepositoryRef{SemVer: "*"}
	apply(t, source)
	push := func(version string) {
		t.Helper()
		archive := chartArchive(t, "sample", version, map[string]string{"templates/deployment.yaml": crashingIn})
		if _, err := registry.PushChart(t.Context(), p.ns, archive); err != nil {
			t.Fatal(err)
		}
	}
	push("1.0.0")
	p.await("dev 1.0.0 Verified")
	has, _ := p.digestIn("dev")
	for _, tt := range []struct {
		code   int32
		reason string
	}{
		{http.StatusUnauthorized, v1beta1.AuthenticationFailedReason},
		{http.StatusTooManyRequests, v1beta1.FetchFailedReason},
		{http.StatusServiceUnavailable, v1beta1.FetchFailedReason},
		{http.StatusNotFound, v1beta1.NotFoundReason},
	} {
		code.Store(tt.code)
		awaitNotReady(t, source, tt.reason)
		awaitNotReady(t, p.pipeline, v1beta1.SourceNotReadyReason)
		mustRun(t, "fairlead", "reconcile", "release", "dev", "-n", p.ns)
		awaitReady(t, &v1beta1.HelmRelease{ObjectMeta: named(p.ns, "dev")})
		if source, verified := p.digestIn("dev"); source != has || verified != has {
			t.Errorf("%d: dev has %s and verified %s, want %s", tt.code, source, verified, has)
		}
		code.Store(0)
		mustRun(t, "fairlead", "reconcile", "ocirepository", "web", "-n", p.ns)
		awaitReady(t, source)
		awaitReady(t, p.pipeline)
	}
	push("1.1.0")
	p.await("dev 1.1.0 Verified")
}

// A tag that is pushed again with other content is another candidate. A stage that was approved for the former content
// gets that, and not what the tag stands for by then.
func TestATagMovesAfterItsApproval(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = p.Spec.Stages[:2]
		p.Spec.Stages[1].Promote = "Manual"
	})
	first := p.publish("1.0.0")
	p.await("dev 1.0.0 Verified", "staging - AwaitingApproval")
	archive := chartArchive(t, "sample", "1.0.0", map[string]string{"templates/deployment.yaml": crashingIn,
		"templates/more.yaml": "# another build\n"})
	second, err := world.registry.PushChart(t.Context(), p.ns, archive)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "dev has the other content", func() bool {
		d := p.stage("dev").Delivery
		return d.Digest == second && d.Verified
	})
	p.approve("alice", "alice", first)
	p.await("dev 1.0.0 Verified", "staging 1.0.0 AwaitingApproval")
	until(t, "staging has verified the approved content", func() bool {
		source, verified := p.digestIn("staging")
		return source == first && verified == first
	})
	p.approve("alice", "alice", second)
	until(t, "staging has the other content", func() bool {
		source, verified := p.digestIn("staging")
		return source == second && verified == second
	})
}

// A user without the right to create PromotionApprovals approves nothing, and an approval of another digest counts for
// nothing.
func TestAnApprovalWithoutTheRight(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = p.Spec.Stages[:1]
		p.Spec.Stages[0].Promote = "Manual"
	})
	digest := p.publish("1.0.0")
	p.await("dev - AwaitingApproval")
	content := fmt.Sprintf(
		"apiVersion: fairlead.dev/v1beta1\nkind: PromotionApproval\nmetadata: {namespace: %s, name: a}\n"+
			"spec: {pipeline: web, stage: dev, digest: %q, user: mallory}\n", p.ns, digest)
	file := filepath.Join(t.TempDir(), "approval.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := command(t, "kubectl", "create", "--as", "mallory", "-f", file); code == 0 ||
		!strings.Contains(stderr, "forbidden") {
		t.Errorf("kubectl ends with %d: %s", code, stderr)
	}
	p.approve("alice", "alice", "sha256:"+strings.Repeat("0", 64))
	mustRun(t, "fairlead", "reconcile", "ocirepository", "web", "-n", p.ns)
	p.await("dev - AwaitingApproval")
	p.approve("alice", "alice", digest)
	p.await("dev 1.0.0 Verified")
}
