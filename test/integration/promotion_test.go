package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// ask makes a Promotion as a user does, in the name of the user.
func (p *promoting) ask(user, name, stage, version, rest string) (stderr string, code int) {
	p.Helper()
	file := filepath.Join(p.TempDir(), "promotion.yaml")
	content := fmt.Sprintf("apiVersion: fairlead.dev/v1beta1\nkind: Promotion\nmetadata: {namespace: %s, name: %s}\n"+
		"spec: {pipeline: web, stage: %s, version: %q, %s}\n", p.ns, name, stage, version, rest)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		p.Fatal(err)
	}
	_, stderr, code = command(p.T, "kubectl", "create", "--as", user, "--as-group", "system:masters", "-f", file)
	return stderr, code
}

// asked makes a Promotion, and waits for its phase and for what it says.
func (p *promoting) asked(name, stage, version, rest, phase, message string) {
	p.Helper()
	if stderr, code := p.ask("alice", name, stage, version, rest); code != 0 {
		p.Fatalf("making Promotion %s: %s", name, stderr)
	}
	q := &v1beta1.Promotion{ObjectMeta: named(p.ns, name)}
	until(p.T, "Promotion "+name+" is "+phase+": "+message, func() bool {
		q = get(p.T, q)
		return q.Status.Phase == phase && strings.Contains(status.Message(q), message)
	})
}

// A user promotes past gates, goes back during a freeze, and resumes the stage. A request that cannot be carried out
// says why; one that comes again after it was done does nothing.
func TestManualPromotion(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = p.Spec.Stages[1:]
		p.Spec.Stages[1].Promote = "Manual"
	})
	p.publish("1.0.0")
	p.await("staging 1.0.0 Verified", "prod - AwaitingApproval")
	p.asked("stage", "qa", "1.0.0", "cause: Manual", "Failed", `has no stage "qa"; it has staging, prod`)
	p.asked("version", "prod", "9.9.9", "cause: Manual", "Failed", "the pipeline has no candidate 9.9.9")
	p.asked("never", "prod", "1.0.0", "cause: Rollback", "Failed", "stage prod never verified 1.0.0")
	p.asked("waits", "prod", "1.0.0", "cause: Manual", "Waiting", "approval: not approved")
	p.asked("first", "prod", "1.0.0", "cause: Manual, bypass: [approval], reason: INC-1", "Verified",
		"Promotion web-prod-1 records it")
	p.await("staging 1.0.0 Verified", "prod 1.0.0 Verified")
	record := get(t, &v1beta1.Promotion{ObjectMeta: named(p.ns, "web-prod-1")})
	if record.Spec.Request != "first" || len(record.Status.Gates) == 0 || record.Status.StartedAt == nil {
		t.Errorf("the record is %+v, %+v", record.Spec, record.Status)
	}
	superseded := get(t, &v1beta1.Promotion{ObjectMeta: named(p.ns, "waits")})
	says(t, status.Message(superseded), "Promotion first was requested after it")

	p.publish("1.2.0")
	p.await("staging 1.2.0 Verified", "prod 1.0.0 AwaitingApproval")
	p.asked("next", "prod", "1.2.0", "cause: Manual, bypass: [approval]", "Verified", "Promotion web-prod-2 records it")
	p.asked("back", "prod", "1.0.0", "cause: Rollback, reason: INC-2", "Verified", "Promotion web-prod-3 records it")
	p.await("staging 1.2.0 Verified", "prod 1.0.0 Held")
	says(t, p.stage("prod").Message, "rolled back to 1.0.0, requested by a user: INC-2")

	remove(t, get(t, &v1beta1.Promotion{ObjectMeta: named(p.ns, "next")}))
	p.asked("next", "prod", "1.2.0", "cause: Manual, bypass: [approval]", "Verified", "Promotion web-prod-2 records it")
	p.await("staging 1.2.0 Verified", "prod 1.0.0 Held")
	if n := p.stage("prod").Promotions; n != 3 {
		t.Errorf("prod got %d promotions", n)
	}
}

// The API server refuses a Promotion in another name, and one that says that it belongs to a pipeline.
func TestRequestedBy(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, func(p *v1beta1.ReleasePipeline) { p.Spec.Stages = p.Spec.Stages[:1] })
	policies := filepath.Join("..", "..", "config", "approvals", "promotions.yaml")
	mustRun(t, "kubectl", "apply", "-f", policies)
	t.Cleanup(func() { mustRun(t, "kubectl", "delete", "-f", policies) })
	n := 0
	until(t, "a Promotion in another name is refused", func() bool {
		n++
		stderr, code := p.ask("alice", fmt.Sprint("other-", n), "dev", "9.9.9", "cause: Manual, requestedBy: bob")
		return code != 0 && strings.Contains(stderr, "spec.requestedBy has to be the name of the user who makes the")
	})
	if stderr, code := p.ask("alice", "own", "dev", "9.9.9", "cause: Manual, requestedBy: alice"); code != 0 {
		t.Errorf("a Promotion in the own name: %s", stderr)
	}
	p.publish("1.0.0")
	p.await("dev 1.0.0 Verified")
	record := get(t, &v1beta1.Promotion{ObjectMeta: named(p.ns, "web-dev-1")})

	role := fmt.Sprintf("--namespace=%s", p.ns)
	mustRun(t, "kubectl", "create", "role", "promoter", role, "--verb=create,get", "--resource=promotions.fairlead.dev")
	mustRun(t, "kubectl", "create", "rolebinding", "promoter", role, "--role=promoter", "--user=carol")
	file := filepath.Join(t.TempDir(), "fake.yaml")
	content := fmt.Sprintf("apiVersion: fairlead.dev/v1beta1\nkind: Promotion\nmetadata:\n  namespace: %s\n"+
		"  name: web-dev-2\n  ownerReferences:\n  - {apiVersion: fairlead.dev/v1beta1, kind: ReleasePipeline, "+
		"name: web, uid: %s, controller: true}\nspec: {pipeline: web, stage: dev, version: 1.0.0, cause: Auto}\n",
		p.ns, record.OwnerReferences[0].UID)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := command(t, "kubectl", "create", "--as", "carol", "-f", file)
	if code == 0 || !strings.Contains(stderr, "only the controller makes a Promotion that belongs to a ReleasePipeline") {
		t.Errorf("a record that a user makes: exit %d, %s", code, stderr)
	}
	if stderr, code := p.askAs("carol", "carols"); code != 0 {
		t.Errorf("a Promotion of a user who may create Promotions: %s", stderr)
	}
}

// askAs makes a Promotion as a user with no other rights.
func (p *promoting) askAs(user, name string) (stderr string, code int) {
	p.Helper()
	file := filepath.Join(p.TempDir(), "own.yaml")
	content := fmt.Sprintf("apiVersion: fairlead.dev/v1beta1\nkind: Promotion\nmetadata: {namespace: %s, name: %s}\n"+
		"spec: {pipeline: web, stage: dev, version: 9.9.9, cause: Manual, requestedBy: %s}\n", p.ns, name, user)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		p.Fatal(err)
	}
	_, stderr, code = command(p.T, "kubectl", "create", "--as", user, "-f", file)
	return stderr, code
}

// Who may write sources can neither change the source of a stage nor make one in the name of a pipeline; the controller
// can.
func TestSourcesOfStages(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, func(p *v1beta1.ReleasePipeline) { p.Spec.Stages = p.Spec.Stages[:1] })
	policies := filepath.Join("..", "..", "config", "approvals", "stagesources.yaml")
	mustRun(t, "kubectl", "apply", "-f", policies)
	t.Cleanup(func() { mustRun(t, "kubectl", "delete", "-f", policies) })
	first := p.publish("1.0.0")
	p.await("dev 1.0.0 Verified")
	source := get(t, &v1beta1.OCIRepository{ObjectMeta: named(p.ns, "web-dev")})
	role := "--namespace=" + p.ns
	mustRun(t, "kubectl", "create", "role", "writer", role, "--verb=*", "--resource=ocirepositories.fairlead.dev")
	mustRun(t, "kubectl", "create", "rolebinding", "writer", role, "--role=writer", "--user=dave")

	const refused = "only the controller makes or changes the source of a stage of a ReleasePipeline"
	patch := func(text string) (stderr string, code int) {
		_, stderr, code = command(t, "kubectl", "patch", "ocirepositories.fairlead.dev", "web-dev", role, "--as", "dave",
			"--type=merge", "--patch", text)
		return stderr, code
	}
	evil := `{"spec":{"ref":{"digest":"sha256:` + strings.Repeat("6", 64) + `"},"suspend":true}}`
	until(t, "another digest is refused", func() bool {
		stderr, code := patch(evil)
		return code != 0 && strings.Contains(stderr, refused)
	})
	if stderr, code := patch(`{"metadata":{"ownerReferences":null}}`); code == 0 || !strings.Contains(stderr, refused) {
		t.Errorf("a source that is taken from its pipeline: exit %d, %s", code, stderr)
	}
	if stderr, code := patch(`{"metadata":{"annotations":{"example.com/note":"mine"}}}`); code != 0 {
		t.Errorf("an annotation: %s", stderr)
	}
	file := filepath.Join(t.TempDir(), "forged.yaml")
	create := func(name, owner string) (stderr string, code int) {
		content := fmt.Sprintf("apiVersion: fairlead.dev/v1beta1\nkind: OCIRepository\nmetadata:\n  namespace: %s\n"+
			"  name: %s\n%sspec: {url: %q}\n", p.ns, name, owner, source.Spec.URL)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, stderr, code = command(t, "kubectl", "create", "--as", "dave", "-f", file)
		return stderr, code
	}
	owner := fmt.Sprintf("  ownerReferences:\n  - {apiVersion: fairlead.dev/v1beta1, kind: ReleasePipeline, "+
		"name: other, uid: %s, controller: true}\n", source.OwnerReferences[0].UID)
	if stderr, code := create("other-prod", owner); code == 0 || !strings.Contains(stderr, refused) {
		t.Errorf("a source in the name of a pipeline: exit %d, %s", code, stderr)
	}
	if stderr, code := create("own", ""); code != 0 {
		t.Errorf("a source of the own: %s", stderr)
	}

	second := p.publish("1.1.0")
	p.await("dev 1.1.0 Verified")
	if got := get(t, source); first == second || got.Spec.Reference.Digest != second {
		t.Errorf("the source is at %s, not %s", got.Spec.Reference.Digest, second)
	}
}
