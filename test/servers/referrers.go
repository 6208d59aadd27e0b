package servers

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// referrersAPI adds the referrers API to a registry that lacks it, as distribution's does.
type referrersAPI struct {
	next http.Handler
	// allowed reports whether a request may read; the registry itself checks all others.
	allowed func(*http.Request) bool

	mu sync.Mutex
	// refer are the referrers by the path of the list.
	refer map[string][]ocispec.Descriptor
}

// ServeHTTP implements http.Handler.
func (a *referrersAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	repository, rest, isManifest := strings.Cut(r.URL.Path, "/manifests/")
	switch {
	case r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/referrers/"):
		a.list(w, r)
	case r.Method == http.MethodPut && isManifest && rest != "":
		a.put(w, r, repository)
	default:
		a.next.ServeHTTP(w, r)
	}
}

func (a *referrersAPI) list(w http.ResponseWriter, r *http.Request) {
	if !a.allowed(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="upstream"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a.mu.Lock()
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: a.refer[r.URL.Path]}
	a.mu.Unlock()
	index.SchemaVersion = 2
	if index.Manifests == nil {
		index.Manifests = []ocispec.Descriptor{}
	}
	w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
	_ = json.NewEncoder(w).Encode(index)
}

// put remembers what a manifest refers to, and says so.
func (a *referrersAPI) put(w http.ResponseWriter, r *http.Request, repository string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var m ocispec.Manifest
	if json.Unmarshal(body, &m) != nil || m.Subject == nil {
		a.next.ServeHTTP(w, r)
		return
	}
	w.Header().Set("OCI-Subject", m.Subject.Digest.String())
	status := &statusOf{ResponseWriter: w}
	a.next.ServeHTTP(status, r)
	if status.code != http.StatusCreated {
		return
	}
	d := ocispec.Descriptor{
		MediaType: m.MediaType, Digest: digest.FromBytes(body), Size: int64(len(body)), ArtifactType: m.ArtifactType,
		Annotations: m.Annotations,
	}
	if d.ArtifactType == "" {
		d.ArtifactType = m.Config.MediaType
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	path := repository + "/referrers/" + m.Subject.Digest.String()
	for _, known := range a.refer[path] {
		if known.Digest == d.Digest {
			return
		}
	}
	a.refer[path] = append(a.refer[path], d)
}

// statusOf remembers the status of an answer.
type statusOf struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (s *statusOf) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}
