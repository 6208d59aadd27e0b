package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
)

const (
	// promoted is the repository of the chart that the pipeline promotes, and the namespace of its releases.
	promoted = "shop"
	// The versions that the pipeline promotes: the second one fails in staging.
	goodCandidate  = "2.0.0"
	badCandidate   = "2.1.0"
	fixedCandidate = "2.1.1"
	// longest is how much is shown of why a stage waits.
	longest = 100
)

// pipeline promotes beacon from dev to staging to production, which waits for an approval; %s is the registry. Further
// stages may follow it.
const pipeline = `apiVersion: v1
kind: Namespace
metadata:
  name: shop
---
apiVersion: fairlead.dev/v1beta1
kind: OCIRepository
metadata:
  name: beacon
  namespace: shop
spec:
  url: oci://%s/shop/beacon
  insecure: true # plain HTTP, on the loopback address
  interval: 2s
  ref:
    semver: ">=2.0.0"
---
apiVersion: fairlead.dev/v1beta1
kind: ReleasePipeline
metadata:
  name: beacon
  namespace: shop
spec:
  subject:
    sourceRef: {kind: OCIRepository, name: beacon}
  stages:
    - name: dev
    - name: staging
    - name: production
      promote: Manual
`

// promotedRelease is the HelmRelease of a stage; %[1]s is the stage, %[2]d how many pods it has.
const promotedRelease = `---
apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata:
  name: beacon-%[1]s
  namespace: shop
spec:
  chartRef: {kind: OCIRepository, name: beacon-%[1]s}
  bake: 3s
  values:
    message: %[1]s
    replicaCount: %[2]d
`

// pushPipeline adds a pipeline and the releases of its stages to the repository, and waits until production asks for an
// approval.
func (s *show) pushPipeline(ctx context.Context) error {
	if err := s.upstream.publishTo(ctx, promoted, goodCandidate); err != nil {
		return err
	}
	err := s.repository.push(ctx, "Promote beacon through three stages",
		map[string]string{followed + "/pipeline.yaml": s.pipelineManifests("")})
	if err != nil {
		return err
	}
	return s.awaitStages(ctx, "dev 2.0.0 Verified", "staging 2.0.0 Verified", "production - AwaitingApproval")
}

// pipelineManifests are the pipeline, with further stages, and the releases of its stages.
func (s *show) pipelineManifests(furtherStages string) string {
	manifests := fmt.Sprintf(pipeline, s.upstream.registry) + furtherStages
	for _, stage := range []struct {
		name string
		pods int
	}{{"dev", 0}, {"staging", 1}, {"production", 2}} {
		manifests += fmt.Sprintf(promotedRelease, stage.name, stage.pods)
	}
	return manifests
}

// approve approves what production waits for, as a user does.
func (s *show) approve(ctx context.Context) error {
	answer, err := s.run(ctx, "approve", "pipeline", "beacon", "--stage", "production", "--namespace", promoted)
	if err != nil {
		return err
	}
	say("      production  %s", answer)
	return nil
}

// run runs the command as a user does, and returns what it prints.
func (s *show) run(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(root(), "bin", "fairlead"), args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+s.cluster.Kubeconfig)
	out, err := command.CombinedOutput()
	printed := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("fairlead %s: %w: %s", strings.Join(args, " "), err, printed)
	}
	return printed, nil
}

// approveFirst approves the first version for production.
func (s *show) approveFirst(ctx context.Context) error {
	if err := s.approve(ctx); err != nil {
		return err
	}
	return s.awaitStages(ctx, "dev 2.0.0 Verified", "staging 2.0.0 Verified", "production 2.0.0 Verified")
}

// publishBadCandidate publishes a version whose pods do not start. Dev has no pods, so staging finds out.
func (s *show) publishBadCandidate(ctx context.Context) error {
	if err := s.upstream.publishTo(ctx, promoted, badCandidate, unpullable); err != nil {
		return err
	}
	return s.awaitStages(ctx, "dev 2.1.0 Verified", "staging 2.0.0 Blocked", "production 2.0.0 Blocked")
}

// publishFixedCandidate publishes the fix, and approves it for production.
func (s *show) publishFixedCandidate(ctx context.Context) error {
	if err := s.upstream.publishTo(ctx, promoted, fixedCandidate); err != nil {
		return err
	}
	err := s.awaitStages(ctx, "dev 2.1.1 Verified", "staging 2.1.1 Verified", "production 2.0.0 AwaitingApproval")
	if err != nil {
		return err
	}
	if err := s.approve(ctx); err != nil {
		return err
	}
	return s.awaitStages(ctx, "dev 2.1.1 Verified", "staging 2.1.1 Verified", "production 2.1.1 Verified")
}

// awaitStages shows what the stages have until they are as wanted, as "dev 2.0.0 Verified".
func (s *show) awaitStages(ctx context.Context, want ...string) error {
	began := time.Now()
	return s.until(ctx, "the stages are "+strings.Join(want, ", "), func() (bool, error) {
		p := &v1beta1.ReleasePipeline{}
		err := s.cluster.Client.Get(ctx, client.ObjectKey{Namespace: promoted, Name: "beacon"}, p)
		if client.IgnoreNotFound(err) != nil {
			return false, err
		}
		reached := len(p.Status.Stages) == len(want)
		for i, stage := range p.Status.Stages {
			has := describeStage(stage)
			reached = reached && has == want[i]
			s.sayStage(stage, has)
		}
		if reached {
			say("      pipeline    %s after %s", strings.Join(want, ", "), since(began))
		}
		return reached, nil
	})
}

// sayStage says what a stage has when that has changed, and why it gets nothing newer.
func (s *show) sayStage(stage v1beta1.StageStatus, has string) {
	if s.stages[stage.Name] == has || stage.Phase == promotion.PhaseIdle {
		return
	}
	s.stages[stage.Name] = has
	why := ""
	if c := stage.Copy; c != nil && c.SignedBy != "" {
		_, by, _ := strings.Cut(c.SignedBy, " by ")
		why = ": copied with its signature by " + by
	}
	if stage.Phase == promotion.PhaseBlocked || stage.Phase == promotion.PhaseApproval {
		why = ": " + stage.Message
	}
	if runes := []rune(why); len(runes) > longest {
		why = string(runes[:longest]) + "…"
	}
	_, line, _ := strings.Cut(has, " ")
	say("      %-11s %s%s", stage.Name, line, why)
}

// describeStage says what a stage has.
func describeStage(s v1beta1.StageStatus) string {
	version := "-"
	if s.Delivery != nil {
		version = s.Delivery.Version
	}
	return strings.Join([]string{s.Name, version, s.Phase}, " ")
}
