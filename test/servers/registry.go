package servers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Media types of a chart in a registry.
const (
	ChartConfigType = "application/vnd.cncf.helm.config.v1+json"
	ChartLayerType  = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	ProvenanceType  = "application/vnd.cncf.helm.chart.provenance.v1.prov"
)

// RegistryServer is distribution's registry.
type RegistryServer struct {
	*server
	app *handlers.App
}

// Registry starts a registry that keeps its content below dir. With a user name it wants basic authentication,
// with a token server its tokens.
func Registry(dir string, o Options) (*RegistryServer, error) {
	logrus.SetLevel(logrus.PanicLevel) // the registry logs to this process's standard error otherwise
	config := &configuration.Configuration{
		Version: configuration.CurrentVersion,
		Storage: configuration.Storage{
			"filesystem":  configuration.Parameters{"rootdirectory": filepath.Join(dir, "registry")},
			"delete":      configuration.Parameters{"enabled": true},
			"maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}},
		},
	}
	config.HTTP.Secret = "upstream"
	switch {
	case o.Tokens != nil:
		roots := filepath.Join(dir, "roots.pem")
		if err := os.WriteFile(roots, o.Tokens.roots, 0o600); err != nil {
			return nil, fmt.Errorf("writing the authority of the tokens: %w", err)
		}
		config.Auth = configuration.Auth{"token": configuration.Parameters{
			"realm": o.Tokens.base() + "/token", "issuer": tokenIssuer, "service": tokenService, "rootcertbundle": roots,
		}}
	case o.Username != "":
		users := filepath.Join(dir, "htpasswd")
		hash, err := bcrypt.GenerateFromPassword([]byte(o.Password), bcrypt.MinCost)
		if err != nil {
			return nil, fmt.Errorf("hashing the password: %w", err)
		}
		if err := os.WriteFile(users, []byte(o.Username+":"+string(hash)+"\n"), 0o600); err != nil {
			return nil, fmt.Errorf("writing the users of the registry: %w", err)
		}
		config.Auth = configuration.Auth{"htpasswd": configuration.Parameters{"realm": "upstream", "path": users}}
	}
	app := handlers.NewApp(context.Background(), config)
	var served http.Handler = app
	if o.Referrers {
		served = &referrersAPI{next: app, refer: map[string][]ocispec.Descriptor{}, allowed: func(r *http.Request) bool {
			name, password, _ := r.BasicAuth()
			return name == o.Username && password == o.Password
		}}
	}
	s, err := start(o, false, served)
	if err != nil {
		return nil, err
	}
	return &RegistryServer{server: s, app: app}, nil
}

// Close stops the registry; its content stays in the directory.
func (r *RegistryServer) Close() error {
	err := r.server.Close()
	if shutdown := r.app.Shutdown(); err == nil {
		err = shutdown
	}
	return err
}

// Repository returns a client of one repository that may read and write, for content that is no plain chart.
func (r *RegistryServer) Repository(path string) (*remote.Repository, error) {
	repo, err := remote.NewRepository(r.Host() + "/" + path)
	if err != nil {
		return nil, err
	}
	repo.PlainHTTP = r.opts.TLS == nil
	client := &auth.Client{Cache: auth.NewCache(), Client: &http.Client{Transport: r.opts.transport()}}
	if r.opts.Username != "" {
		client.Credential = auth.StaticCredential(r.Host(),
			auth.Credential{Username: r.opts.Username, Password: r.opts.Password})
	}
	repo.Client = client
	return repo, nil
}

// PushChart stores a chart archive as <path>/<chart name> with its version as the tag, as helm push does, and returns
// the digest of the manifest. The same archive gives the same digest each time.
func (r *RegistryServer) PushChart(ctx context.Context, path string, archive []byte) (string, error) {
	return r.PushSignedChart(ctx, path, archive, nil)
}

// PushSignedChart stores a provenance file, too, unless it is empty.
func (r *RegistryServer) PushSignedChart(ctx context.Context, path string, archive, provenance []byte) (string, error) {
	meta, err := metadata(archive)
	if err != nil {
		return "", err
	}
	repo, err := r.Repository(strings.Trim(path+"/"+meta.Name, "/"))
	if err != nil {
		return "", err
	}
	config, err := json.Marshal(meta)
	if err != nil {
		return "", err
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Annotations: map[string]string{
			ocispec.AnnotationTitle:   meta.Name,
			ocispec.AnnotationVersion: meta.Version,
		},
	}
	if m.Config, err = PushBlob(ctx, repo, ChartConfigType, config); err != nil {
		return "", err
	}
	layer, err := PushBlob(ctx, repo, ChartLayerType, archive)
	if err != nil {
		return "", err
	}
	m.Layers = []ocispec.Descriptor{layer}
	if len(provenance) > 0 {
		if layer, err = PushBlob(ctx, repo, ProvenanceType, provenance); err != nil {
			return "", err
		}
		m.Layers = append(m.Layers, layer)
	}
	d, err := PushManifest(ctx, repo, m.MediaType, strings.ReplaceAll(meta.Version, "+", "_"), m)
	return d.Digest.String(), err
}

// PushBlob stores bytes unless they are there.
func PushBlob(
	ctx context.Context, repo *remote.Repository, mediaType string, content []byte,
) (ocispec.Descriptor, error) {
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	if there, err := repo.Blobs().Exists(ctx, d); err != nil || there {
		return d, err
	}
	return d, repo.Blobs().Push(ctx, d, strings.NewReader(string(content)))
}

// PushManifest stores a manifest or an index under a tag.
func PushManifest(
	ctx context.Context, repo *remote.Repository, mediaType, tag string, m any,
) (ocispec.Descriptor, error) {
	content, err := json.Marshal(m)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	return d, repo.Manifests().PushReference(ctx, d, strings.NewReader(string(content)), tag)
}
