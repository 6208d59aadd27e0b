package attacks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

// Access to the neighbor's chart repository, which has a chart that no other has.
const (
	reader   = "reader"
	password = "correct-horse-battery"
)

// neighborObjects are what the neighbor has all the time.
const neighborObjects = `
apiVersion: v1
kind: Secret
metadata: {name: access}
stringData: {username: reader, password: correct-horse-battery}
---
apiVersion: v1
kind: Secret
metadata: {name: vault}
stringData: {password: canary-of-the-secret-9a0b, values.yaml: "message: canary-of-the-secret-9a0b"}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmRepository
metadata: {name: charts}
spec: {url: "$CHARTS", secretRef: {name: access}, interval: 10h}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: shop}
spec:
  bake: 0s
  driftDetection: {mode: enabled}
  chart: {spec: {chart: shop, sourceRef: {kind: HelmRepository, name: charts}}}
  values: {message: runs, password: canary-of-the-values-5d41}
`

// shop is the neighbor's chart.
var shop = map[string]string{
	"Chart.yaml":  "apiVersion: v2\nname: shop\nversion: 1.0.0\ndescription: canary-of-the-chart-77c2\n",
	"values.yaml": "message: hello\n",
	"templates/config.yaml": `apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {message: {{ .Values.message | quote }}, inside: canary-of-the-chart-77c2}
`,
	"templates/deployment.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: 0
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}, annotations: {message: {{ .Values.message | quote }}}}
    spec: {containers: [{name: main, image: example.com/shop}]}
`,
	"templates/account.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: {{ .Release.Name }}}\n",
}

// round is one release from its installation to its end. The post renderer needs what kustomize needs.
const round = `
apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: %[1]s}
spec:
  bake: 0s
  chart: {spec: {chart: shop, sourceRef: {kind: HelmRepository, name: charts}}}
  values: {message: %[2]s}
  postRenderers:
    - kustomize: {patches: [{target: {kind: ConfigMap}, patch: "[{op: add, path: /data/patched, value: %[2]s}]"}]}
`

// baseline is the number of rounds before the first attack, which say how long a round usually takes.
const baseline = 5

// pause is the time between two rounds. Without it the API server of the test takes all processors, and work of a low
// priority, such as a template without end, never comes to its bound.
const pause = 250 * time.Millisecond

// neighbor installs, upgrades and uninstalls a release again and again.
type neighbor struct {
	charts *servers.Charts
	digest string
	usual  time.Duration // of the slowest round without an attack
	stop   context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	number  int
	begun   time.Time // the last round that has been completed
	failure error     // of the last round
	abandon context.CancelFunc
}

// moveIn starts the neighbor and waits until it is known how long its releases usually take.
func moveIn(ctx context.Context) (_ *neighbor, err error) {
	n := &neighbor{done: make(chan struct{})}
	if n.charts, err = servers.ChartRepository(servers.ChartOptions{Options: servers.Options{Username: reader,
		Password: password}}); err != nil {
		return nil, err
	}
	archive, err := servers.BuildChart(shop)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(n.charts.Add(archive), admit(ctx, victim)); err != nil {
		return nil, err
	}
	n.digest = digestOf(archive)
	objects, err := env.ParseObjects(victim, strings.ReplaceAll(neighborObjects, "$CHARTS", n.charts.URL()))
	if err != nil {
		return nil, err
	}
	if err := world.cluster.Apply(ctx, objects...); err != nil {
		return nil, err
	}
	if err := n.awaitMessage(ctx, "shop", "runs"); err != nil {
		return nil, err
	}
	for range baseline {
		begin := time.Now()
		if err := n.play(ctx); err != nil {
			return nil, err
		}
		n.usual = max(n.usual, time.Since(begin))
	}
	ctx, n.stop = context.WithCancel(ctx)
	go n.live(ctx)
	return n, nil
}

func (n *neighbor) live(ctx context.Context) {
	defer close(n.done)
	for ctx.Err() == nil {
		attempt, cancel := context.WithCancel(ctx)
		n.mu.Lock()
		n.abandon = cancel
		n.mu.Unlock()
		begin := time.Now()
		err := n.play(attempt)
		cancel()
		n.mu.Lock()
		n.failure = err
		if err == nil {
			n.begun = begin
		}
		n.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (n *neighbor) moveOut() {
	n.stop()
	<-n.done
}

// startOver gives up the present round, for another controller.
func (n *neighbor) startOver() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.abandon != nil {
		n.abandon()
	}
}

// play is one round.
func (n *neighbor) play(ctx context.Context) error {
	n.mu.Lock()
	n.number++
	name := fmt.Sprintf("round-%d", n.number)
	n.mu.Unlock()
	for _, message := range []string{"one", "two"} {
		if err := n.declare(ctx, fmt.Sprintf(round, name, message)); err != nil {
			return err
		}
		if err := n.awaitMessage(ctx, name, message); err != nil {
			return err
		}
	}
	hr := release(name)
	if err := world.cluster.Client.Delete(ctx, hr); err != nil {
		return err
	}
	return env.Until(ctx, env.Patience, name+" is gone", func() (bool, error) {
		err := world.cluster.Client.Get(ctx, client.ObjectKeyFromObject(hr), hr)
		return err != nil && client.IgnoreNotFound(err) == nil, client.IgnoreNotFound(err)
	})
}

func (n *neighbor) declare(ctx context.Context, manifests string) error {
	objects, err := env.ParseObjects(victim, manifests)
	if err != nil {
		return err
	}
	return world.cluster.Apply(ctx, objects...)
}

// awaitMessage waits until a release is Ready and its ConfigMap has a message.
func (n *neighbor) awaitMessage(ctx context.Context, name, message string) error {
	hr := release(name)
	return env.Until(ctx, env.Patience, victim+"/"+name+" is Ready with the message "+message, func() (bool, error) {
		if err := world.cluster.Client.Get(ctx, client.ObjectKeyFromObject(hr), hr); err != nil {
			return false, err
		}
		ready := conditionOf(hr, v1beta1.ReadyCondition)
		if ready["status"] != "True" || ready["observedGeneration"] != hr.GetGeneration() {
			return false, fmt.Errorf("Ready is %v, %v: %v", ready["status"], ready["reason"], ready["message"])
		}
		return messageOf(ctx, name) == message, nil
	})
}

func messageOf(ctx context.Context, name string) string {
	config := &unstructured.Unstructured{}
	config.SetAPIVersion("v1")
	config.SetKind("ConfigMap")
	if err := world.cluster.Client.Get(ctx, types.NamespacedName{Namespace: victim, Name: name}, config); err != nil {
		return ""
	}
	message, _, _ := unstructured.NestedString(config.Object, "data", "message")
	return message
}

// release is a HelmRelease of the neighbor, to be read.
func release(name string) *unstructured.Unstructured {
	hr := &unstructured.Unstructured{}
	hr.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(v1beta1.HelmReleaseKind))
	hr.SetNamespace(victim)
	hr.SetName(name)
	return hr
}

// served fails the test unless a round that begins now ends before long. The bound is generous: it distinguishes a
// neighbor that is served from one that is not, however busy the machine is.
func (n *neighbor) served(t *testing.T) {
	t.Helper()
	since := time.Now()
	bound := 20*n.usual + 30*time.Second
	for {
		n.mu.Lock()
		begun, failure := n.begun, n.failure
		n.mu.Unlock()
		if begun.After(since) {
			return
		}
		if err := world.controller.Failed(); err != nil {
			t.Errorf("the controller has ended, and nobody serves the neighbor")
			return
		}
		if time.Since(since) > bound {
			t.Errorf("the neighbor's releases wait for more than %s; without an attack one takes %s; the last error is %v",
				bound.Round(time.Second), n.usual.Round(time.Millisecond), failure)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
