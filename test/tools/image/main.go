// Command image makes an OCI image of the fairlead binary, without a container engine: a directory in the OCI image
// layout, which it can push to a registry as well.
//
//	image --project . --out bin/image --version v1 [--push registry.example.com/fairlead:v1] \
//	  linux/amd64=bin/fairlead linux/arm64=bin/fairlead-arm64
//
// The image holds the binary, and licenses.txt with the licenses of all modules in it. The same binaries give the same
// digest: no time and no name of this machine goes into the image.
package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The user and group that the image runs as are those of the manifests.
const nobody = "65532:65532"

func main() {
	out := flag.String("out", "", "directory of the image layout; what it held is removed")
	version := flag.String("version", "unknown", "version, for a label of the image")
	push := flag.String("push", "", "reference to push the image to as well, for example registry.example.com/fairlead:v1")
	project := flag.String("project", ".", "directory of Fairlead's module, whose modules have the licenses")
	flag.Parse()
	if err := run(*project, *out, *version, *push, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(project, out, version, push string, binaries []string) error {
	if out == "" || len(binaries) == 0 {
		return errors.New("--out and at least one PLATFORM=BINARY are needed")
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, binary := range binaries {
		platform, path, is := strings.Cut(binary, "=")
		if !is {
			return fmt.Errorf("%q is not PLATFORM=BINARY", binary)
		}
		where, err := v1.ParsePlatform(platform)
		if err != nil {
			return fmt.Errorf("%q: %w", binary, err)
		}
		image, err := imageOf(path, project, version, where)
		if err != nil {
			return fmt.Errorf("%q: %w", binary, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: where}})
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if _, err := layout.Write(out, index); err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s holds the image %s\n", out, digest)
	if push == "" {
		return nil
	}
	to, err := name.ParseReference(push)
	if err != nil {
		return err
	}
	if err := remote.WriteIndex(to, index, remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fmt.Errorf("pushing to %s: %w", push, err)
	}
	fmt.Printf("pushed %s@%s\n", to.Context().Name(), digest)
	return nil
}

// imageOf is an image with the binary and its licenses.
func imageOf(binary, project, version string, platform *v1.Platform) (v1.Image, error) {
	archive, err := archiveOf(binary, project)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive)), nil
	},
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		Architecture: platform.Architecture, OS: platform.OS, Variant: platform.Variant, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{
			Entrypoint: []string{"/fairlead"}, User: nobody, WorkingDir: "/",
			Labels: map[string]string{
				"org.opencontainers.image.title": "fairlead", "org.opencontainers.image.version": version,
				"org.opencontainers.image.licenses": "Apache-2.0",
			},
		},
	})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(image, layer)
}

func archiveOf(binary, project string) ([]byte, error) {
	program, err := os.ReadFile(binary) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	licenses, err := licensesOf(binary, project)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, file := range []struct {
		name    string
		mode    int64
		content []byte
	}{{"fairlead", 0o555, program}, {"licenses.txt", 0o444, licenses}} {
		header := &tar.Header{
			Name: file.name, Typeflag: tar.TypeReg, Mode: file.mode, Size: int64(len(file.content)),
			ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(file.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return archive.Bytes(), nil
}
