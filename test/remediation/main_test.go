// Package remediation plays what users of the Flux API do every day, from manifests written for it, and holds the
// result against the stock helm command and the live objects: installs, upgrades, failures of every kind and what
// follows them, identities, CRDs, and charts that change their name.
//
// One controller serves all scenarios; each has a namespace of its own, and they run side by side.
package remediation

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

// dependenciesAtRevision is how many scenarios are played at a time: most of the time they wait.
const abreast = "12"

// world is what the scenarios share.
var world struct {
	dir      string
	cluster  *env.Cluster
	registry *servers.RegistryServer
	charts   *servers.Charts
	git      *servers.Git
	// untouched is the status, as JSON, that the API server gave a HelmRelease before there was a controller.
	untouched string
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(env.RunSuite("scenarios", func(ctx context.Context, dir string, cluster *env.Cluster) (code int, err error) {
		if err := flag.Set("test.parallel", abreast); err != nil {
			return 0, err
		}
		world.dir, world.cluster = dir, cluster
		if err := startUpstream(ctx); err != nil {
			return 0, err
		}
		if err := declareSources(ctx); err != nil {
			return 0, err
		}
		return cluster.WithController(ctx, dir, m.Run)
	}))
}

func startUpstream(ctx context.Context) (err error) {
	if world.registry, err = servers.Registry(filepath.Join(world.dir, "registry"), servers.Options{}); err != nil {
		return err
	}
	if world.charts, err = servers.ChartRepository(servers.ChartOptions{}); err != nil {
		return err
	}
	if world.git, err = servers.GitServer(filepath.Join(world.dir, "git"), servers.Options{}); err != nil {
		return err
	}
	for _, files := range published() {
		archive, err := servers.BuildChart(files)
		if err != nil {
			return err
		}
		if err := world.charts.Add(archive); err != nil {
			return err
		}
		if _, err := world.registry.PushChart(ctx, "charts", archive); err != nil {
			return err
		}
	}
	if _, err := world.git.Create("fleet"); err != nil {
		return err
	}
	tree := map[string]string{}
	for path, content := range kiosk("kiosk", "1.0.0") {
		tree["charts/kiosk/"+path] = content
	}
	_, err = world.git.Commit("fleet", "main", tree, "kiosk 1.0.0")
	return err
}

// declareSources makes the sources that scenarios share, in a namespace of their own, and notes what a HelmRelease
// looks like that no controller has seen.
func declareSources(ctx context.Context) error {
	if err := declare(ctx, "sources", sources); err != nil {
		return err
	}
	hr, err := readRelease(ctx, "sources", "untouched")
	if err != nil {
		return err
	}
	content, err := hr.MarshalJSON()
	if err != nil {
		return err
	}
	world.untouched, err = statusOf(content)
	return err
}
