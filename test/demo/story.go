package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fairlead.dev/fairlead/test/env"
)

const (
	firstVersion  = "1.0.0"
	secondVersion = "1.1.0"
	brokenVersion = "1.2.0"
	fixedVersion  = "1.2.1"
	// patience is how long each part may take on a slow machine.
	patience = 3 * time.Minute
)

// show is everything that runs during the demonstration.
type show struct {
	dir        string
	cluster    *env.Cluster
	controller *env.Controller
	upstream   *upstreams
	repository *repository
	// stages is what was shown last of each stage of the pipeline.
	stages map[string]string
}

// demonstrate plays the whole story, and waits at its end when asked to stay.
func demonstrate(ctx context.Context, dir string, stay bool) (err error) {
	s := &show{dir: dir, stages: map[string]string{}}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := errors.Join(s.clean()); err != nil {
		return err
	}
	chapters := []struct {
		title string
		play  func(context.Context) error
	}{
		{"start a Kubernetes control plane", s.startCluster},
		{"start an OCI registry and a Git server, publish beacon " + firstVersion + " to both", s.startUpstream},
		{"install the CRDs and start the controller", s.startController},
		{"have the cluster follow " + followed + " of the repository", s.follow},
		{"git push: two releases, lighthouse with a chart from Git, beacon with one from the registry", s.pushReleases},
		{"git push: lighthouse gets another value", s.pushEdit},
		{"git revert", s.revert},
		{"publish beacon " + secondVersion + " and touch nothing else", s.publishNewer},
		{"edit the Deployment of beacon by hand", s.editByHand},
		{"publish beacon " + brokenVersion + ", whose image cannot be pulled", s.publishBroken},
		{"publish the fix, beacon " + fixedVersion, s.publishFix},
		{"git push: the chart of lighthouse asks for a right, which takes an approval", s.approveRight},
		{"git push: one more right, whose approval comes with another value", s.refuseMoved},
		{"git push: lighthouse is taken out of the repository", s.pushRemoval},
		{"git push: a pipeline promotes beacon from dev to staging to production", s.pushPipeline},
		{"approve beacon " + goodCandidate + " for production", s.approveFirst},
		{"publish beacon " + badCandidate + ", which fails in staging", s.publishBadCandidate},
		{"publish the fix, beacon " + fixedCandidate + ", and approve it", s.publishFixedCandidate},
		{"sign it, git push: a stage copies it to a second registry, which a far cluster follows", s.pushCopy},
	}
	for i, chapter := range chapters {
		started := time.Now()
		say("[%d/%d] %s", i+1, len(chapters), chapter.title)
		if err := chapter.play(ctx); err != nil {
			return errors.Join(err, s.failure())
		}
		say("      done in %.1fs", time.Since(started).Seconds())
	}
	s.epilogue(stay)
	if stay {
		<-ctx.Done()
		say("stopping")
	}
	return nil
}

// clean removes what an earlier run left behind, so that every run begins alike.
func (s *show) clean() error {
	for _, name := range []string{"cluster", "registry", "second-registry", "git", "controller", "address", "fleet"} {
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func (s *show) startCluster(ctx context.Context) (err error) {
	s.cluster, err = env.StartCluster(ctx, filepath.Join(s.dir, "cluster"))
	return err
}

func (s *show) startUpstream(ctx context.Context) (err error) {
	if s.upstream, err = startUpstreams(ctx, s.dir); err != nil {
		return err
	}
	s.repository, err = clone(ctx, filepath.Join(s.dir, "fleet"), s.upstream.gitURL)
	return err
}

func (s *show) startController(ctx context.Context) (err error) {
	if err := s.cluster.InstallCRDs(ctx); err != nil {
		return err
	}
	dir := filepath.Join(s.dir, "controller")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	s.controller, err = env.StartController(ctx, s.cluster, dir)
	return err
}

// publishNewer pushes the next version and waits until the release runs it.
func (s *show) publishNewer(ctx context.Context) error {
	if err := s.upstream.publish(ctx, secondVersion); err != nil {
		return err
	}
	return s.await(ctx, map[string]string{"lighthouse": firstVersion, "beacon": secondVersion})
}

// failure collects why something may have gone wrong.
func (s *show) failure() error {
	var errs []error
	if s.cluster != nil {
		errs = append(errs, s.cluster.Failed())
	}
	if s.controller != nil {
		errs = append(errs, s.controller.Failed())
		errs = append(errs, fmt.Errorf("the controller's log is %s", s.controller.Log))
	}
	return errors.Join(errs...)
}

func (s *show) close() error {
	var errs []error
	if s.controller != nil {
		errs = append(errs, s.controller.Stop())
	}
	if s.upstream != nil {
		errs = append(errs, s.upstream.close())
	}
	if s.cluster != nil {
		errs = append(errs, s.cluster.Stop())
	}
	return errors.Join(errs...)
}

func (s *show) epilogue(stay bool) {
	say("\nWhat was pushed was installed, upgraded, restored and uninstalled. Beacon was upgraded, repaired, rolled " +
		"back and upgraded again by itself.")
	say("Lighthouse got a right when its plan was approved, and did not get another one when the plan had changed by then.")
	say("The pipeline promoted one version from stage to stage by its digest. The version that failed in staging " +
		"never came to production. What production verified was copied to the second registry with its signature, " +
		"and the far side took it from there by its own range.")
	if !stay {
		return
	}
	say(`
Fairlead stays up until Ctrl-C. In another terminal:

  export KUBECONFIG=%s PATH=%s:$PATH
  fairlead get kustomizations
  fairlead get releases
  fairlead status release beacon
  fairlead history release beacon
  fairlead tree release beacon
  fairlead explain release beacon
  fairlead get pipelines -n shop
  fairlead explain pipeline beacon -n shop
  fairlead history pipeline beacon -n shop
  fairlead get releases -n edge   # the namespace stands for a far cluster
  kubectl get ks,hr,gitrepo,helmrepo
  helm ls -A
  helm history beacon
  demo --dir %s publish 1.3.0     # and watch it arrive: kubectl get hr -w
  cd %s    # change something in clusters/demo, then:
  fairlead diff kustomization fleet --path clusters/demo    # what it would change
  git commit -am "Try something" && git push                # and it is so, two seconds later
  git revert --no-edit HEAD && git push                     # and back
`, s.cluster.Kubeconfig, filepath.Join(root(), "bin"), s.dir, s.repository.dir)
}

func root() string {
	dir, err := env.Root()
	if err != nil {
		return "."
	}
	return dir
}

// say writes a line of the story to stdout.
func say(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }
