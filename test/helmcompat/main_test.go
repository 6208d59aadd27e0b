// Package helmcompat compares what Fairlead makes of a chart with what the stock helm command makes of it: the release
// records, the hooks and the live objects, through install, upgrade, rollback and uninstall.
//
// Every scenario is played twice, at the same time, under one release name: by the helm command in namespace cli-NAME,
// by a HelmRelease in namespace own-NAME. What may differ is listed in differences_test.go, and nowhere else.
package helmcompat

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

const (
	// dependenciesAtRevision is how many scenarios are played at a time: most of the time both sides wait.
	abreast = "10"
	// shared is the namespace of the repository that all HelmReleases take their charts from.
	shared = "charts"
)

// world is what the tests share.
var world struct {
	cluster  *env.Cluster
	registry *servers.RegistryServer
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(env.RunSuite("fidelity", func(ctx context.Context, dir string, cluster *env.Cluster) (code int, err error) {
		if err := flag.Set("test.parallel", abreast); err != nil {
			return 0, err
		}
		world.cluster = cluster
		if world.registry, err = servers.Registry(filepath.Join(dir, "registry"), servers.Options{}); err != nil {
			return 0, err
		}
		if err := declareRepository(ctx); err != nil {
			return 0, err
		}
		return cluster.WithController(ctx, dir, m.Run)
	}))
}

func declareRepository(ctx context.Context) error {
	return world.cluster.Apply(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shared}},
		&v1beta1.HelmRepository{
			ObjectMeta: metav1.ObjectMeta{Namespace: shared, Name: shared},
			Spec: v1beta1.HelmRepositorySpec{
				URL: "oci://" + world.registry.Host() + "/" + shared, Type: v1beta1.HelmRepositoryTypeOCI, Insecure: true,
				Interval: &metav1.Duration{Duration: time.Hour},
			},
		})
}
