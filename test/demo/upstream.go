package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/test/servers"
)

// upstreams are the places that the charts of the demonstration come from.
type upstreams struct {
	registry string
	gitURL   string

	server *servers.RegistryServer
	git    *servers.Git
	// second is the registry that a pipeline copies to, and signer signs what it copies.
	second *servers.RegistryServer
	signer *servers.Signer
}

// startUpstreams starts both servers with the sample chart in them.
func startUpstreams(ctx context.Context, dir string) (*upstreams, error) {
	server, err := servers.Registry(filepath.Join(dir, "registry"), servers.Options{})
	if err != nil {
		return nil, fmt.Errorf("starting the registry: %w", err)
	}
	git, err := servers.GitServer(filepath.Join(dir, "git"), servers.Options{})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the Git server: %w", err), server.Close())
	}
	u := &upstreams{registry: server.Host(), server: server, git: git}
	if err := u.startSecond(filepath.Join(dir, "second-registry")); err != nil {
		return nil, errors.Join(err, u.close())
	}
	if u.gitURL, err = git.Create("fleet"); err != nil {
		return nil, errors.Join(err, u.close())
	}
	files, err := chartFiles(firstVersion)
	if err != nil {
		return nil, errors.Join(err, u.close())
	}
	tree := map[string]string{
		"README.md":                "What the cluster of the demonstration follows, and a chart.\n",
		followed + "/sources.yaml": fmt.Sprintf(sources, u.registry),
	}
	for name, content := range files {
		tree["charts/beacon/"+name] = content
	}
	if _, err := git.Commit("fleet", "main", tree, "Add beacon "+firstVersion); err != nil {
		return nil, errors.Join(err, u.close())
	}
	if err := u.publish(ctx, firstVersion); err != nil {
		return nil, errors.Join(err, u.close())
	}
	return u, os.WriteFile(filepath.Join(dir, "address"), []byte(u.registry), 0o600)
}

// startSecond starts the second registry, and makes a key that signs.
func (u *upstreams) startSecond(dir string) (err error) {
	if u.second, err = servers.Registry(dir, servers.Options{}); err != nil {
		return fmt.Errorf("starting the second registry: %w", err)
	}
	if u.signer, err = servers.NewSigner(); err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	return nil
}

// sign signs a version of a chart in the registry, as cosign does with a key.
func (u *upstreams) sign(ctx context.Context, path, version string) error {
	repository, err := u.server.Repository(path)
	if err != nil {
		return fmt.Errorf("signing %s %s: %w", path, version, err)
	}
	chart, err := repository.Resolve(ctx, version)
	if err == nil {
		err = u.signer.Sign(ctx, u.server, path, chart.Digest.String())
	}
	if err != nil {
		return fmt.Errorf("signing %s %s: %w", path, version, err)
	}
	return nil
}

// publish pushes a version of the sample chart that the release follows, with changes to its values.
func (u *upstreams) publish(ctx context.Context, version string, change ...func(values map[string]any)) error {
	return u.publishTo(ctx, "charts", version, change...)
}

// publishTo pushes a version of the sample chart to a repository of the registry.
func (u *upstreams) publishTo(
	ctx context.Context, repository, version string, change ...func(values map[string]any),
) error {
	files, err := chartFiles(version)
	if err != nil {
		return err
	}
	values := map[string]any{}
	if err := yaml.Unmarshal([]byte(files["values.yaml"]), &values); err != nil {
		return err
	}
	for _, c := range change {
		c(values)
		changed, err := yaml.Marshal(values)
		if err != nil {
			return err
		}
		files["values.yaml"] = string(changed)
	}
	archive, err := servers.BuildChart(files)
	if err != nil {
		return err
	}
	if _, err := u.server.PushChart(ctx, repository, archive); err != nil {
		return fmt.Errorf("pushing beacon %s: %w", version, err)
	}
	return nil
}

func (u *upstreams) close() error {
	err := errors.Join(u.git.Close(), u.server.Close())
	if u.second != nil {
		err = errors.Join(err, u.second.Close())
	}
	return err
}

// publish pushes another version to the registry of a demonstration that is up, with the helm command.
func publish(ctx context.Context, dir, version string) error {
	address, err := os.ReadFile(filepath.Join(dir, "address"))
	if err != nil {
		return errors.New("no demonstration is up; start one with make run")
	}
	files, err := chartFiles(version)
	if err != nil {
		return err
	}
	archive, err := servers.BuildChart(files)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "beacon-"+version+".tgz")
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	helm := exec.CommandContext(ctx, filepath.Join(root(), "bin", "helm"), "push", file,
		"oci://"+string(address)+"/charts", "--plain-http")
	helm.Stdout, helm.Stderr = os.Stdout, os.Stderr
	if err := helm.Run(); err != nil {
		return fmt.Errorf("pushing beacon %s to %s: %w", version, address, err)
	}
	return nil
}

// chartFiles reads the sample chart and gives it a version.
func chartFiles(version string) (map[string]string, error) {
	return servers.ReadChart(filepath.Join(root(), "charts", "beacon"), version)
}
