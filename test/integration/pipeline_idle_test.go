package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// Pipelines that have nothing to do ask the API server nothing. The registry is asked about the subject alone, once at
// each interval: the sources of stages are pinned to a digest.
func TestIdlePipelinesAskNothing(t *testing.T) {
	ns := namespace(t)
	alone(t)
	v := newVictim(t, ns, "controller")
	p := newPipelineIn(t, ns)
	p.publish("1.0.0")
	p.await("dev 1.0.0 Verified", "staging 1.0.0 Verified", "prod 1.0.0 Verified")
	for i := range 5 {
		pinned := &v1beta1.ReleasePipeline{ObjectMeta: named(ns, fmt.Sprintf("pinned%d", i))}
		p.pipeline.Spec.DeepCopyInto(&pinned.Spec)
		for j := range pinned.Spec.Stages {
			pinned.Spec.Stages[j].Pin = "1.0.0"
		}
		apply(t, pinned)
		for _, s := range pinned.Spec.Stages {
			source := &v1beta1.OCIRepository{ObjectMeta: named(ns, pinned.Name+"-"+s.Name)}
			until(t, source.Name+" is made", func() bool { return exists(t, source) })
			awaitReady(t, source)
		}
	}
	subject := &v1beta1.OCIRepository{ObjectMeta: named(ns, "web")}
	rest := func() env.Counts {
		before := v.proxy.Counts()
		world.registry.Forget()
		for polls := 0; polls < 5; time.Sleep(100 * time.Millisecond) {
			polls = strings.Count(strings.Join(world.registry.Seen(), "\n"), "/tags/list")
		}
		return v.proxy.Since(before)
	}
	until(t, "the controller comes to rest", func() bool { return len(rest()) == 0 })
	if awaited := condition(t, subject, v1beta1.ReadyCondition); awaited.Status != metav1.ConditionTrue {
		t.Errorf("the subject is not Ready: %s", awaited.Message)
	}
	lists, heads := 0, 0
	for _, request := range world.registry.Seen() {
		switch {
		case strings.Contains(request, "/tags/list"):
			lists++
		case strings.Contains(request, "/manifests/1.0.0"):
			heads++
		default:
			t.Errorf("the registry was asked %s", request)
		}
	}
	if heads > lists+1 {
		t.Errorf("%d lists of tags and %d requests for the manifest: the pipelines do not share them", lists, heads)
	}
}
