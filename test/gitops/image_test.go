package gitops

import (
	"archive/tar"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
)

// The image that make image writes and pushes holds one static program, which runs as a user without rights, and its
// licenses.
func TestImage(t *testing.T) {
	reference := world.registry.Host() + "/fairlead:test"
	build := exec.CommandContext(t.Context(), "make", "image", "ARGS=--push "+reference)
	build.Dir = projectRoot(t)
	if out, err := build.CombinedOutput(); err != nil || !strings.Contains(string(out), "pushed ") {
		t.Fatalf("make image: %v\n%s", err, out)
	}
	repository, err := world.registry.Repository("fairlead")
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(d ocispec.Descriptor, into any) {
		t.Helper()
		raw, err := content.FetchAll(t.Context(), repository, d)
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := repository.Resolve(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	var index ocispec.Index
	fetch(root, &index)
	if len(index.Manifests) != 1 || index.Manifests[0].Platform == nil || index.Manifests[0].Platform.OS != "linux" {
		t.Fatalf("the index is %+v", index)
	}
	var manifest ocispec.Manifest
	fetch(index.Manifests[0], &manifest)
	var config ocispec.Image
	fetch(manifest.Config, &config)
	if config.Config.User != "65532:65532" || strings.Join(config.Config.Entrypoint, " ") != "/fairlead" ||
		config.Created != nil && !config.Created.IsZero() {
		t.Errorf("the image is configured so: %+v", config)
	}
	layer, err := repository.Fetch(t.Context(), manifest.Layers[0])
	if err != nil {
		t.Fatal(err)
	}
	defer layer.Close()
	zip, err := gzip.NewReader(layer)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(zip)
	header, err := files.Next()
	if err != nil || header.Name != "fairlead" {
		t.Fatalf("the layer begins with %+v: %v", header, err)
	}
	program := filepath.Join(t.TempDir(), "fairlead")
	binary, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(binary, files); err != nil {
		t.Fatal(err)
	}
	if err := binary.Close(); err != nil {
		t.Fatal(err)
	}
	checkLicenses(t, files, program)
	if header, err := files.Next(); err == nil {
		t.Errorf("the image holds more than the program and its licenses: %s", header.Name)
	}
	version := exec.CommandContext(t.Context(), program, "version")
	version.Env = []string{}
	if out, err := version.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "fairlead ") {
		t.Errorf("the program of the image prints %q: %v", out, err)
	}
}

// checkLicenses expects the licenses of a program in the next file: every module that is linked into it is named.
func checkLicenses(t *testing.T, files *tar.Reader, program string) {
	t.Helper()
	header, err := files.Next()
	if err != nil || header.Name != "licenses.txt" {
		t.Fatalf("after the program follows %+v: %v", header, err)
	}
	text, err := io.ReadAll(files)
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range info.Deps {
		if !strings.Contains(string(text), "\n"+module.Path+" "+module.Version+", ") {
			t.Errorf("licenses.txt does not name %s %s", module.Path, module.Version)
		}
	}
	for _, license := range []string{"Apache License", "Mozilla Public License", "The Go Authors"} {
		if !strings.Contains(string(text), license) {
			t.Errorf("licenses.txt does not contain the text of %s", license)
		}
	}
}
