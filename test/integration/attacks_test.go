package integration

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// hostile archives, made once: a gigabyte in one, and a hundred thousand files.
var (
	bomb = sync.OnceValues(func() ([]byte, error) {
		return servers.Archive(tar.Header{Name: "sample/templates/zeros.yaml", Typeflag: tar.TypeReg, Size: 1 << 30})
	})
	crowd = sync.OnceValues(func() ([]byte, error) {
		files := make([]tar.Header, 100_000)
		for i := range files {
			files[i] = tar.Header{Name: fmt.Sprintf("sample/files/%d.yaml", i), Typeflag: tar.TypeReg}
		}
		return servers.Archive(files...)
	})
)

func hostile(t *testing.T, archive []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// attack is what a repository does with version 1.1.0 of the chart whose version 1.0.0 runs.
type attack struct {
	name string
	// archive is what it has, the chart when nil, and digest what it says of it, the truth when empty.
	archive func() ([]byte, error)
	digest  string
	// answer is the answer to requests for the archive, nil for the archive.
	answer func(w http.ResponseWriter)
	says   string
}

var attacks = []attack{
	{name: "a gzip bomb", says: "unpacks to more than", archive: bomb},
	{name: "a crowd of files", says: "unpacks to more than", archive: crowd},
	{name: "a path out of the archive", says: "references parent directory", archive: func() ([]byte, error) {
		return servers.Archive(tar.Header{Name: "sample/Chart.yaml"}, tar.Header{Name: "sample/../../../escaped"})
	}},
	{name: "a wrong digest", says: "the index says", digest: strings.Repeat("ab", 32)},
	{name: "a large archive", says: "more than the 20971520 bytes", archive: func() ([]byte, error) {
		archive := make([]byte, 21<<20)
		_, err := rand.NewChaCha8([32]byte{}).Read(archive)
		return archive, err
	}},
	{name: "a transfer that breaks off", says: "unexpected EOF", answer: func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write([]byte("the beginning"))
	}},
	{name: "a redirect to a metadata service", says: "169.254.169.254", answer: func(w http.ResponseWriter) {
		w.Header().Set("Location", "http://169.254.169.254/latest/meta-data")
		w.WriteHeader(http.StatusFound)
	}},
	{name: "a web page", says: "gzip: invalid header", archive: func() ([]byte, error) {
		return []byte("<html>sign in</html>"), nil
	}},
}

// Whatever a repository answers: the release says what is wrong with it, what runs is not touched, no secret is shown,
// and the next good version is taken.
func TestHostileChartRepositories(t *testing.T) {
	t.Parallel()
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			charts := chartRepository(t,
				servers.ChartOptions{
					Options: servers.Options{Username: user, Password: password,
						Intercept: func(w http.ResponseWriter, r *http.Request) bool {
							if a.answer == nil || !strings.HasSuffix(r.URL.Path, "1.1.0.tgz") {
								return false
							}
							a.answer(w)
							return true
						}}}, "sample", "1.0.0")
			repository := helmRepository(ns, "charts", charts.URL())
			repository.Spec.SecretRef = local("access")
			hr := release(ns, "web", "sample", "*", "charts", `{"message":"runs"}`)
			apply(t, access(ns), repository, hr)
			awaitVersion(t, hr, "1.0.0")

			// What no client has fetched yet: the cache knows content by its digest.
			archive := chartArchive(t, "sample", "1.1.0", map[string]string{"README.md": ns})
			if a.archive != nil {
				made, err := a.archive()
				archive = hostile(t, made, err)
			}
			charts.Publish("sample", "1.1.0", archive, a.digest)
			world.cluster.AwaitReadiness(t, hr, "it says "+a.says, refuses(a.says))
			if got := get(t, hr).Status.Latest(); got.ChartVersion != "1.0.0" || configMap(t, ns, "web")["message"] != "runs" {
				t.Errorf("what runs was touched: %s", got.ChartVersion)
			}
			if err := charts.Add(chartArchive(t, "sample", "1.2.0", nil)); err != nil {
				t.Fatal(err)
			}
			awaitVersion(t, hr, "1.2.0")
			nowhere(t, ns, password, repository, hr)
		})
	}
}

// access is the Secret for the servers of the tests.
func access(ns string) *corev1.Secret {
	return secretWith(ns, "access", map[string][]byte{"username": []byte(user), "password": []byte(password)})
}

// nowhere looks for a secret in the status of objects, in events and in the log.
func nowhere(t *testing.T, ns, secret string, objects ...interface{ GetName() string }) {
	t.Helper()
	for _, object := range objects {
		if strings.Contains(fmt.Sprintf("%+v", object), secret) {
			t.Errorf("%s shows a secret", object.GetName())
		}
	}
	noSecretInEvents(t, ns, secret)
	log, err := os.ReadFile(world.controller.Log)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(log, []byte(secret)) {
		t.Error("the log shows a secret")
	}
}

// pushLayer stores an artifact of one layer under the tag latest, and returns the digest of its manifest.
func pushLayer(t *testing.T, registry *servers.RegistryServer, path, mediaType string, layer []byte) string {
	t.Helper()
	digest, err := storeLayer(t.Context(), registry, path, mediaType, layer)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func storeLayer(
	ctx context.Context, registry *servers.RegistryServer, path, mediaType string, layer []byte,
) (digest string, err error) {
	repo, err := registry.Repository(path)
	if err != nil {
		return "", err
	}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/vnd.example"}
	m.SchemaVersion = 2
	if m.Config, err = servers.PushBlob(ctx, repo, ocispec.MediaTypeEmptyJSON, []byte("{}")); err != nil {
		return "", err
	}
	blob, err := servers.PushBlob(ctx, repo, mediaType, layer)
	if err != nil {
		return "", err
	}
	m.Layers = []ocispec.Descriptor{blob}
	d, err := servers.PushManifest(ctx, repo, m.MediaType, "latest", m)
	return d.Digest.String(), err
}

// manifests is an archive with one ConfigMap.
func manifests(t *testing.T, value string) []byte {
	t.Helper()
	return chartArchive(t, "set", "1.0.0", map[string]string{"applied/a.yaml": settings("a", value)})
}

const archiveType = "application/vnd.oci.image.layer.v1.tar+gzip"

// Whatever an artifact of manifests holds: it is said what is wrong, what was applied stays, and the next good one is
// applied.
func TestHostileArtifacts(t *testing.T) {
	t.Parallel()
	archive := func(entries ...tar.Header) func(t *testing.T) []byte {
		return func(t *testing.T) []byte {
			made, err := servers.Archive(entries...)
			return hostile(t, made, err)
		}
	}
	for name, a := range map[string]struct {
		layer     func(t *testing.T) []byte
		mediaType string
		says      string
		// source is set when the source says it, and not who applies it.
		source bool
	}{
		"a gzip bomb": {says: "more than is allowed",
			layer: func(t *testing.T) []byte { made, err := bomb(); return hostile(t, made, err) }},
		"a crowd": {says: "files",
			layer: func(t *testing.T) []byte { made, err := crowd(); return hostile(t, made, err) }},
		"a path out": {says: "impossible name", layer: archive(tar.Header{Name: "set/../../escaped.yaml"})},
		"a link out": {says: "set/applied", layer: archive(
			tar.Header{Name: "set/applied", Typeflag: tar.TypeSymlink, Linkname: "../../../../../etc"})},
		"another type": {says: "0 of its 1 layers are a tar.gz", mediaType: "application/vnd.example.else", source: true,
			layer: func(t *testing.T) []byte { return []byte("else") }},
		"no archive": {says: "cannot be read", layer: func(t *testing.T) []byte { return []byte("else") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			path := ns + "/set"
			pushLayer(t, world.registry, path, archiveType, manifests(t, "good"))
			repository := ociRepository(ns, "oci://"+world.registry.Host()+"/"+path, nil)
			set := kustomization(ns, "set", "set/applied", func(k *v1beta1.KustomizationSpec) {
				k.SourceRef = v1beta1.ManifestSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "sample"}
				k.TargetNamespace = ns
			})
			apply(t, repository, set)
			awaitReady(t, set)
			mediaType := archiveType
			if a.mediaType != "" {
				mediaType = a.mediaType
			}
			pushLayer(t, world.registry, path, mediaType, a.layer(t))
			if a.source {
				world.cluster.AwaitReadiness(t, repository, "it says "+a.says, refuses(a.says))
			} else {
				world.cluster.AwaitReadiness(t, set, "it says "+a.says, refuses(a.says))
			}
			if !holds(t, ns, "a", "good") {
				t.Error("what was applied is gone")
			}
			pushLayer(t, world.registry, path, archiveType, manifests(t, "better"))
			until(t, "the next good one is applied", func() bool { return holds(t, ns, "a", "better") })
		})
	}
}

// A registry that sends who asks for a token to a metadata service gets nothing, and no credentials.
func TestTokenServicesAreChecked(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	var turn atomic.Bool
	registry, err := servers.Registry(t.TempDir(),
		servers.Options{Username: user, Password: password, Intercept: func(w http.ResponseWriter, _ *http.Request) bool {
			if turn.Load() {
				w.Header().Set("WWW-Authenticate", `Bearer realm="http://169.254.169.254/token",service="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
			return turn.Load()
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	push(t, registry, "apps", "sample", "1.0.0")
	repository := ociRepository(ns, "oci://"+registry.Host()+"/apps/sample", &v1beta1.OCIRepositoryRef{SemVer: "*"})
	repository.Spec.SecretRef = local("access")
	apply(t, access(ns), repository)
	awaitReady(t, repository)
	had := get(t, repository).Status.Artifact.Digest
	turn.Store(true)
	world.cluster.AwaitReadiness(t, repository, "it says where it was sent", refuses("169.254.169.254"))
	if got := get(t, repository).Status.Artifact; got == nil || got.Digest != had {
		t.Errorf("the artifact is %v", got)
	}
	nowhere(t, ns, password, repository)
	turn.Store(false)
	awaitReady(t, repository)
}

// A tag that moves after its signature was looked at changes nothing: what was verified is what is pulled.
func TestATagThatMovesWhileItIsVerified(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	signer, err := servers.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	var registry *servers.RegistryServer
	var move func(context.Context) error // after the signature was asked for
	var moved atomic.Bool
	registry, err = servers.Registry(t.TempDir(),
		servers.Options{Intercept: func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, ".sig") && r.Method == http.MethodGet && moved.CompareAndSwap(false, true) {
				if err := move(r.Context()); err != nil {
					t.Error(err)
				}
			}
			return false
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	const path = "apps/set"
	good := pushLayer(t, registry, path, archiveType, manifests(t, "signed"))
	if err := signer.Sign(t.Context(), registry, path, good); err != nil {
		t.Fatal(err)
	}
	smuggled := manifests(t, "smuggled")
	move = func(ctx context.Context) error {
		_, err := storeLayer(ctx, registry, path, archiveType, smuggled)
		return err
	}
	repository := ociRepository(ns, "oci://"+registry.Host()+"/"+path, nil)
	repository.Spec.Verify = &v1beta1.Verification{SecretRef: local("keys")}
	set := kustomization(ns, "set", "set/applied", func(k *v1beta1.KustomizationSpec) {
		k.SourceRef = v1beta1.ManifestSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "sample"}
		k.TargetNamespace = ns
	})
	apply(t, secretWith(ns, "keys", map[string][]byte{"team.pub": signer.Public}), repository, set)
	until(t, "what was signed is applied", func() bool { return holds(t, ns, "a", "signed") })
	// the next poll finds what the tag points to now
	ready := awaitNotReady(t, repository, v1beta1.VerificationFailedReason)
	if !strings.Contains(ready.Message, good) || !moved.Load() {
		t.Errorf("the message does not say what stays: %s", ready.Message)
	}
	if !holds(t, ns, "a", "signed") {
		t.Error("what was verified is not what is applied")
	}
}

// refuses mentions a condition whether it is False and has a text in its message.
func refuses(text string) func(metav1.Condition) bool {
	return func(ready metav1.Condition) bool {
		return ready.Status == metav1.ConditionFalse && strings.Contains(ready.Message, text)
	}
}
