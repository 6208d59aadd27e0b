package oci

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/registry/remote"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
)

// kinds are the two kinds of registries: distribution's, without the referrers API, and one that has it.
var kinds = map[string]func(*testing.T, servers.Options) *servers.RegistryServer{
	"tag": serve,
	"api": func(t *testing.T, o servers.Options) *servers.RegistryServer {
		t.Helper()
		o.Referrers = true
		return serve(t, o)
	},
}

// route is a chart at a source, and an empty destination.
type route struct {
	*testing.T
	from, to *servers.RegistryServer
	source   *Repository
	target   *Repository
	digest   string
	signer   *servers.Signer
}

// newRoute publishes chart 1.0.0 with a signature of each of cosign's layouts, and a referrer of a referrer.
func newRoute(t *testing.T, from, to *servers.RegistryServer) *route {
	t.Helper()
	r := &route{T: t, from: from, to: to}
	r.digest, _ = push(t, from, "1.0.0")
	signer, err := servers.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	r.signer = signer
	if err := errors.Join(signer.Sign(t.Context(), from, "charts/app", r.digest),
		signer.Attach(t.Context(), from, "charts/app", r.digest)); err != nil {
		t.Fatal(err)
	}
	r.source = open(t, from, nil)
	r.target = open(t, to, func(o *Options) { o.Repository = to.Host() + "/prod/app" })
	refer(t, r.source.remote, r.referrers(r.source)[0], "application/vnd.example.note")
	return r
}

// refer publishes a manifest that refers to another.
func refer(t *testing.T, to *remote.Repository, subject ocispec.Descriptor, kind string) {
	t.Helper()
	config, err := servers.PushBlob(t.Context(), to, ocispec.MediaTypeEmptyJSON, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	m := ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: kind, Config: config,
		Layers: []ocispec.Descriptor{config}, Subject: &subject,
	}
	m.SchemaVersion = 2
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	d := content.NewDescriptorFromBytes(m.MediaType, raw)
	if err := to.Push(t.Context(), d, strings.NewReader(string(raw))); err != nil {
		t.Fatal(err)
	}
}

func (r *route) referrers(of *Repository) []ocispec.Descriptor {
	r.Helper()
	subject, err := of.remote.Resolve(r.Context(), r.digest)
	if err != nil {
		r.Fatal(err)
	}
	found, err := fresh(of).referrers(r.Context(), subject, "listing")
	if err != nil {
		r.Fatal(err)
	}
	return found
}

func (r *route) copy(change ...func(*CopyOptions)) (Copied, error) {
	o := CopyOptions{Digest: r.digest, Tag: "1.0.0"}
	for _, c := range change {
		c(&o)
	}
	return Copy(r.Context(), fresh(r.source), fresh(r.target), o)
}

// puts are what a server was asked to write.
func puts(server *servers.RegistryServer) []string {
	var all []string
	for _, line := range server.Seen() {
		if strings.HasPrefix(line, http.MethodPut) || strings.HasPrefix(line, http.MethodPost) ||
			strings.HasPrefix(line, http.MethodPatch) || strings.HasPrefix(line, http.MethodDelete) {
			all = append(all, line)
		}
	}
	return all
}

// tagIsLast wants the tag to be written after everything else.
func tagIsLast(t *testing.T, server *servers.RegistryServer, tag string) {
	t.Helper()
	written := puts(server)
	if len(written) == 0 || !strings.HasSuffix(written[len(written)-1], "/manifests/"+tag) {
		t.Errorf("the last write is not the tag %s: %v", tag, written)
	}
}

// A chart arrives with its digest, what refers to it and its signatures, and the tag is written last. Another copy
// writes nothing.
func TestCopy(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"tag", "api"} {
		for _, to := range []string{"tag", "api"} {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				r := newRoute(t, kinds[from](t, servers.Options{}), kinds[to](t, servers.Options{}))
				var done, total atomic.Int64
				got, err := r.copy(func(o *CopyOptions) {
					o.Progress = func(d, all int64) { done.Store(d); total.Store(all) }
				})
				if err != nil {
					t.Fatal(err)
				}
				if got.Referrers != 2 || len(got.Signatures) != 1 || got.Bytes <= 0 {
					t.Errorf("copied %+v", got)
				}
				if total.Load() != got.Bytes || done.Load() <= 0 {
					t.Errorf("the progress is %d of %d, it has %d bytes", done.Load(), total.Load(), got.Bytes)
				}
				tagIsLast(t, r.to, "1.0.0")
				if digest, err := r.target.Resolve(t.Context(), "1.0.0"); err != nil || digest != r.digest {
					t.Errorf("the tag stands for %s, %v", digest, err)
				}
				if diff := cmp.Diff(r.referrers(r.source), r.referrers(r.target)); diff != "" {
					t.Errorf("referrers (-source +destination):\n%s", diff)
				}
				found, _, err := r.target.Signatures(t.Context(), r.digest)
				if err != nil || len(found) != 2 {
					t.Errorf("%d signatures are at the destination, %v", len(found), err)
				}
				r.to.Forget()
				if again, err := r.copy(); err != nil || !cmp.Equal(again, got) || len(puts(r.to)) > 0 {
					t.Errorf("another copy is %+v, %v, and writes %v", again, err, puts(r.to))
				}
			})
		}
	}
}

// Within one registry no blob is sent.
func TestCopyWithinARegistry(t *testing.T) {
	t.Parallel()
	server := serve(t, servers.Options{})
	r := newRoute(t, server, server)
	server.Forget()
	if _, err := r.copy(); err != nil {
		t.Fatal(err)
	}
	for _, line := range puts(server) {
		if strings.Contains(line, "/blobs/") && !strings.HasPrefix(line, http.MethodPost) {
			t.Errorf("a blob was sent: %s", line)
		}
	}
	if _, err := r.target.Chart(t.Context(), r.digest); err != nil {
		t.Error(err)
	}
}

// A tag with other content is left alone. A channel moves, and back.
func TestCopyTags(t *testing.T) {
	t.Parallel()
	r := newRoute(t, serve(t, servers.Options{}), serve(t, servers.Options{}))
	if _, err := r.copy(func(o *CopyOptions) { o.Channel = "stable" }); err != nil {
		t.Fatal(err)
	}
	first := r.digest
	r.digest, _ = push(t, r.from, "1.1.0")
	r.to.Forget()
	_, err := r.copy()
	if !errors.Is(err, ErrTagConflict) || !strings.Contains(err.Error(), "1.0.0") {
		t.Errorf("a tag with other content: %v", err)
	}
	if len(puts(r.to)) > 0 {
		t.Errorf("it wrote %v", puts(r.to))
	}
	if _, err := r.copy(func(o *CopyOptions) { o.Tag, o.Channel = "1.1.0", "stable" }); err != nil {
		t.Fatal(err)
	}
	if got, err := r.target.Resolve(t.Context(), "stable"); got != r.digest {
		t.Errorf("the channel is %s, %v", got, err)
	}
	r.digest = first
	if _, err := r.copy(func(o *CopyOptions) { o.Channel = "stable" }); err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string]string{"stable": first, "1.0.0": first} {
		if got, err := r.target.Resolve(t.Context(), tag); got != want {
			t.Errorf("the tag %s is %s, %v", tag, got, err)
		}
	}
	if got, err := r.target.Resolve(t.Context(), "1.1.0"); err != nil || got == first {
		t.Errorf("the tag 1.1.0 did not stay: %s, %v", got, err)
	}
}

// The digest is what is copied, also when the tag of the source moved meanwhile. "+" becomes "_".
func TestCopyIsByDigest(t *testing.T) {
	t.Parallel()
	r := newRoute(t, serve(t, servers.Options{}), serve(t, servers.Options{}))
	other, err := servers.BuildChart(map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\ndescription: another\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	if moved, err := r.from.PushChart(t.Context(), "charts", other); err != nil || moved == r.digest {
		t.Fatalf("the tag did not move: %v", err)
	}
	if _, err := r.copy(func(o *CopyOptions) { o.Tag = "1.0.0+b1" }); err != nil {
		t.Fatal(err)
	}
	if got, err := r.target.Resolve(t.Context(), "1.0.0_b1"); got != r.digest {
		t.Errorf("the destination has %s, %v", got, err)
	}
}

// What was lost of the index of referrers, by a process that was killed or by another writer, is written again.
func TestLostReferrers(t *testing.T) {
	t.Parallel()
	r := newRoute(t, serve(t, servers.Options{}), serve(t, servers.Options{}))
	if _, err := r.copy(); err != nil {
		t.Fatal(err)
	}
	index := signatureTag(r.digest)
	empty := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	empty.SchemaVersion = 2
	if _, err := servers.PushManifest(t.Context(), r.target.remote, empty.MediaType, index, empty); err != nil {
		t.Fatal(err)
	}
	if left := r.referrers(r.target); len(left) != 0 {
		t.Fatalf("%d referrers are left", len(left))
	}
	if _, err := r.copy(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.referrers(r.source), r.referrers(r.target)); diff != "" {
		t.Errorf("referrers (-source +destination):\n%s", diff)
	}
}

// A registry that does not take the index of referrers ends the copy without a tag.
func TestReferrersDoNotTravel(t *testing.T) {
	t.Parallel()
	var index string
	to := serve(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/manifests/"+index) || index == "" {
			return false
		}
		w.Header().Set("Docker-Content-Digest", r.URL.Query().Get("digest"))
		w.WriteHeader(http.StatusCreated) // and forgets it
		return true
	}})
	r := newRoute(t, serve(t, servers.Options{}), to)
	index = signatureTag(r.digest)
	_, err := r.copy()
	if !errors.Is(err, ErrNotTransferred) || !strings.Contains(err.Error(), "3 attempts") {
		t.Errorf("got %v", err)
	}
	if _, err := r.target.Resolve(t.Context(), "1.0.0"); sources.Reason(err) != v1beta1.NotFoundReason {
		t.Errorf("the tag is there: %v", err)
	}
}

// Signatures that the destination has in addition stay.
func TestSignaturesOfTheDestinationStay(t *testing.T) {
	t.Parallel()
	r := newRoute(t, serve(t, servers.Options{}), serve(t, servers.Options{}))
	if _, err := r.copy(); err != nil {
		t.Fatal(err)
	}
	other, err := servers.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Sign(t.Context(), r.to, "prod/app", r.digest); err != nil {
		t.Fatal(err)
	}
	tag := signatureTag(r.digest) + ".sig"
	had, err := r.target.Resolve(t.Context(), tag)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.copy(); err != nil {
		t.Fatal(err)
	}
	now, err := r.target.Resolve(t.Context(), tag)
	if err != nil || now != had {
		t.Errorf("the tag %s is %s, %v", tag, now, err)
	}
}
