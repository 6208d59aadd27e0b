package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

const (
	namespace  = "bench"
	repository = "charts"
	chartName  = "beacon"
)

// field is what the scenarios run on.
type field struct {
	settings settings
	tell     func(format string, args ...any)
	dir      string

	cluster    *env.Cluster
	charts     *servers.Charts
	git        *servers.Git // nil until there is a fleet
	proxy      *env.Proxy   // nil when the controller goes straight to the API server
	controller *env.Controller
	procs      []proc
	arrivals   *arrivals
	stopWatch  context.CancelFunc
}

// prepare starts everything and waits until the first release could be created.
func prepare(ctx context.Context, s settings, dir string, tell func(string, ...any)) (_ *field, err error) {
	f := &field{settings: s, tell: tell, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.stop())
		}
	}()
	clusterDir := filepath.Join(dir, "cluster")
	if f.cluster, err = env.StartCluster(ctx, clusterDir, "--pod-ready-delay", s.ReadyDelay.String()); err != nil {
		return nil, err
	}
	if err = f.cluster.InstallCRDs(ctx); err != nil {
		return nil, err
	}
	if err = f.startController(ctx, dir); err != nil {
		return nil, err
	}
	if f.procs, err = clusterProcs(clusterDir); err != nil {
		return nil, err
	}
	f.procs = append([]proc{{"fairlead", f.controller.PID()}}, f.procs...)
	f.procs = append(f.procs, proc{"bench", os.Getpid()})
	if err = f.serveCharts(ctx); err != nil {
		return nil, err
	}
	watch, stop := context.WithCancel(ctx)
	f.stopWatch = stop
	f.arrivals = watchReleases(watch, f.cluster.Client, namespace)
	return f, nil
}

func (f *field) startController(ctx context.Context, dir string) (err error) {
	target := f.cluster
	if f.settings.ThroughProxy {
		if f.proxy, err = env.StartProxy(f.cluster.Config, dir); err != nil {
			return err
		}
		target = &env.Cluster{Kubeconfig: f.proxy.Kubeconfig}
	}
	args := []string{"--min-interval", f.settings.MinInterval.String()}
	if f.settings.Concurrency > 0 {
		args = append(args, "--concurrency", strconv.Itoa(f.settings.Concurrency))
	}
	f.controller, err = env.StartController(ctx, target, dir, args...)
	return err
}

// serveCharts puts the sample chart into a chart repository and waits until the controller knows it.
func (f *field) serveCharts(ctx context.Context) (err error) {
	root, err := env.Root()
	if err != nil {
		return err
	}
	archive, err := servers.PackChart(filepath.Join(root, "charts", chartName))
	if err != nil {
		return err
	}
	if f.charts, err = servers.ChartRepository(servers.ChartOptions{}); err != nil {
		return err
	}
	if err := f.charts.Add(archive); err != nil {
		return err
	}
	source := &v1beta1.HelmRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: repository},
		Spec:       v1beta1.HelmRepositorySpec{URL: f.charts.URL(), Interval: &metav1.Duration{Duration: time.Hour}},
	}
	if err := f.cluster.Apply(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, source); err != nil {
		return err
	}
	return env.Until(ctx, time.Minute, "the chart repository is Ready", func() (bool, error) {
		found := &v1beta1.HelmRepository{}
		err := f.cluster.Client.Get(ctx, clientKey(repository), found)
		for _, condition := range found.Status.Conditions {
			if condition.Type == v1beta1.ReadyCondition && condition.Status == metav1.ConditionTrue {
				return true, err
			}
		}
		return false, err
	})
}

// failed says why nothing more can be measured; nil while everything runs.
func (f *field) failed() error { return errors.Join(f.cluster.Failed(), f.controller.Failed()) }

func (f *field) stop() error {
	var errs []error
	if f.stopWatch != nil {
		f.stopWatch()
	}
	if f.controller != nil {
		errs = append(errs, f.controller.Stop())
	}
	if f.proxy != nil {
		errs = append(errs, f.proxy.Close())
	}
	if f.charts != nil {
		errs = append(errs, f.charts.Close())
	}
	if f.git != nil {
		errs = append(errs, f.git.Close())
	}
	if f.cluster != nil {
		errs = append(errs, f.cluster.Stop())
	}
	return errors.Join(errs...)
}

// allRequests reads how many requests the API server has answered, of all clients; a watch counts when it ends.
func allRequests(ctx context.Context, config *rest.Config) (int, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return 0, err
	}
	target, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return 0, err
	}
	answer, err := fetch(ctx, client, target.JoinPath("metrics").String())
	if err != nil {
		return 0, fmt.Errorf("reading the metrics of the API server: %w", err)
	}
	return sumSamples(answer, "apiserver_request_total")
}
