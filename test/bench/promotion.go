package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

const (
	// promotionNamespace holds the pipelines and what they promote.
	promotionNamespace = "promotion"
	// single is how many versions one pipeline promotes, one after the other.
	single = 15
	// atOnce is how many pipelines promote a version at the same time.
	atOnce = 100
	// subjectInterval is how often the subjects are polled, idleInterval how often those of the idle pipelines are.
	subjectInterval = time.Second
	idleInterval    = 10 * time.Second
	// idleRepositories is how many repositories the idle pipelines follow.
	idleRepositories = 5
)

// promotions is what the scenario promotion runs on.
type promotions struct {
	*field
	registry *servers.RegistryServer
}

// promote times promotions one by one and many at the same time, and counts what idle pipelines cost.
func (f *field) promote(ctx context.Context, r *result) (err error) {
	p := &promotions{field: f}
	if p.registry, err = servers.Registry(filepath.Join(f.dir, "promotion"), servers.Options{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.registry.Close()) }()
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: promotionNamespace}}
	if err := f.cluster.Apply(ctx, space); err != nil {
		return err
	}
	for _, step := range []func(context.Context, *result) error{p.oneByOne, p.allAtOnce, p.idle} {
		if err := step(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// push pushes a version of the chart of a repository, which has one ConfigMap.
func (p *promotions) push(ctx context.Context, repository, version string) (digest string, err error) {
	archive, err := servers.BuildChart(map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: wave\nversion: " + version + "\n",
		"templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"{{ .Release.Name }}\"}\n" +
			"data: {version: \"{{ .Chart.Version }}\"}\n",
	})
	if err != nil {
		return "", err
	}
	return p.registry.PushChart(ctx, repository, archive)
}

func inPromotion(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: promotionNamespace, Name: name}
}

// follow declares a source of the chart of a repository.
func (p *promotions) follow(ctx context.Context, name, repository string, interval time.Duration) error {
	return p.cluster.Apply(ctx, &v1beta1.OCIRepository{
		ObjectMeta: inPromotion(name),
		Spec: v1beta1.OCIRepositorySpec{
			URL: "oci://" + p.registry.Host() + "/" + repository + "/wave", Insecure: true,
			Reference: &v1beta1.OCIRepositoryRef{SemVer: "*"}, Interval: &metav1.Duration{Duration: interval},
		},
	})
}

// declare declares a pipeline with these stages.
func (p *promotions) declare(ctx context.Context, name, source string, stages ...v1beta1.PipelineStage) error {
	pipeline := &v1beta1.ReleasePipeline{ObjectMeta: inPromotion(name)}
	pipeline.Spec.Subject.SourceRef = v1beta1.PipelineSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: source}
	pipeline.Spec.Stages = stages
	return p.cluster.Client.Create(ctx, pipeline)
}

// install declares the HelmReleases of stages. They do not bake: that would be most of the time.
func (p *promotions) install(ctx context.Context, pipeline string, stages ...v1beta1.PipelineStage) error {
	for _, stage := range stages {
		hr := &v1beta1.HelmRelease{ObjectMeta: inPromotion(pipeline + "-" + stage.Name)}
		hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: hr.Name}
		hr.Spec.Bake = &metav1.Duration{}
		if err := p.cluster.Client.Create(ctx, hr); err != nil {
			return err
		}
	}
	return nil
}

// oneByOne times how long after dev has verified a version staging is pointed to it.
func (p *promotions) oneByOne(ctx context.Context, r *result) error {
	stages := []v1beta1.PipelineStage{{Name: "dev"}, {Name: "staging"}}
	err := errors.Join(p.follow(ctx, "single", "single", subjectInterval),
		p.declare(ctx, "single", "single", stages...), p.install(ctx, "single", stages...))
	if err != nil {
		return err
	}
	var took []float64
	for i := range single {
		moves, stop, err := p.watch(ctx)
		if err != nil {
			return err
		}
		digest, err := p.push(ctx, "single", fmt.Sprintf("1.%d.0", i))
		if err == nil {
			err = moves.await(ctx, digest, []string{"single-staging"})
		}
		stop()
		if err != nil {
			return err
		}
		took = append(took, moves.delay(digest, "single-dev", "single-staging"))
	}
	r.Ready = spreadOf(took)
	return nil
}

// allAtOnce promotes one version through two stages of many pipelines at the same time.
func (p *promotions) allAtOnce(ctx context.Context, r *result) error {
	stages := []v1beta1.PipelineStage{{Name: "dev"}, {Name: "prod"}}
	if _, err := p.push(ctx, "many", "1.0.0"); err != nil {
		return err
	}
	if err := p.follow(ctx, "many", "many", subjectInterval); err != nil {
		return err
	}
	var last []string
	for i := range atOnce {
		last = append(last, fmt.Sprintf("many%03d-prod", i))
	}
	moves, stop, err := p.watch(ctx)
	if err != nil {
		return err
	}
	defer stop()
	err = inParallel(writers, atOnce, func(i int) error {
		name := fmt.Sprintf("many%03d", i)
		return errors.Join(p.declare(ctx, name, "many", stages...), p.install(ctx, name, stages...))
	})
	if err != nil {
		return err
	}
	if err := moves.await(ctx, "", last); err != nil {
		return err
	}
	begin := time.Now()
	digest, err := p.push(ctx, "many", "1.1.0")
	if err != nil {
		return err
	}
	if err := moves.await(ctx, digest, last); err != nil {
		return err
	}
	r.Wall = time.Since(begin).Seconds()
	var took []float64
	for i := range atOnce {
		name := fmt.Sprintf("many%03d", i)
		took = append(took, moves.delay(digest, name+"-dev", name+"-prod"))
	}
	s := spreadOf(took)
	r.Notes = append(r.Notes, fmt.Sprintf("%d candidates at the same time through two stages: all are verified in the "+
		"second after %.1f s, rollouts included; from verified to delivered p50 %.2f s, p95 %.2f s, max %.2f s",
		atOnce, r.Wall, s.P50, s.P95, s.Max))
	return nil
}

// idle fills the cluster with pipelines whose three stages are pinned, and counts what they cost when nothing happens.
func (p *promotions) idle(ctx context.Context, r *result) error {
	count := p.settings.Pipelines
	for i := range idleRepositories {
		name := fmt.Sprintf("idle%d", i)
		if _, err := p.push(ctx, name, "1.0.0"); err != nil {
			return err
		}
		if err := p.follow(ctx, name, name, idleInterval); err != nil {
			return err
		}
	}
	before, liveBefore, err := p.memory(ctx)
	if err != nil {
		return err
	}
	stages := []v1beta1.PipelineStage{
		{Name: "dev", Pin: "1.0.0"}, {Name: "staging", Pin: "1.0.0"}, {Name: "prod", Pin: "1.0.0"},
	}
	err = inParallel(writers, count, func(i int) error {
		return p.declare(ctx, fmt.Sprintf("idle%04d", i), fmt.Sprintf("idle%d", i%idleRepositories), stages...)
	})
	if err == nil {
		err = p.settled(ctx, 3*count)
	}
	if err == nil {
		err = p.pause(ctx, 2*idleInterval)
	}
	if err != nil {
		return err
	}
	grown, live, err := p.memory(ctx)
	if err != nil {
		return err
	}
	r.Notes = append(r.Notes, fmt.Sprintf("%d pipelines of three stages: the largest memory of the controller grows "+
		"from %.0f to %.0f MiB, what is live after a garbage collection from %.1f to %.1f MiB",
		count, before, grown, liveBefore, live))
	return p.countIdle(ctx, r)
}

// memory returns the largest memory of the controller so far, and what its last garbage collection left, in MiB.
func (p *promotions) memory(ctx context.Context) (peak, live float64, err error) {
	consumed, err := p.procs[0].consumed() // the controller is the first
	if err != nil {
		return 0, 0, err
	}
	page, err := fetch(ctx, http.DefaultClient, p.controller.Metrics)
	if err != nil {
		return 0, 0, err
	}
	bytes, err := sumSamples(page, "go_gc_heap_live_bytes")
	return consumed.peak, float64(bytes) / (1 << 20), err
}

// countIdle counts requests and reconciles while nothing happens.
func (p *promotions) countIdle(ctx context.Context, r *result) error {
	reconciles := func() (int, error) {
		page, err := fetch(ctx, http.DefaultClient, p.controller.Metrics)
		if err != nil {
			return 0, err
		}
		return sumSamples(ofNamespace(page, promotionNamespace), reconcileCounter)
	}
	done, err := reconciles()
	if err != nil {
		return err
	}
	before, err := p.read(ctx)
	if err != nil {
		return err
	}
	p.registry.Forget()
	if err := p.pause(ctx, 3*idleInterval); err != nil {
		return err
	}
	after, err := p.read(ctx)
	if err != nil {
		return err
	}
	again, err := reconciles()
	if err != nil {
		return err
	}
	idle := result{}
	idle.charge(p.procs, before, after)
	asked := 0
	for _, q := range idle.Requests {
		asked += q.Count
	}
	r.Notes = append(r.Notes,
		fmt.Sprintf("idle for %s: %d requests of the controller to the API server, %d reconciles of all objects, "+
			"%.2f CPU-s", 3*idleInterval, asked, again-done, idle.Processes[0].CPU),
		fmt.Sprintf("idle for %s: requests to the registry %v, with %d repositories that are polled every %s and 2 "+
			"that are polled every %s", 3*idleInterval, p.registry.Requests(), idleRepositories, idleInterval,
			subjectInterval))
	return nil
}

// settled waits until the pinned pipelines have this many sources with an artifact.
func (p *promotions) settled(ctx context.Context, want int) error {
	deadline := time.Now().Add(p.settings.Timeout)
	for {
		list := &v1beta1.OCIRepositoryList{}
		err := p.cluster.Client.List(ctx, list, client.InNamespace(promotionNamespace),
			client.HasLabels{v1beta1.StageLabel})
		if err != nil {
			return err
		}
		ready := 0
		for i := range list.Items {
			if list.Items[i].Status.Artifact != nil {
				ready++
			}
		}
		if ready >= want {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d sources of stages are ready after %s", ready, want, p.settings.Timeout)
		}
		if err := p.pause(ctx, time.Second); err != nil {
			return err
		}
	}
}
