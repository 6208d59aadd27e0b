package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/storage/memory"
	"github.com/google/cel-go/cel"
	"github.com/minio/minio-go/v7"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/getter"
	"oras.land/oras-go/v2/registry/remote"
	"sigs.k8s.io/kustomize/api/krusty"
	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"fairlead.dev/fairlead/helmops/kustomize/sops"
)

// loaders are all ways by which the libraries of this program load something by its address, which is an URL or a path
// of a file. Each returns what it has loaded.
var loaders = map[string]func(ctx context.Context, address string) ([]byte, error){
	"net/http": func(ctx context.Context, address string) ([]byte, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		return io.ReadAll(response.Body)
	},
	"os": func(_ context.Context, address string) ([]byte, error) { return os.ReadFile(address) },
	"helm, schema of values": func(_ context.Context, address string) ([]byte, error) {
		if strings.HasPrefix(address, "/") {
			address = "file://" + address
		}
		err := chartutil.ValidateAgainstSingleSchema(chartutil.Values{"x": "y"},
			fmt.Appendf(nil, `{"properties": {"x": {"$ref": %q}}}`, address))
		return []byte(fmt.Sprint(err)), err
	},
	"helm, getters": func(_ context.Context, address string) ([]byte, error) {
		scheme, _, _ := strings.Cut(address, "://")
		get, err := getter.All(&cli.EnvSettings{}).ByScheme(scheme)
		if err != nil {
			return nil, err
		}
		out, err := get.Get(address)
		if err != nil {
			return nil, err
		}
		return out.Bytes(), nil
	},
	"helm, charts": func(_ context.Context, address string) ([]byte, error) {
		_, err := loader.Load(address)
		return nil, err
	},
	"jsonschema": func(_ context.Context, address string) ([]byte, error) {
		found, err := jsonschema.FileLoader{}.Load("file://" + strings.TrimPrefix(address, "file://"))
		return []byte(fmt.Sprint(found)), err
	},
	"kustomize, resources":    kustomizeOf("resources: [%q]"),
	"kustomize, generators":   kustomizeOf("configMapGenerator: [{name: x, files: [\"key=%s\"]}]"),
	"kustomize, environments": kustomizeOf("configMapGenerator: [{name: x, envs: [%q]}]"),
	"kustomize, schemas":      kustomizeOf("openapi: {path: %q}"),
	"kustomize, inline generators": kustomizeOf(
		"generators: [\"apiVersion: builtin\\nkind: ConfigMapGenerator\\nmetadata: {name: x}\\nfiles: ['key=%s']\\n\"]"),
	"kustomize, git":    kustomizeOf("resources: [\"%s/repository.git?ref=main\"]"),
	"kustomize, charts": kustomizeOf("helmCharts: [{name: x, repo: %q}]"),
	"go-git": func(ctx context.Context, address string) ([]byte, error) {
		_, err := git.NewRemote(memory.NewStorage(),
			&config.RemoteConfig{Name: "x", URLs: []string{address}}).ListContext(ctx, &git.ListOptions{})
		return nil, err
	},
	"oras": func(ctx context.Context, address string) ([]byte, error) {
		_, host, _ := strings.Cut(address, "://")
		repository, err := remote.NewRepository(host + "/x")
		if err != nil {
			return nil, err
		}
		repository.PlainHTTP = true
		_, err = repository.Resolve(ctx, "latest")
		return nil, err
	},
	"minio": func(ctx context.Context, address string) ([]byte, error) {
		_, host, _ := strings.Cut(address, "://")
		client, err := minio.New(host, &minio.Options{Region: "x"})
		if err != nil {
			return nil, err
		}
		_, err = client.BucketExists(ctx, "bucket")
		return nil, err
	},
	"cel": func(_ context.Context, address string) ([]byte, error) { // it has no function that loads
		env, err := cel.NewEnv()
		if err != nil {
			return nil, err
		}
		_, issues := env.Compile(fmt.Sprintf("load(%q)", address))
		return nil, issues.Err()
	},
	// keys are given to it; those that a file names are not fetched
	"sops": func(_ context.Context, address string) ([]byte, error) {
		keys, err := sops.NewKeys(map[string][]byte{}, func(string) {})
		if err != nil {
			return nil, err
		}
		return keys.Decrypt("x.yaml",
			fmt.Appendf(nil, "a: ENC[AES256_GCM,data:x,type:str]\nsops:\n  hc_vault: [{vault_address: %q}]\n  mac: x\n",
				address))
	},
}

func kustomizeOf(format string) func(context.Context, string) ([]byte, error) {
	return func(_ context.Context, address string) ([]byte, error) {
		options := krusty.MakeDefaultOptions()
		options.LoadRestrictions = kustypes.LoadRestrictionsNone
		options.PluginConfig = kustypes.EnabledPluginConfig(kustypes.BploUseStaticallyLinked)
		options.PluginConfig.HelmConfig.Enabled, options.PluginConfig.HelmConfig.Command = true, "helm"
		files := overDisk{filesys.MakeFsInMemory()}
		if err := files.WriteFile("/a/kustomization.yaml", fmt.Appendf(nil, format, address)); err != nil {
			return nil, err
		}
		out, err := krusty.MakeKustomizer(options).Run(files, "/a")
		if err != nil {
			return nil, err
		}
		return out.AsYaml()
	}
}

// overDisk reads what it does not have from the disk.
type overDisk struct{ filesys.FileSystem }

func (o overDisk) ReadFile(name string) ([]byte, error) {
	if content, err := o.FileSystem.ReadFile(name); err == nil {
		return content, nil
	}
	return os.ReadFile(name)
}

func init() {
	testJobs["load"] = func(ctx context.Context, in []byte, _ Host) ([]byte, error) {
		name, address, _ := bytes.Cut(in, []byte{0})
		load := loaders[string(name)]
		if load == nil {
			return nil, errors.New("no such loader")
		}
		return load(ctx, string(address))
	}
}

// No library loads anything on its own in a child: no connection is made, no file is read, no program is started.
func TestLoadersReachNothing(t *testing.T) {
	var reached atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		_, _ = io.WriteString(w, `{"const": "secret-of-the-server"}`)
	}))
	defer server.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "file.json")
	if err := os.WriteFile(file, []byte(`{"const": "secret-in-the-file"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	marker := filepath.Join(dir, "started")
	for _, program := range []string{"git", "helm", "sh"} {
		script := "#!/bin/sh\necho " + program + " >> " + marker + "\n"
		if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o700); err != nil { // it has to be a program
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	p := testPool(t)
	for name := range loaders {
		for _, address := range []string{server.URL, server.URL + "/file.json", "file://" + file, file} {
			out, err := run(p, "load", name+"\x00"+address)
			if text := out + fmt.Sprint(err); strings.Contains(text, "secret-") {
				t.Errorf("%s has loaded %s: %s", name, address, text)
			}
			if err == nil {
				t.Errorf("%s has loaded %s", name, address)
			}
		}
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("the server was reached %d times", n)
	}
	if started, err := os.ReadFile(marker); err == nil {
		t.Errorf("programs were started: %s", started)
	}
}

// Outside of a child the same loaders would load: the test above is about something.
func TestLoadersLoadElsewhere(t *testing.T) {
	var reached atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		_, _ = io.WriteString(w, `{"const": "y"}`)
	}))
	defer server.Close()
	for name, load := range loaders {
		switch name {
		case "cel", "sops", "os", "jsonschema", "helm, charts": // files only, or nothing at all
			continue
		case "kustomize, git", "kustomize, charts": // by programs, which this machine may lack
			continue
		case "kustomize, schemas", "kustomize, environments": // files only
			continue
		}
		before := reached.Load()
		_, _ = load(t.Context(), server.URL)
		if reached.Load() == before {
			t.Errorf("%s does not reach the server", name)
		}
	}
}
