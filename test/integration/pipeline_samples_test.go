package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// The samples of pipelines are applied with strict validation, and promote a version up to the approval and beyond.
func TestPromotionSamples(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one-cluster", "hub"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			p := &promoting{T: t, ns: ns, pipeline: &v1beta1.ReleasePipeline{ObjectMeta: named(ns, "shop")}}
			var verified []string
			if name == "hub" {
				p.remotes("staging-cluster", "eu-cluster", "us-cluster")
			} else {
				verified = append(verified, "dev 1.0.0 Verified")
			}
			digest := p.publish("1.0.0")
			p.applySample(name)
			verified = append(verified, "staging 1.0.0 Verified")
			p.await(append(verified, "production - AwaitingApproval")...)
			p.pipeline = get(t, p.pipeline)
			p.approveFor("alice", digest)
			p.await(append(verified, "production 1.0.0 Verified")...)
		})
	}
}

// The API server accepts the samples of far clusters and of shared values. TestCopyToAnotherCluster and
// TestAPipelineWithSharedValues run such layouts.
func TestSamplesThatAreNotRun(t *testing.T) {
	t.Parallel()
	p := &promoting{T: t, ns: namespace(t)}
	p.applySample("far-clusters", "--dry-run=server")
	p.applySample("shared-values", "--dry-run=server")
}

// The API server accepts the sample of many charts, and the controller makes a pipeline for each chart.
func TestTheSampleOfManyCharts(t *testing.T) {
	t.Parallel()
	p := &promoting{T: t, ns: namespace(t)}
	p.applySample("many-charts")
	for _, name := range []string{"shop-cart", "shop-web"} {
		made := &v1beta1.ReleasePipeline{ObjectMeta: named(p.ns, name)}
		until(t, name+" is made", func() bool { return exists(t, made) })
	}
}

// remotes starts another cluster, and puts its kubeconfig into Secrets.
func (p *promoting) remotes(secrets ...string) {
	p.Helper()
	newRemote(p.T, p.ns)
	kubeconfig := get(p.T, &corev1.Secret{ObjectMeta: named(p.ns, "remote")}).Data
	for _, name := range secrets {
		apply(p.T, &corev1.Secret{ObjectMeta: named(p.ns, name), Data: kubeconfig})
	}
}

// applySample applies a sample as a user does, with the namespace and the registry of the test.
func (p *promoting) applySample(name string, flags ...string) {
	p.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "samples", "promotion", name+".yaml"))
	if err != nil {
		p.Fatal(err)
	}
	sample := strings.NewReplacer(
		"namespace: apps", "namespace: "+p.ns, "namespace: production", "namespace: "+p.ns,
		"targetNamespace: shop", "targetNamespace: "+p.ns+"-shop",
		"url: oci://registry.example.com/charts/shop",
		"url: oci://"+world.registry.Host()+"/"+p.ns+"/sample\n  insecure: true\n  interval: 1s",
		"spec:\n  releaseName", "spec:\n  bake: 1s\n  releaseName",
		"spec:\n  targetNamespace", "spec:\n  bake: 1s\n  targetNamespace",
	).Replace(string(content))
	file := filepath.Join(p.TempDir(), name+".yaml")
	if err := os.WriteFile(file, []byte(sample), 0o600); err != nil {
		p.Fatal(err)
	}
	mustRun(p.T, "kubectl", append([]string{"apply", "--validate=strict", "-f", file}, flags...)...)
}

// approveFor approves a digest for the last stage of the pipeline, as a user.
func (p *promoting) approveFor(user, digest string) {
	p.Helper()
	last := p.pipeline.Spec.Stages[len(p.pipeline.Spec.Stages)-1].Name
	content := fmt.Sprintf("apiVersion: fairlead.dev/v1beta1\nkind: PromotionApproval\n"+
		"metadata: {namespace: %s, name: approval}\nspec: {pipeline: %s, stage: %s, digest: %q, user: %s}\n",
		p.ns, p.pipeline.Name, last, digest, user)
	file := filepath.Join(p.TempDir(), "approval.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		p.Fatal(err)
	}
	mustRun(p.T, "kubectl", "create", "--as", user, "--as-group", "system:masters", "-f", file)
}
