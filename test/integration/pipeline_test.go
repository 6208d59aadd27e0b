package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// crashingIn is a Deployment that crashes in version 1.1.0 in the stage staging.
var crashingIn = strings.NewReplacer(
	`{{- with .Values.waiting }}`, `{{- if and (eq .Chart.Version "1.1.0") (eq .Values.stage "staging") }}`,
	`waiting: {{ . }}`, `waiting: CrashLoopBackOff`,
).Replace(podsTemplate)

// promoting is a pipeline with a HelmRelease in each of three stages.
type promoting struct {
	*testing.T
	ns       string
	pipeline *v1beta1.ReleasePipeline
}

func newPipeline(t *testing.T, change ...func(*v1beta1.ReleasePipeline)) *promoting {
	t.Helper()
	return newPipelineIn(t, namespace(t), change...)
}

func newPipelineIn(t *testing.T, ns string, change ...func(*v1beta1.ReleasePipeline)) *promoting {
	t.Helper()
	p := &promoting{T: t, ns: ns}
	source := &v1beta1.OCIRepository{ObjectMeta: named(p.ns, "web")}
	source.Spec.URL, source.Spec.Insecure = "oci://"+world.registry.Host()+"/"+p.ns+"/sample", true
	source.Spec.Interval, source.Spec.Reference = often, &v1beta1.OCIRepositoryRef{SemVer: "*"}
	p.pipeline = &v1beta1.ReleasePipeline{ObjectMeta: named(p.ns, "web")}
	p.pipeline.Spec.Subject.SourceRef = v1beta1.PipelineSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web"}
	for _, stage := range []string{"dev", "staging", "prod"} {
		p.pipeline.Spec.Stages = append(p.pipeline.Spec.Stages, v1beta1.PipelineStage{Name: stage})
	}
	for _, c := range change {
		c(p.pipeline)
	}
	apply(t, source, p.pipeline)
	for _, stage := range p.pipeline.Spec.Stages {
		if stage.CopyOf() == nil {
			apply(t, p.release(stage.Name))
		}
	}
	return p
}

func (p *promoting) release(stage string) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{ObjectMeta: named(p.ns, stage)}
	hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web-" + stage}
	hr.Spec.Bake = often
	return withValues(hr, fmt.Sprintf(`{"message":"runs","stage":%q}`, stage))
}

func (p *promoting) publish(version string) (digest string) {
	p.Helper()
	archive := chartArchive(p.T, "sample", version, map[string]string{"templates/deployment.yaml": crashingIn})
	digest, err := world.registry.PushChart(p.Context(), p.ns, archive)
	if err != nil {
		p.Fatal(err)
	}
	return digest
}

// stage reads the status of a stage.
func (p *promoting) stage(name string) v1beta1.StageStatus {
	p.Helper()
	for _, s := range get(p.T, p.pipeline).Status.Stages {
		if s.Name == name {
			return s
		}
	}
	return v1beta1.StageStatus{}
}

// await waits until stages have what is said of them, as "dev 1.0.0 Verified".
func (p *promoting) await(want ...string) {
	p.Helper()
	until(p.T, "the stages are "+strings.Join(want, ", "), func() bool {
		var got []string
		for _, s := range get(p.T, p.pipeline).Status.Stages {
			version := "-"
			if s.Delivery != nil {
				version = s.Delivery.Version
			}
			got = append(got, strings.Join([]string{s.Name, version, s.Phase}, " "))
		}
		return slices.Equal(got, want)
	})
}

// digestIn is the digest that the source of a stage is pinned to, and the chart that its HelmRelease verified.
func (p *promoting) digestIn(stage string) (source, verified string) {
	p.Helper()
	outlet := get(p.T, &v1beta1.OCIRepository{ObjectMeta: named(p.ns, "web-"+stage)})
	hr := get(p.T, &v1beta1.HelmRelease{ObjectMeta: named(p.ns, stage)})
	if hr.Generation != 1 {
		p.Errorf("HelmRelease %s has generation %d: it was written to", stage, hr.Generation)
	}
	if hr.Status.LastVerified != nil {
		verified = hr.Status.LastVerified.ChartDigest
	}
	return outlet.Spec.Reference.Digest, verified
}

// promotions lists the records of a stage, the oldest first, as "1.0.0 Auto Verified".
func (p *promoting) promotions(stage string) []string {
	p.Helper()
	list := &v1beta1.PromotionList{}
	if err := world.cluster.Client.List(p.Context(), list, client.InNamespace(p.ns),
		client.MatchingLabels{v1beta1.StageLabel: stage}); err != nil {
		p.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b v1beta1.Promotion) int { return strings.Compare(a.Name, b.Name) })
	var all []string
	for _, item := range list.Items {
		all = append(all, strings.Join([]string{item.Spec.Version, item.Spec.Cause, item.Status.Phase}, " "))
	}
	return all
}

// A good version goes through three stages by its digest. A bad one is rolled back in staging, and rejected there,
// although
// the controller is killed in between; prod never has it. The fix goes through. It is not parallel: it stops the
// controller.
func TestAPipeline(t *testing.T) {
	amongOthers(t)
	p := newPipeline(t)
	first := p.publish("1.0.0")
	p.await("dev 1.0.0 Verified", "staging 1.0.0 Verified", "prod 1.0.0 Verified")
	awaitReady(t, p.pipeline)
	for _, stage := range []string{"dev", "staging", "prod"} {
		if source, verified := p.digestIn(stage); source != first || verified != first {
			t.Errorf("stage %s has %s and verified %s, want %s", stage, source, verified, first)
		}
	}

	bad := p.publish("1.1.0")
	until(t, "staging gets 1.1.0", func() bool {
		d := p.stage("staging").Delivery
		return d != nil && d.Digest == bad
	})
	restart(t)
	p.await("dev 1.1.0 Verified", "staging 1.0.0 Blocked", "prod 1.0.0 Blocked")
	until(t, "staging has verified 1.0.0 again", func() bool { return p.stage("staging").Delivery.Verified })
	if source, verified := p.digestIn("staging"); source != first || verified != first {
		t.Errorf("staging has %s and verified %s, want %s", source, verified, first)
	}
	says(t, p.stage("prod").Message, "stage staging rejected it")

	record := &v1beta1.Promotion{ObjectMeta: named(p.ns, "web-staging-2")}
	until(t, "the record of 1.1.0 says that it was rejected", func() bool {
		return condition(t, record, v1beta1.ReadyCondition).Reason == v1beta1.CandidateRejectedReason
	})

	fix := p.publish("1.1.1")
	p.await("dev 1.1.1 Verified", "staging 1.1.1 Verified", "prod 1.1.1 Verified")
	for _, stage := range []string{"dev", "staging", "prod"} {
		if source, verified := p.digestIn(stage); source != fix || verified != fix {
			t.Errorf("stage %s has %s and verified %s, want %s", stage, source, verified, fix)
		}
	}
	want := map[string]string{
		"dev":     "1.0.0 Auto Verified, 1.1.0 Auto Verified, 1.1.1 Auto Verified",
		"staging": "1.0.0 Auto Verified, 1.1.0 Auto Rejected, 1.0.0 Rollback Verified, 1.1.1 Auto Verified",
		"prod":    "1.0.0 Auto Verified, 1.1.1 Auto Verified",
	}
	for stage, records := range want {
		until(t, "the Promotions of "+stage+" are "+records, func() bool {
			return strings.Join(p.promotions(stage), ", ") == records
		})
	}
}

// prod waits for an approval, which counts for one digest; a freeze holds promotions, and no pin that goes back.
func TestApprovalFreezeAndPin(t *testing.T) {
	t.Parallel()
	amongOthers(t)
	p := newPipeline(t, func(p *v1beta1.ReleasePipeline) { p.Spec.Stages[2].Promote = "Manual" })
	p.publish("1.0.0")
	p.await("dev 1.0.0 Verified", "staging 1.0.0 Verified", "prod - AwaitingApproval")
	p.approve("alice", "alice", p.stage("staging").Delivery.Digest)
	p.await("dev 1.0.0 Verified", "staging 1.0.0 Verified", "prod 1.0.0 Verified")

	freeze := &v1beta1.ReleaseFreeze{ObjectMeta: metav1.ObjectMeta{Name: p.ns}}
	freeze.Spec.Reason, freeze.Spec.Namespaces = "the database is restored", []string{p.ns}
	second := p.publish("1.2.0")
	p.await("dev 1.2.0 Verified", "staging 1.2.0 Verified", "prod 1.0.0 AwaitingApproval")
	apply(t, freeze)
	t.Cleanup(func() { _ = world.cluster.Client.Delete(context.WithoutCancel(t.Context()), freeze) })
	p.approve("alice", "alice", second)
	p.await("dev 1.2.0 Verified", "staging 1.2.0 Verified", "prod 1.0.0 Frozen")
	says(t, p.stage("prod").Message, "the database is restored")

	p.pipeline.Spec.Stages[0].Pin = "1.0.0"
	p.pipeline.ResourceVersion, p.pipeline.ManagedFields = "", nil
	apply(t, p.pipeline)
	p.await("dev 1.0.0 Pinned", "staging 1.2.0 Verified", "prod 1.0.0 Frozen")
	remove(t, freeze)
	p.await("dev 1.0.0 Pinned", "staging 1.2.0 Verified", "prod 1.2.0 Verified")
}

// The API server refuses an approval in another name. Two approvers are two users; without the policy that checks them,
// two are refused.
func TestApprovers(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = p.Spec.Stages[:1]
		p.Spec.Stages[0].Promote, p.Spec.Stages[0].Gates = "Manual", &v1beta1.StageGates{
			Approval: &v1beta1.StageApproval{Count: 2},
		}
	})
	digest := p.publish("1.0.0")
	approvalPolicies(t)
	until(t, "an approval in another name is refused", func() bool {
		_, stderr, code := p.approval("alice", "bob", digest)
		return code != 0 && strings.Contains(stderr, "spec.user has to be the name of the user who makes the request")
	})
	if err := world.cluster.Client.DeleteAllOf(t.Context(), &v1beta1.PromotionApproval{},
		client.InNamespace(p.ns)); err != nil {
		t.Fatal(err)
	}
	p.approve("alice", "alice", digest)
	p.approve("alice", "alice", digest)
	p.await("dev - AwaitingApproval")
	says(t, p.stage("dev").Message, "approved by alice; 1 of 2 approvals are missing")
	says(t, p.stage("dev").Message, "alice approved more than once, which counts once")
	p.approve("bob", "bob", digest)
	p.await("dev 1.0.0 Verified")
	p.groups(digest)
}

// groups wants approvers of a group. The API server refuses a group that the user is not in.
func (p *promoting) groups(first string) {
	p.Helper()
	mustRun(p.T, "kubectl", "-n", p.ns, "patch", "releasepipeline", "web", "--type=json", "-p",
		`[{"op":"replace","path":"/spec/stages/0/gates/approval","value":{"groups":["owners"],"when":"OnMinor"}},`+
			`{"op":"replace","path":"/spec/stages/0/promote","value":"Auto"}]`)
	digest := p.publish("1.2.0")
	p.await("dev 1.0.0 AwaitingApproval")
	if _, stderr, code := p.approval("carol", "carol", digest, "groups: [owners]"); code == 0 ||
		!strings.Contains(stderr, "spec.groups has to name groups of the user who makes the request") {
		p.Fatalf("an approval with a group of others: exit %d, %s", code, stderr)
	}
	p.approve("carol", "carol", digest)
	until(p.T, "an approval without the group does not count", func() bool {
		return strings.Contains(p.stage("dev").Message, "carol is in none of the groups owners")
	})
	p.approve("carol", "carol", digest, "groups: [system:masters]")
	p.await("dev 1.0.0 AwaitingApproval")
	mustRun(p.T, "kubectl", "-n", p.ns, "patch", "releasepipeline", "web", "--type=json", "-p",
		`[{"op":"replace","path":"/spec/stages/0/gates/approval/groups","value":["owners","system:masters"]}]`)
	p.await("dev 1.2.0 Verified")
	p.approve("carol", "carol", digest, "groups: [system:masters]", "decision: Reject", "comment: too slow")
	p.await("dev 1.0.0 Blocked")
	if source, _ := p.digestIn("dev"); source != first {
		p.Errorf("dev has %s, want %s", source, first)
	}
	says(p.T, p.stage("dev").Rejected[0].Reason, "carol rejected it: too slow")
}

// approval makes an approval in a name, as a user.
func (p *promoting) approval(user, name, digest string, more ...string) (stdout, stderr string, code int) {
	p.Helper()
	file := filepath.Join(p.TempDir(), "approval.yaml")
	content := fmt.Sprintf("apiVersion: fairlead.dev/v1beta1\nkind: PromotionApproval\n"+
		"metadata: {namespace: %s, generateName: a-}\nspec: {pipeline: web, stage: %s, digest: %q, user: %s%s}\n",
		p.ns, p.pipeline.Spec.Stages[len(p.pipeline.Spec.Stages)-1].Name, digest, name,
		strings.Join(append([]string{""}, more...), ", "))
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		p.Fatal(err)
	}
	return command(p.T, "kubectl", "create", "--as", user, "--as-group", "system:masters", "-f", file)
}

func (p *promoting) approve(user, name, digest string, more ...string) {
	p.Helper()
	if _, stderr, code := p.approval(user, name, digest, more...); code != 0 {
		p.Fatalf("approving as %s: %s", user, stderr)
	}
}

// A stage takes only what is signed by those whom it trusts, which is more than the source of the subject wants.
func TestASignedStage(t *testing.T) {
	t.Parallel()
	trusted, err := servers.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	p := newPipeline(t, func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = p.Spec.Stages[:2]
		p.Spec.Stages[1].Gates = &v1beta1.StageGates{
			Verify: &v1beta1.Verification{Provider: "cosign", SecretRef: local("keys")},
		}
	})
	apply(t, secretWith(p.ns, "keys", map[string][]byte{"team.pub": trusted.Public}))
	digest := p.publish("1.0.0")
	p.await("dev 1.0.0 Verified", "staging - Blocked")
	until(t, "the gate says that there is no signature", func() bool {
		return strings.Contains(p.stage("staging").Message, "has no signature")
	})
	if err := trusted.Sign(t.Context(), world.registry, p.ns+"/sample", digest); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "kubectl", "-n", p.ns, "annotate", "releasepipeline", "web",
		v1beta1.ReconcileRequestAnnotation+"=signed-now")
	p.await("dev 1.0.0 Verified", "staging 1.0.0 Verified")
	if source, verified := p.digestIn("staging"); source != digest || verified != digest {
		t.Errorf("staging has %s and verified %s, want %s", source, verified, digest)
	}
}
